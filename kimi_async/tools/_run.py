"""The tool loop: run the tools that the model calls and send the results, until the model answers.

:class:`ToolRun` has either the stream of one reply open (a :class:`~kimi_async.ChatStream`), or the calls of one step:
a task group that is opened and closed inside one ``__anext__``. So no task runs between two events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, Self, TypeAlias, Unpack

import anyio
from attrs import field, fields_dict, frozen

from kimi_async._caller import Caller
from kimi_async._closing import ClosedAtExit, left_early
from kimi_async._configuration import CallParams
from kimi_async._errors import ConfigurationError
from kimi_async._events import StreamEnd, StreamEvent
from kimi_async._messages import Message, Messages, ToolCall, tool_result
from kimi_async._models import ChatCompletion
from kimi_async._record import Outcome, Usage, sum_usage
from kimi_async._request._message_values import as_messages
from kimi_async._settings import is_seconds
from kimi_async._stream import ChatStream
from kimi_async._wire import Wire
from kimi_async.tools._call_ids import sayable, with_ids, with_unique_ids
from kimi_async.tools._executor import Approve, ToolExecutor, ToolResult, Tools

__all__ = [
    "RunEvent",
    "RunOptions",
    "RunParams",
    "RunResult",
    "StepEnd",
    "StepStart",
    "Stopped",
    "ToolRun",
]


class RunParams(CallParams, total=False):
    """The options and parameters of one run, with the defaults of :meth:`AsyncKimi.run() <kimi_async.AsyncKimi.run>`.

    That method explains the options, and :class:`~kimi_async.CallParams` the parameters.
    """

    max_steps: int
    tool_timeout: float | None
    tool_concurrency: int
    on_tool_error: Literal["return", "raise"]
    approve: Approve | None
    rewrite_tool_ids: bool
    wire: Wire


@frozen(kw_only=True)
class RunOptions:
    """The options of :class:`RunParams`, with their defaults."""

    max_steps: int = 20
    tool_timeout: float | None = 60.0
    tool_concurrency: int = 8
    on_tool_error: Literal["return", "raise"] = "return"
    approve: Approve | None = None
    rewrite_tool_ids: bool = False
    wire: Wire = "stream"

    def __attrs_post_init__(self) -> None:
        for name in ("max_steps", "tool_concurrency"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigurationError(f"{name} must be a whole number from 1, not {value!r}")
        if self.tool_timeout is not None and not is_seconds(self.tool_timeout):
            raise ConfigurationError("tool_timeout must be a number of seconds above 0, or None")
        if self.on_tool_error not in ("return", "raise"):
            raise ConfigurationError('on_tool_error must be "return" or "raise"')
        if self.approve is not None and not callable(self.approve):
            raise ConfigurationError("approve must be callable")


_OPTIONS: Final = frozenset(fields_dict(RunOptions))

#: The reason for the end of a run; see :class:`RunResult`.
Stopped: TypeAlias = Literal[
    "answer", "max_steps", "denied", "tool_calls", "length", "content_filter", "other"
]


@frozen
class StepStart:
    """A request is about to be sent; ``step`` counts from 1."""

    step: int


@frozen
class StepEnd:
    """A step has ended: its reply is complete, and its calls are answered.

    Attributes:
        step: The number of the step, from 1.
        completion: Its reply.
    """

    step: int
    completion: ChatCompletion


#: Every event of a run. Closed: a ``match`` over all of these is exhaustive.
RunEvent: TypeAlias = StreamEvent | StepStart | ToolResult | StepEnd


@frozen(kw_only=True)
class RunResult:
    """The result of a run.

    Attributes:
        completion: The last reply.
        completions: The replies of all steps, the last one included.
        messages: The conversation: the first messages, then all replies and results. It can be sent again with a new
            message at its end, after the calls in ``pending`` are answered.
        usage: The sum of the usage of all steps. A figure that one step does not report is ``None``; the whole is
            ``None`` if no figure is left. The usage of each step is in ``completions``.
        stopped: The reason for the end. ``"answer"``: the model called no more tools. ``"max_steps"``: the last step
            was reached. ``"denied"``: ``approve`` returned ``Deny(stop=True)``. ``"tool_calls"``: there are calls in
            ``pending``. ``"length"``, ``"content_filter"`` and ``"other"``: the outcome of the last reply, whose calls
            were not run.
        pending: The calls of tools without a function, which the caller must answer.
    """

    completion: ChatCompletion
    completions: tuple[ChatCompletion, ...] = field(repr=False)
    messages: tuple[Message, ...] = field(repr=False)
    usage: Usage | None
    stopped: Stopped
    pending: tuple[ToolCall, ...] = ()

    @property
    def text(self) -> str:
        """The text of the last reply, or ``""``."""
        return self.completion.text


class ToolRun(ClosedAtExit):
    """One run of the tool loop; made by ``client.run()``.

    It is an async context manager and an async iterator of :data:`~kimi_async.tools.RunEvent`. Entering it sends the
    first request and returns at its first output. The events of each step are ``StepStart``, the events of the reply, a
    :class:`~kimi_async.tools.ToolResult` for each call in the order of the calls, and ``StepEnd``.

    Only one task at a time may read it; any task may call :meth:`aclose`. A run that failed, or was closed in the
    middle of a step, cannot be continued, because its calls would run twice. :attr:`messages` holds the steps that
    ended.

    Args:
        caller: Opens the stream of each reply.
        messages: The first messages of the conversation.
        params: The options and parameters of ``client.run()``.

    Attributes:
        on_end: Called with the result when the run has ended without an error, before the caller gets the result.
    """

    def __init__(
        self,
        caller: Caller,
        messages: Messages,
        **params: Unpack[RunParams],
    ) -> None:
        given: Any = {**params}
        options = RunOptions(**{name: given.pop(name) for name in _OPTIONS & given.keys()})
        asked: CallParams = given
        caller.prepare(messages, asked, wire=options.wire)
        self._caller = caller.for_turn(asked)
        self._params = asked
        self._options = options
        self._messages: list[Message] = [*as_messages(messages)]
        if options.rewrite_tool_ids:
            self._messages = with_unique_ids(self._messages)
        self._executor = ToolExecutor(
            [*(asked.get("tools") or ()), *_tools_in(self._messages)],
            timeout=options.tool_timeout,
            concurrency=options.tool_concurrency,
            raises=options.on_tool_error == "raise",
            approve=options.approve,
        )
        self._events: deque[RunEvent] = deque()
        self._completions: list[ChatCompletion] = []
        #: Made at once, so that a request that cannot be sent is refused at once; this sends nothing.
        self._first: ChatStream | None = self._open()
        self._stream: ChatStream | None = None
        #: Whether the reply of the stream is complete and its calls must be answered.
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

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        """Return the next event.

        Raises:
            StopAsyncIteration: After the last ``StepEnd``.
            KimiError: A reply failed; raised again by every later call.
            RuntimeError: Another task is already reading this run.
            Exception: The exception of ``approve`` or, with ``on_tool_error="raise"``, of a tool.
        """
        while not self._events:
            if self._result is not None:
                raise StopAsyncIteration
            await self._guard(self._advance)
        return self._events.popleft()

    def forbid_restart(self) -> None:
        """Say that a part of this step was shown and cannot be taken back, as with a ``ChatStream``.

        A later step may restart until this is called again.
        """
        if self._stream is not None:
            self._stream.forbid_restart()

    async def final(self) -> RunResult:
        """Continue to the end and return the result; events not yet taken are skipped. May be called again.

        Raises:
            KimiError: A reply failed.
            RuntimeError: Another task is already reading this run.
            Exception: The exception of ``approve`` or, with ``on_tool_error="raise"``, of a tool.
        """
        while self._result is None:
            self._events.clear()
            await self._guard(self._advance_unseen)
        self._events.clear()
        return self._result

    @property
    def is_open(self) -> bool:
        """Whether the run has begun and has neither ended nor failed."""
        has_begun = self._stream is not None or bool(self._completions)
        return has_begun and self._result is None and self._failure is None

    @property
    def is_unread(self) -> bool:
        """Whether nobody has begun to read it or closed it; entering it does not count."""
        if self._failure is not None or self._completions:
            return False
        return self._first is not None or bool(self._events)  # the first StepStart waits here

    @property
    def is_ready(self) -> bool:
        """Whether the next event, or the end, was read already, so that taking it does not wait."""
        if self._events or self._result is not None:
            return True
        return self._stream is not None and not self._replied and self._stream.is_ready

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation up to the last step that ended, ready to be sent again."""
        return tuple(self._messages)

    async def aclose(self) -> None:
        """Close the run: cancel its tools and give its connection back. Any task may call it, more than once.

        A task that is reading at that time gets a :class:`~kimi_async.StreamInterrupted`.
        """
        if self._result is None and self._failure is None:
            self._failure = left_early("run")
        if self._calls_scope is not None:
            self._calls_scope.cancel()
        if self._stream is not None:
            await self._stream.aclose()

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """Await *work* for one task at a time; an exception in it ends the run."""
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
            self._failure = left_early("run")
            raise
        finally:
            self._busy = False

    def _open(self, *, is_checked: bool = True) -> ChatStream:
        return self._caller.open(
            self._messages, self._params, wire=self._options.wire, is_checked=is_checked
        )

    async def _begin(self) -> None:
        self._start_step()
        assert self._stream is not None
        await self._stream.__aenter__()

    async def _advance(self) -> None:
        """Read one event of a reply, or run all calls of a step."""
        if self._stream is None:
            self._start_step()
        elif self._replied:
            await self._answer_calls(self._completions[-1])
        else:
            event = await self._stream.__anext__()
            self._events.append(event)
            if isinstance(event, StreamEnd):
                self._keep(event.completion)

    async def _advance_unseen(self) -> None:
        """Read one whole reply whose events nobody gets, or run all calls of a step."""
        if self._stream is None or self._replied:
            await self._advance()
        else:
            self._keep(await self._stream.final())

    def _keep(self, completion: ChatCompletion) -> None:
        self._completions.append(completion)
        self._replied = True

    def _start_step(self) -> None:
        self._stream = self._first or self._open(is_checked=False)
        self._first = None
        self._events.append(StepStart(len(self._completions) + 1))

    async def _answer_calls(self, completion: ChatCompletion) -> None:
        """Run the calls of the complete reply of a step, and end the step."""
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
        """Return the reason why the run ends after this step; ``None`` if it continues."""
        match outcome:
            case "tool_calls":
                if pending:
                    return "tool_calls"
                if is_denied:
                    return "denied"
                return "max_steps" if len(self._completions) == self._options.max_steps else None
            case "complete":
                return "answer"
            case "length" | "content_filter":
                return outcome
            case _:
                return "other"

    async def _run_calls(self, message: Message) -> tuple[tuple[ToolCall, ...], bool]:
        """Run the calls of *message*; return those left to the caller, and whether a denial ends the run."""
        here = [call for call in message.tool_calls if not self._executor.leaves(call)]
        with anyio.CancelScope() as self._calls_scope:
            results, is_denied = await self._executor.answer(here)
            self._events.extend(results)
            return self._record(message, results), is_denied
        raise left_early("run")

    def _record(self, message: Message, results: Sequence[ToolResult]) -> tuple[ToolCall, ...]:
        """Add *message* and the answers to its calls to the conversation; return the calls without an answer."""
        message = with_ids(message, self._messages)
        answers = deque(results)
        place = len(self._messages)
        self._messages.append(message)
        for call in message.tool_calls:
            if not self._executor.leaves(call):
                self._messages.append(tool_result(call, answers.popleft().content))
        if self._options.rewrite_tool_ids:
            self._messages = with_unique_ids(self._messages)
        return tuple(filter(self._executor.leaves, self._messages[place].tool_calls))


def _tools_in(messages: Sequence[Message]) -> Tools:
    """Return the tools in system messages; the model can call them like those of the parameter ``tools``."""
    return [tool for message in messages for tool in message.extra.get("tools") or ()]
