"""Hooks are told about each reply and its attempts, and cannot harm it."""

from __future__ import annotations

from typing import Any

import pytest
from exit_actions import Watcher
from fake_host import HELLO, FakeHost, sse

import kimi_async as kimi

pytestmark = pytest.mark.anyio


async def test_a_hook_is_told_what_is_asked_and_how_it_ended() -> None:
    watcher = Watcher()
    reply = await FakeHost([HELLO]).client(hooks=[watcher.begin]).chat("Hi", temperature=0.5)
    (call,) = watcher.calls
    assert (call.providers, call.model, dict(call.params)) == (
        *(("acedata",), "kimi-k2.6", {"temperature": 0.5}),
    )
    (info,) = watcher.started
    assert (info.provider, info.model, info.attempt) == ("acedata", "kimi-k2.6", 1)
    assert info.host
    assert watcher.replies == [(reply.record, reply)]
    watcher.check(reply.record)


async def test_a_reply_that_breaks_is_told_without_a_completion() -> None:
    watcher = Watcher()
    with pytest.raises(kimi.EmptyResponseError) as caught:
        await FakeHost([sse()]).client().chat("Hi", hooks=[watcher.begin])
    assert watcher.replies == [(caught.value.record, None)]


class Raising:
    def attempt_started(self, _: object) -> None:
        raise ValueError("no")

    def ended(self, *_: object) -> None:
        raise ValueError("no")


def raising(_: kimi.CallInfo) -> None:
    raise ValueError("no")


async def test_what_a_hook_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    hooks: list[kimi.Hook] = [raising, lambda _: Raising(), lambda _: None, lambda _: object()]
    assert (await FakeHost([HELLO]).client(hooks=hooks).chat("Hi")).text == "Hello"
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"{name} raised; the reply is not affected"
        for name in ("a hook", "attempt_started", "ended")
    ]


class Async:
    async def attempt_started(self, _: object) -> None: ...

    async def ended(self, *_: object) -> None: ...


async def begin(_: object) -> None: ...


def begin_later(told: object) -> object:
    return begin(told)


async def test_an_async_hook_is_not_run_and_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hooks: list[kimi.Hook] = [begin_later, lambda _: Async()]
    client = FakeHost([HELLO]).client(hooks=hooks, on_complete=begin_later)
    assert (await client.chat("Hi")).text == "Hello"
    told = [record.getMessage() for record in caplog.records]
    assert sorted(told) == [
        f"{name} is async, so it was not run; make it a plain function"
        for name in ("a hook", "attempt_started", "ended", "on_complete")
    ]


def test_an_observer_does_nothing_by_itself() -> None:
    observer: Any = kimi.Observer()
    assert [observer.attempt_started(0), observer.attempt_ended(0), observer.ended(0, None)] == [
        None
    ] * 3


@pytest.mark.parametrize(
    "hooks",
    [None, raising, [None], [begin]],
    ids=["none", "not-a-list", "not-callable", "async"],
)
def test_hooks_that_cannot_be_called_are_refused(hooks: Any) -> None:
    with pytest.raises(kimi.ConfigurationError, match="hooks must be a list of callables"):
        FakeHost().client(hooks=hooks)
