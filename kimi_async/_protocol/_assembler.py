"""Assemble the chunks of a reply into events and a message; pure.

This line shows the complete use, and is also the test::

    events = [event for chunk in chunks for event in assembler.feed(chunk)] + assembler.close()

Every field is merged by its own rule, never by the type of its value:

- ``id``, ``model``, ``created``, the key of the reasoning, a call's ``id``, ``name`` and ``type``: the first one
  stays.
- ``usage``: the last one stays; ``null`` erases nothing and nothing is summed.
- content, reasoning, refusal and arguments: appended. An empty piece makes no event, and still tells ``""`` from
  absent.
- ``finish_reason``: the first one of a choice stays.
- a tool call is found by index *and* id, never by its position; see ``ToolCallAssembler._slot_for``.

Reasoning, content and refusal arrive in segments. A segment ends when another kind of output begins in that choice, or
at its finish reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from kimi_async._errors import KimiError, ProtocolError, StreamInterrupted, over_limit
from kimi_async._events import (
    ContentDelta,
    ContentDone,
    Finish,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    StreamEvent,
    StreamStart,
    UsageUpdate,
)
from kimi_async._finish_reasons import meaning_of
from kimi_async._messages import Message, ReasoningKey
from kimi_async._models import ChatCompletion, Choice
from kimi_async._protocol._chunk import Chunk, ChunkChoice, ThinkingTags, ToolMarkers
from kimi_async._protocol._halves import HalfJoiner
from kimi_async._protocol._thinking_tags import ThinkingFilter
from kimi_async._protocol._tool_calls import ToolCallAssembler
from kimi_async._protocol._tool_markers import MarkerFilter
from kimi_async._record import Usage
from kimi_async._settings import DEFAULT_LIMITS, Limits

__all__ = ["MessageAssembler"]


TextFilter: TypeAlias = ThinkingFilter | MarkerFilter


class MessageAssembler:
    """Rebuilds one reply from its chunks.

    Args:
        provider: The provider's name, for ``StreamStart`` and the completion.
        tool_markers: The treatment of tool calls that arrive as text.
        thinking_tags: The treatment of thinking that arrives between tags in the content.
        limits: The largest numbers of choices and tool calls.
    """

    __slots__ = (
        "_choices",
        "_created",
        "_id",
        "_limits",
        "_model",
        "_provider",
        "_started",
        "_thinking_tags",
        "_tool_markers",
        "_unfinished",
        "_usage",
        "failure",
    )

    def __init__(
        self,
        provider: str,
        tool_markers: ToolMarkers = "pass",
        limits: Limits = DEFAULT_LIMITS,
        *,
        thinking_tags: ThinkingTags = "pass",
    ) -> None:
        #: The error of a chunk that breaks the contract, or in which the host gives up; no chunk follows it.
        self.failure: KimiError | None = None
        self._provider = provider
        self._tool_markers: ToolMarkers = tool_markers
        self._thinking_tags: ThinkingTags = thinking_tags
        self._limits = limits
        self._id: str | None = None
        self._model: str | None = None
        self._created: int | None = None
        self._usage: Usage | None = None
        #: The choices by the index that the provider sent.
        self._choices: dict[int | str, _Choice] = {}
        self._unfinished = 0
        self._started = False

    @property
    def model(self) -> str | None:
        """The model that the provider named, or ``None``."""
        return self._model

    @property
    def started(self) -> bool:
        """Whether any output has arrived: reasoning, content, refusal, a tool call or a finish reason."""
        return self._started

    @property
    def complete(self) -> bool:
        """Whether at least one choice has begun, and every choice has its finish reason."""
        return not self._unfinished and bool(self._choices)

    @property
    def holds(self) -> bool:
        """Whether text without an event yet is held back, because it may become a tool call or thinking."""
        return any(choice.holds for choice in self._choices.values())

    def resume(self) -> None:
        """Prepare for the chunks of another body, which continues the message and reports its own usage."""
        self.failure = None
        self._usage = None

    def feed(self, chunk: Chunk) -> list[StreamEvent]:
        """Add one chunk and return its events, in order.

        A chunk without output (role, ids, usage before the first output) makes no event yet. A chunk that breaks the
        contract (a tool call is finished without a name, or continues after its choice was finished, or there are too
        many) still gives the events of its good parts, and sets :attr:`failure`.
        """
        if self._id is None:
            self._id = chunk.id
        if self._model is None:
            self._model = chunk.model
        if self._created is None:
            self._created = chunk.created
        events: list[StreamEvent] = []
        try:
            for delta in chunk.choices:
                choice = self._choices.get(delta.index) or self._begin(delta.index)
                finished = choice.finish_reason is not None
                choice.feed(delta, events)
                if choice.finish_reason is not None and not finished:
                    self._unfinished -= 1
        except KimiError as error:
            self.failure = error
        if not self._started and (
            events or self.holds or any(delta.tool_calls for delta in chunk.choices)
        ):
            self._start(chunk, events)
        if chunk.usage is not None:
            self._usage = chunk.usage
            if self._started:
                events.append(UsageUpdate(chunk.usage))
        return events

    def _begin(self, name: int | str) -> _Choice:
        limits = self._limits
        if len(self._choices) >= limits.choices:
            raise over_limit("choices", limits.choices, "the number of choices")
        index = self._free_index(name)
        choice = self._choices[name] = _Choice(index, self._filters(), limits.tool_calls)
        self._unfinished += 1
        return choice

    def _filters(self) -> tuple[TextFilter, ...]:
        """Return the filters for the text of one choice, in the order in which it passes them."""
        filters: list[TextFilter] = []
        if self._thinking_tags != "pass":
            filters.append(ThinkingFilter(parse=self._thinking_tags == "parse"))
        if self._tool_markers != "pass":
            filters.append(MarkerFilter(parse=self._tool_markers == "parse"))
        return tuple(filters)

    def _free_index(self, name: int | str) -> int:
        """Return the index for a choice: its name, or the next free number where that is not a number from 0."""
        used = {choice.index for choice in self._choices.values()}
        if isinstance(name, int) and name >= 0 and name not in used:
            return name
        return max(used, default=-1) + 1

    def _start(self, chunk: Chunk, events: list[StreamEvent]) -> None:
        self._started = True
        opening: list[StreamEvent] = [
            StreamStart(self._id, self._model, self._created, self._provider)
        ]
        if self._usage is not None and chunk.usage is None:
            opening.append(UsageUpdate(self._usage))
        events[:0] = opening

    def close(self) -> list[StreamEvent]:
        """End the segments and calls that came after a finish reason, once the stream is over and :attr:`complete`.

        A call that never got a name sets :attr:`failure`.
        """
        events: list[StreamEvent] = []
        for choice in self._choices.values():
            try:
                choice.end(events)
            except ProtocolError as error:
                self.failure = error
        return events

    def snapshot(self) -> ChatCompletion:
        """Return the reply so far: a new frozen value each time, in time linear in its length."""
        return ChatCompletion(
            id=self._id,
            model=self._model,
            created=self._created,
            provider=self._provider,
            choices=tuple(
                choice.snapshot()
                for choice in sorted(self._choices.values(), key=lambda choice: choice.index)
            ),
            usage=self._usage,
        )


class _Text:
    """One kind of text of a choice: its pieces so far, and the place where the open segment begins."""

    __slots__ = ("_done", "_segment_start", "delta", "halves", "pieces")

    def __init__(
        self, delta: Callable[[str, int], StreamEvent], done: Callable[[str, int], StreamEvent]
    ) -> None:
        self.delta = delta
        self._done = done
        self._segment_start = 0
        #: ``None`` until the field was present.
        self.pieces: list[str] | None = None
        #: ``None`` until a chunk of the choice brought halves of characters.
        self.halves: HalfJoiner | None = None

    @property
    def joined(self) -> str | None:
        return None if self.pieces is None else "".join(self.pieces)

    def end_segment(self, choice: int) -> StreamEvent:
        pieces = self.pieces or []
        segment = "".join(pieces[self._segment_start :])
        self._segment_start = len(pieces)
        return self._done(segment, choice)


class _Choice:
    """One choice under construction."""

    __slots__ = (
        "_calls",
        "_calls_are_complete",
        "_content",
        "_filters",
        "_has_deltas",
        "_has_halves",
        "_logprobs",
        "_open",
        "_reasoning",
        "_reasoning_key",
        "_refusal",
        "finish_reason",
        "index",
    )

    def __init__(self, index: int, filters: tuple[TextFilter, ...], most_calls: int) -> None:
        self.index = index
        self.finish_reason: str | None = None
        self._filters = filters
        self._reasoning = _Text(ReasoningDelta, ReasoningDone)
        self._reasoning_key: ReasoningKey | None = None
        self._content = _Text(ContentDelta, ContentDone)
        self._refusal = _Text(RefusalDelta, RefusalDone)
        self._open: _Text | None = None
        self._calls = ToolCallAssembler(most_calls)
        #: Whether a part of the choice came as a delta: a message among deltas repeats them (seen at MiniMax).
        self._has_deltas = False
        #: Whether a chunk brought halves of characters; until then no text is looked at for them.
        self._has_halves = False
        #: Whether the finish reason says that the calls are complete.
        self._calls_are_complete = False
        self._logprobs: dict[str, Any] | None = None

    @property
    def holds(self) -> bool:
        return any(text_filter.holds for text_filter in self._filters)

    def feed(self, delta: ChunkChoice, events: list[StreamEvent]) -> None:
        if delta.in_message and self._has_deltas:
            delta = self._without_repeated(delta)
        self._has_deltas = self._has_deltas or not delta.in_message
        for text_filter in self._filters:
            delta = text_filter.feed(delta)
        if delta.has_halves and not self._has_halves:
            self._has_halves = self._calls.has_halves = True
            for kind in (self._reasoning, self._content, self._refusal):
                kind.halves = HalfJoiner()
        # Reasoning first: one delta may hold its last piece and the first piece of the content (Providers 1.4).
        if delta.reasoning is not None:
            if self._reasoning_key is None:
                self._reasoning_key = "reasoning" if delta.by_other_key else "reasoning_content"
            self._say(self._reasoning, delta.reasoning, events)
        if delta.content is not None:
            self._say(self._content, delta.content, events)
        if delta.refusal is not None:
            self._say(self._refusal, delta.refusal, events)
        for piece in delta.tool_calls:
            self._end_segment(events)
            self._calls.feed(piece, self.index, events)
        if delta.logprobs is not None:
            self._join_logprobs(delta.logprobs)
        if delta.finish_reason is not None:
            self._finish(delta.finish_reason, events)

    def _without_repeated(self, message: ChunkChoice) -> ChunkChoice:
        """Return the parts of a whole message that the deltas before it have not said."""
        content, reasoning = self._texts_so_far()
        return msgspec.structs.replace(
            message,
            content=_after(content, message.content),
            reasoning=_after(reasoning, message.reasoning),
            refusal=_after(self._refusal.joined, message.refusal),
            tool_calls=tuple(map(self._calls.without_repeated, message.tool_calls)),
        )

    def _texts_so_far(self) -> tuple[str | None, str | None]:
        """Return the content and the reasoning, with the text that the filters hold back."""
        content, reasoning = self._content.joined, self._reasoning.joined
        for text_filter in reversed(self._filters):
            content = _and_held(content, text_filter.held_content)
            reasoning = _and_held(reasoning, text_filter.held_reasoning)
        return content, reasoning

    def _finish(self, reason: str, events: list[StreamEvent]) -> None:
        meaning = meaning_of(reason)
        if meaning == "gave_up":
            raise StreamInterrupted(
                f"the host gave the reply up: it sent the finish reason {reason!r}"
            )
        if self.finish_reason is not None:
            self.end(events)
            return
        self._calls_are_complete = meaning == "natural"
        self.end(events)
        self.finish_reason = reason
        events.append(Finish(reason, self.index))

    def end(self, events: list[StreamEvent]) -> None:
        """End the open segment and the calls of a choice that has its finish reason."""
        for kind in (self._reasoning, self._content, self._refusal):
            if kind.halves is not None and (rest := kind.halves.close()):
                self._say(kind, rest, events)
        self._end_segment(events)
        self._calls.end(self.index, events, complete=self._calls_are_complete)

    def _say(self, kind: _Text, text: str, events: list[StreamEvent]) -> None:
        pieces = kind.pieces
        if pieces is None:
            pieces = kind.pieces = []
        if kind.halves is not None:
            text = kind.halves.join(text)
        if text:
            if self._open is not kind:
                self._end_segment(events)
                self._open = kind
            pieces.append(text)
            events.append(kind.delta(text, self.index))

    def _end_segment(self, events: list[StreamEvent]) -> None:
        if self._open is not None:
            events.append(self._open.end_segment(self.index))
            self._open = None

    def _join_logprobs(self, logprobs: Mapping[str, Any]) -> None:
        joined = self._logprobs
        if joined is None:
            joined = self._logprobs = {}
        for key, value in logprobs.items():
            before = joined.get(key)
            if isinstance(value, list):
                # A list of our own, to extend: joining copies would take quadratic time.
                joined[key] = before if isinstance(before, list) else []
                joined[key] += value
            elif value is not None or key not in joined:
                joined[key] = value

    def snapshot(self) -> Choice:
        # The snapshot of a broken reply also holds the text that was held back, so that no text is lost.
        content, reasoning = self._texts_so_far()
        return Choice(
            index=self.index,
            message=Message(
                role="assistant",
                content=content,
                reasoning_content=reasoning,
                reasoning_key=self._reasoning_key or "reasoning_content",
                refusal=self._refusal.joined,
                tool_calls=self._calls.snapshot(),
            ),
            finish_reason=self.finish_reason,
            logprobs=None if self._logprobs is None else _with_own_lists(self._logprobs),
        )


def _after(said: str | None, text: str | None) -> str | None:
    return text.removeprefix(said) if text and said else text


def _and_held(text: str | None, held: str) -> str | None:
    return (text or "") + HalfJoiner().join(held) if held else text


def _with_own_lists(logprobs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: [*value] if isinstance(value, list) else value for key, value in logprobs.items()}
