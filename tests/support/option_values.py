"""Providers and requests of the tests of options."""

from __future__ import annotations

import pytest

from kimi_async import (
    AceDataCloud,
    Cloudsway,
    Moonshot,
    OpenAICompatible,
    Provider,
)

__all__ = ["ADAPTERS", "KEY", "each_provider"]


KEY = "canary-4711"
ADAPTERS: list[Provider] = [
    AceDataCloud(KEY),
    Cloudsway(KEY, "path"),
    Moonshot(KEY),
    OpenAICompatible(KEY, "https://host.test"),
]
each_provider = pytest.mark.parametrize("provider", ADAPTERS, ids=lambda provider: provider.name)
