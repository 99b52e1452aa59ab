"""Rows of ``docs/providers.md`` 6 from end to end: bytes in, through the whole client, one reply or one error out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx
import pytest
from fake_host import HELLO, STALL, USAGE, FakeHost, delta, sse

import kimi_async as kimi
from kimi_async import AceDataCloud, Moonshot, Timeouts

pytestmark = pytest.mark.anyio

#: So that a test of a broken rule ends at once.
LIMITS = Timeouts(first_output=5, idle=5, progress=5, finish_grace=0.1)
STOP = delta(finish="stop")
HI = delta("Hi")
BODY = (
    '{"id":"c1","model":"m","created":7,"choices":[{"index":0,"message":{"role":"assistant",'
    '"content":"Hi"},"finish_reason":"stop"}]}'
)


def call(index: int | None, **fields: Any) -> str:
    """The data of a chunk with one piece of a tool call."""
    place = {} if index is None else {"index": index}
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return delta(tool_calls=[place | fields | {"function": function}])


# The reads of the body, and the expected reply.
WHOLE: dict[str, tuple[list[object], dict[str, Any]]] = {
    "6.1-no-blank-behind-data": (
        [sse(HI, STOP, "[DONE]").replace(b"data: ", b"data:")],
        {"text": "Hi"},
    ),
    "6.1-comments-between-events": (
        [b": OPENROUTER PROCESSING\n\n", sse(HI), b": keepalive\n\n", sse(STOP, "[DONE]")],
        {"text": "Hi"},
    ),
    "6.1-crlf-and-byte-order-mark": (
        [b"\xef\xbb\xbf" + sse(HI, STOP, "[DONE]").replace(b"\n", b"\r\n")],
        {"text": "Hi"},
    ),
    "6.1-other-fields-and-several-data-lines": (
        [b"event: x\nid: 1\nretry: 5\n" + sse(HI.replace('"choices"', '\ndata: "choices"'), STOP)],
        {"text": "Hi"},
    ),
    "6.1-extra-blank-lines": ([b"\n\n" + sse(HI) + b"\n\n\n" + sse(STOP)], {"text": "Hi"}),
    "6.1-character-cut-in-two": (
        [*(bytes([byte]) for byte in sse(delta("é你👍"), STOP))],
        {"text": "é你👍"},
    ),
    "6.1-no-done": ([sse(HI, STOP)], {"text": "Hi", "finish_reason": "stop"}),
    "6.1-no-done-and-the-body-stays-open": ([sse(HI, STOP), STALL], {"text": "Hi"}),
    "6.1-events-after-done": ([sse(HI, STOP, "[DONE]", delta("more"), "rubbish")], {"text": "Hi"}),
    "6.1-json-to-a-stream-request": ([b" \n\n " + BODY.encode()], {"text": "Hi"}),
    "6.2-only-reasoning-then-stop": (
        [sse(delta(reasoning_content="Hm."), STOP)],
        {"text": "", "reasoning": "Hm.", "outcome": "complete"},
    ),
    "6.2-reasoning-under-both-keys": (
        [sse(delta(reasoning_content="Hm.", reasoning="Hm."), HI, STOP)],
        {"text": "Hi", "reasoning": "Hm."},
    ),
    "6.2-reasoning-under-the-other-key": (
        [sse(delta(reasoning="Hm."), delta(reasoning="!", content=None), HI, STOP)],
        {"text": "Hi", "reasoning": "Hm.!"},
    ),
    "6.2-details-beside-the-text": (
        [sse(delta(reasoning="Hm.", reasoning_details=[{"text": "Hm."}]), STOP)],
        {"reasoning": "Hm."},
    ),
    "6.2-content-null-empty-absent": (
        [sse(delta(content=""), delta(content=None, reasoning=None), delta(), HI, STOP)],
        {"text": "Hi"},
    ),
    "6.2-role-in-all": (
        [sse(delta("H", role="assistant"), delta("i", role="assistant"), STOP)],
        {"text": "Hi", "message": kimi.assistant("Hi")},
    ),
    "6.2-id-changes": (
        [sse(HI, STOP.replace('"c1"', '"gen-2"').replace("7", "8"))],
        {"id": "c1", "created": 7},
    ),
    "6.2-finish-twice-with-usage-on-the-second": (
        [sse(HI, STOP, STOP[:-1] + "," + USAGE.partition(",")[2])],
        {
            "finish_reason": "stop",
            "usage": kimi.Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5),
        },
    ),
    "6.2-usage-twice": (
        [sse(HI, STOP[:-1] + "," + USAGE.partition(",")[2], USAGE)],
        {"usage": kimi.Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5)},
    ),
    "6.2-odd-finish-reason": (
        [sse(HI, delta(finish="unexpected_state"))],
        {"finish_reason": "unexpected_state", "outcome": "other"},
    ),
    "6.2-choices-missing-and-null": (
        [sse('{"id":"c1"}', '{"id":"c1","choices":null}', HI, STOP, USAGE)],
        {"text": "Hi"},
    ),
    "6.3-marker-tokens": (
        [sse(delta("<|tool_calls_section_begin|>"), STOP)],
        {"text": "<|tool_calls_section_begin|>", "tool_calls": ()},
    ),
    "6.3-index-always-0": (
        [
            sse(
                *(call(0, id="f:0", name="f", arguments="{"), call(0, id="", arguments="}")),
                *(call(0, id="f:1", name="f", arguments="{}"), delta(finish="tool_calls")),
            )
        ],
        {
            "tool_calls": (
                kimi.ToolCall(id="f:0", name="f", arguments="{}"),
                kimi.ToolCall(id="f:1", name="f", arguments="{}"),
            )
        },
    ),
    "6.3-id-missing-altogether": (
        [sse(call(None, name="f", arguments="{}"), delta(finish="tool_calls"))],
        {"tool_calls": (kimi.ToolCall(id=None, name="f", arguments="{}"),)},
    ),
    "6.3-arguments-cut": (
        [sse(call(0, id="f:0", name="f", arguments='{"a'), delta(finish="length"))],
        {
            "tool_calls": (kimi.ToolCall(id="f:0", name="f", arguments='{"a', complete=False),),
            "outcome": "length",
        },
    ),
    "6.3-stop-although-a-call-came": (
        [sse(call(0, id="f:0", name="f", arguments="{}"), STOP)],
        {"tool_calls": (kimi.ToolCall(id="f:0", name="f", arguments="{}"),)},
    ),
}


@pytest.mark.fact(
    "3.4/finish-reason",
    "3.4/end",
    "6.1/data-without-a-blank",
    "6.1/comment-lines-openrouter-processing-keepalive",
    "6.1/crlf-lone-cr-bom-several",
    "6.1/extra-blank-lines-between-events",
    "6.1/no-done",
    "6.1/blank-padding-before-a-json",
    "6.1/stream-asked-one-json-completion",
    "6.2/reasoning-and-reasoning-content-equal",
    "6.2/only-reasoning-newer-vllm-even",
    "6.2/reasoning-details-array-beside-the",
    "6.2/role-in-the-first-chunk",
    "6.2/content-null-or-absent",
    "6.2/chunk-id-and-created-change",
    "6.2/same-finish-reason-in-two",
    "6.2/usage-at-finish-chunk-and",
    "6.2/missing-or-odd-finish-reason",
    "6.2/finish-stop-although-calls-came",
    "6.2/only-reasoning-then-stop",
    "6.2/choices-missing-null-or",
    "6.3/marker-tokens-tool-calls-section",
    "6.3/index-always-0-for-parallel",
    "6.3/id-missing-altogether",
    "6.3/invalid-or-cut-json-arguments",
)
@pytest.mark.parametrize(("reads", "reply"), WHOLE.values(), ids=WHOLE)
async def test_a_reply_survives(reads: list[object], reply: dict[str, Any]) -> None:
    completion = await FakeHost(reads).client(timeouts=LIMITS).chat("Hi")
    assert {name: getattr(completion, name) for name in reply} == reply


OVERLOADED = '{"error":{"type":"engine_overloaded_error","message":"The engine is overloaded"}}'

# The status, the reads of the body, the error, and the text of the partial reply.
BROKEN: dict[str, tuple[int, list[object], type[kimi.KimiError], str | None]] = {
    "6.1-end-without-finish": (200, [sse(HI)], kimi.StreamInterrupted, "Hi"),
    "6.1-end-without-finish-but-with-done": (
        200,
        [sse(HI, "[DONE]")],
        kimi.StreamInterrupted,
        "Hi",
    ),
    "6.1-cut-inside-a-chunk": (
        200,
        [sse(HI) + b'data: {"choices":[{"ind', httpx.ReadError("reset")],
        kimi.StreamInterrupted,
        "Hi",
    ),
    "6.1-empty-body": (200, [], kimi.EmptyResponseError, None),
    "6.1-html": (
        504,
        [b"<html><body><h1>504 Gateway Time-out</h1></body></html>"],
        kimi.ServerError,
        None,
    ),
    "6.2-finish-missing": (200, [sse(HI, delta(finish=""))], kimi.StreamInterrupted, "Hi"),
    "6.3-call-without-a-name": (
        200,
        [sse(call(0, id="f:0", name="", arguments="{}"), delta(finish="tool_calls"))],
        kimi.ProtocolError,
        "",
    ),
    "6.4-overloaded-after-output": (200, [sse(HI, OVERLOADED)], kimi.OverloadedError, "Hi"),
    "6.4-error-as-text": (200, [sse(HI, '{"error":"boom"}')], kimi.APIError, "Hi"),
    "6.4-error-beside-choices": (
        200,
        [sse(HI, OVERLOADED[:-1] + ',"choices":[]}')],
        kimi.OverloadedError,
        "Hi",
    ),
    "6.4-error-as-json-under-200": (200, [OVERLOADED.encode()], kimi.OverloadedError, None),
    "6.4-flat": (
        403,
        [b'{"code":30001,"message":"Sorry, your account balance is insufficient","data":null}'],
        kimi.QuotaExceededError,
        None,
    ),
    "6.4-quota-in-a-flat-429": (
        429,
        [b'{"error":{"message":"check your plan and billing details"}}'],
        kimi.QuotaExceededError,
        None,
    ),
}


@pytest.mark.fact(
    "3.5/504-html-page-no-json",
    "6.1/eof-with-neither-finish-nor",
    "6.1/connection-cut-inside-a-chunk",
    "6.1/200-correct-type-empty-body",
    "6.1/html-on-502-504",
    "6.2/missing-or-odd-finish-reason",
    "6.3/call-with-empty-name",
    "6.4/data-error-under-200-object",
    "6.4/overload-after-minutes-of-partial",
    "6.4/flat-code-20015-message-data",
    "6.4/quota-wording-inside-a-flattened",
)
@pytest.mark.parametrize(("status", "reads", "kind", "partial"), BROKEN.values(), ids=BROKEN)
async def test_a_reply_that_is_none_is_an_error(
    status: int, reads: list[object], kind: type[kimi.KimiError], partial: str | None
) -> None:
    host = FakeHost(reads)
    host.status = status
    with pytest.raises(kind) as caught:
        await host.client(timeouts=LIMITS).chat("Hi")
    assert (caught.value.partial and caught.value.partial.text) == partial
    assert len(host.requests) == 1


@pytest.mark.fact("6.1/200-correct-type-empty-body")
async def test_an_empty_body_may_be_asked_for_again() -> None:
    with pytest.raises(kimi.EmptyResponseError) as caught:
        await FakeHost([b"\n"]).client(timeouts=LIMITS).chat("Hi")
    assert caught.value.retryable


@pytest.mark.fact("6.1/no-stream-asked-sse-returned")
async def test_a_stream_that_nobody_asked_for_is_read_and_none_was_asked_for() -> None:
    host = FakeHost([HELLO])
    assert (await host.client().chat("Hi", wire="json")).text == "Hello"
    assert json.loads(host.requests[0].content)["stream"] is False


@pytest.mark.fact("6.1/minutes-of-silence-before-a")
async def test_minutes_of_silence_have_a_limit_of_their_own() -> None:
    """The defaults allow minutes for a large tool call; a shorter ``idle`` ends the wait, with the partial reply."""
    assert (Timeouts().idle or 0) >= 300
    begun = sse(call(0, id="f:0", name="f", arguments='{"a'))
    host = FakeHost([begun, STALL])
    with pytest.raises(kimi.IdleTimeout) as caught:
        await host.client(timeouts=Timeouts(idle=0.01)).chat("Hi")
    assert caught.value.partial is not None
    assert not caught.value.partial.tool_calls[0].complete


@pytest.mark.fact("6.2/chunk-id-and-created-change")
async def test_the_last_chunk_can_be_looked_at_raw() -> None:
    late = STOP.replace('"c1"', '"gen-2"')
    async with FakeHost([sse(HI, late)]).client().stream("Hi") as stream:
        reply = await stream.final()
    assert reply.id == "c1"
    assert stream.last_chunk is not None
    assert stream.last_chunk["id"] == "gen-2"


def turns(names: Iterable[str]) -> list[Any]:
    """A history in which every turn of the model calls a tool under the same id."""
    history: list[Any] = [kimi.user("Hi")]
    for name in names:
        same = kimi.ToolCall(id="f:0", name=name, arguments="{}")
        history += [
            kimi.assistant(tool_calls=[same], reasoning_content=""),
            kimi.tool_result(same, name),
        ]
    return history


@pytest.mark.fact("3.3/messages-reasoning-content", "6.3/k3-ids-repeat-over-turns")
async def test_ids_that_repeat_over_turns_and_empty_reasoning_go_back_as_they_came() -> None:
    host = FakeHost([HELLO])
    await host.client(Moonshot("test-key"), model="kimi-k3").chat(turns(["f", "g"]))
    _, *history = json.loads(host.requests[0].content)["messages"]
    assert [(said.get("tool_call_id"), said.get("reasoning_content")) for said in history] == [
        (None, ""),
        ("f:0", None),
        (None, ""),
        ("f:0", None),
    ]
    assert [said["tool_calls"][0]["id"] for said in history[::2]] == ["f:0", "f:0"]
    assert [said["content"] for said in history[1::2]] == ["f", "g"]


@pytest.mark.fact("6.2/only-reasoning-newer-vllm-even")
async def test_reasoning_goes_back_under_the_key_that_it_came_by() -> None:
    host = FakeHost([sse(delta(reasoning="Hm."), HI, STOP)], [HELLO])
    client = host.client()
    first = await client.chat("Hi")
    await client.chat([kimi.user("Hi"), first.message, kimi.user("And?")])
    _, said, _ = json.loads(host.requests[1].content)["messages"]
    assert said == {"role": "assistant", "content": "Hi", "reasoning": "Hm."}


@pytest.mark.fact("6.3/marker-tokens-tool-calls-section")
@pytest.mark.parametrize("wire", ["stream", "json"])
async def test_a_call_that_the_host_left_in_the_text(wire: kimi.Wire) -> None:
    text = '<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"a":1}<|tool_call_end|>'
    body = sse(delta("Let me see." + text), STOP)
    if wire == "json":
        said = {"role": "assistant", "content": "Let me see." + text}
        whole = {"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
        body = json.dumps(whole).encode()
    client = FakeHost([body]).client(AceDataCloud("test-key", tool_markers="parse"))
    reply = await client.chat("Hi", wire=wire)
    assert (reply.text, reply.outcome) == ("Let me see.", "tool_calls")
    assert reply.tool_calls == (kimi.ToolCall(id="functions.f:0", name="f", arguments='{"a":1}'),)


@pytest.mark.fact("2.3/messages-1-partial", "6.4/prefill-ignored-by-a-reseller")
async def test_a_reply_is_not_glued_to_its_prefix() -> None:
    """The client cannot know whether the reply continues the prefix, and must not change one that starts over."""
    host = FakeHost([HELLO])
    reply = await host.client().chat([kimi.user("Hi"), kimi.assistant("Hel", partial=True)])
    assert reply.text == "Hello"


@pytest.mark.fact("6.3/nested-values-double-encoded", "6.3/schema-errors-differ-by-vendor")
async def test_arguments_are_read_when_asked_for_and_as_they_came() -> None:
    twice = json.dumps({"a": json.dumps({"b": 1})})
    body = sse(call(0, id="f:0", name="f", arguments=twice), delta(finish="tool_calls"))
    (asked,) = (await FakeHost([body]).client().chat("Hi")).tool_calls
    assert asked.parse() == {"a": '{"b": 1}'}
    with pytest.raises(kimi.OutputError) as caught:
        asked.parse(dict[str, int])
    assert caught.value.text == twice
