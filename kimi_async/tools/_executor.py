"""Run the tool calls of one step, and make the results that the model is told.

First the arguments of each call are checked. Then ``approve`` is asked about each call that can run, one after the
other, in their order. Then the calls run side by side. An error of one call becomes the text of its result, so that
every call has its answer.

A function that is not ``async`` runs in a thread, where nothing can stop it. When its time is up or the run is
cancelled, the thread continues and its value is dropped: waiting for it would let one tool that hangs hang its caller.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import anyio
from attrs import evolve, field, frozen

from kimi_async._errors import ConfigurationError, OutputError
from kimi_async._messages import ToolCall, as_text
from kimi_async._wire import ToolDefinition
from kimi_async.tools._threads import call_in_thread
from kimi_async.tools._tool import Tool, ToolError

__all__ = ["Approve", "Deny", "ToolExecutor", "ToolResult", "ToolStatus", "Tools"]

#: The type of ``tools=``: tools made by ``tool()``, or in the OpenAI form.
Tools: TypeAlias = Sequence[ToolDefinition | Mapping[str, Any]]

#: How a call went; see :class:`ToolResult`.
ToolStatus: TypeAlias = Literal["ok", "failed", "timeout", "invalid", "unknown", "denied"]


@frozen(kw_only=True)
class Deny:
    """The answer of ``approve`` for a call that must not run.

    Attributes:
        reason: The text that the model is told in place of a result.
        stop: Whether the run ends after the other calls of the step are answered.
    """

    reason: str = "this call was not allowed"
    stop: bool = False


#: Asked about each call that can run, sync (in a thread) or async: ``True`` lets it run, ``False`` or ``Deny`` does
#: not, another ``ToolCall`` runs in its place. The arguments are checked before, so ``call.parse()`` gives them.
Approve: TypeAlias = Callable[
    [ToolCall], bool | Deny | ToolCall | Awaitable[bool | Deny | ToolCall]
]


@frozen(kw_only=True)
class ToolResult:
    """The answer to one call.

    Attributes:
        call: The call as the model made it.
        content: The text that the model is told.
        status: ``"ok"``; ``"failed"`` when the tool raised, or its result is not a text or a JSON value;
            ``"timeout"``; ``"invalid"`` when the arguments do not fit; ``"unknown"`` when there is no such tool;
            ``"denied"``.
        ran: The call that ``approve`` gave in the place of *call*; ``None`` when it gave no other.
        error: The exception of the tool, or the :class:`~kimi_async.OutputError` of its arguments.
    """

    call: ToolCall
    content: str
    status: ToolStatus = "ok"
    ran: ToolCall | None = None
    error: Exception | None = field(default=None, eq=False, repr=False)


@frozen
class _Ready:
    """A call that can run.

    Attributes:
        call: The call as the model made it.
        tool: The tool.
        bound: Makes the call.
        ran: The call that runs in the place of *call*, if there is another.
    """

    call: ToolCall
    tool: Tool[..., object]
    bound: Callable[[], object]
    ran: ToolCall | None


class ToolExecutor:
    """The tools of one run.

    Args:
        tools: The tools that the model may call.
        timeout: Seconds for one call; ``None`` = no limit.
        concurrency: How many calls run at once.
        raises: Whether an exception of a tool ends the run.
        approve: Asked about each call that can run; ``None`` allows all.

    Raises:
        ConfigurationError: Two tools have one name, or something is not a tool.
    """

    def __init__(
        self,
        tools: Tools,
        *,
        timeout: float | None,
        concurrency: int,
        raises: bool,
        approve: Approve | None,
    ) -> None:
        self._tools: dict[str, Tool[..., object] | None] = {}
        self._builtins: set[str] = set()
        for each in tools:
            self._add(each)
        self._timeout = timeout
        self._concurrency = concurrency
        self._raises = raises
        self._approve = approve

    def _add(self, each: ToolDefinition | Mapping[str, Any]) -> None:
        if isinstance(each, Tool):
            name = each.name
        else:
            name = _declared_name(each)
            if isinstance(each, Mapping) and each.get("type") == "builtin_function":
                self._builtins.add(name)
        if name in self._tools:
            raise ConfigurationError(f"two tools are named {name!r}")
        self._tools[name] = each if isinstance(each, Tool) else None

    def leaves(self, call: ToolCall) -> bool:
        """Return whether *call* is left to the caller: its tool is only described, without a function."""
        described = call.name in self._tools and self._tools[call.name] is None
        return described and not self._is_builtin(call)

    def _is_builtin(self, call: ToolCall) -> bool:
        return call.name in self._builtins or call.type == "builtin_function"

    async def answer(self, calls: Sequence[ToolCall]) -> tuple[list[ToolResult], bool]:
        """Run *calls* and return their results in the same order, and whether a denial ends the run.

        Raises:
            Exception: The exception of ``approve``, with a note that names the call; that of a tool, if it ends the
                run.
            BaseException: Any other exception of a tool, such as ``SystemExit``, which always ends the run.
            ConfigurationError: ``approve`` gave something that is not a decision.
        """
        decided = [await self._decide(call) for call in calls]
        results: dict[int, ToolResult] = {}
        slots = anyio.Semaphore(self._concurrency)
        errors: list[BaseException] = []
        async with anyio.create_task_group() as tasks:

            async def answer_one(place: int) -> None:
                ready, _ = decided[place]
                if isinstance(ready, ToolResult):
                    results[place] = ready
                    return
                try:
                    async with slots:
                        result = await self._run(ready)
                except anyio.get_cancelled_exc_class():
                    raise
                except BaseException as error:  # such as SystemExit, which the group would wrap
                    errors.append(error)
                    tasks.cancel_scope.cancel()
                    return
                results[place] = result
                if self._raises and result.status in ("failed", "timeout") and result.error:
                    errors.append(result.error)
                    tasks.cancel_scope.cancel()

            for place in range(len(calls)):
                tasks.start_soon(answer_one, place)
        if errors:
            raise errors[0]
        answers = [results[place] for place in range(len(calls))]
        return answers, any(is_over for _, is_over in decided)

    async def _decide(self, call: ToolCall) -> tuple[_Ready | ToolResult, bool]:
        """Return the call, ready to run, or its result if it must not or cannot run; and whether the run is over."""
        ready = self._prepared(call, call)
        if self._approve is None or (isinstance(ready, ToolResult) and ready.status != "ok"):
            return ready, False
        asked = call if call.arguments.strip() else evolve(call, arguments="{}")
        decision = await self._ask(self._approve, asked)
        if isinstance(decision, Deny):
            content = _sendable(f"denied: {decision.reason}")
            return ToolResult(call=call, content=content, status="denied"), decision.stop
        if decision is asked or decision is call:
            return ready, False
        return self._prepared(call, decision), False

    async def _ask(self, approve: Approve, call: ToolCall) -> Deny | ToolCall:
        try:
            decision = await _call(approve, call, is_async=inspect.iscoroutinefunction(approve))
        except Exception as error:
            error.add_note(f"raised by approve, which was asked about the tool call {call.name!r}")
            raise
        if isinstance(decision, (Deny, ToolCall)):
            return decision
        if isinstance(decision, bool):
            return call if decision else Deny()
        raise ConfigurationError(
            "approve must give True, False, a Deny(...) or another ToolCall, "
            f"not {type(decision).__name__}"
        )

    def _prepared(self, call: ToolCall, wanted: ToolCall) -> _Ready | ToolResult:
        """Check the arguments of *wanted*, which is to run for *call*."""
        ran = None if wanted is call else wanted
        if self._is_builtin(wanted):
            # docs/providers.md 3.3: Moonshot runs it when it sees its own arguments again.
            return ToolResult(call=call, content=wanted.arguments, ran=ran)
        tool = self._tools.get(wanted.name)
        if tool is None:
            return ToolResult(call=call, content=self._no_such(wanted), status="unknown", ran=ran)
        try:
            return _Ready(call, tool, tool.bind(wanted.arguments), ran)
        except OutputError as error:
            content = _sendable(f"error: {error.message}")
            return ToolResult(call=call, content=content, status="invalid", ran=ran, error=error)
        except ConfigurationError as error:  # nothing can be read into the type of a parameter
            return _failed_by(error, call, tool, ran)

    def _no_such(self, call: ToolCall) -> str:
        names = ", ".join(sorted(name for name, tool in self._tools.items() if tool is not None))
        return f"error: there is no tool {call.name!r}; there are: {names or 'none'}"

    async def _run(self, ready: _Ready) -> ToolResult:
        call, tool, ran = ready.call, ready.tool, ready.ran
        try:
            with anyio.move_on_after(self._timeout):
                value = await _call(ready.bound, is_async=tool.is_async)
                return _told(value, ready)
            late = f"the tool {tool.name!r} did not end within {self._timeout:g} s"
            return ToolResult(
                call=call,
                content=f"error: {late}",
                status="timeout",
                ran=ran,
                error=TimeoutError(late),
            )
        except anyio.get_cancelled_exc_class():
            if anyio.current_effective_deadline() == -math.inf:
                raise
            # On asyncio a tool can raise this without being cancelled, and the task group would end all the others.
            return _failed(call, f"the tool {tool.name!r} was cancelled", ran, None)
        except Exception as error:
            return _failed_by(error, call, tool, ran)


async def _call(function: Callable[..., object], *args: object, is_async: bool) -> object:
    """Call *function*, in a thread if it is not async, and await its value if that can be awaited."""
    value = function(*args) if is_async else await call_in_thread(function, *args)
    return await value if inspect.isawaitable(value) else value


def _told(value: object, ready: _Ready) -> ToolResult:
    """Return the result of a tool that ran to its end; the model must not take it for one that did nothing."""
    try:
        return ToolResult(call=ready.call, content=_sendable(as_text(value)), ran=ready.ran)
    except ConfigurationError as error:
        kind = type(value).__name__
        problem = (
            f"the tool {ready.tool.name!r} ran, but its result ({kind}) cannot be written as JSON"
        )
        return _failed(ready.call, problem, ready.ran, error)


def _declared_name(each: object) -> str:
    """Return the name in a tool of the OpenAI form."""
    declared = each.to_wire() if isinstance(each, ToolDefinition) else each
    function = declared.get("function") if isinstance(declared, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        raise ConfigurationError(
            "tools must hold tools made by @tool, or dicts in the OpenAI form with a name, "
            f"not {type(each).__name__}"
        )
    return name


def _failed_by(
    error: Exception, call: ToolCall, tool: Tool[..., object], ran: ToolCall | None
) -> ToolResult:
    """Tell the model the text of a :class:`ToolError`, and of any other exception only the type."""
    if isinstance(error, ToolError):
        return _failed(call, str(error) or f"the tool {tool.name!r} failed", ran, error)
    return _failed(call, f"the tool {tool.name!r} failed: {type(error).__name__}", ran, error)


def _failed(
    call: ToolCall, problem: str, ran: ToolCall | None, error: Exception | None
) -> ToolResult:
    content = _sendable(f"error: {problem}")
    return ToolResult(call=call, content=content, status="failed", ran=ran, error=error)


def _sendable(text: str) -> str:
    """Return *text* without halves of surrogate pairs, which no request can hold."""
    return text.encode("utf-8", "replace").decode()
