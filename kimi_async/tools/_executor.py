"""The tool calls of one step: who may run, what runs, and what the model is told.

All calls of a step are asked for approval one after the other, in their order, and then run side by side. Whatever goes
wrong with one of them becomes the text of its result, so that every call has its answer.

A function that is not ``async`` runs in a thread, where nothing can stop it. When its time is up or the run is
cancelled, the thread is left behind and what it gives is dropped (``abandon_on_cancel``); waiting for it would let one
tool that hangs hang its caller.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import anyio
import anyio.to_thread
from attrs import field, frozen

from kimi_async._errors import ConfigurationError, OutputError
from kimi_async._models import ToolCall, as_text
from kimi_async._wire import ToolDefinition
from kimi_async.tools._tool import Tool, ToolError

__all__ = ["Approve", "Deny", "ToolExecutor", "ToolResult", "ToolStatus", "Tools"]

#: What ``tools=`` takes: tools made by ``tool()``, or in the OpenAI form.
Tools: TypeAlias = Sequence[ToolDefinition | Mapping[str, Any]]

#: How a call went; see :class:`ToolResult`.
ToolStatus: TypeAlias = Literal["ok", "failed", "timeout", "invalid", "unknown", "denied"]


@frozen(kw_only=True)
class Deny:
    """What ``approve`` gives for a call that must not run.

    Attributes:
        reason: What the model is told in place of a result.
        stop: Whether the run is over once the other calls of the step are answered.
    """

    reason: str = "this call was not allowed"
    stop: bool = False


#: Asked for each call, sync (in a thread) or async: ``True`` lets it run, ``False`` or ``Deny`` does not, another
#: ``ToolCall`` runs in its place.
Approve: TypeAlias = Callable[
    [ToolCall], bool | Deny | ToolCall | Awaitable[bool | Deny | ToolCall]
]


@frozen(kw_only=True)
class ToolResult:
    """The answer to one call.

    Attributes:
        call: The call as the model made it.
        content: What the model is told.
        status: ``"ok"``; ``"failed"`` when the tool raised; ``"timeout"``; ``"invalid"`` when the arguments do not fit;
            ``"unknown"`` when there is no such tool; ``"denied"``.
        ran: The call that ran in the place of *call* by the word of ``approve``; ``None`` when that changed nothing.
        error: What the tool raised, or the :class:`~kimi_async.OutputError` of its arguments.
    """

    call: ToolCall
    content: str
    status: ToolStatus = "ok"
    ran: ToolCall | None = None
    error: Exception | None = field(default=None, eq=False, repr=False)


_Decision: TypeAlias = Deny | ToolCall


class ToolExecutor:
    """The tools of one run.

    Args:
        tools: What the model may call.
        timeout: Seconds for one call; ``None`` = no limit.
        concurrency: How many calls run at once.
        raises: Whether what a tool raises ends the run.
        approve: Asked before each call; ``None`` allows all.

    Raises:
        ConfigurationError: Two tools have one name, or something is no tool.
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
        """Whether *call* is left to the caller: its tool was described, and there is no function for it."""
        described = call.name in self._tools and self._tools[call.name] is None
        return described and not self._is_builtin(call)

    def _is_builtin(self, call: ToolCall) -> bool:
        return call.name in self._builtins or call.type == "builtin_function"

    async def answer(self, calls: Sequence[ToolCall]) -> tuple[list[ToolResult], bool]:
        """Run *calls* and give their results in the same order, and whether a denial ends the run.

        Raises:
            Exception: What ``approve`` raised; what a tool raised, if that is to end the run.
            ConfigurationError: ``approve`` gave something that is no decision.
        """
        decisions = [await self._decide(call) for call in calls]
        results: dict[int, ToolResult] = {}
        slots = anyio.Semaphore(self._concurrency)
        errors: list[Exception] = []
        async with anyio.create_task_group() as tasks:

            async def answer_one(place: int) -> None:
                async with slots:
                    result = await self._answer_one(calls[place], decisions[place])
                results[place] = result
                if self._raises and result.status in ("failed", "timeout") and result.error:
                    errors.append(result.error)
                    tasks.cancel_scope.cancel()

            for place in range(len(calls)):
                tasks.start_soon(answer_one, place)
        if errors:
            raise errors[0]
        answers = [results[place] for place in range(len(calls))]
        return answers, any(isinstance(each, Deny) and each.stop for each in decisions)

    async def _decide(self, call: ToolCall) -> _Decision:
        if self._approve is None:
            return call
        decision = await self._await(
            self._approve, call, is_async=inspect.iscoroutinefunction(self._approve)
        )
        if isinstance(decision, (Deny, ToolCall)):
            return decision
        if isinstance(decision, bool):
            return call if decision else Deny()
        raise ConfigurationError(
            "approve must give True, False, a Deny(...) or another ToolCall, "
            f"not {type(decision).__name__}"
        )

    async def _answer_one(self, call: ToolCall, decision: _Decision) -> ToolResult:
        if isinstance(decision, Deny):
            return ToolResult(call=call, content=f"denied: {decision.reason}", status="denied")
        ran = None if decision is call else decision
        if self._is_builtin(decision):
            # docs/providers.md 3.3: Moonshot runs it when it sees its own arguments again.
            return ToolResult(call=call, content=decision.arguments, ran=ran)
        tool = self._tools.get(decision.name)
        if tool is None:
            return ToolResult(call=call, content=self._no_such(decision), status="unknown", ran=ran)
        try:
            bound = tool.bind(decision.arguments)
        except OutputError as error:
            return ToolResult(
                call=call, content=f"error: {error.message}", status="invalid", ran=ran, error=error
            )
        except Exception as error:  # of a class of the caller's own, into which they are read
            return _failed_by(error, call, tool, ran)
        return await self._run(call, tool, bound, ran)

    def _no_such(self, call: ToolCall) -> str:
        names = ", ".join(sorted(name for name, tool in self._tools.items() if tool is not None))
        return f"error: there is no tool {call.name!r}; there are: {names or 'none'}"

    async def _run(
        self,
        call: ToolCall,
        tool: Tool[..., object],
        bound: Callable[[], object],
        ran: ToolCall | None,
    ) -> ToolResult:
        try:
            with anyio.move_on_after(self._timeout):
                value = await self._await(bound, is_async=tool.is_async)
                return ToolResult(call=call, content=_sendable(as_text(value)), ran=ran)
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

    async def _await(
        self, function: Callable[..., object], *args: object, is_async: bool
    ) -> object:
        """Call *function*, in a thread if it is not async, and await what it gives if that can be awaited."""
        if is_async:
            value = function(*args)
        else:
            # Not the limiter that all of the program shares: a thread that was left behind would keep a place in it.
            (value,) = await anyio.to_thread.run_sync(
                lambda: (
                    function(*args),
                ),  # trio gives no coroutine out of a thread, but a tuple with one
                abandon_on_cancel=True,
                limiter=anyio.CapacityLimiter(math.inf),
            )
        return await value if inspect.isawaitable(value) else value


def _declared_name(each: object) -> str:
    """The name in a tool of the OpenAI form."""
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
    """Of an exception the model learns what was written for it, or else the type alone."""
    if isinstance(error, ToolError):
        return _failed(call, str(error) or f"the tool {tool.name!r} failed", ran, error)
    return _failed(call, f"the tool {tool.name!r} failed: {type(error).__name__}", ran, error)


def _failed(
    call: ToolCall, problem: str, ran: ToolCall | None, error: Exception | None
) -> ToolResult:
    content = _sendable(f"error: {problem}")
    return ToolResult(call=call, content=content, status="failed", ran=ran, error=error)


def _sendable(text: str) -> str:
    """*text* without halves of surrogate pairs, which no request can hold."""
    return text.encode("utf-8", "replace").decode()
