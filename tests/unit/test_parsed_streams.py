"""Values that grow while a structured answer arrives."""

from __future__ import annotations

from typing import Any

import pytest
from fake_host import USAGE, FakeHost, break_at_once, delta, sse
from structured_answers import (
    ADA,
    ADAPTERS,
    FORMATS,
    WRONG,
    Struct,
    client_of,
)

import kimi_async as kimi
from kimi_async import OutputError, structured
from kimi_async.structured import Parsed
from kimi_async.testing import FakeProvider, FakeTransport, Reply
from kimi_async.testing._completion import dump

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("provider", ADAPTERS)
async def test_values_grow(provider: str) -> None:
    async with FakeProvider([Reply(dump(ADA), "Hm.")]) as fake, client_of(fake, provider) as client:
        async with client.stream_parse("Who?", into=Struct) as stream:
            assert repr(stream) == "<ParsedStream of <ChatStream running>>"
            values = [dict(value) async for value in stream]
            parsed = await stream.final()
            assert await stream.final() == parsed
    assert values[0] == {}
    assert {"name": "Ada"} in values
    assert values[-1] == ADA
    assert parsed.value == Struct("Ada", 36)
    assert [each.error for each in parsed.rounds] == [None]
    assert (parsed.completion.reasoning, parsed.usage) == ("Hm.", parsed.completion.usage)
    assert fake.requests[0].body.get("response_format") == FORMATS[provider]


def streamed(*pieces: str, finish: str = "stop") -> bytes:
    return sse(*map(delta, pieces), delta(finish=finish), USAGE, "[DONE]")


@pytest.mark.parametrize("provider", ["acedata", "cloudsway"])
async def test_a_fence_around_the_whole_answer_is_taken_off(provider: str) -> None:
    script = [Reply(f"```json\n{dump(ADA)}\n```\n"), Reply(f"\n```\n{dump({'value': 3})}```")]
    async with FakeProvider(script) as fake, client_of(fake, provider) as client:
        parsed = await client.parse("Who?", into=Struct, repairs=0)
        assert (parsed.value, len(parsed.rounds)) == (Struct("Ada", 36), 1)
        async with client.stream_parse("How many?", into=int) as stream:
            shown = [value async for value in stream]
            assert (await stream.final()).value == 3
    assert set(shown) == {3}


@pytest.mark.parametrize(
    ("into", "pieces", "values"),
    [
        (
            Struct,
            ("``", '`json\n{"name": "`', "`", 'a", ', '"age": 3}\n``', "`\n"),
            ["", "", "``a", "``a", "``a"],
        ),
        (list[str], ('{"val', 'ue": ', '["a', 'b"', "]}"), [["a"], ["ab"], ["ab"]]),
        (int, ('{"value": 1', "2", "}"), [12]),
        (int | None, ('{"value": ', "null", "}"), [None, None]),
        (Struct, (" ", '{"name": "\\ud83d', '\\ude00"', ', "age": 3}'), ["", "😀", "😀"]),
    ],
    ids=["fence", "list", "number", "null", "blank-and-half-an-emoji"],
)
async def test_only_what_is_certain_is_shown(
    into: Any, pieces: tuple[str, ...], values: list[Any]
) -> None:
    stream = FakeHost([streamed(*pieces)]).client().stream_parse("Hi", into=into)
    assert stream.value is None
    seen: list[Any] = []
    async for value in stream:
        assert value is stream.value
        match value:
            case {"name": name}:
                seen.append(name)
            case list():
                seen.append(list(value))
            case _:
                seen.append(value)
    assert seen == values


async def test_another_choice_is_not_shown() -> None:
    other = '{"choices":[{"index":1,"delta":{"content":"no JSON"},"finish_reason":"stop"}]}'
    body = sse(other, delta(dump(ADA)), delta(finish="stop"))
    stream = FakeHost([body]).client().stream_parse("Hi", into=Struct)
    assert [value async for value in stream] == [ADA]


async def test_events_come_in_place_of_values() -> None:
    body = sse(delta(reasoning_content="Hm."), delta('{"name": "A'), delta('da", "age": 36}'))
    host = FakeHost([body, streamed()])
    async with host.client().stream_parse("Hi", into=Struct) as stream:
        seen = [
            (type(event).__name__, dict(stream.value or {}))
            async for event in stream.events()
            if isinstance(event, (kimi.ReasoningDelta, kimi.ContentDelta))
        ]
        parsed = await stream.final()
    assert seen == [
        ("ReasoningDelta", {}),
        ("ContentDelta", {"name": "A"}),
        ("ContentDelta", ADA),
    ]
    assert parsed.value == Struct("Ada", 36)


