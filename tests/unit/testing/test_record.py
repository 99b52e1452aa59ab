"""Recordings: the same events at the same times, a file that can be read, and no key in it."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import math
import zlib
from pathlib import Path
from typing import Any

import anyio
import pytest

import kimi_async as kimi
from kimi_async.testing import (
    Answer,
    Break,
    Drip,
    ErrorReply,
    FakeProvider,
    FakeToolCall,
    FakeTransport,
    Faulty,
    Insert,
    MissingDone,
    NoHeaders,
    RawReply,
    RecordingError,
    Reply,
    ReplyChoice,
    Script,
    ScriptedReply,
    ScriptError,
    Send,
    SlowHeaders,
    Stall,
    record,
    replay,
    virtual_time,
)

pytestmark = pytest.mark.anyio

STORY = Reply("Once upon a time", "Hm.", chunk_chars=5, pace=0.7)
CALL = Reply(tool_calls=[FakeToolCall("get_weather", {"city": "Oslo"})], pace=0.01)
#: Replies with faults of every kind; most of them never end well.
SCRIPT: list[ScriptedReply] = [
    STORY,
    CALL,
    ErrorReply(400, message="No."),
    Faulty(STORY, Break(after_event=3)),
    Faulty(STORY, Break(after_event=3, end="hangup")),
    Faulty(STORY, Stall(after_event=3)),
    Faulty(STORY, Stall(after_event=3, seconds=20), MissingDone()),
    Faulty(STORY, Drip(every=2, times=3, after_event=2), SlowHeaders(4)),
    Faulty(STORY, Insert(Insert.HALF_CHARACTER, after_event=2)),
    Faulty(STORY, NoHeaders()),
    Faulty(STORY, NoHeaders("reset")),
    Faulty(STORY, SlowHeaders()),
]
#: A file with one request.
HEAD = (
    '{"kimi_recording": 1}\n'
    '{"exchange": 1, "request": {"method": "POST", "url": "https://a.test", "headers": [], "body": {}}}\n'
)
Timed = list[tuple[float, object]]


def text_of(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").removesuffix("\n").split("\n")]


async def replies(client: kimi.AsyncKimi, count: int) -> list[Timed]:
    """Return the events of each reply with their times, and its error."""
    return [await events_of(client, number) for number in range(count)]


async def events_of(client: kimi.AsyncKimi, number: int) -> Timed:
    started = anyio.current_time()
    seen: Timed = []

    def note(value: object) -> None:
        seen.append((round(anyio.current_time() - started, 5), value))

    try:
        async with client.stream(f"Story {number}") as stream:
            async for event in stream:
                note("end" if isinstance(event, kimi.StreamEnd) else event)
    except kimi.KimiError as error:
        note(f"{type(error).__name__}: {error}")
    return seen


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.kimi"


async def recorded(path: Path, script: Script, count: int, **options: Any) -> list[Timed]:
    fake = FakeTransport(script)
    async with record(path, over=fake, **options) as recorder:
        client = kimi.AsyncKimi(
            fake.acedata(),
            model="kimi-k3",
            http_client=recorder.http_client,
            retries=kimi.Retries.none(),
        )
        return await replies(client, count)


async def test_a_recording_with_faults_replays_the_same_events_at_the_same_times(
    path: Path,
) -> None:
    live = await recorded(path, SCRIPT, len(SCRIPT))
    again = await replies(FakeTransport(replay(path)).client(), len(SCRIPT))
    assert again == live
    assert {type(value) for _, value in itertools.chain(*live)} > {str, kimi.ContentDelta}


async def test_a_recording_of_a_replay_is_the_same_file(path: Path) -> None:
    await recorded(path, SCRIPT, len(SCRIPT))
    copy = path.with_name("copy.kimi")
    await recorded(copy, replay(path), len(SCRIPT))
    assert text_of(copy) == text_of(path)


@pytest.mark.parametrize("speed", [0.5, 2, math.inf])
async def test_the_speed_of_a_replay(path: Path, speed: float) -> None:
    (live,) = await recorded(path, [STORY], 1)
    (again,) = await replies(FakeTransport(replay(path, speed=speed)).client(), 1)
    assert [value for _, value in again] == [value for _, value in live]
    assert [at for at, _ in again] == pytest.approx([at / speed for at, _ in live], abs=1e-4)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_recording_of_a_server_replays_at_its_times(path: Path) -> None:
    script: list[ScriptedReply] = [
        Faulty(CALL, Break(after_event=4)),
        CALL,
        Faulty(CALL, Break(end="hangup")),
    ]
    async with FakeProvider(script) as fake, record(path) as recorder:
        client = kimi.AsyncKimi(fake.acedata(), model="kimi-k3", http_client=recorder.http_client)
        live = await replies(client, len(script))
    again = await in_virtual_time(path, len(script))
    for timed, original in zip(again, live, strict=True):
        assert [value for _, value in timed][:-1] == [value for _, value in original][:-1]
    lines = lines_of(path)
    for number, timed in enumerate(again, 1):
        times = [line["at"] for line in lines if line.get("exchange") == number and "at" in line]
        # Each side is rounded once.
        assert all(min(abs(at - time) for time in times) < 2e-5 for at, _ in timed)


async def in_virtual_time(path: Path, count: int) -> list[Timed]:
    """Replay in a loop of its own, because this one has sockets."""
    backend, options = virtual_time()

    def run() -> list[Timed]:
        return anyio.run(
            lambda: replies(FakeTransport(replay(path)).client(), count),
            backend=backend,
            backend_options=options,
        )

    return await anyio.to_thread.run_sync(run)


async def test_a_file_can_be_read(path: Path) -> None:
    binary = Answer(steps=(Send(b"data: \xff\n\n"),))
    await recorded(path, [Reply("Grüße\u2028!"), binary], 2)
    lines = lines_of(path)
    assert lines[0] == {"kimi_recording": 1}
    request = lines[1]["request"]
    assert (lines[1]["exchange"], request["method"]) == (1, "POST")
    assert request["url"] == "https://kimi.test/acedata/kimi/chat/completions"
    assert request["body"]["messages"] == [{"role": "user", "content": "Story 0"}]
    assert ["authorization", "[scrubbed]"] in request["headers"]
    assert lines[2] == {
        "exchange": 1,
        "at": 0.0,
        "status": 200,
        "headers": [["content-type", "text/event-stream"]],
    }
    assert lines[3]["data"].startswith("data: {")
    assert [line["end"] for line in lines if "end" in line] == ["finish", "stall"]
    assert "base64" in lines[-2]


# Leaving early


@pytest.mark.parametrize("before", [HEAD, None], ids=["a-recording", "no-file"])
async def test_a_run_that_sends_nothing_keeps_the_file(path: Path, before: str | None) -> None:
    """A mistake before the first request must not cost a good recording."""
    file = anyio.Path(path)
    if before is not None:
        await file.write_text(before)
    with contextlib.suppress(KeyError):
        async with record(path, over=FakeTransport([STORY])):
            raise KeyError
    assert await file.read_text() == (before or '{"kimi_recording": 1}\n')


async def test_a_reply_that_is_left_replays_until_there(path: Path) -> None:
    fake = FakeTransport([STORY])
    async with record(path, over=fake) as recorder:
        client = kimi.AsyncKimi(fake.acedata(), model="kimi-k3", http_client=recorder.http_client)
        async with client.stream("Story 0") as stream:
            await anext(stream)
    (again,) = await replies(FakeTransport(replay(path)).client(), 1)
    assert again[-1][0] == pytest.approx(300.7)
    assert str(again[-1][1]).startswith("IdleTimeout")


# Matching


async def ask(client: kimi.AsyncKimi, text: str) -> str:
    return (await client.chat(text)).text


async def test_matching_in_order_and_strict(path: Path) -> None:
    await recorded(path, [Reply("One"), Reply("Two"), Reply("Three")], 3)
    client = FakeTransport(replay(path)).client()
    assert [await ask(client, "Any") for _ in range(3)] == ["One", "Two", "Three"]
    script = replay(path, match="strict")
    client = FakeTransport(script).client()
    assert [await ask(client, f"Story {number}") for number in (2, 0)] == ["Three", "One"]
    assert len(script.left) == 1
    with pytest.raises(ScriptError, match=r"no exchange .* the next one differs in messages$"):
        await ask(client, "Story 5")
    with pytest.raises(ScriptError, match="differs in messages, max_tokens"):
        await client.chat("Story 0", max_tokens=5)


async def test_a_request_too_many(path: Path) -> None:
    await recorded(path, [Reply("One")], 1)
    client = FakeTransport(replay(path)).client()
    await ask(client, "Any")
    with pytest.raises(ScriptError, match="every exchange of the recording was used"):
        await ask(client, "Any")


async def test_a_body_that_is_not_an_object_differs_as_a_whole(path: Path) -> None:
    fake = FakeTransport([], api_key=None)
    async with record(path, over=fake) as recorder:
        await recorder.http_client.post("https://kimi.test/v1/chat/completions", content=b"[1]")
        await recorder.http_client.get("https://kimi.test/v1/models")
    with pytest.raises(ScriptError, match="differs in its whole body"):
        await ask(FakeTransport(replay(path, match="strict")).client(), "Hi")
    assert len(replay(path).left) == 1  # the list of models is that of the fake


# Secrets

PLANTED = "k3y-" + "0123456789abcdef"
#: JSON, and the address of a request, write some of its characters in another way.
QUOTED = 'k"y\\' + "0123456789<abcdef>"
OTHER = "This is another answer of the model."
INDENTED = json.dumps({"id": 1, "error": {"message": f"bad {PLANTED}"}}, indent=1)
ESCAPED = INDENTED.replace("k3y", r"\u006b3y")
DEFLATED = zlib.compress(INDENTED.encode())
COMPRESSED = {
    "in gzip": gzip.compress(INDENTED.encode()),
    "in gzip that was cut": gzip.compress(INDENTED.encode())[:-9],
    "in deflate": DEFLATED,
    "in deflate without its header": DEFLATED[2:-4],
}
CRLF = "".join(f'data: {{"a": "{half}"}}\r\r' for half in (PLANTED[:9], PLANTED[9:]))


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        pytest.param(f"My key is {PLANTED}", Reply("Hi"), id="in a message"),
        pytest.param("Hi", Reply(f"It is {PLANTED}", chunk_chars=100), id="in a reply"),
        pytest.param("Hi", Reply(f"It is {PLANTED}", chunk_chars=3), id="cut into deltas"),
        pytest.param("Hi", ErrorReply(401, message=f"bad {PLANTED}"), id="in an error"),
        pytest.param("Hi", Answer(headers=(("x-echo", PLANTED),)), id="in a header"),
        pytest.param(
            "Hi",
            Reply(choices=[ReplyChoice(f"It is {PLANTED}"), ReplyChoice(OTHER)], chunk_chars=5),
            id="cut into deltas of two choices",
        ),
        pytest.param(
            "Hi",
            Reply(
                tool_calls=[FakeToolCall("f", {"a": PLANTED}), FakeToolCall("g", {"a": OTHER})],
                chunk_chars=5,
            ),
            id="in the arguments of a call",
        ),
        pytest.param("Hi", Answer(steps=(Send(ESCAPED.encode()),)), id="escaped"),
        pytest.param("Hi", Answer(steps=(Send(CRLF.encode()),)), id="after other line ends"),
        pytest.param("Hi", RawReply(b"\xff" + PLANTED.encode(), cuts="bytes"), id="in bytes"),
        *(
            pytest.param("Hi", Answer(steps=(Send(body),)), id=name)
            for name, body in COMPRESSED.items()
        ),
        pytest.param("Hi", RawReply(json.dumps({PLANTED: 1})), id="a name in JSON"),
        pytest.param("Hi", Answer(headers=((PLANTED, "1"),)), id="the name of a header"),
        pytest.param("It is sk-0123456789abcdefghij", Reply("Hi"), id="looks like one"),
        pytest.param("Bearer abcdef0123456789abcdef", Reply("Hi"), id="looks like a header"),
    ],
)
async def test_a_planted_key_is_refused(path: Path, question: str, reply: ScriptedReply) -> None:
    fake = FakeTransport([reply], api_key=PLANTED)
    with pytest.raises(RecordingError, match="exchange 1 of the recording holds a key") as caught:
        async with record(path, over=fake) as recorder:
            client = kimi.AsyncKimi(
                fake.acedata(), model="kimi-k3", http_client=recorder.http_client
            )
            with contextlib.suppress(kimi.APIError):
                await client.chat(question)
    assert text_of(path) is None
    assert PLANTED not in str(caught.value)


async def test_a_key_that_is_escaped_is_refused(path: Path) -> None:
    fake = FakeTransport(Reply("Hi"), api_key=None)
    with pytest.raises(RecordingError, match="exchange 1 of the recording holds a key"):
        async with record(path, over=fake) as recorder:
            await recorder.http_client.post(
                "https://kimi.test/v1/chat/completions",
                json={"messages": [{"role": "user", "content": f"My key is {QUOTED}"}]},
                headers={"x-api-key": QUOTED},
            )
    with pytest.raises(RecordingError, match="exchange 1 of the recording holds a key"):
        async with record(path, over=fake) as recorder:
            await recorder.http_client.get(
                "https://kimi.test/v1/models", params={"k": QUOTED}, headers={"token": QUOTED}
            )


async def test_secrets_that_are_wrong_are_refused(path: Path) -> None:
    secrets: Any = "Lovelace"
    with pytest.raises(TypeError, match="secrets must be a sequence of str, not str"):
        record(path, secrets=secrets)
    await recorded(path, [Reply("Ada")], 1, secrets=[""])


async def test_keys_of_the_environment_and_other_secrets_are_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecordingError):
        await recorded(path, [Reply("Ada Lovelace")], 1, secrets=["Lovelace"])
    await recorded(path, [Reply("abcd-efgh-ijkl")], 1)
    monkeypatch.setenv("TOKEN", "abcd-efgh-ijkl")
    with pytest.raises(RecordingError):
        replay(path)
    with pytest.raises(RecordingError):
        await recorded(path, [Reply("abcd-efgh-ijkl", chunk_chars=4)], 1)


def shortened(text: str) -> str:
    return text.replace("Lovelace", "L.")


def broken(text: str) -> str:
    return text.replace("POST", '"')


async def test_a_scrub_replaces_what_would_be_refused(path: Path) -> None:
    await recorded(
        path,
        [Reply("Ada Lovelace", chunk_chars=50)],
        1,
        secrets=["Lovelace"],
        scrub=shortened,
    )
    assert await ask(FakeTransport(replay(path)).client(), "Hi") == "Ada L."


async def test_a_scrub_that_breaks_the_file_is_told(path: Path) -> None:
    with pytest.raises(RecordingError, match="line 2 of the recording is wrong"):
        await recorded(path, [STORY], 1, scrub=broken)
    assert text_of(path) is None


def forgetful(_text: str) -> Any:
    """Forget to return the text."""


async def test_a_scrub_that_returns_no_text_is_told(path: Path) -> None:
    with pytest.raises(RecordingError, match="scrub returned NoneType"):
        await recorded(path, [STORY], 1, scrub=forgetful)


def change(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")


def cut_shorter_and_shorter(path: Path) -> None:
    """Read the file after each cut: it is a recording, or is refused."""
    text = path.read_text("utf-8")
    for end in range(len(text), 0, -7):
        path.write_text(text[:end], "utf-8")
        with contextlib.suppress(RecordingError):
            replay(path)


async def test_a_planted_key_in_a_file_is_refused(path: Path) -> None:
    await recorded(path, [Reply("Hi")], 1)
    change(path, "[scrubbed]", "Bearer abcdef0123456789abcdef")
    with pytest.raises(RecordingError, match="holds a key"):
        replay(path)


# Files and arguments that are wrong


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "the first line"),
        ("{}", "the first line"),
        ('{"kimi_recording": 2}', "the first line"),
        ('{"kimi_recording": 1}\n{"exchange": 1, "end": "later"}', "line 2"),
        ('{"kimi_recording": 1}\n{"exchange": 1, "end": "finish"}', "line 2"),
        ('{"kimi_recording": 1}\nno JSON', "line 2"),
        (f"{HEAD}\n", "line 3"),
        (f'{HEAD}{{"exchange": 2, "data": "x"}}', "line 3 .*exchange 2 has no line with its req"),
        (f'{HEAD}{{"exchange": 1, "dat": "x"}}', "line 3 .*unknown field `dat`"),
        (f'{HEAD}{{"exchange": 1, "at": 1}}', "line 3 .*no request, status, data, base64 or end"),
        (f'{HEAD}{{"exchange": 1, "at": -1, "data": "x"}}', "line 3 .*>= 0"),
        (f'{HEAD}{{"exchange": 1, "status": 100}}', "line 3 .*>= 200"),
        (f'{HEAD}{{"exchange": 1, "base64": "!"}}', "line 3"),
        (f'{HEAD}{{"exchange": 1, "data": "\\ud800"}}', "line 3"),
        pytest.param('{"a":' * 100_000, "the first line", id="deep"),
        pytest.param(
            f'{HEAD}{{"exchange": 1, "request": {{"body": {"[" * 100_000}', "line 3", id="deep-body"
        ),
    ],
)
def test_a_file_that_is_not_a_recording_is_refused(path: Path, text: str, match: str) -> None:
    path.write_text(text, "utf-8")
    with pytest.raises(RecordingError, match=match):
        replay(path)


def test_a_file_that_is_not_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RecordingError, match="is not a recording, which is a text in UTF-8"):
        replay(path)


async def test_a_file_of_an_editor_and_one_cut_anywhere(path: Path) -> None:
    await recorded(path, SCRIPT, len(SCRIPT))
    change(path, '{"kimi', '\ufeff{"kimi')
    assert len(replay(path).left) == len(SCRIPT)
    cut_shorter_and_shorter(path)


async def test_headers_that_http_cannot_carry_are_left_out(path: Path) -> None:
    await recorded(path, [Reply("Hi")], 1)
    change(path, '[["content-type"', '[["a", "é"], ["content-type"')
    assert await ask(FakeTransport(replay(path)).client(), "Hi") == "Hi"


def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "file.kimi"):
        with pytest.raises(RecordingError, match="it is a folder, or its folder is missing"):
            record(path)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_proxies_of_the_environment_are_used(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeProvider(api_key=None) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with record(path) as recorder:
            await recorder.http_client.get("http://elsewhere.test/v1/models")
        assert [request.path for request in proxy.requests] == ["http://elsewhere.test/v1/models"]
