"""Each way to leave a reply at each stage: the stages, the exits, and the outcome of each pair.

A row of :data:`STAGES` says where a reply stands still; a row of :data:`EXITS` says how it is left from there, and what
outcome the record then has. A pair is left out only for the reason that :func:`left_out` gives.
``docs/errors-and-endings.md`` shows :func:`matrix`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from attrs import evolve, frozen
from exit_actions import (
    PATIENT,
    Leave,
    Situation,
    break_inside,
    break_outside,
    cancel_scope,
    cancel_task,
    cancel_task_twice,
    close_client,
    close_stream,
    end_loop_between_reads,
    end_loop_while_reading,
    raise_inside,
    read_all,
    run_into_limit,
    run_out_of_time,
)

import kimi_async as kimi
from kimi_async import Timeouts
from kimi_async.testing import Ending, ErrorReply, FakeToolCall, Reply, ScriptedReply

#: How much of the reply has come: no output, some, or all that makes it whole.
Phase: TypeAlias = Literal["before", "during", "whole"]

Error: TypeAlias = type[kimi.KimiError] | None


@frozen(kw_only=True)
class Stage:
    """Where a reply stands still.

    Attributes:
        name: Its name in the documentation.
        phase: How much has come.
        scheme: A server that never answers is asked, with this scheme; ``None``: the fake provider is.
        reply: The reply of the fake provider up to here, followed by the ending.
        reached: Whether the reader waits here. It is asked between two turns of the loop: a reader that has the last
            event is then in the next read.
        nothing_to_leave: Why no event is handed out here that a loop could be left at; ``""`` where one is.
        limits: One of ours runs out here.
        at_limit: The error for the reader then; ``None`` is a complete reply.
        at_end: The error when the body or the connection ends cleanly.
        at_break: The error when the connection breaks.
    """

    name: str
    phase: Phase
    scheme: Literal["http", "https"] | None = None
    reply: Callable[[Ending], ScriptedReply] | None = None
    reached: Callable[[Situation], bool]
    nothing_to_leave: str = ""
    limits: Timeouts
    at_limit: Error
    at_end: Error
    at_break: Error


def cut(reply: Reply, after: int | None) -> Callable[[Ending], Reply]:
    """*reply* up to so many events; one event is one read."""
    return lambda end: evolve(reply, cut_after=after, end=end)


def has(event: kimi.StreamEvent) -> Callable[[Situation], bool]:
    """Whether *event* is the last one that the reader has."""
    return lambda at: at.seen[-1:] == [event]


NO_EVENT = "no event is handed out before the first output"
NO_LATE_EVENT = "no event is handed out while the body is drained"
USAGE = kimi.Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
TALK = Reply("content", "reasoning", chunk_chars=4, usage=USAGE)
CALL = Reply(tool_calls=(FakeToolCall("f", '{"a": 1}'),), chunk_chars=4, usage=USAGE)

STAGES = (
    Stage(
        name="connecting",  # in the TLS handshake
        phase="before",
        scheme="https",
        reached=lambda at: at.silent.heard,
        nothing_to_leave=NO_EVENT,
        limits=Timeouts(connect=0.1),
        at_limit=kimi.ConnectTimeout,
        at_end=kimi.TransportError,
        at_break=kimi.TransportError,
    ),
    Stage(
        name="waiting for headers",
        phase="before",
        scheme="http",
        reached=lambda at: at.silent.heard,
        nothing_to_leave=NO_EVENT,
        limits=Timeouts(first_output=0.1),
        at_limit=kimi.FirstOutputTimeout,
        at_end=kimi.TransportError,
        at_break=kimi.TransportError,
    ),
    Stage(
        name="error body",
        phase="before",
        reply=lambda end: ErrorReply(500, body='{"err', end=end),
        reached=lambda at: at.stream.response is not None,
        nothing_to_leave=NO_EVENT,
        limits=Timeouts(first_output=0.1),
        at_limit=kimi.FirstOutputTimeout,
        at_end=kimi.ServerError,
        at_break=kimi.ServerError,
    ),
    Stage(
        name="before the first output",
        phase="before",
        reply=cut(TALK, 1),
        reached=lambda at: at.stream.last_chunk is not None,
        nothing_to_leave=NO_EVENT,
        limits=Timeouts(first_output=0.1),
        at_limit=kimi.FirstOutputTimeout,
        at_end=kimi.EmptyResponseError,
        at_break=kimi.TransportError,
    ),
    Stage(
        name="in reasoning",
        phase="during",
        reply=cut(TALK, 3),
        reached=has(kimi.ReasoningDelta("onin")),
        limits=Timeouts(idle=0.1),
        at_limit=kimi.IdleTimeout,
        at_end=kimi.StreamInterrupted,
        at_break=kimi.StreamInterrupted,
    ),
    Stage(
        name="in content",
        phase="during",
        reply=cut(TALK, 4),
        reached=has(kimi.ContentDelta("cont")),
        limits=Timeouts(progress=0.1),
        at_limit=kimi.ProgressTimeout,
        at_end=kimi.StreamInterrupted,
        at_break=kimi.StreamInterrupted,
    ),
    Stage(
        name="in a tool call",
        phase="during",
        reply=cut(CALL, 3),
        reached=has(kimi.ToolCallDelta(0, '{"a"')),
        limits=Timeouts(total=0.2),
        at_limit=kimi.TotalTimeout,
        at_end=kimi.StreamInterrupted,
        at_break=kimi.StreamInterrupted,
    ),
    Stage(
        name="after the finish reason",
        phase="whole",
        reply=cut(TALK, -2),
        reached=has(kimi.Finish("stop")),
        limits=Timeouts(finish_grace=0.1),
        at_limit=None,
        at_end=None,
        at_break=None,
    ),
    Stage(
        name="draining",
        phase="whole",
        # One write and one read, or the end of the stream could be read before the drain begins.
        reply=lambda end: evolve(TALK, cuts="whole", end=end),
        reached=has(kimi.UsageUpdate(USAGE)),
        nothing_to_leave=NO_LATE_EVENT,
        limits=PATIENT,  # and the limit of the drain, which is not a setting of the caller
        at_limit=None,
        at_end=None,
        at_break=None,
    ),
)


@frozen(kw_only=True)
class Exit:
    """One way to leave a reply, and its outcome on the record.

    Attributes:
        name: Its name in the documentation.
        leave: Leaves it.
        before: The outcome before the first output.
        during: The outcome after it.
        whole: The outcome once every choice has its finish reason.
        end: The action of the server at the stage.
        needs_event: Whether the exit is out of the body of a loop.
        asyncio_only: Why there is none on trio; ``""`` where there is.
        takes_client: Whether the client is gone too, and the next request needs another.
        own_limit: Whether a limit of ours ends the reply.
    """

    name: str
    leave: Leave
    before: str = "cancelled"
    during: str = "cancelled"
    whole: str = "cancelled"
    end: Ending = "stall"
    needs_event: bool = False
    asyncio_only: str = ""
    takes_client: bool = False
    own_limit: bool = False


NO_TASK_CANCEL = "trio cancels scopes alone"
NO_LOOP_END = "trio does not end before its tasks do"

EXITS = (
    Exit(
        name="the body ends",
        leave=read_all,
        before="error",
        during="interrupted",
        whole="complete",
        end="finish",
    ),
    Exit(
        name="the server hangs up",
        leave=read_all,
        before="error",
        during="interrupted",
        whole="complete",
        end="hangup",
    ),
    Exit(
        name="the connection is reset",
        leave=read_all,
        before="error",
        during="interrupted",
        whole="complete",
        end="reset",
    ),
    Exit(
        name="a limit of `Timeouts`",
        leave=run_into_limit,
        before="timeout",
        during="timeout",
        whole="complete",
        own_limit=True,
    ),
    Exit(name="a deadline of yours", leave=run_out_of_time),
    Exit(name="`break` inside `async with`", leave=break_inside, needs_event=True),
    Exit(name="`break` without it", leave=break_outside, needs_event=True),
    Exit(name="an exception in the loop body", leave=raise_inside, needs_event=True),
    Exit(name="its scope is cancelled", leave=cancel_scope),
    Exit(name="`task.cancel()`", leave=cancel_task, asyncio_only=NO_TASK_CANCEL),
    Exit(name="`task.cancel()` twice", leave=cancel_task_twice, asyncio_only=NO_TASK_CANCEL),
    Exit(name="`aclose()` from another task", leave=close_stream),
    Exit(
        name="the client is closed",
        leave=close_client,
        before="error",
        during="interrupted",
        whole="complete",
        takes_client=True,
    ),
    Exit(
        name="the loop ends under a read",
        leave=end_loop_while_reading,
        asyncio_only=NO_LOOP_END,
        takes_client=True,
    ),
    Exit(
        name="the loop ends between reads",
        leave=end_loop_between_reads,
        needs_event=True,
        takes_client=True,
    ),
)


def left_out(stage: Stage, exit_: Exit, loop: str) -> str:
    """Return the reason why this event loop has no such pair; ``""`` if it has one."""
    if exit_.needs_event and stage.nothing_to_leave:
        return stage.nothing_to_leave
    return exit_.asyncio_only if loop == "trio" else ""


def outcome(stage: Stage, exit_: Exit) -> str:
    """Return the outcome on the record."""
    return {"before": exit_.before, "during": exit_.during, "whole": exit_.whole}[stage.phase]


def matrix() -> str:
    """The table of the docs."""
    rows = [["", *(stage.name for stage in STAGES)], ["---"] * (len(STAGES) + 1)]
    for exit_ in EXITS:
        cells = [
            "–" if left_out(stage, exit_, "asyncio") else outcome(stage, exit_) for stage in STAGES
        ]
        rows.append([exit_.name + " (asyncio)" * bool(exit_.asyncio_only), *cells])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
