"""The tool loop: ask, run the calls of the reply, send the results back, until the model has its answer.

A run is a conversation that grows. :class:`ToolRun` holds one reply (a :class:`~kimi_async.ChatStream`) or the calls
of one step (a task group that is opened and closed inside of one ``__anext__``), never both, and nothing at all while
the caller has an event in its hands but the stream of the step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Literal, Self, TypeAlias, Unpack

import anyio
from attrs import field, fields, frozen

from kimi_async._caller import Caller
from kimi_async._configuration import CallParams
from kimi_async._errors import ConfigurationError, StreamInterrupted
from kimi_async._events import StreamEnd, StreamEvent
from kimi_async._models import (
    AnyMessage,
    ChatCompletion,
    Message,
    Messages,
    ToolCall,
    as_sequence,
    tool_result,
)
from kimi_async._record import Outcome, Usage
from kimi_async._stream import ChatStream
from kimi_async._wire import Wire
from kimi_async.tools._call_ids import sayable, with_ids, with_unique_ids
from kimi_async.tools._executor import Approve, ToolExecutor, ToolResult, Tools

__all__ = [
    "RunEvent",
    "RunParams",
    "RunResult",
    "StepEnd",
    "StepStart",
    "Stopped",
    "ToolRun",
    "sum_usage",
]


class RunParams(CallParams, total=False):
    """The options and parameters of one run, with the defaults of ``client.run()``."""

    max_steps: int
    tool_timeout: float | None
    tool_concurrency: int
    on_tool_error: Literal["return", "raise"]
    approve: Approve | None
    rewrite_tool_ids: bool
    wire: Wire


#: Why a run is over; see :class:`RunResult`.
Stopped: TypeAlias = Literal[
    "answer", "max_steps", "denied", "tool_calls", "length", "content_filter", "other"
]


@frozen
class StepStart:
    """A request is about to be sent; ``step`` counts from 1."""

    step: int


@frozen
class StepEnd:
    """A step is over: its reply is whole, and its calls are answered."""

    step: int
    completion: ChatCompletion


#: Every event that a run can give. Closed: a ``match`` over all of these is exhaustive.
RunEvent: TypeAlias = StreamEvent | StepStart | ToolResult | StepEnd


@frozen(kw_only=True)
class RunResult:
    """How a run ended.

    Attributes:
        completion: The last reply.
        completions: The replies of all steps, the last one included.
        messages: The conversation: what was given, then all replies and results. It can be sent again, with a new
            message behind it; the calls in ``pending`` must be answered first.
        usage: The usage of all steps, each figure summed; a figure that one of them does not say is ``None``, and so is
            all of it when none says any. That of each step is in ``completions``.
        stopped: Why it is over: ``"answer"``, the model asked for nothing more; ``"max_steps"``; ``"denied"``, by a
            ``Deny(stop=True)``; ``"tool_calls"``, with calls in ``pending``; ``"length"``, ``"content_filter"`` and
            ``"other"`` as the outcome of the last reply, whose calls were not run.
        pending: Calls of tools that have no function here, for the caller to answer.
    """

    completion: ChatCompletion
    completions: tuple[ChatCompletion, ...] = field(repr=False)
    messages: tuple[AnyMessage, ...] = field(repr=False)
    usage: Usage | None
    stopped: Stopped
    pending: tuple[ToolCall, ...] = ()

    @property
    def text(self) -> str:
        """The text of the last reply, ``""`` when there is none."""
        return self.completion.text


class ToolRun:
    """The replies of a model and the calls between them; made by ``client.run()``.

    An async context manager and an async iterator of :data:`~kimi_async.tools.RunEvent`. Entering it sends the first
    request, and returns at its first output. Of each step come ``StepStart``, the events of the reply, a
    :class:`~kimi_async.tools.ToolResult` for each call in the order of the calls, and ``StepEnd``.

    For one task at a time; :meth:`aclose` may be called from any. A run that failed, or was left in the middle of a
    step, cannot be gone on with: its calls would run twice. :attr:`messages` says how far it came.

    Args:
        caller: Opens the stream of each reply.
        messages: The first messages of the conversation.
        max_steps: As in ``client.run()``, and so are the others.
        tool_timeout: Seconds for one call.
        tool_concurrency: How many calls run at once.
        on_tool_error: Whether a tool that raises ends the run.
        approve: Called before each call.
        rewrite_tool_ids: Whether ids that repeat over the turns get a new one.
        wire: Whether the replies are asked for as streams or as JSON bodies.
        params: The parameters of every request.

    Attributes:
        on_end: Called with the result when the run has ended well, before anybody else sees it.
    """

    def __init__(
        self,
        caller: Caller,
        messages: Messages,
        *,
        max_steps: int = 20,
        tool_timeout: float | None = 60.0,
        tool_concurrency: int = 8,
        on_tool_error: Literal["return", "raise"] = "return",
        approve: Approve | None = None,
        rewrite_tool_ids: bool = False,
        wire: Wire = "stream",
        **params: Unpack[CallParams],
    ) -> None:
        _check_options(max_steps, tool_timeout, tool_concurrency, on_tool_error, approve)
        caller.prepare(messages, params, wire=wire)
        self._caller = caller
        self._params = params
        self._wire: Wire = wire
        self._messages: list[AnyMessage] = [*as_sequence(messages)]
        if rewrite_tool_ids:
            self._messages = with_unique_ids(self._messages)
        self._executor = ToolExecutor(
            [*(params.get("tools") or ()), *_tools_in(self._messages)],
            timeout=tool_timeout,
            concurrency=tool_concurrency,
            raises=on_tool_error == "raise",
            approve=approve,
        )
        self._max_steps = max_steps
        self._rewrite_ids = bool(rewrite_tool_ids)
        self._events: deque[RunEvent] = deque()
        self._completions: list[ChatCompletion] = []
        #: Opened at once, so that what cannot be sent is refused at once; nothing is sent by that.
        self._first: ChatStream | None = self._open()
        self._stream: ChatStream | None = None
        #: Whether the reply of the stream is whole and its calls are to be answered.
        self._replied = False
        self._calls_scope: anyio.CancelScope | None = None
        self._result: RunResult | None = None
        self._failure: Exception | None = None
        self._busy = False
        self.on_end: Callable[[RunResult], None] | None = None

    def __repr__(self) -> str:
        step = len(self._completions) + (self._stream is not None)
        ended = self._result is not None or self._failure is not None
        return f"<ToolRun {'ended' if ended else 'running' if step else 'new'} step={step}>"

    async def __aenter__(self) -> Self:
        if self._stream is None and not self._completions:
            await self._guard(self._begin)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        """The next event.

        Raises:
            StopAsyncIteration: After the last ``StepEnd``.
            KimiError: A reply did not end well; raised again by every later call.
            RuntimeError: Another task is already reading this run.
            Exception: What ``approve`` raised, or, with ``on_tool_error="raise"``, a tool.
        """
        while not self._events:
            if self._result is not None:
                raise StopAsyncIteration
            await self._guard(self._advance)
        return self._events.popleft()

    async def final(self) -> RunResult:
        """Go on to the end and give the result; events not yet taken are skipped. May be called again.

        Raises:
            KimiError: A reply did not end well.
            RuntimeError: Another task is already reading this run.
            Exception: What ``approve`` raised, or, with ``on_tool_error="raise"``, a tool.
        """
        while self._result is None:
            self._events.clear()
            await self._guard(self._advance)
        self._events.clear()
        return self._result

    @property
    def is_open(self) -> bool:
        """Whether it was begun, and has neither ended nor failed."""
        has_begun = self._stream is not None or bool(self._completions)
        return has_begun and self._result is None and self._failure is None

    @property
    def messages(self) -> tuple[AnyMessage, ...]:
        """The conversation up to the last step that ended, ready to be sent again."""
        return tuple(self._messages)

    async def aclose(self) -> None:
        """Leave the run: cancel its tools, give its connection back; from any task, idempotent.

        A task that is reading meanwhile gets a :class:`~kimi_async.StreamInterrupted`.
        """
        if self._result is None and self._failure is None:
            self._failure = _left_early()
        if self._calls_scope is not None:
            self._calls_scope.cancel()
        if self._stream is not None:
            await self._stream.aclose()

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do *work*, for one task at a time; whatever ends it early ends the run."""
        if self._busy:
            raise RuntimeError("this run is already being read by another task")
        if self._failure is not None:
            raise self._failure
        self._busy = True
        try:
            await work()
        except Exception as error:
            self._failure = error
            raise
        except BaseException:
            self._failure = _left_early()
            raise
        finally:
            self._busy = False

    def _open(self, *, is_checked: bool = True) -> ChatStream:
        return self._caller.open(
            self._messages, self._params, wire=self._wire, is_checked=is_checked
        )

    async def _begin(self) -> None:
        self._start_step()
        assert self._stream is not None
        await self._stream.__aenter__()

    async def _advance(self) -> None:
        """Go on by one event of a reply, or by all calls of a step."""
        if self._stream is None:
            self._start_step()
        elif self._replied:
            await self._answer_calls(self._completions[-1])
        else:
            event = await self._stream.__anext__()
            self._events.append(event)
            if isinstance(event, StreamEnd):
                self._completions.append(event.completion)
                self._replied = True

    def _start_step(self) -> None:
        self._stream = self._first or self._open(is_checked=False)
        self._first = None
        self._events.append(StepStart(len(self._completions) + 1))

    async def _answer_calls(self, completion: ChatCompletion) -> None:
        """The reply of the step is whole: run what it asks for, and end the step."""
        pending: tuple[ToolCall, ...] = ()
        is_denied = False
        if completion.outcome == "tool_calls":
            pending, is_denied = await self._run_calls(completion.message)
        else:
            self._messages += sayable(completion.message)
        self._events.append(StepEnd(len(self._completions), completion))
        self._stream, self._replied = None, False
        stopped = self._stopped(completion.outcome, pending, is_denied=is_denied)
        if stopped is not None:
            result = RunResult(
                completion=completion,
                completions=tuple(self._completions),
                messages=self.messages,
                usage=sum_usage([each.usage for each in self._completions]),
                stopped=stopped,
                pending=pending,
            )
            if self.on_end is not None:
                self.on_end(result)
            self._result = result

    def _stopped(
        self, outcome: Outcome | None, pending: tuple[ToolCall, ...], *, is_denied: bool
    ) -> Stopped | None:
        """Why the run is over after this step; ``None`` if it goes on."""
        match outcome:
            case "tool_calls":
                if pending:
                    return "tool_calls"
                if is_denied:
                    return "denied"
                return "max_steps" if len(self._completions) == self._max_steps else None
            case "complete":
                return "answer"
            case "length" | "content_filter":
                return outcome
            case _:
                return "other"

    async def _run_calls(self, message: Message) -> tuple[tuple[ToolCall, ...], bool]:
        """Answer the calls of *message*; give those left to the caller, and whether one was denied for good."""
        here = [call for call in message.tool_calls if not self._executor.leaves(call)]
        with anyio.CancelScope() as self._calls_scope:
            results, is_denied = await self._executor.answer(here)
            self._events.extend(results)
            return self._record(message, results), is_denied
        raise _left_early()

    def _record(self, message: Message, results: Sequence[ToolResult]) -> tuple[ToolCall, ...]:
        """Put *message* and the answers to its calls behind the conversation; give the calls without an answer."""
        message = with_ids(message, self._messages)
        answers = deque(results)
        place = len(self._messages)
        self._messages.append(message)
        for call in message.tool_calls:
            if not self._executor.leaves(call):
                self._messages.append(tool_result(call, answers.popleft().content))
        if self._rewrite_ids:
            self._messages = with_unique_ids(self._messages)
        sent = self._messages[place]
        assert isinstance(sent, Message)
        return tuple(filter(self._executor.leaves, sent.tool_calls))


