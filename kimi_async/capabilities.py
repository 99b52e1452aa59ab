"""The capabilities of each provider and model family, and how each of them is known."""

from kimi_async._providers._capabilities import (
    Basis,
    Capabilities,
    CapabilityTable,
    Fact,
    family_of,
)

__all__ = ["Basis", "Capabilities", "CapabilityTable", "Fact", "family_of"]
