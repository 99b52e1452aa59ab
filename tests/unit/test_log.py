"""Each attempt has one line in the log, with facts and without content."""

from __future__ import annotations

import logging

import pytest

import kimi_async as kimi
from kimi_async.testing import ErrorReply, FakeTransport, Reply

pytestmark = pytest.mark.anyio

SECRET = "a prompt that nobody may read"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="kimi_async")
    return caplog


def facts(record: logging.LogRecord) -> dict[str, object]:
    return {
        name.removeprefix("kimi_"): value
        for name, value in vars(record).items()
        if name.startswith("kimi_")
    }


async def test_each_attempt_has_one_line(log: pytest.LogCaptureFixture) -> None:
    usage = kimi.Usage(prompt_tokens=7, completion_tokens=2, cached_tokens=4)
    fake = FakeTransport([ErrorReply(503, message=SECRET), Reply("Hello", usage=usage)])
    retries = kimi.Retries(throttled_base=0.001)
    await fake.client(model="kimi-k3", retries=retries).chat(SECRET)
    failed, complete = map(facts, log.records)
    assert (failed["provider"], failed["attempt"], failed["outcome"]) == ("acedata", 1, "error")
    assert (failed["error"], failed["chunks"]) == ("OverloadedError", 0)
    assert (complete["attempt"], complete["outcome"], complete["error"]) == (2, "complete", None)
    assert (complete["prompt_tokens"], complete["completion_tokens"]) == (7, 2)
    assert complete["cached_tokens"] == 4
    texts = [record.getMessage() for record in log.records]
    assert texts[0].startswith("acedata kimi-k3, attempt 1: error (OverloadedError) after ")
    assert texts[1].startswith("acedata kimi-k3, attempt 2: complete after ")
    assert SECRET not in f"{texts} {failed} {complete}"


async def test_a_reply_that_is_left_has_its_line(log: pytest.LogCaptureFixture) -> None:
    client = FakeTransport(Reply("Hello there")).client(model="kimi-k3")
    async with client.stream(SECRET):
        pass
    (record,) = log.records
    assert facts(record)["outcome"] == "cancelled"


async def test_a_log_that_nobody_reads_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="kimi_async")
    await FakeTransport(Reply("Hello")).client(model="kimi-k3").chat("Hi")
    assert not caplog.records


async def test_hooks_are_told_beside_the_log(log: pytest.LogCaptureFixture) -> None:
    calls: list[kimi.CallInfo] = []
    await FakeTransport(Reply("Hello")).client(model="kimi-k3", hooks=[calls.append]).chat("Hi")
    assert (len(calls), len(log.records)) == (1, 1)
