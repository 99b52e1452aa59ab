"""What each provider wants and sends: requests, chunks and errors; pure and stateless.

The wire is one family, so it is read in one place (``_reading``, ``_failures``) by shape and never by provider; each
provider's own file holds only what truly differs.
"""

from kimi_async._adapters._acedata import AceDataCloud
from kimi_async._adapters._base import ChatAdapter
from kimi_async._adapters._capabilities import (
    Basis,
    Capabilities,
    CapabilityTable,
    Fact,
    as_markdown,
    family_of,
)
from kimi_async._adapters._cloudsway import Cloudsway
from kimi_async._adapters._compatible import OpenAICompatible
from kimi_async._adapters._environment import adapter_from_environment
from kimi_async._adapters._failures import request_id_of
from kimi_async._adapters._moonshot import Moonshot
from kimi_async._adapters._reading import decode_object, is_deeper

__all__ = [
    "AceDataCloud",
    "Basis",
    "Capabilities",
    "CapabilityTable",
    "ChatAdapter",
    "Cloudsway",
    "Fact",
    "Moonshot",
    "OpenAICompatible",
    "adapter_from_environment",
    "as_markdown",
    "decode_object",
    "family_of",
    "is_deeper",
    "request_id_of",
]
