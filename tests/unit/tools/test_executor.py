from __future__ import annotations

import asyncio
import datetime as dt
import threading
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

import anyio
import pydantic
import pytest
from attrs import evolve

from kimi_async import ConfigurationError, OutputError, ToolCall
from kimi_async.testing import virtual_time
from kimi_async.tools import Deny, ToolError, tool
from kimi_async.tools._executor import Approve, ToolExecutor, ToolResult, Tools

pytestmark = pytest.mark.anyio


def executor(tools: Tools, **options: Any) -> ToolExecutor:
    defaults: dict[str, Any] = {"timeout": None, "concurrency": 8, "raises": False, "approve": None}
    return ToolExecutor(tools, **(defaults | options))


def call(name: str, arguments: str = "{}", **more: Any) -> ToolCall:
    return ToolCall(id=f"{name}:0", name=name, arguments=arguments, **more)


async def answer(box: ToolExecutor, *calls: ToolCall) -> list[ToolResult]:
    return (await box.answer(calls))[0]


@dataclass
class Place:
    city: str


class Model(pydantic.BaseModel):
    city: str


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("北京", "北京"),
        ("", ""),
        (None, "null"),
        ({"km": [1, 2.5]}, '{"km":[1,2.5]}'),
        (Place("Oslo"), '{"city":"Oslo"}'),
        ([Model(city="Oslo")], '[{"city":"Oslo"}]'),
        ("half \ud800", "half ?"),
        ([Path("a/b"), PurePosixPath("/c")], '["a/b","/c"]'),
        (Path("a\udcff"), '"a?"'),
        (
            {"names": ["a\udcff", "ü"], 1: Model(city="\ud800")},
            '{"names":["a?","ü"],"1":{"city":"?"}}',
        ),
        ({dt.date(2026, 1, 1): Decimal("1.1")}, '{"2026-01-01":"1.1"}'),
    ],
    ids=[
        "text",
        "empty",
        "None",
        "dict",
        "dataclass",
        "pydantic",
        "surrogate",
        "paths",
        "odd-path",
        "odd-text",
        "date",
    ],
)
async def test_what_a_tool_gives_is_told(value: object, content: str) -> None:
    @tool
    def give() -> object:
        return value

    (result,) = await answer(executor([give]), call("give"))
    assert result == ToolResult(call=call("give"), content=content)


async def test_half_a_character_in_a_refusal_can_be_sent() -> None:
    """A model writes it as an escape in the name of an argument, a service in its reason."""

    @tool
    def give(city: str) -> None:
        """Give nothing."""

    def deny(call: ToolCall) -> Deny:
        return Deny(reason=f"no {call.name} \udfff")

    (invalid,) = await answer(executor([give]), call("give", r'{"city": "a", "\udfff": 5}'))
    assert (invalid.status, "\udfff" in invalid.content) == ("invalid", False)
    denying = executor([give], approve=deny)
    (denied,) = await answer(denying, call("give", '{"city": "a"}'))
    assert denied.content == "denied: no give ?"


class SecretError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "content"),
    [
        (SecretError("GET https://host/?key=abc"), "error: the tool 'fail' failed: SecretError"),
        (ToolError("no such city"), "error: no such city"),
        (ToolError(), "error: the tool 'fail' failed"),
        (ToolError("\udfff"), "error: ?"),
        (OutputError("inner", text="t"), "error: the tool 'fail' failed: OutputError"),
        (StopIteration(), "error: the tool 'fail' failed: RuntimeError"),
        (
            ExceptionGroup("several", [ValueError()]),
            "error: the tool 'fail' failed: ExceptionGroup",
        ),
    ],
    ids=["secret", "for-the-model", "nothing-said", "surrogate", "ours", "StopIteration", "group"],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_of_an_exception_the_model_learns_what_was_meant_for_it(
    error: Exception, content: str, is_async: bool
) -> None:
    @tool(name="fail")
    def fail() -> None:
        raise error

    @tool(name="fail")
    async def fail_later() -> None:
        raise error

    (result,) = await answer(executor([fail_later if is_async else fail]), call("fail"))
    assert (result.status, result.content) == ("failed", content)
    assert isinstance(error, StopIteration) or result.error is error


async def test_a_result_that_cannot_be_written_is_a_failure() -> None:
    @tool
    def give() -> object:
        return object()

    (result,) = await answer(executor([give]), call("give"))
    assert (result.status, result.content) == (
        "failed",
        "error: the tool 'give' ran, but its result (object) cannot be written as JSON",
    )
    assert isinstance(result.error, ConfigurationError)


class Strict(pydantic.BaseModel):
    city: str

    @pydantic.field_validator("city")
    @classmethod
    def look_up(cls, value: str) -> str:
        raise KeyError(value)


