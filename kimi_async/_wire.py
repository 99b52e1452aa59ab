"""The two forms of a request: the one that the caller gave, and the one that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from attrs import Factory, field, frozen
from msgspec import Struct

from kimi_async._errors import ConfigurationError
from kimi_async._to_json import encode_json, problem_of_json

__all__ = ["ChatRequest", "Finding", "ToolDefinition", "Wire", "WireRequest"]

#: How a reply is asked for: as a stream of events, or as one JSON body.
Wire: TypeAlias = Literal["stream", "json"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a request.

    Attributes:
        code: A short name, such as ``"dangling-result"``; ``Capabilities.refused`` lists those that are errors.
        level: ``"error"`` where the provider is known to refuse the request, else ``"warning"``.
        where: The parameter or message, such as ``"messages[3]"``.
        message: The problem, the expected value and the way to correct it; quotes no text of a user.
    """

    code: str
    level: Literal["error", "warning"]
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} ({self.code})"


@runtime_checkable
class ToolDefinition(Protocol):
    """An object that describes a tool to the model, such as a :class:`~kimi_async.tools.Tool`."""

    @property
    def name(self) -> str:
        """The name by which the model calls it."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The JSON Schema of its arguments."""
        ...

    def to_wire(self) -> dict[str, Any]:
        """Return the tool in the OpenAI form."""
        ...


class ChatRequest(Struct, frozen=True, kw_only=True):
    """One request of the caller, checked, before it is written in the form of a provider.

    Attributes:
        model: The model's name, or ``None`` where the provider needs none.
        messages: The messages as JSON objects.
        wire: Whether the reply is asked for as a stream or as one JSON body.
        params: The parameters that the caller gave, under the names of ``ChatParams``; nothing else.
        extra_body: Keys that are added to the finished body and replace its keys of the same name.
    """

    model: str | None
    messages: tuple[Mapping[str, Any], ...]
    wire: Wire
    params: Mapping[str, Any] = {}
    extra_body: Mapping[str, Any] = {}

    def __rich_repr__(self, /) -> list[tuple[str, Any]]:
        return [("model", self.model), ("wire", self.wire)]

    def __repr__(self) -> str:
        return f"ChatRequest(model={self.model!r}, wire={self.wire!r})"


def _content_of(request: WireRequest) -> bytes:
    if not request.body:
        return b""
    content = encode_json(request.body)
    if content is None:
        named = dict(request.body)
        messages = named.pop("messages", ())
        named |= {f"messages[{place}]": each for place, each in enumerate(messages)}
        raise ConfigurationError(f"bad parameter: {problem_of_json(named)}")
    return content


@frozen(kw_only=True)
class WireRequest:
    """One request as it is sent, without the key.

    Attributes:
        method: The HTTP method.
        url: The complete URL.
        headers: Headers without the authorization.
        body: The JSON body as Python values; empty for a request without one.
        findings: The problems for which the provider is known or likely to refuse the request; set by
            ``client.preview()``.
        content: The body exactly as it is sent: *body* as compact JSON in UTF-8. It is encoded when the request is
            made, so a later change of a message or parameter has no effect.

    Raises:
        ConfigurationError: The body cannot be written as JSON. The message names the parameter and does not quote it.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: Mapping[str, Any] = field(factory=dict, repr=False)

    findings: tuple[Finding, ...] = field(default=(), kw_only=True, eq=False, repr=False)
    content: bytes = field(
        kw_only=True, repr=False, eq=False, default=Factory(_content_of, takes_self=True)
    )
