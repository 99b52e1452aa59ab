"""Scripts that are not right: refused when they are given, or the end of the test, and never the network's fault."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import httpx
import pytest

import kimi_async as kimi
from kimi_async.testing import (
    Answer,
    Break,
    ContentType,
    Drip,
    DrippingHeaders,
    ErrorReply,
    Exponential,
    FakeProvider,
    FakeToolCall,
    FakeTransport,
    Faulty,
    HtmlPage,
    Insert,
    Latency,
    LogNormal,
    ModelList,
    Oddity,
    OversizedEvent,
    RawReply,
    Recording,
    RenderContext,
    Repeat,
    Reply,
    ReplyChoice,
    ScriptError,
    Send,
    SlowHeaders,
    Stall,
    Uniform,
    Wait,
    mock_kimi,
)

FAKES: list[Callable[[Any], object]] = [FakeTransport, FakeProvider, mock_kimi]


class Broken:
    """A reply whose rendering fails."""

    def render(self, _asked: object, /) -> Answer:
        raise ZeroDivisionError("mine")


class Odd:
    """A reply that renders something else."""

    def render(self, _asked: object, /) -> Any:
        return b"data: {}"


def nothing_for(_: object) -> None:
    """Forget to return a reply."""


def class_for(_: object) -> type[Reply]:
    """Return the class in place of a reply."""
    return Reply


@pytest.mark.parametrize("fake", FAKES)
@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param([None], "item 0 of the script is NoneType", id="None"),
        pytest.param([Reply(), nothing_for], "item 1 of the script is function", id="lambda"),
        pytest.param([Reply], "item 0 of the script is the class Reply", id="class"),
        pytest.param(["Hello"], "item 0 of the script is str", id="text"),
        pytest.param(["a", None], "item 0", id="first"),
        pytest.param("Hello", "a list of replies or a function .*, not str", id="only-text"),
        pytest.param(Reply, "a list of replies .*, not the class Reply", id="only-class"),
        pytest.param(None, "a list of replies .*, not NoneType", id="nothing"),
        pytest.param(5, "a list of replies .*, not int", id="number"),
    ],
)
def test_a_script_is_checked_when_it_is_given(
    script: Any, words: str, fake: Callable[[Any], object]
) -> None:
    with pytest.raises(TypeError, match=words):
        fake(script)


def test_replies_are_checked_when_they_are_added() -> None:
    script: Any = None
    with pytest.raises(TypeError, match="item 1 of the script is NoneType"):
        FakeTransport().add(Reply("a"), script)


@pytest.mark.parametrize(
    ("make", "arguments", "words"),
    [
        (Reply, {"content": 5}, "content of Reply must be str or None, not int"),
        (Reply, {"content": Reply}, "not the class Reply"),
        (Reply, {"reasoning": b""}, "reasoning of Reply must be str or None, not bytes"),
        (Reply, {"refusal": True}, "refusal of Reply must be str or None, not bool"),
        (Reply, {"tool_calls": FakeToolCall("f")}, "tool_calls must be a sequence of FakeToolCall"),
        (Reply, {"tool_calls": ["f"]}, r"tool_calls\[0\] must be FakeToolCall, not str"),
        (Reply, {"finish_reason": 1}, "finish_reason of Reply"),
        (Reply, {"choices": ["a"]}, r"choices\[0\] must be ReplyChoice, not str"),
        (Reply, {"usage": {}}, "usage of Reply must be Usage or None, not dict"),
        (Reply, {"model": 1}, "model of Reply"),
        (Reply, {"id": 1}, "id of Reply"),
        (Reply, {"created": None}, "created of Reply must be int, not NoneType"),
        (Reply, {"chunk_chars": True}, "chunk_chars of Reply must be int, not bool"),
        (Reply, {"pace": "fast"}, "pace of Reply must be a number of seconds, not str"),
        (Reply, {"cuts": "words"}, "cuts are None, 'whole', 'bytes' or byte offsets"),
        (Reply, {"cuts": 5}, "cuts are None, 'whole', 'bytes' or byte offsets"),
        (Reply, {"cuts": ["a"]}, r"cuts\[0\] must be int, not str"),
        (Reply, {"cut_at": 1.5}, "cut_at of Reply must be int or None, not float"),
        (Reply, {"cut_after": "1"}, "cut_after of Reply must be int or None, not str"),
        (ReplyChoice, {"content": 5}, "content of ReplyChoice must be str or None, not int"),
        (FakeToolCall, {"name": None}, "name of FakeToolCall must be str, not NoneType"),
        (
            FakeToolCall,
            {"name": "f", "arguments": [1]},
            "arguments of FakeToolCall must be str or Map",
        ),
        (FakeToolCall, {"name": "f", "id": 1}, "id of FakeToolCall must be str or None, not int"),
        (Recording, {"body": None}, "body of Recording must be str, Path or bytes, not NoneType"),
        (Recording, {"body": b"", "status": "200"}, "status of Recording must be int, not str"),
        (ErrorReply, {"status": "429"}, "status of ErrorReply must be int, not str"),
        (ErrorReply, {"status": 429, "code": b""}, "code of ErrorReply must be str or int or None"),
        (ErrorReply, {"status": 429, "message": 1}, "message of ErrorReply must be str or None"),
        (ErrorReply, {"status": 429, "type": 1}, "type of ErrorReply must be str or None, not int"),
        (ErrorReply, {"status": 429, "body": {}}, "a body must be str or bytes, not dict"),
        (
            ErrorReply,
            {"status": 429, "headers": {"retry-after": 2}},
            r"headers\[0\] must be a name and a",
        ),
        (ErrorReply, {"status": 429, "headers": 5}, "headers must be a sequence of .*, not int"),
        (
            ErrorReply,
            {"status": 429, "headers": ["a"]},
            r"headers\[0\] must be tuple or list, not str",
        ),
        (RawReply, {"body": 5}, "a body must be str or bytes, not int"),
        (RawReply, {"status": None}, "status of RawReply must be int, not NoneType"),
        (RawReply, {"headers": [("a", "b", "c")]}, r"headers\[0\] must be a name and a value"),
        (
            ModelList,
            {"models": "kimi-k3"},
            "models must be a sequence of str or ModelInfo, not str",
        ),
        (ModelList, {"models": [5]}, r"models\[0\] must be str or ModelInfo, not int"),
        (Answer, {"status": "200"}, "status of Answer must be int, not str"),
        (Answer, {"headers": {"a": b"b"}}, r"headers\[0\] must be a name and a value, both text"),
        (Answer, {"steps": [b"data"]}, r"steps\[0\] must be Send or Wait or .*, not bytes"),
        (Answer, {"before_headers": [Send]}, r"steps\[0\] must be Send or .*, not the class Send"),
        (Send, {"data": "text"}, "data of Send must be bytes, not str"),
        (Wait, {"seconds": "1"}, "seconds of Wait must be a number of seconds, not str"),
        (Wait, {"seconds": True}, "seconds of Wait must be a number of seconds, not bool"),
        (Stall, {"seconds": "1"}, "seconds of Stall must be a number of seconds, not str"),
        (Stall, {"after_event": "1"}, "after_event of Stall must be int or None, not str"),
        (Break, {"at_byte": 1.5}, "at_byte of Break must be int or None, not float"),
        (Drip, {"data": "text"}, "data of Drip must be bytes, not str"),
        (Drip, {"times": "2"}, "times of Drip must be int, not str"),
        (DrippingHeaders, {"times": 1.5}, "times of DrippingHeaders must be int, not float"),
        (Insert, {"data": "text"}, "data of Insert must be bytes, not str"),
        (OversizedEvent, {"size_bytes": "9"}, "size_bytes of OversizedEvent must be int, not str"),
        (SlowHeaders, {"seconds": "1"}, "seconds of SlowHeaders must be a number of seconds"),
        (ContentType, {"content_type": None}, "content_type of ContentType must be str"),
        (HtmlPage, {"status": "502"}, "status of HtmlPage must be int, not str"),
        (HtmlPage, {"text": None}, "text of HtmlPage must be str, not NoneType"),
        (FakeTransport, {"connect": "1"}, "connect must be a number of seconds, not str"),
        (FakeTransport, {"write": True}, "write must be a number of seconds, not bool"),
        (FakeTransport, {"models": Reply}, "models must be a sequence .* not the class Reply"),
        (
            FakeTransport,
            {"honours_prefix": 1},
            "honours_prefix of FakeSettings must be True or False",
        ),
        (FakeTransport, {"oddity": []}, "a fake has no option 'oddity'; there are models, "),
        (Repeat, {"steps": [Stall()]}, r"steps\[0\] must be Send or Wait, not Stall"),
    ],
)
def test_a_reply_is_checked_when_it_is_made(
    make: Callable[..., object], arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        make(**arguments)


@pytest.mark.parametrize(
    ("make", "arguments", "words"),
    [
        (
            Reply,
            {"pace": math.nan},
            "pace of Reply must be a finite number of seconds from 0, not nan",
        ),
        (Reply, {"pace": -1}, "pace of Reply must be a finite number of seconds from 0, not -1"),
        (Reply, {"end": "bang"}, "end of Reply must be 'finish' or 'hangup' or .*, not 'bang'"),
        (Wait, {"seconds": -1}, "seconds of Wait must be a finite number"),
        (Wait, {"seconds": math.inf}, "seconds of Wait must be a finite number"),
        (Stall, {"seconds": math.nan}, "seconds of Stall must be a finite number"),
        (Drip, {"times": -1}, "'times' must be >= 0"),
        (HtmlPage, {"status": 100}, "status of HtmlPage must be an HTTP status from 200"),
        (
            Answer,
            {"status": 100},
            "status of Answer must be an HTTP status from 200 to 599, not 100",
        ),
        (Answer, {"headers": {"a b": "c"}}, r"headers\[0\] is .*a header is a name without"),
        (RawReply, {"headers": {"a": "b\r\nc: d"}}, r"headers\[0\] is "),
        (RawReply, {"headers": {"x": "\xe9"}}, r"headers\[0\] is .*a line of ASCII text"),
        (ErrorReply, {"status": 429, "headers": {"": "b"}}, r"headers\[0\] is "),
        (Latency, {"first": -1}, "first of Latency must be a finite number of seconds"),
        (Latency, {"between": math.nan}, "between of Latency must be a finite number of seconds"),
        (Uniform, {"low": 2, "high": 1}, "high of Uniform must be at least its low, 2, not 1"),
        (
            Uniform,
            {"low": 0, "high": math.inf},
            "high of Uniform must be a finite number of seconds",
        ),
        (Exponential, {"mean": math.inf}, "mean of Exponential must be a finite number of seconds"),
        (LogNormal, {"median": 1, "p95": math.inf}, "p95 of LogNormal must be a finite number"),
        (FakeTransport, {"connect": -1}, "connect must be a finite number of seconds from 0"),
        (
            FakeTransport,
            {"answers_as": "kimi"},
            "answers_as of FakeSettings must be None or 'acedata'",
        ),
        (FakeProvider, {"port": 65536}, "port must be a number from 0 .a free one. to 65535"),
        (FakeProvider, {"port": -1}, "port must be a number from 0"),
        (FakeProvider, {"port": "80"}, "port must be a number from 0"),
    ],
)
def test_a_value_out_of_range_is_refused_when_it_is_given(
    make: Callable[..., object], arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        make(**arguments)


def test_headers_keep_their_order_and_may_come_twice() -> None:
    pairs = [("set-cookie", "a=1"), ("Set-Cookie", "b=2"), ("empty", "")]
    assert RawReply(headers=pairs).headers == tuple(pairs)
    answer = ErrorReply(429, headers={"Content-Type": "a/b"}).render(RenderContext())
    assert answer.headers == (("Content-Type", "a/b"),)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([None], "takes a reply such as Reply first, not NoneType"),
        ([Stall()], "takes a reply such as Reply first, not Stall"),
        ([Reply("a"), Stall], "takes faults such as Stall.., not the class Stall"),
        ([Reply("a"), Stall(), "late"], "takes faults such as Stall.., not str"),
    ],
)
def test_a_faulty_reply_is_checked_when_it_is_made(arguments: list[Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Faulty(*arguments)


async def late(_request: object) -> None:
    """Be async, which no script function may be; it never runs."""


def later(request: object) -> Any:
    return late(request)


class Drawn:
    """A distribution that is wrong."""

    def draw(self, _random: object, /) -> Any:
        return "soon"


def wrong_refusal(body: Mapping[str, Any]) -> str | None:
    return str(body["none"])


def raising(_request: object) -> Reply:
    raise AssertionError("not this")


#: Scripts that fail while they run, and the message.
FAILING: list[Any] = [
    pytest.param([], "the script is used up: request 1 came, and it had 0 replies", id="used-up"),
    pytest.param(raising, "the script function raised AssertionError: not this", id="function"),
    pytest.param(later, "the script function is async; it must", id="async"),
    pytest.param(nothing_for, "the script function returned NoneType", id="None"),
    pytest.param(class_for, "the script function returned the class Reply", id="class"),
    pytest.param([Broken()], "Broken raised ZeroDivisionError: mine", id="reply"),
    pytest.param([Odd()], "Odd rendered bytes, which is not an Answer", id="odd-reply"),
]


def test_an_async_function_is_no_script() -> None:
    script: Any = late
    with pytest.raises(TypeError, match="the script function is async; it must return the reply"):
        FakeTransport(script)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"latency": Latency(first=Drawn())},
            "the latency raised TypeError: a draw of Drawn must be",
        ),
        (
            {"oddities": [Oddity(name="o", section="", effect="", refusal=wrong_refusal)]},
            "an oddity raised KeyError",
        ),
    ],
)
async def test_a_setting_that_fails_ends_a_test(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ScriptError, match=words):
        await FakeTransport(Reply("Hi"), **options).client().chat("Hi")

    async def over_a_socket() -> None:
        async with FakeProvider(Reply("Hi"), **options) as fake:
            async with kimi.AsyncKimi(fake.acedata(), model="kimi-k3") as client:
                await client.chat("Hi")

    with pytest.raises(ScriptError, match=words):
        await over_a_socket()


@pytest.mark.anyio
@pytest.mark.parametrize(("script", "words"), FAILING)
async def test_a_script_that_fails_ends_a_test_over_a_transport(script: Any, words: str) -> None:
    fake = FakeTransport(script)
    client = fake.client()
    with pytest.raises(ScriptError, match=words):
        await client.chat("Hi")
    assert (fake.active_requests, len(fake.requests)) == (0, 1)
    with pytest.raises(ScriptError):
        await client.stream("Hi").final()
    with pytest.raises(ScriptError, match=words):
        async with fake:
            pass


@pytest.mark.anyio
@pytest.mark.parametrize(("script", "words"), FAILING)
async def test_a_script_that_fails_ends_a_test_over_mocks(script: Any, words: str) -> None:
    async def ask() -> None:
        async with mock_kimi(script) as mock:
            await mock.client.chat("Hi")

    with pytest.raises(ScriptError, match=words):
        await ask()


@pytest.mark.anyio
@pytest.mark.parametrize(("script", "words"), FAILING)
@pytest.mark.parametrize("provider", ["acedata", "cloudsway", "moonshot", "compatible"])
async def test_a_script_that_fails_ends_a_test_over_a_socket(
    script: Any, words: str, provider: str
) -> None:
    async def ask() -> None:
        async with FakeProvider(script) as fake:
            async with kimi.AsyncKimi(getattr(fake, provider)(), model="kimi-k3") as client:
                await client.chat("Hi")

    with pytest.raises(ScriptError, match=words) as raised:
        await ask()
    refused = raised.value.__context__
    assert isinstance(refused, kimi.BadRequestError)
    assert not refused.retryable
    assert words[:20] in refused.message


@pytest.mark.anyio
async def test_the_error_of_a_script_comes_out_at_the_end_of_a_test_that_hid_it() -> None:
    async def ask() -> None:
        async with FakeProvider() as fake:
            async with kimi.AsyncKimi(fake.acedata(), model="kimi-k3") as client:
                with pytest.raises(kimi.KimiError):
                    await client.chat("Hi")

    with pytest.raises(ScriptError, match="used up"):
        await ask()


@pytest.mark.anyio
async def test_a_cancellation_goes_before_the_error_of_a_script() -> None:
    with anyio.CancelScope() as scope:
        async with FakeProvider() as fake:
            async with kimi.AsyncKimi(fake.acedata(), model="kimi-k3") as client:
                with pytest.raises(kimi.KimiError):
                    await client.chat("Hi")
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught


@pytest.mark.anyio
async def test_a_request_to_a_host_that_is_not_mocked_is_refused() -> None:
    async with mock_kimi() as mock:
        with pytest.raises(
            ScriptError, match=r"no route of mock_kimi\(\) is for elsewhere.test: .*KIMI_BASE_URL"
        ):
            await mock.http_client.get("https://elsewhere.test/v1")
        client = kimi.AsyncKimi(
            kimi.Moonshot("test-key", "https://elsewhere.test/v1"),
            model="kimi-k3",
            http_client=mock.http_client,
        )
        with pytest.raises(ScriptError, match="elsewhere"):
            await client.chat("Hi")
        mock.router.get("https://elsewhere.test/").mock(httpx.Response(204))
        assert (await mock.http_client.get("https://elsewhere.test/")).status_code == 204