async def test_an_exception_of_the_callers_own_type_says_that_the_arguments_do_not_fit() -> None:
    @tool
    def find(place: Strict) -> None: ...

    (result,) = await answer(executor([find]), call("find", '{"place": {"city": "x"}}'))
    problem = "do not fit: Reading it raised KeyError - at `$.place`"
    assert (result.status, problem in result.content) == ("invalid", True)


class Abort(BaseException): ...


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), Abort()], ids=repr)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_an_exit_of_a_tool_ends_the_run_as_it_is(
    error: BaseException, *, is_async: bool
) -> None:
    def leave() -> None:
        raise error

    async def leave_async() -> None:
        raise error

    made = tool(leave_async if is_async else leave, name="leave")
    with pytest.raises(type(error)) as caught:
        await answer(executor([made]), call("leave"), call("leave"))
    assert caught.value is error


async def test_a_parameter_into_which_nothing_can_be_read_is_a_failure() -> None:
    @tool
    def find(places: set[list[int]]) -> None: ...

    (result,) = await answer(executor([find]), call("find", '{"places": [[1]]}'))
    told = "error: the tool 'find' failed: ConfigurationError"
    assert (result.status, result.content) == ("failed", told)


async def test_what_a_sync_function_gives_is_awaited_if_it_can_be() -> None:
    """As of a wrapper that is not async itself."""

    async def inner() -> str:
        await anyio.lowlevel.checkpoint()
        return f"inner {threading.current_thread() is threading.main_thread()}"

    @tool
    def outer() -> object:
        return inner()

    (result,) = await answer(executor([outer]), call("outer"))
    assert result.content == f"inner {threading.current_thread() is threading.main_thread()}"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_tool_that_cancels_itself_ends_no_other(anyio_backend: str) -> None:
    """On asyncio a task group takes the cancellation of one task for that of all."""

    @tool
    async def give_up() -> None:
        raise asyncio.CancelledError

    @tool
    async def go_on() -> str:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        return "done"

    results = await answer(executor([give_up, go_on]), call("give_up"), call("go_on"))
    assert [(each.status, each.content) for each in results] == [
        ("failed", "error: the tool 'give_up' was cancelled"),
        ("ok", "done"),
    ]


@pytest.mark.parametrize("concurrency", [1, 2, 3])
async def test_no_more_calls_run_at_once_than_allowed(concurrency: int) -> None:
    running, most = 0, 0

    @tool
    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        running -= 1

    await answer(executor([work], concurrency=concurrency), *[call("work")] * 6)
    assert most == concurrency


@pytest.mark.parametrize(
    "anyio_backend", [virtual_time("asyncio"), virtual_time("trio")], ids=["asyncio", "trio"]
)
async def test_the_time_of_a_call_begins_when_it_runs() -> None:
    @tool
    async def work() -> None:
        await anyio.sleep(1)

    calls = [call("work")] * 20
    results = await answer(executor([work], concurrency=1, timeout=5), *calls)
    assert {each.status for each in results} == {"ok"}


async def test_a_timeout_can_end_the_run() -> None:
    @tool
    async def hang() -> None:
        await anyio.sleep_forever()

    with pytest.raises(TimeoutError, match=r"the tool 'hang' did not end within 0.01 s"):
        await answer(executor([hang], raises=True, timeout=0.01), call("hang"))


async def test_what_the_model_does_wrong_never_ends_the_run() -> None:
    @tool
    async def echo(word: str) -> str:
        return word

    def refuse(asked: ToolCall) -> bool:
        return asked.arguments != '{"word": "no"}'

    results = await answer(
        executor([echo], raises=True, approve=refuse),
        call("echo", "{"),
        call("nope"),
        call("echo", '{"word": "no"}'),
        call("echo", '{"word": "yes"}'),
    )
    assert [each.status for each in results] == ["invalid", "unknown", "denied", "ok"]
    assert isinstance(results[0].error, OutputError)


async def test_no_tool_at_all_is_named_as_such() -> None:
    (result,) = await answer(executor([]), call("nope"))
    assert result.content == "error: there is no tool 'nope'; there are: none"


async def test_a_call_that_calls_itself_builtin_is_answered_with_its_arguments() -> None:
    asked = call("$crawl", '{"url":1}', type="builtin_function")
    box = executor([{"type": "function", "function": {"name": "$crawl"}}])
    assert not box.leaves(asked)
    assert box.leaves(call("$crawl"))
    assert (await answer(box, asked))[0].content == '{"url":1}'


# Approval


@tool
def echo(word: str) -> str:
    return word


async def async_yes(asked: ToolCall) -> bool:
    return True