def _tools_in(messages: Sequence[AnyMessage]) -> Tools:
    """Return the tools that system messages carry; they are called like those of the parameter."""
    return [
        tool
        for message in messages
        if not isinstance(message, Message)
        for tool in message.get("tools") or ()
    ]


def sum_usage(usages: Sequence[Usage | None]) -> Usage | None:
    """Sum *usages*; a figure that one of them does not have is ``None`` in the sum."""
    figures: dict[str, list[int | None]] = {
        each.name: [getattr(usage, each.name, None) for usage in usages] for each in fields(Usage)
    }
    sums = {
        name: sum(part for part in parts if part is not None)
        for name, parts in figures.items()
        if None not in parts
    }
    return Usage(**sums) if sums else None


def _left_early() -> StreamInterrupted:
    return StreamInterrupted("the run was left before its end")


def _check_options(
    max_steps: object,
    tool_timeout: object,
    tool_concurrency: object,
    on_tool_error: object,
    approve: object,
) -> None:
    """Refuse settings of a run that cannot work."""
    for name, value in (("max_steps", max_steps), ("tool_concurrency", tool_concurrency)):
        if type(value) is not int or value < 1:
            raise ConfigurationError(f"{name} must be a whole number from 1, not {value!r}")
    if tool_timeout is not None and not (
        isinstance(tool_timeout, (int, float)) and tool_timeout is not True and tool_timeout > 0
    ):
        raise ConfigurationError("tool_timeout must be a number of seconds above 0, or None")
    if on_tool_error not in ("return", "raise"):
        raise ConfigurationError('on_tool_error must be "return" or "raise"')
    if approve is not None and not callable(approve):
        raise ConfigurationError("approve must be callable")
