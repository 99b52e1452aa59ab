"""One event of a stream, in the form that all providers share.

``Chunk`` and its parts are made for every event of every stream, so they are ``msgspec.Struct``: 0.1 us each, where a
frozen attrs class of this size takes 1 to 1.5 us (CPython 3.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from kimi_async._errors import APIError
from kimi_async._record import Usage

__all__ = [
    "DONE",
    "Chunk",
    "ChunkChoice",
    "Done",
    "ReplyParser",
    "ThinkingTags",
    "ToolCallPiece",
    "ToolMarkers",
]


#: The setting for tool calls that arrive as text: ``"pass"`` leaves the text as it is, ``"hide"`` cuts them out,
#: ``"parse"`` makes them the tool calls that they were meant to be.
ToolMarkers: TypeAlias = Literal["pass", "hide", "parse"]

#: The setting for thinking that arrives between tags in the content: ``"pass"`` leaves the text as it is, ``"hide"``
#: cuts it out, ``"parse"`` makes it reasoning.
ThinkingTags: TypeAlias = Literal["pass", "hide", "parse"]


class ToolCallPiece(msgspec.Struct, frozen=True, gc=False):
    """One piece of one tool call, as far as the chunk said; ``None`` is absent.

    ``index`` is a name by which pieces belong together: mostly a number from 0.
    """

    index: int | str | None
    id: str | None
    name: str | None
    arguments: str | None
    type: str | None


class ChunkChoice(msgspec.Struct, frozen=True, gc=False):
    """The part of one chunk that belongs to one choice; ``None`` is absent, ``""`` present and empty.

    ``index`` is the name of the choice: mostly a number from 0.
    """

    index: int | str
    content: str | None
    reasoning: str | None
    refusal: str | None
    tool_calls: tuple[ToolCallPiece, ...]
    finish_reason: str | None
    logprobs: Mapping[str, Any] | None
    #: Whether the thinking came as ``reasoning``, without the usual key beside it.
    by_other_key: bool = False
    #: Whether a text may hold one half of a surrogate pair, whose other half comes with the next chunk.
    has_halves: bool = False
    #: Whether this is a message among deltas, which may repeat all of them.
    in_message: bool = False


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream, or one whole JSON body, in provider-neutral form.

    ``data`` is the JSON object that arrived, unknown keys included; it is decoded whole for those that ask for it.
    ``failed`` is whether it also holds an error object, beside the choices or in one of them. ``stray`` is whether it
    says something and is not a chunk, because it has neither choices nor usage.
    """

    id: str | None
    model: str | None
    created: int | None
    choices: tuple[ChunkChoice, ...]
    usage: Usage | None
    data: bytes
    failed: bool = False
    stray: bool = False


class Done:
    """The type of :data:`DONE`, the literal ``[DONE]`` that ends a stream."""


DONE: Final = Done()


class ReplyParser(Protocol):
    """The part of a provider that reading a reply needs; every :class:`~kimi_async.Provider` has it."""

    @property
    def name(self) -> str:
        """The provider's short name."""
        ...

    @property
    def tool_markers(self) -> ToolMarkers:
        """The setting for tool calls that arrive as text."""
        ...

    @property
    def thinking_tags(self) -> ThinkingTags:
        """The setting for thinking that arrives between tags in the content."""
        ...

    def parse_chunk(self, data: bytes) -> Chunk | Done:
        """Read the data of one event of a stream."""
        ...

    def parse_completion(self, body: bytes) -> Chunk:
        """Read a whole JSON body as one chunk."""
        ...

    def parse_error_object(self, data: bytes) -> APIError:
        """Read an error that arrived inside a success."""
        ...

    def excerpt_of(self, body: bytes) -> str:
        """Return the beginning of a body that is not a reply, as one line of text without the key."""
        ...
