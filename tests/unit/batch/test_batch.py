"""``client.batch()``: every request has one result, in constant memory, and nothing is left when the reader leaves."""

from __future__ import annotations

import asyncio
import random
import re
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import anyio
import pytest
from fake_host import break_at_once

import kimi_async as kimi
from kimi_async.batch import Batch, BatchRequest, BatchResult
from kimi_async.testing import (
    ErrorReply,
    FakeTransport,
    Faulty,
    ReceivedRequest,
    Reply,
    ScriptError,
    SlowHeaders,
    virtual_time,
)
from kimi_async.testing._time import VirtualLoop

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: Any) -> Any:
    """All waits of this module take no real time."""
    return virtual_time(request.param)


def last_text(request: ReceivedRequest) -> str:
    return str(request.body["messages"][-1]["content"])


def echo(request: ReceivedRequest) -> Reply:
    return Reply(f"{last_text(request)}!")


async def results_of(batch: Batch[Any]) -> dict[str, BatchResult[Any]]:
    results = {}
    async for result in batch:
        assert result.custom_id not in results
        results[result.custom_id] = result
    return results


class Source:
    """Counts the requests that were taken."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.taken = 0
        self.closed = False

    def texts(self) -> Iterator[str]:
        try:
            while self.taken < self.number:
                self.taken += 1
                yield f"text {self.taken}"
        finally:
            self.closed = True

    async def slow_texts(self) -> AsyncGenerator[str]:
        try:
            while self.taken < self.number:
                self.taken += 1
                await anyio.sleep(1)
                yield f"text {self.taken}"
        finally:
            self.closed = True


async def test_each_form_of_request_is_answered() -> None:
    fake = FakeTransport(echo)
    asked: list[Any] = [
        "a",
        [kimi.system("Be brief"), kimi.user("b")],
        BatchRequest("c", "c"),
        kimi.user("d"),
    ]
    results = await results_of(fake.client().batch(asked))
    texts = {name: result.reply and result.reply.text for name, result in results.items()}
    assert texts == {"0": "a!", "1": "b!", "c": "c!", "3": "d!"}
    assert all(result.ok and result.usage is not None for result in results.values())


async def test_parameters_of_the_batch_and_of_one_request() -> None:
    fake = FakeTransport(echo)
    asked = [BatchRequest("a", "a", {"temperature": 1.0}), BatchRequest("b", "b")]
    await results_of(fake.client().batch(asked, temperature=0.5, max_tokens=9))
    sent = {last_text(each): each.body for each in fake.requests}
    assert (sent["a"]["temperature"], sent["b"]["temperature"]) == (1.0, 0.5)
    assert (sent["a"]["max_tokens"], sent["b"]["max_tokens"]) == (9, 9)


@dataclass
class City:
    name: str


async def test_values_of_a_type() -> None:
    answers = {"good": '{"name": "Rome"}', "bad": "Rome"}

    def script(request: ReceivedRequest) -> Reply:
        said = {message["content"] for message in request.body["messages"]}
        return Reply(next(answers[name] for name in answers if name in said))

    fake = FakeTransport(script)
    asked = [BatchRequest(name, name, into=City) for name in answers]
    results = await results_of(fake.client().batch(asked, repairs=1))
    assert results["good"].value == City("Rome")
    assert results["good"].reply is not None
    assert isinstance(results["bad"].error, kimi.OutputError)
    one, two = results["good"].usage, results["bad"].usage
    assert one is not None
    assert two is not None
    assert two.total_tokens == 2 * (one.total_tokens or 0)  # the repair has cost too


async def test_an_error_is_the_result_of_its_request() -> None:
    def script(request: ReceivedRequest) -> Any:
        return ErrorReply(400, message="no") if last_text(request) == "bad" else echo(request)

    fake = FakeTransport(script)
    asked: list[Any] = [
        "good",
        "bad",
        5,
        ["no message"],
        BatchRequest("e", "e", {"max_tokens": -1}),
    ]
    results = await results_of(fake.client().batch(asked))
    assert results.pop("0").ok
    assert isinstance(results["1"].error, kimi.BadRequestError)
    errors = {name: result.error for name, result in results.items() if not result.ok}
    assert {
        name for name, error in errors.items() if isinstance(error, kimi.ConfigurationError)
    } == {
        *("2", "3", "e"),
    }
    assert "item 2 of the batch is int" in str(errors["2"])


async def test_the_usage_of_a_reply_that_broke() -> None:
    fake = FakeTransport([Reply("Hello, you!", cut_after=2)])
    (result,) = (await results_of(fake.client().batch(["Hi"]))).values()
    assert isinstance(result.error, kimi.StreamInterrupted)
    assert result.usage is None
    assert result.reply is None


async def test_the_hooks_of_the_client_and_of_a_request_are_called() -> None:
    calls: list[str] = []
    fake = FakeTransport(echo)
    client = fake.client(hooks=[lambda _: calls.append("client")])
    own = BatchRequest("b", "b", {"hooks": [lambda _: calls.append("request")]})
    await results_of(client.batch(["a", own], concurrency=1))
    assert calls == ["client", "request"]


def slow(seconds: Callable[[], float]) -> Callable[[ReceivedRequest], Any]:
    return lambda request: Faulty(echo(request), SlowHeaders(seconds()))


@pytest.mark.parametrize("ordered", [False, True])
async def test_no_more_run_at_once_and_none_is_lost(ordered: bool) -> None:
    wait = random.Random(15)
    most = 0

    def seconds() -> float:
        nonlocal most
        most = max(most, fake.active_requests)
        return wait.uniform(0, 10)

    fake = FakeTransport(slow(seconds))
    batch = fake.client().batch(Source(200).texts(), concurrency=7, ordered=ordered)
    places = [result.index async for result in batch]
    assert sorted(places) == [*range(200)]
    assert (places == sorted(places)) is ordered
    assert most == 7


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_slow_reader_is_waited_for(ordered: bool) -> None:
    source = Source(100)
    fake = FakeTransport(echo)
    taken = 0
    async for _ in fake.client().batch(source.texts(), concurrency=3, ordered=ordered):
        taken += 1
        await anyio.sleep(60)
        assert source.taken <= taken + 2 * 3
    assert taken == 100


async def test_a_slow_first_row_bounds_the_rows_after_it() -> None:
    source, fake = Source(1000), FakeTransport(slow_if_first)
    batch = fake.client().batch(source.texts(), concurrency=3, ordered=True)
    first = await anext(batch)
    assert (first.index, source.taken, len(fake.requests)) == (0, 6, 6)
    await batch.aclose()


def slow_if_first(request: ReceivedRequest) -> Any:
    return Faulty(echo(request), SlowHeaders(50 if last_text(request) == "text 1" else 0))


async def test_a_source_that_is_slow_and_async() -> None:
    source = Source(5)
    fake = FakeTransport(echo)
    results = await results_of(fake.client().batch(source.slow_texts()))
    assert len(results) == 5
    assert source.closed
    assert anyio.current_time() >= 5


class Endless:
    """An async iterable that is not a generator, and so cannot be closed."""

    def __aiter__(self) -> Endless:
        return self

    async def __anext__(self) -> str:
        return "Hi"


async def cancel_soon(batch: Batch[Any]) -> None:
    with anyio.move_on_after(12):
        await results_of(batch)


async def fail_in_the_block(batch: Batch[Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with batch:
            await anext(batch)
            raise ZeroDivisionError


@pytest.mark.parametrize("leave", [break_at_once, cancel_soon, fail_in_the_block])
@pytest.mark.parametrize("kind", [Source.texts, Source.slow_texts])
async def test_leaving_early_closes_everything(
    kind: Callable[[Source], Any], leave: Callable[[Batch[Any]], Awaitable[None]]
) -> None:
    fake = FakeTransport(slow(lambda: 5))
    client = fake.client()
    source = Source(100)
    texts = kind(source)  # a generator that is collected is closed too
    await leave(client.batch(texts, concurrency=10))
    await anyio.wait_all_tasks_blocked()
    assert (fake.active_requests, client.in_flight, source.closed) == (0, 0, True)
    del texts


def raises_when_closed() -> Iterator[str]:
    try:
        while True:
            yield "Hi"
    finally:
        raise OSError("the disk is gone")


async def raises_when_closed_later() -> AsyncGenerator[str]:
    try:
        while True:
            yield "Hi"
    finally:
        raise OSError("the disk is gone")


@pytest.mark.parametrize("kind", [raises_when_closed, raises_when_closed_later])
async def test_a_source_that_cannot_be_closed_is_told(kind: Callable[[], Any]) -> None:
    client = FakeTransport(echo).client()
    batch = client.batch(kind())
    with pytest.raises(OSError, match="the disk is gone"):
        async with batch:
            await anext(batch)
    await batch.aclose()
    with pytest.raises(RuntimeError, match="closed before its end"):
        await results_of(batch)
    await break_at_once(client.batch(kind()))  # nobody is told, and nothing else fails
    await anyio.wait_all_tasks_blocked()


async def test_async_with_waits_for_the_end_of_all() -> None:
    fake = FakeTransport(slow(random.Random(1).random))
    client = fake.client()
    async with client.batch(Endless(), concurrency=10) as batch:
        assert repr(batch) == "<Batch taken=0>"
        await anext(batch)
        assert client.in_flight > 0
    assert (fake.active_requests, client.in_flight) == (0, 0)
    with pytest.raises(RuntimeError, match="closed before its end"):
        await results_of(batch)
    await batch.aclose()


async def test_a_batch_that_was_never_read_has_nothing_to_close() -> None:
    fake = FakeTransport(echo)
    async with fake.client().batch(["Hi"]):
        pass
    assert not fake.requests


async def test_a_cancelled_reader_ends_the_batch() -> None:
    fake = FakeTransport(slow(lambda: 50))
    client = fake.client()
    batch = client.batch(Source(100).texts(), concurrency=10)
    with anyio.move_on_after(10):
        await anext(batch)
    await anyio.wait_all_tasks_blocked()
    assert (fake.active_requests, client.in_flight) == (0, 0)
    with pytest.raises(RuntimeError, match="closed before its end"):
        await anext(batch)


@pytest.mark.parametrize("cancel_at", [0, 0.5, 3, 3.5, 20])
async def test_a_caller_who_is_cancelled_leaves_nothing(cancel_at: float) -> None:
    wait = random.Random(1)
    fake = FakeTransport(slow(lambda: wait.uniform(0, 6)))
    client = fake.client()
    with anyio.move_on_after(cancel_at):
        await results_of(client.batch(Source(1000).slow_texts(), concurrency=10))
    await anyio.wait_all_tasks_blocked()
    assert (fake.active_requests, client.in_flight) == (0, 0)


async def test_an_error_of_the_source_comes_after_the_results() -> None:
    def broken() -> Iterator[str]:
        yield "a"
        yield "b"
        raise OSError("the disk is gone")

    fake = FakeTransport(slow(lambda: 5))
    batch = fake.client().batch(broken())
    taken = [await anext(batch), await anext(batch)]
    assert all(result.ok for result in taken)
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is gone"):
            await anext(batch)


async def test_the_error_of_a_script_ends_the_batch() -> None:
    fake = FakeTransport([Reply("a")])
    with pytest.raises(ScriptError):
        await results_of(fake.client().batch(["a", "b", "c"], concurrency=1))
    assert fake.active_requests == 0


async def test_only_one_task_reads() -> None:
    fake = FakeTransport(slow(lambda: 5))
    batch = fake.client().batch(["a"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(results_of, batch)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="another task"):
            await anext(batch)


CACHED = [kimi.system("You know these ten pages: ..."), kimi.user("Yes?")]


async def test_requests_with_one_beginning_share_a_cache_key() -> None:
    fake = FakeTransport(echo)
    client = fake.client(provider=fake.moonshot())
    other = [{"role": "system", "content": "Something else"}, kimi.user("c")]
    named = BatchRequest("named", [*CACHED, kimi.user("d")], {"prompt_cache_key": "mine"})
    asked: list[Any] = [[*CACHED, kimi.user("a")], [*CACHED, kimi.user("b")], other, named, "alone"]
    await results_of(client.batch(asked, concurrency=1))
    keys = [request.body.get("prompt_cache_key") for request in fake.requests]
    assert keys[0] == keys[1] != keys[2]
    assert None not in keys[:3]
    assert keys[3:] == ["mine", None]


async def test_a_provider_without_a_cache_key_gets_none() -> None:
    fake = FakeTransport(echo)
    await results_of(fake.client().batch([[*CACHED, kimi.user("a")]]))
    assert "prompt_cache_key" not in fake.requests[0].body


async def test_messages_that_are_not_json_are_an_error_of_their_request() -> None:
    fake = FakeTransport(echo)
    strange: list[Any] = [{"role": "user", "content": "a", "x": object()}, kimi.user("b")]
    (result,) = (await results_of(fake.client(provider=fake.moonshot()).batch([strange]))).values()
    assert isinstance(result.error, kimi.ConfigurationError)


TWICE: Final = [BatchRequest("a", "Hi"), BatchRequest("b", "Hi"), BatchRequest("a", "Hello")]


@pytest.mark.parametrize(
    ("requests", "options", "words"),
    [
        ("one text", {}, "not str"),
        (kimi.user("Hi"), {}, "not Message"),
        (5, {}, "not int"),
        ({"a": 1}, {}, "not dict"),
        ([], {"concurrency": 0}, "concurrency"),
        ([], {"concurrency": 2.5}, "concurrency"),
        ([], {"concurrency": -1}, "concurrency"),
        ([], {"concurrency": True}, "concurrency"),
        ([], {"repairs": -1}, "repairs must be a whole number"),
        ([], {"repairs": 1.5}, "repairs must be a whole number"),
        ([], {"into": int}, r"unknown parameter 'into': .* belongs to BatchRequest\("),
        ([], {"hooks": 5}, "hooks must be a list"),
        (
            TWICE,
            {},
            r"^requests\[2\] has the same custom_id as requests\[0\]; give each request its own",
        ),
        (tuple(TWICE), {}, "has the same custom_id"),
        (["Hi", BatchRequest("0", "Hi")], {}, r"requests\[1\] has .* as requests\[0\]"),
    ],
)
async def test_arguments_that_cannot_work(requests: Any, options: Any, words: str) -> None:
    with pytest.raises(kimi.ConfigurationError, match=words):
        FakeTransport().client().batch(requests, **options)


async def test_names_of_a_source_that_is_read_one_by_one_are_not_compared() -> None:
    """All of its names would have to be kept."""
    names = [result.custom_id async for result in FakeTransport(echo).client().batch(iter(TWICE))]
    assert sorted(names) == ["a", "a", "b"]


def nested(depth: int) -> Any:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


DEEP: Final = nested(sys.getrecursionlimit())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((5, "Hi"), "custom_id must be a str"),
        (("a", 5), "messages must be a text"),
        (("a", None), "messages must be a text"),
        (("a", "Hi", None), "must be a dict with names as keys"),
        (("a", "Hi", ["max_tokens"]), "must be a dict with names as keys"),
        (("a", "Hi", {5: 5}), "must be a dict with names as keys"),
        (("a", "Hi", {"bogus": 5}), "unknown parameter 'bogus'"),
        (("a", "Hi", {"hooks": 5}), "hooks must be a list"),
        (("a", "Hi", {"hooks": None}), "hooks must be a list"),
        (("a", "Hi", {"hooks": [5]}), "hooks must be a list"),
        (("a", "Hi", {"extra_body": {"x": DEEP}}), "cannot be written as JSON"),
    ],
)
async def test_a_request_that_cannot_be_sent_is_an_error_of_its_own(
    values: tuple[Any, ...], words: str
) -> None:
    asked = [BatchRequest(*values), BatchRequest("good", "Hi")]
    results = await results_of(FakeTransport([Reply("Hello")]).client().batch(asked))
    assert results.pop("good").ok
    (result,) = results.values()
    assert isinstance(result.error, kimi.ConfigurationError)
    assert re.search(words, str(result.error))


def test_a_batch_of_another_event_loop() -> None:
    fake = FakeTransport(slow(lambda: 5))
    batch = fake.client().batch(["a", "b"])

    async def read() -> None:
        await anext(batch)

    loop = VirtualLoop()
    loop.run_until_complete(read())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(read())
    loop.run_until_complete(batch.aclose())
    loop.close()


def test_a_batch_that_outlives_its_event_loop() -> None:
    batches = [FakeTransport(slow(lambda: 5)).client().batch(["a", "b"])]

    async def read() -> None:
        await anext(batches[0])

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(read())
    batches.clear()
