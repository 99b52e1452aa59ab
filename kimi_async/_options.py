"""What can be said for a whole client, and for one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, TypedDict

from kimi_async._providers import Provider
from kimi_async._reply import OnComplete
from kimi_async._request._params import ChatParams
from kimi_async._settings import Limits, Timeouts

__all__ = ["OF_THE_CLIENT", "CallParams", "Checks", "ClientOptions"]

#: What is done with a request that is known or likely to be refused.
Checks: TypeAlias = Literal["error", "warn", "off"]


#: What a call can say that is no parameter of its reply.
OF_THE_CLIENT: Final = frozenset({"provider", "timeouts", "limits", "on_complete", "checks"})


class CallParams(ChatParams, total=False):
    """What one call can say: the parameters of its reply, and settings of the client for this call alone.

    Attributes:
        provider: Another provider.
        timeouts: Other limits of time.
        limits: Other limits of size.
        on_complete: Called with the record of this reply, in place of the client's own.
        checks: What is done with a request that is known or likely to be refused.
    """

    provider: Provider
    timeouts: Timeouts
    limits: Limits
    on_complete: OnComplete | None
    checks: Checks


class ClientOptions(TypedDict, total=False):
    """The settings that ``with_options`` can change; see :class:`AsyncKimi`."""

    provider: Provider
    model: str | None
    timeouts: Timeouts
    limits: Limits
    max_concurrency: int | None
    on_complete: OnComplete | None
    headers: Mapping[str, str]
    checks: Checks