async def test_values_and_events_take_from_one_stream() -> None:
    host = FakeHost([streamed('{"name": "A', 'da", ', '"age": 36}')])
    async with host.client().stream_parse("Hi", into=Struct) as stream:
        await break_at_once(stream)
        await break_at_once(stream.events())
        assert stream.value == {"name": "Ada"}
        assert (await stream.final()).value == Struct("Ada", 36)
        assert [value async for value in stream] == []


@pytest.mark.parametrize("events", [False, True], ids=["values", "events"])
async def test_text_that_no_json_begins_like(events: bool) -> None:
    host = FakeHost([streamed('{"name": ', "Ada")])
    async with host.client().stream_parse("Hi", into=Struct) as stream:
        for _ in range(2):
            with pytest.raises(OutputError, match="expected a value at character 9") as caught:
                async for _ in stream.events() if events else stream:
                    pass
            assert caught.value.text == '{"name": Ada'
            assert caught.value.partial is not None
            assert caught.value.provider == "acedata"
        with pytest.raises(OutputError, match="Expecting value") as caught:
            await stream.final()
        assert caught.value.text == '{"name": Ada'
    assert len(host.requests) == 1


async def test_a_value_that_does_not_fit_is_not_repaired_in_a_stream() -> None:
    async with FakeProvider([WRONG]) as fake, client_of(fake) as client:
        async with client.stream_parse("Who?", into=Struct) as stream:
            values = [dict(value) async for value in stream]
            with pytest.raises(OutputError, match="Expected `int`, got `str`") as caught:
                await stream.final()
    assert values[-1] == {"name": "Ada", "age": "old"}
    assert caught.value.text == WRONG.content
    assert len(fake.requests) == 1


async def test_a_stream_that_breaks_says_so() -> None:
    cut = Reply(dump(ADA), cut_after=2, end="reset")
    async with FakeProvider([cut]) as fake, client_of(fake) as client:
        async with client.stream_parse("Who?", into=Struct) as stream:
            with pytest.raises(kimi.StreamInterrupted):
                async for _ in stream:
                    pass
            with pytest.raises(kimi.StreamInterrupted):
                await stream.final()


async def test_leaving_gives_the_connection_back() -> None:
    host = FakeHost([streamed('{"name": "A', 'da", ', '"age": 36}')])
    client = host.client()
    async with client.stream_parse("Hi", into=Struct) as stream:
        await break_at_once(stream)
        assert client.in_flight == 1
    await stream.aclose()
    assert (client.in_flight, host.bodies[0].closed) == (0, 1)
    assert stream.stream.record.outcome == "cancelled"


async def test_nothing_is_sent_until_it_is_read_and_bad_questions_are_refused_at_once() -> None:
    host = FakeHost([streamed(dump(ADA))])
    client = host.client()
    with pytest.raises(kimi.ConfigurationError, match="no JSON Schema"):
        client.stream_parse("Hi", into=FakeHost)
    stream = client.stream_parse("Hi", into=Struct)
    assert host.requests == []
    assert (await stream.final()).value == Struct("Ada", 36)


def test_a_parsed_value_is_a_value() -> None:
    completion = kimi.ChatCompletion(provider="acedata")
    one = Parsed(value=1, completion=completion, rounds=(), usage=None)
    assert one == Parsed(value=1, completion=completion, rounds=(), usage=None)
    assert "rounds" not in repr(one)
    assert structured.ParseRound(completion) == structured.ParseRound(completion, None)


async def test_a_growing_value_begins_anew_after_a_restart() -> None:
    whole = Reply('{"name": "Ada", "age": 36}', chunk_chars=4)
    cut = Reply('{"name": "Bob", "age": 1}', chunk_chars=4, cut_after=5, end="reset")
    fake = FakeTransport([cut, whole])
    client = fake.client(retries=kimi.Retries(), on_interrupt="restart")
    stream = client.stream_parse("Who?", into=Struct)
    seen = [str(value) async for value in stream]
    assert (await stream.final()).value == Struct("Ada", 36)
    assert any("Bob" in each for each in seen)
    assert "Bob" not in seen[-1]
