"""The providers that reach a fake: each provider has the paths of its own host after its name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from attrs import evolve

from kimi_async import AceDataCloud, Cloudsway, Moonshot, OpenAICompatible

__all__ = ["FakeHosts"]


class FakeHosts(ABC):
    """Something that answers for all providers under one address.

    Attributes:
        api_key: The key that requests must carry.
    """

    api_key: str

    @property
    @abstractmethod
    def url(self) -> str:
        """The root of all addresses."""

    def acedata(self, **settings: Any) -> AceDataCloud:
        """Return an Ace Data Cloud provider that reaches this fake; *settings* replace fields of it."""
        return evolve(AceDataCloud(self.api_key, f"{self.url}/acedata/kimi"), **settings)

    def cloudsway(self, **settings: Any) -> Cloudsway:
        """Return a Cloudsway provider that reaches this fake; *settings* replace fields of it."""
        provider = Cloudsway(self.api_key, "test-endpoint", f"{self.url}/cloudsway/v1/ai")
        return evolve(provider, **settings)

    def moonshot(self, **settings: Any) -> Moonshot:
        """Return a Moonshot provider that reaches this fake; *settings* replace fields of it."""
        return evolve(Moonshot(self.api_key, f"{self.url}/moonshot/v1"), **settings)

    def compatible(self, **settings: Any) -> OpenAICompatible:
        """Return a provider for compatible hosts that reaches this fake; *settings* replace fields of it."""
        return evolve(OpenAICompatible(self.api_key, f"{self.url}/openai/v1"), **settings)
