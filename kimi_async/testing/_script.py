"""The replies of a fake provider: values that describe them, and how each becomes an :class:`Answer`.

A scripted reply is anything with a ``render`` method. Those below share the delivery options of :class:`ScriptedBody`,
so that any of them can be paced, cut into odd reads, broken off and ended badly. Pure, but for reading a recording.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeGuard, runtime_checkable

from attrs import Attribute, converters, field, frozen, validators

from kimi_async._models import ModelInfo
from kimi_async._record import Usage
from kimi_async.testing._checks import (
    Headers,
    all_of,
    as_headers,
    is_one_of,
    is_seconds,
    is_status,
    is_typed,
    named,
)
from kimi_async.testing._completion import Completion, FakeToolCall, ReplyChoice, as_calls, dump
from kimi_async.testing._oddity import Oddities
from kimi_async.testing._recordings import recording
from kimi_async.testing._steps import ENDINGS, Answer, Cuts, Ending, deliver, split_events
from kimi_async.testing._wire import ErrorSpec, ProviderName, as_models, phrase
from kimi_async.testing._wires import WIRES, as_events

__all__ = [
    "ErrorReply",
    "ModelList",
    "RawReply",
    "Recording",
    "RenderContext",
    "Reply",
    "ScriptedBody",
    "ScriptedReply",
    "is_reply",
]

_JSON: Final[Headers] = (("content-type", "application/json"),)
_SSE: Final[Headers] = (("content-type", "text/event-stream"),)


@frozen(kw_only=True)
class RenderContext:
    """The facts about a request that its reply depends on.

    Attributes:
        provider: The wire to write.
        stream: Whether events were asked for, or one JSON body.
        include_usage: Whether ``stream_options`` asked for usage, as ``AsyncKimi`` always does.
        model: The model that the request named.
        number: Which request it is, from 1. Ids are made from it.
        prefix: The text that the reply continues, and so leaves out; ``""`` = none.
        oddities: The oddities of the provider, for replies that are written in its form.
    """

    provider: ProviderName = "acedata"
    stream: bool = True
    include_usage: bool = True
    model: str | None = None
    number: int = 1
    prefix: str = ""
    oddities: Oddities = field(factory=Oddities)


@runtime_checkable
class ScriptedReply(Protocol):
    """Anything that can be put into a script."""

    def render(self, asked: RenderContext, /) -> Answer:
        """Return the answer to the request *asked*, ready to be played."""
        ...


def _cuts(_instance: object, _attribute: Attribute[Any], cuts: object) -> None:
    if cuts is None or (isinstance(cuts, str) and cuts in ("whole", "bytes")):
        return
    if isinstance(cuts, str) or not isinstance(cuts, Sequence):
        raise TypeError(f"cuts are None, 'whole', 'bytes' or byte offsets, not {cuts!r}")
    all_of(cuts, int, name="cuts")


def is_reply(value: object) -> TypeGuard[ScriptedReply]:
    """Return whether *value* can be put into a script."""
    # A class of replies has the method too.
    return isinstance(value, ScriptedReply) and not isinstance(value, type)


@frozen(kw_only=True)
class ScriptedBody(ABC):
    """A scripted reply with a say in how it is delivered.

    Attributes:
        pace: Seconds between two sends; 0 = no wait.
        cuts: Where the body is cut into sends (and so into the client's reads): ``None`` = one for each event,
            ``"whole"``, ``"bytes"`` = one for each byte, or the byte offsets to cut at.
        cut_at: Only so many bytes of the body are sent, counted as in a slice (-1 leaves out the last one).
        cut_after: Only so many events of the body are sent, counted as in a slice (-1 leaves out ``[DONE]``).
        end: How the body ends after the last byte that is sent: ``"finish"`` politely, ``"hangup"`` with FIN,
            ``"reset"`` with RST, ``"stall"`` never (silence until the client hangs up).
    """

    pace: float = field(default=0.0, validator=is_seconds)
    cuts: Cuts = field(default=None, validator=_cuts)
    cut_at: int | None = field(default=None, validator=is_typed(int, None))
    cut_after: int | None = field(default=None, validator=is_typed(int, None))
    end: Ending = field(default="finish", validator=is_one_of(*ENDINGS))

    def render(self, asked: RenderContext, /) -> Answer:
        """Return the answer to the request *asked*, ready to be played."""
        status, headers, pieces = self._write(asked)
        steps = deliver(
            pieces,
            pace=self.pace,
            cuts=self.cuts,
            cut_at=self.cut_at,
            cut_after=self.cut_after,
            end=self.end,
        )
        return self._altered(Answer(status=status, headers=headers, steps=steps), asked)

    def _altered(self, answer: Answer, _asked: RenderContext, /) -> Answer:
        """Change the whole answer as the provider that is asked would."""
        return answer

    @abstractmethod
    def _write(self, asked: RenderContext, /) -> tuple[int, Headers, tuple[bytes, ...]]:
        """Return status, headers and body, one piece for each event."""


@frozen(kw_only=True)
class WrittenBody(ScriptedBody, ABC):
    """A scripted body in the form of the provider that is asked, oddities included."""

    def _altered(self, answer: Answer, asked: RenderContext, /) -> Answer:
        return asked.oddities.answer(answer)


def _as_choices(choices: Iterable[ReplyChoice]) -> tuple[ReplyChoice, ...]:
    return all_of(choices, ReplyChoice, name="choices")


@frozen
class Reply(WrittenBody):
    """A whole reply described once, written for any provider, streamed or not, as the request asks.

    In each text ``None`` is absent and ``""`` present and empty, and the wire shows which.

    Attributes:
        content: The visible text.
        reasoning: The thinking before it.
        refusal: The text of a refusal.
        tool_calls: The calls, in order.
        finish_reason: ``None`` = ``"tool_calls"`` if there are calls, else ``"stop"``. ``""`` is sent as it is.
        choices: The answers when there are several (``n`` > 1), or ``()`` for the one that the fields above describe.
        usage: The token counts, or ``None`` to say nothing about them.
        model: The model's name; ``None`` = as the provider does: Cloudsway names its own, all others echo the
            request's.
        id: The completion's id; ``None`` = one in the provider's form, made from the number of the request.
        created: Unix time in seconds.
        chunk_chars: How many characters of text one chunk carries, at least 1.

    Raises:
        ValueError: Both *choices* and a text were given, or an option is out of range.
    """

    content: str | None = field(default=None, validator=is_typed(str, None))
    reasoning: str | None = field(default=None, validator=is_typed(str, None))
    refusal: str | None = field(default=None, kw_only=True, validator=is_typed(str, None))
    tool_calls: tuple[FakeToolCall, ...] = field(default=(), kw_only=True, converter=as_calls)
    finish_reason: str | None = field(default=None, kw_only=True, validator=is_typed(str, None))
    choices: tuple[ReplyChoice, ...] = field(default=(), kw_only=True, converter=_as_choices)
    usage: Usage | None = field(
        default=Usage(prompt_tokens=9, completion_tokens=12, total_tokens=21),
        kw_only=True,
        validator=is_typed(Usage, None),
    )
    model: str | None = field(default=None, kw_only=True, validator=is_typed(str, None))
    id: str | None = field(default=None, kw_only=True, validator=is_typed(str, None))
    created: int = field(default=1770992031, kw_only=True, validator=is_typed(int))
    chunk_chars: int = field(default=8, kw_only=True, validator=[is_typed(int), validators.ge(1)])

    def __attrs_post_init__(self) -> None:
        if self.choices and self._choice() != ReplyChoice():
            raise ValueError("give either choices= or the fields of the one choice, not both")

    def _choice(self, prefix: str = "") -> ReplyChoice:
        return ReplyChoice(
            None if self.content is None else self.content.removeprefix(prefix),
            self.reasoning,
            refusal=self.refusal,
            tool_calls=self.tool_calls,
            finish_reason=self.finish_reason,
        )

    def _write(self, asked: RenderContext, /) -> tuple[int, Headers, tuple[bytes, ...]]:
        wire = WIRES[asked.provider]
        completion = Completion(
            id=wire.new_id(asked.number) if self.id is None else self.id,
            model=wire.model(asked.model) if self.model is None else self.model,
            created=self.created,
            choices=self.choices or (self._choice(asked.prefix),),
            usage=self.usage,
            chunk_chars=self.chunk_chars,
        )
        odd = asked.oddities
        completion = odd.completion(completion)
        if asked.stream:
            chunks = odd.chunks(wire.chunks(completion, include_usage=asked.include_usage))
            return 200, _SSE, odd.events(as_events(chunks))
        return 200, _JSON, (dump(odd.body(wire.body(completion))).encode(),)


def _load(source: str | Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    if not isinstance(source, (str, Path)):
        raise TypeError(f"body of Recording must be str, Path or bytes, not {named(source)}")
    return source.read_bytes() if isinstance(source, Path) else recording(source)


@frozen
class Recording(ScriptedBody):
    """A recorded body, sent byte for byte to any request.

    Attributes:
        body: The body. It is given as the name of a shipped recording (see :func:`recordings`), as the
            :class:`~pathlib.Path` of a file, which is read at once, or as bytes.
        status: The HTTP status.

    Raises:
        KeyError: No recording has that name.
        OSError: The file cannot be read.
    """

    body: bytes = field(converter=_load)
    status: int = field(default=200, validator=is_status)

    def _write(self, _asked: RenderContext, /) -> tuple[int, Headers, tuple[bytes, ...]]:
        if self.body.lstrip().startswith(b"{"):
            return self.status, _JSON, (self.body,)
        return self.status, _SSE, split_events(self.body)


def _as_bytes(body: str | bytes) -> bytes:
    if not isinstance(body, (str, bytes)):
        raise TypeError(f"a body must be str or bytes, not {named(body)}")
    return body.encode() if isinstance(body, str) else body


@frozen
class ErrorReply(WrittenBody):
    """The provider says no, in its own envelope: the page Providers, 1.5 and 3.5; a guess for the others.

    Attributes:
        status: The HTTP status. With 200 to 299 it is an error inside a success, which needs a *code*, *message*,
            *type* or *body*.
        code: The provider's code; ``None`` = its usual one for the status: Ace Data Cloud's is documented, Cloudsway
            and the compatible host repeat the status (Cloudsway 500 for a success), Moonshot has none.
        message: The text; ``None`` = the phrase that HTTP has for the status.
        type: An error type; ``None`` = the usual one for the status: Moonshot's is documented, that of the compatible
            host is the phrase, the resellers have none.
        headers: More headers, such as ``{"retry-after": "2"}``. A ``content-type`` replaces ``application/json``.
        body: The whole body in place of the envelope; *code*, *message* and *type* are then unused.
    """

    status: int = field(validator=is_status)
    code: str | int | None = field(default=None, validator=is_typed(str, int, None))
    message: str | None = field(default=None, kw_only=True, validator=is_typed(str, None))
    type: str | None = field(default=None, kw_only=True, validator=is_typed(str, None))
    headers: Headers = field(default=(), kw_only=True, converter=as_headers)
    body: bytes | None = field(default=None, kw_only=True, converter=converters.optional(_as_bytes))

    def __attrs_post_init__(self) -> None:
        """Refuse an error inside a success that says nothing: it is most likely a mistake."""
        said = (self.code, self.message, self.type, self.body)
        if self.status < 300 and not any(said):
            raise ValueError(
                f"ErrorReply({self.status}) is an error inside a success and needs a code, message, type or body;"
                " for a success use Reply or RawReply"
            )

    def _write(self, asked: RenderContext, /) -> tuple[int, Headers, tuple[bytes, ...]]:
        has_type = any(name.lower() == "content-type" for name, _ in self.headers)
        headers = self.headers if has_type else _JSON + self.headers
        body = self._envelope(asked) if self.body is None else self.body
        return self.status, headers, (body,)

    def _envelope(self, asked: RenderContext) -> bytes:
        message = phrase(self.status) if self.message is None else self.message
        complaint = ErrorSpec(
            status=self.status,
            code=self.code,
            message=message,
            type=self.type,
            number=asked.number,
        )
        written = WIRES[asked.provider].error(complaint)
        return dump(asked.oddities.error(complaint, written)).encode()


@frozen
class ModelList(ScriptedBody):
    """The list of models, in the provider's own form.

    Attributes:
        models: The models, as names or as :class:`~kimi_async.ModelInfo`, whose ``raw`` is not used; ``None`` = those
            that the provider documents.
    """

    models: tuple[ModelInfo, ...] | None = field(
        default=None, converter=converters.optional(as_models)
    )

    def _write(self, asked: RenderContext, /) -> tuple[int, Headers, tuple[bytes, ...]]:
        wire = WIRES[asked.provider]
        written = wire.models(wire.listed if self.models is None else self.models)
        return 200, _JSON, (dump(written).encode(),)


@frozen
class RawReply(ScriptedBody):
    """Anything at all: the status, headers and body as given, with no header added but the framing.

    Attributes:
        body: The body; a blank line ends an event, as far as the delivery options count events.
        status: The HTTP status.
        headers: The headers.
    """

    body: bytes = field(default=b"", converter=_as_bytes)
    status: int = field(default=200, validator=is_status)
    headers: Headers = field(default=(), kw_only=True, converter=as_headers)

    def _write(self, _asked: RenderContext, /) -> tuple[int, Headers, tuple[bytes, ...]]:
        return self.status, self.headers, split_events(self.body)
