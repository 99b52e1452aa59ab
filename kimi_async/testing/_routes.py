"""Find the provider and the service that a request to a fake is for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from kimi_async.testing._wire import ProviderName

__all__ = ["HOSTS", "METHODS", "NAMES", "Service", "route"]

#: The services of a provider.
Service: TypeAlias = Literal["chat", "models"]

#: The method of each service.
METHODS: Final[Mapping[Service, str]] = {"chat": "POST", "models": "GET"}

#: Where each provider takes chat requests on its own host. The order is for requests that do not tell whose they are.
_CHATS: Final[tuple[tuple[ProviderName, re.Pattern[str]], ...]] = (
    ("acedata", re.compile(r"/kimi/chat/completions")),
    ("cloudsway", re.compile(r"/v1/ai/.+/chat/completions")),
    ("moonshot", re.compile(r"/v1/chat/completions")),
    ("openai", re.compile(r"/v1/chat/completions")),
    # The unified bases (the page Providers, 1.1, 2.1).
    ("acedata", re.compile(r"/v1/chat/completions")),
    ("cloudsway", re.compile(r"/v1/chat/completions")),
)

#: Where all of them list their models (the page Providers, 1.1, 2.1, 3.1).
_MODELS: Final = "/v1/models"

#: Whose host is whose; that of the compatible host is made up.
HOSTS: Final[Mapping[str, ProviderName]] = {
    "api.acedata.cloud": "acedata",
    "genaiapi.cloudsway.net": "cloudsway",
    "api.moonshot.ai": "moonshot",
    "api.moonshot.cn": "moonshot",
    "openai.test": "openai",
}

#: The providers by the first part of a path.
NAMES: Final[Mapping[str, ProviderName]] = {name: name for name in HOSTS.values()}


def route(host: str, path: str, usual: ProviderName | None) -> tuple[ProviderName, Service | None]:
    """Return the wire and the service of a request; ``None`` = there is no such service.

    The provider's name in front of the path says whose it is, or else the host, if the request was meant for a
    provider's own and was sent here. Without either it is *usual*, or else the first one that has such a path.
    """
    bare = path.partition("?")[0]
    prefix, slash, rest = bare.removeprefix("/").partition("/")
    meant: ProviderName | None = NAMES.get(prefix)
    if meant is None:
        meant = HOSTS.get(host.partition(":")[0]) or usual
    else:
        bare = slash + rest
    for name, chat in _CHATS:
        if meant in (name, None) and chat.fullmatch(bare):
            return name, "chat"
    return meant or "acedata", "models" if bare == _MODELS else None
