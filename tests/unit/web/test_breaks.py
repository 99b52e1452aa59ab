"""Replies that break after their first output, in each format, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest
from attrs import evolve, frozen
from web_cases import FORMATS, OSLO, Case, parse, run, weather

import kimi_async as kimi
from kimi_async._configuration import OnInterrupt
from kimi_async.testing import FakeTransport, Faulty, Insert, Reply, ScriptedReply, virtual_time
from kimi_async.tools import StepStart
from kimi_async.web import Format, Streamed, asgi_body

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


#: Another name of the model: the K3 models do not continue a prefix.
BROKEN: Final = Reply("Hello, you!", chunk_chars=5, model="kimi-k3")
BUSY: Final = b'data: {"error":{"code":"engine_overloaded","message":"secret words"}}\n\n'
TEXT_AND_BUSY: Final = b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n' + BUSY
LOOK: Final = Reply("Let me look.", tool_calls=[OSLO])


@frozen
class Break:
    """A reply that breaks once, whose provider then gives another one.

    Attributes:
        script: The replies of the provider, up to the break.
        asks_again: The formats whose readers get the other reply.
        call: Makes the stream.
    """

    script: Sequence[ScriptedReply]
    asks_again: Sequence[str]
    call: Callable[[kimi.AsyncKimi], Streamed] = Case([]).call


TAKEN_BACK: Final = ("events", "ai-sdk")
#: A browser that gets only the text has nothing of a reply that breaks while it thinks.
UNSHOWN: Final = ("text", *TAKEN_BACK)
THOUGHT: Final = Reply(None, "A greeting?", cut_after=-4, end="reset")
BREAKS: Final[Mapping[str, Break]] = {
    "text-cut": Break([evolve(BROKEN, cut_after=-4, end="reset")], TAKEN_BACK),
    "text-stalls": Break([evolve(BROKEN, cut_after=-4, end="stall")], TAKEN_BACK),
    "text-then-error": Break([Faulty(BROKEN, Insert(BUSY, after_event=-4))], TAKEN_BACK),
    "thinking": Break([THOUGHT], UNSHOWN),
    "text-with-error": Break(
        [Faulty(Reply(None, "A greeting?"), Insert(TEXT_AND_BUSY, after_event=-3))], UNSHOWN
    ),
    "parsed": Break(
        [evolve(BROKEN, content='{"name":"Os', cut_after=-3, end="reset")], TAKEN_BACK, parse
    ),
    "first-step": Break([evolve(LOOK, cut_after=-3, end="reset")], TAKEN_BACK, run),
    "second-step": Break([LOOK, evolve(BROKEN, cut_after=-4, end="reset")], TAKEN_BACK, run),
    "second-step-thinks": Break([LOOK, THOUGHT], UNSHOWN, run),
}
AGAIN: Final = '{"name":"Bern","people":140000}'


@pytest.mark.parametrize("way", ["restart", "continue"])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", BREAKS)
async def test_no_reply_is_paid_that_a_format_cannot_show(
    name: str, format: Format, way: OnInterrupt
) -> None:
    broken = BREAKS[name]
    fake = FakeTransport([*broken.script, Reply(AGAIN, chunk_chars=50)])
    client = fake.client(model="kimi-k3", retries=kimi.Retries(), on_interrupt=way)
    body = asgi_body(broken.call(client), format)
    text = b"".join([piece async for piece in body]).decode()
    await body.aclose()
    asks_again = format in broken.asks_again
    assert len(fake.requests) == len(broken.script) + asks_again
    assert ("Bern" in text) is asks_again
    assert asks_again or "The answer broke before its end." in text
    assert not (asks_again and format == "text" and "Hel" in text)


async def test_each_step_of_a_run_may_restart_until_it_is_shown() -> None:
    broken = evolve(BROKEN, cut_after=-4, end="reset")
    fake = FakeTransport([broken, LOOK, broken])
    client = fake.client(model="kimi-k3", retries=kimi.Retries(), on_interrupt="restart")
    run = client.run("Hi", tools=[weather])
    run.forbid_restart()  # of a step that has not begun
    steps: list[int] = []
    with pytest.raises(kimi.StreamInterrupted):
        async for event in run:
            if isinstance(event, StepStart):
                steps.append(event.step)
            elif steps == [1, 2]:
                run.forbid_restart()
    assert len(fake.requests) == 3
