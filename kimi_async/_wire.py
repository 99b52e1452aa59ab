"""Values on their way to and from a provider, in one provider-neutral form.

``Chunk`` and its parts are made for every event of every stream, so they are ``msgspec.Struct``: 0.1 us each where a
frozen attrs class of this size takes 1 to 1.5 (CPython 3.11). They are private; what users hold is attrs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from attrs import Factory, field, frozen

from kimi_async._errors import ConfigurationError
from kimi_async._models import Usage
from kimi_async._values import Value

__all__ = [
    "DONE",
    "ChatRequest",
    "Chunk",
    "ChunkChoice",
    "Done",
    "Finding",
    "ToolCallPiece",
    "WireRequest",
]


@frozen(kw_only=True, eq=False, repr=False)
class Finding(Value):
    """One thing that is wrong with a request.

    Attributes:
        code: A short name, such as ``"dangling-result"``; ``Capabilities.refused`` lists those that are errors.
        level: ``"error"`` where the provider is known to refuse the request, else ``"warning"``.
        where: The parameter or message, such as ``"messages[3]"``.
        message: What is wrong, what was expected and what to do; quotes nothing that a user said.
    """

    code: str
    level: Literal["error", "warning"]
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} ({self.code})"


@frozen(kw_only=True, eq=False, repr=False)
class ChatRequest(Value):
    """One request as the caller asked for it, checked, before a provider's spelling.

    Attributes:
        model: The model's name, or ``None`` where the provider needs none.
        messages: The messages as JSON objects.
        stream: Whether the reply comes as events.
        params: The parameters that the caller gave, under the names of ``ChatParams``; nothing else.
        extra_body: Keys that are laid over the finished body.
    """

    model: str | None
    messages: tuple[Mapping[str, Any], ...] = field(repr=False)
    stream: bool
    params: Mapping[str, Any] = field(factory=dict, repr=False)
    extra_body: Mapping[str, Any] = field(factory=dict, repr=False)


def _written(request: WireRequest) -> bytes:
    try:
        return b"" if request.body is None else msgspec.json.encode(request.body)
    except (TypeError, ValueError, RecursionError):
        pass  # what they say may quote a message
    raise ConfigurationError("the request cannot be written as JSON")


@frozen(kw_only=True, eq=False, repr=False)
class WireRequest(Value):
    """What is sent: everything but the key.

    Attributes:
        method: The HTTP method.
        url: The whole URL.
        headers: Headers without the authorization.
        body: The JSON body as Python values, or ``None`` for a request without one.
        findings: What is known or likely to be refused in it; filled in by ``client.preview()``.
        content: The body exactly as it is sent, compact JSON in UTF-8, or nothing; written when the request is made,
            so that what was checked is what is sent.

    Raises:
        ConfigurationError: The body cannot be written as JSON.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: Mapping[str, Any] | None = field(repr=False)

    findings: tuple[Finding, ...] = field(default=(), kw_only=True, eq=False, repr=False)
    content: bytes = field(
        init=False, repr=False, eq=False, default=Factory(_written, takes_self=True)
    )


class ToolCallPiece(msgspec.Struct, frozen=True, gc=False):
    """One piece of one tool call, as far as the chunk said; ``None`` is absent."""

    index: int | None
    id: str | None
    name: str | None
    arguments: str | None
    type: str | None


class ChunkChoice(msgspec.Struct, frozen=True, gc=False):
    """What one chunk adds to one choice; ``None`` is absent, ``""`` present and empty."""

    index: int
    content: str | None
    reasoning: str | None
    refusal: str | None
    tool_calls: tuple[ToolCallPiece, ...]
    finish_reason: str | None
    logprobs: Mapping[str, Any] | None
    #: Whether the thinking came as ``reasoning``, without the usual key beside it.
    by_other_key: bool = False


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream, or one whole JSON body, in provider-neutral form.

    ``data`` is the JSON object as it came, unknown keys included; it is decoded whole for those that ask for it.
    """

    id: str | None
    model: str | None
    created: int | None
    choices: tuple[ChunkChoice, ...]
    usage: Usage | None
    data: bytes


class Done:
    """The type of :data:`DONE`, the literal ``[DONE]`` that ends a stream."""


DONE: Final = Done()