def saying(decision: Any) -> Approve:
    def approve(asked: ToolCall) -> Any:
        return decision

    return approve


def divide(asked: ToolCall) -> bool:
    return len(asked.name) / 0 > 0


async def divide_later(asked: ToolCall) -> bool:
    return divide(asked)


def same(asked: ToolCall) -> ToolCall:
    return asked


class AsyncYes:
    async def __call__(self, asked: ToolCall) -> bool:
        return True


def replace(asked: ToolCall) -> ToolCall:
    return call("echo", '{"word": "other"}')


@pytest.mark.parametrize(
    ("approve", "content", "status", "is_denied"),
    [
        (saying(True), "x", "ok", False),
        (async_yes, "x", "ok", False),
        (AsyncYes(), "x", "ok", False),
        (saying(False), "denied: this call was not allowed", "denied", False),
        (saying(Deny(reason="no")), "denied: no", "denied", False),
        (saying(Deny(stop=True)), "denied: this call was not allowed", "denied", True),
        (replace, "other", "ok", False),
        (
            saying(call("nope")),
            "error: there is no tool 'nope'; there are: echo",
            "unknown",
            False,
        ),
        (same, "x", "ok", False),
    ],
    ids=["yes", "async", "awaitable", "no", "Deny", "stop", "replace", "unknown", "same"],
)
async def test_what_approve_may_say(
    approve: Approve, content: str, status: str, is_denied: bool
) -> None:
    asked = call("echo", '{"word": "x"}')
    (result,), denied = await executor([echo], approve=approve).answer([asked])
    assert (result.call, result.content, result.status) == (asked, content, status)
    assert denied is is_denied
    assert (result.ran is None) == (content in ("x", "denied: no") or status == "denied")


@pytest.mark.parametrize("decision", [None, "yes", 1])
async def test_anything_else_is_no_decision(decision: Any) -> None:
    """Least of all ``None``: a function that forgot to return must not let everything run."""
    with pytest.raises(
        ConfigurationError, match=f"another ToolCall, not {type(decision).__name__}"
    ):
        await answer(executor([echo], approve=saying(decision)), call("echo", '{"word": "x"}'))


@pytest.mark.parametrize("approve", [divide, divide_later], ids=["sync", "async"])
async def test_what_approve_raises_passes_through(approve: Approve) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        await answer(executor([echo], approve=approve), call("echo", '{"word": "x"}'))
    assert caught.value.__notes__ == [
        "raised by approve, which was asked about the tool call 'echo'"
    ]


@tool
def ping() -> str:
    return "pong"


BUILTIN = {"type": "builtin_function", "function": {"name": "$web_search"}}


@pytest.mark.parametrize("replaces", [False, True], ids=["yes", "another"])
async def test_approve_is_asked_about_calls_that_can_run_only(replaces: bool) -> None:
    asked: list[object] = []

    def approve(each: ToolCall) -> bool | ToolCall:
        asked.append((each.name, each.parse()))
        return evolve(each, arguments="[") if replaces else True

    calls = [
        call("nope"),
        call("echo", "{"),
        call("echo", '{"word": 1}'),
        call("echo", '{"word": "x"}'),
        call("ping", " "),
        call("$web_search", '{"q": 1}'),
    ]
    results = await answer(executor([echo, ping, BUILTIN], approve=approve), *calls)
    assert asked == [("echo", {"word": "x"}), ("ping", {}), ("$web_search", {"q": 1})]
    assert [each.call for each in results] == calls
    last = ["invalid", "invalid", "ok"] if replaces else ["ok", "ok", "ok"]
    assert [each.status for each in results] == ["unknown", "invalid", "invalid", *last]
    assert [each.ran is not None for each in results[3:]] == [replaces] * 3


async def test_approve_is_asked_in_order_and_before_anything_runs() -> None:
    happened: list[str] = []

    @tool
    def work(word: str) -> None:
        happened.append(f"run {word}")

    def approve(asked: ToolCall) -> bool:
        happened.append(f"ask {asked.parse()['word']}")
        return True

    calls = [call("work", f'{{"word": "{word}"}}') for word in "abc"]
    await answer(executor([work], approve=approve), *calls)
    assert happened[:3] == ["ask a", "ask b", "ask c"]
    assert sorted(happened[3:]) == ["run a", "run b", "run c"]


async def test_cancelling_leaves_a_thread_behind() -> None:
    begun, release = threading.Event(), threading.Event()

    @tool
    def block() -> None:
        begun.set()
        release.wait(30)

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer, executor([block]), call("block"))
            await anyio.to_thread.run_sync(begun.wait, 30)
            tasks.cancel_scope.cancel()
        assert begun.is_set()
        assert not release.is_set()
    finally:
        release.set()
