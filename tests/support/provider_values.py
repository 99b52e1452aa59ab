"""The providers that the tests of requests build."""

from __future__ import annotations

from typing import Any, cast

import pytest
from attrs import evolve

from kimi_async import (
    AceDataCloud,
    Cloudsway,
    Moonshot,
    OpenAICompatible,
    Provider,
)

__all__ = ["ACE", "ADAPTERS", "CLOUDSWAY", "KEY", "altered", "each_provider"]


KEY = "sk-made-up"
ACE = AceDataCloud(KEY)
CLOUDSWAY = Cloudsway(KEY, "path-1")
ADAPTERS: list[Provider] = [ACE, CLOUDSWAY, Moonshot(KEY), OpenAICompatible(KEY, "https://h/v1")]


each_provider = pytest.mark.parametrize("provider", ADAPTERS, ids=lambda provider: provider.name)


def altered(provider: Provider, **fields: object) -> Provider:
    """The same provider with other settings."""
    return cast("Provider", evolve(cast("Any", provider), **fields))
