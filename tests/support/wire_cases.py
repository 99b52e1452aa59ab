"""Bodies as hosts send them, against the rules of the wire: event streams, their twins as one JSON body, and the reply.

``test_wire_rows.py`` cuts each body at every place, and compares each with its twin.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from attrs import field, frozen

import kimi_async as kimi

JSON: TypeAlias = dict[str, Any]


@frozen(kw_only=True)
class Row:
    """One event stream, and the reply or the error that it is.

    Attributes:
        stream: The bytes of the event stream.
        body: The same reply as one JSON body, or ``None`` if a body cannot say it.
        error: The class of the error that ends it, or ``None``.
        says: A part of the message of the error.
        reply: Fields of the reply, or of the partial one.
    """

    stream: bytes
    body: bytes | None = None
    error: type[kimi.KimiError] | None = None
    says: str = ""
    reply: JSON = field(factory=dict)


def events(*data: str) -> bytes:
    return "".join(f"data: {each}\n\n" for each in data).encode()


def chunk(*, finish: object = None, beside: JSON | None = None, **delta: object) -> str:
    """One chunk; a half of a surrogate pair is spelled as its escape."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **(beside or {})}
    return json.dumps({"choices": [choice]})


def whole(*, finish: object = "stop", beside: JSON | None = None, **message: object) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish, **(beside or {})}
    return json.dumps({"choices": [choice]}).encode()


def call(arguments: object, **fields: object) -> JSON:
    return {"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}, **fields}


STOP = chunk(finish="stop")
HI = chunk(content="Hi")
ERROR = {"message": "the engine is overloaded", "code": 502}
HALF_CALL = kimi.ToolCall(id="a", name="f", arguments='{"a', complete=False)

FINISH: dict[str, Row] = {
    "finish-error": Row(
        stream=events(HI, chunk(tool_calls=[call('{"a')]), chunk(finish="error"), "[DONE]"),
        body=whole(content="Hi", tool_calls=[call('{"a')], finish="error"),
        error=kimi.StreamInterrupted,
        says="the finish reason 'error'",
        reply={"text": "Hi", "outcome": None, "tool_calls": (HALF_CALL,)},
    ),
    "finish-network_error-without-text": Row(
        stream=events(chunk(finish="network_error"), "[DONE]"),
        body=whole(finish="network_error"),
        error=kimi.StreamInterrupted,
        says="the finish reason 'network_error'",
    ),
    "finish-error-with-an-error-object-in-the-choice": Row(
        stream=events(HI, chunk(finish="error", beside={"error": ERROR})),
        body=whole(content="Hi", finish="error", beside={"error": ERROR}),
        error=kimi.OverloadedError,
        says="the engine is overloaded",
        reply={"text": "Hi", "outcome": None},
    ),
    "finish-stop-with-an-error-object-in-the-choice": Row(
        stream=events(chunk(content="Hi", finish="stop", beside={"error": ERROR})),
        body=whole(content="Hi", beside={"error": ERROR}),
        error=kimi.OverloadedError,
        reply={"text": "Hi", "outcome": None},
    ),
    "an-error-object-beside-text": Row(
        stream=events(
            json.dumps({**json.loads(chunk(content="Hi", finish="error")), "error": ERROR})
        ),
        body=json.dumps({**json.loads(whole(content="Hi")), "error": ERROR}).encode(),
        error=kimi.OverloadedError,
        reply={"text": "Hi", "outcome": None},
    ),
    "an-error-object-in-the-delta": Row(
        stream=events(HI, chunk(error=ERROR, finish="stop")),
        body=whole(content="Hi", error=ERROR),
        error=kimi.OverloadedError,
        says="the engine is overloaded",
        reply={"text": "Hi", "outcome": None},
    ),
    "finish-engine_error": Row(
        stream=events(HI, chunk(finish="engine_error")),
        body=whole(content="Hi", finish="engine_error"),
        error=kimi.StreamInterrupted,
        says="the finish reason 'engine_error'",
        reply={"text": "Hi", "outcome": None},
    ),
    "finish-object": Row(
        stream=events(HI, chunk(finish={"type": "stop"})),
        body=whole(content="Hi", finish={"type": "stop"}),
        reply={"text": "Hi", "outcome": "complete", "finish_reason": "stop"},
    ),
    "finish-max-tokens": Row(
        stream=events(HI, chunk(tool_calls=[call('{"a')]), chunk(finish="MAX_TOKENS")),
        body=whole(content="Hi", tool_calls=[call('{"a')], finish="MAX_TOKENS"),
        reply={"outcome": "length", "finish_reason": "MAX_TOKENS", "tool_calls": (HALF_CALL,)},
    ),
    "finish-safety": Row(
        stream=events(HI, chunk(finish="SAFETY")),
        body=whole(content="Hi", finish="SAFETY"),
        reply={"outcome": "content_filter"},
    ),
    "finish-unknown": Row(
        stream=events(chunk(tool_calls=[call('{"a')]), chunk(finish="unexpected_state")),
        body=whole(tool_calls=[call('{"a')], finish="unexpected_state"),
        reply={"outcome": "other", "tool_calls": (HALF_CALL,)},
    ),
}

EMOJI = "\U0001f4a5"
HALVES: dict[str, Row] = {
    "a-character-cut-in-two": Row(
        stream=events(chunk(content="a\ud83d"), chunk(content="\udca5b"), STOP),
        body=whole(content=f"a{EMOJI}b"),
        reply={"text": f"a{EMOJI}b"},
    ),
    "a-character-cut-in-two-in-every-field": Row(
        stream=events(
            chunk(content="\ud83d", reasoning_content="\ud83d", refusal="\ud83d"),
            chunk(tool_calls=[call('"\ud83d', name="f")]),
            chunk(content="\udca5", reasoning_content="\udca5", refusal="\udca5"),
            chunk(tool_calls=[call('\udca5"')]),
            chunk(finish="tool_calls"),
        ),
        body=whole(
            content=EMOJI,
            reasoning_content=EMOJI,
            refusal=EMOJI,
            tool_calls=[call(f'"{EMOJI}"')],
            finish="tool_calls",
        ),
        reply={
            "text": EMOJI,
            "reasoning": EMOJI,
            "tool_calls": (kimi.ToolCall(id="a", name="f", arguments=f'"{EMOJI}"'),),
        },
    ),
    "a-character-cut-in-two-around-an-empty-piece": Row(
        stream=events(chunk(content="\ud83d"), chunk(content=""), chunk(content="\udca5"), STOP),
        body=whole(content=EMOJI),
        reply={"text": EMOJI},
    ),
    "lone-halves": Row(
        stream=events(chunk(content="\ud83da"), chunk(content="b\udca5c\ud83d"), STOP),
        body=whole(content="\ud83dab\udca5c\ud83d"),
        reply={"text": "\ufffdab\ufffdc\ufffd"},
    ),
    "lone-halves-in-arguments": Row(
        stream=events(chunk(tool_calls=[call('"\udca5a\ud83d')]), chunk(finish="tool_calls")),
        body=whole(tool_calls=[call('"\udca5a\ud83d')], finish="tool_calls"),
        reply={"tool_calls": (kimi.ToolCall(id="a", name="f", arguments='"\ufffda\ufffd'),)},
    ),
    "a-half-where-the-reply-breaks-off": Row(
        stream=events(chunk(content="a\ud83d")),
        error=kimi.StreamInterrupted,
        reply={"text": "a"},
    ),
}

LINES: dict[str, Row] = {
    "an-end-inside-an-event": Row(
        stream=events(HI) + b'data: {"choices":[{"delta":{"content":"lo"},"finis',
        error=kimi.StreamInterrupted,
        says="the body ended inside an event, before a finish reason came",
        reply={"text": "Hi"},
    ),
    "an-end-inside-the-first-event": Row(
        stream=b'data: {"choices":[{"delta":{"con',
        error=kimi.EmptyResponseError,
        says="could not be read is '{",
    ),
    "an-end-inside-done": Row(
        stream=events(HI) + b"data: [DON", error=kimi.StreamInterrupted, reply={"text": "Hi"}
    ),
    "broken-json-before-the-end": Row(
        stream=events(HI, '{"choices":[', STOP),
        error=kimi.ProtocolError,
        says="""is not a JSON object (12 bytes): '{"choices":['""",
        reply={"text": "Hi"},
    ),
    "two-byte-order-marks": Row(
        stream=b"\xef\xbb\xbf \xef\xbb\xbf" + events(HI, STOP), reply={"text": "Hi"}
    ),
    "a-blank-before-the-first-field": Row(stream=b" " + events(HI, STOP), reply={"text": "Hi"}),
    "several-chunks-without-blank-lines": Row(
        stream=f"data: {HI}\ndata: {STOP}\ndata: [DONE]\n".encode(), reply={"text": "Hi"}
    ),
    "several-chunks-on-one-line": Row(stream=events(HI + HI + " " + STOP), reply={"text": "HiHi"}),
    "several-chunks-on-one-line-and-an-error": Row(
        stream=events(HI + '{"error":{"message":"no","code":503}}' + STOP),
        error=kimi.OverloadedError,
        reply={"text": "Hi"},
    ),
    "text-after-a-chunk": Row(
        stream=events(HI + " x\xff", STOP),
        error=kimi.ProtocolError,
        says="is not a JSON object (3 bytes): 'x\xff'",
        reply={"text": "Hi"},
    ),
    "an-end-inside-the-second-chunk-of-an-event": Row(
        stream=f"data: {HI}\ndata: {HI[:20]}".encode(),
        error=kimi.StreamInterrupted,
        says="the body ended inside an event",
        reply={"text": "Hi"},
    ),
    "done-in-lower-case": Row(
        stream=events(HI, "[done]"),
        error=kimi.StreamInterrupted,
        says="[DONE]",
        reply={"text": "Hi"},
    ),
    "a-page-in-mid-stream": Row(
        stream=events(HI) + b"<html>\n<title>502 Bad Gateway</title>\n</html>\n",
        error=kimi.StreamInterrupted,
        says="could not be read is '502 Bad Gateway'",
        reply={"text": "Hi"},
    ),
    **{
        f"a-json-error-without-a-field-name-{name}": Row(
            stream=events(HI) + report,
            error=kimi.OverloadedError,
            says="boom",
            reply={"text": "Hi"},
        )
        for name, report in (
            ("in-one-line", b'{"error":{"message":"boom","code":503}}'),
            ("in-lines", b'{\n  "error": {\n    "message": "boom",\n    "code": 503\n  }\n}\n'),
        )
    },
    "a-chunk-without-a-field-name": Row(
        stream=events(HI) + HI.encode() + b"\n",
        error=kimi.StreamInterrupted,
        says="""could not be read is '{"choices""",
        reply={"text": "Hi"},
    ),
    "data-that-reports-an-error": Row(
        stream=events(HI, "error: upstream failed"),
        error=kimi.ServerError,
        says="upstream failed",
        reply={"text": "Hi"},
    ),
    "data-in-several-lines-that-reports-an-error": Row(
        stream=events(HI) + b"data: Traceback:\ndata: ValueError: timed out\n\n",
        error=kimi.ServerError,
        says="Traceback: ValueError: timed out",
    ),
    "data-ping": Row(
        stream=events("ping", HI, STOP), error=kimi.ProtocolError, says="(4 bytes): 'ping'"
    ),
    "data-time": Row(
        stream=events(HI, "2026-01-01T00:00:00Z"),
        error=kimi.ProtocolError,
        says="(20 bytes): '2026-01-01T00:00:00Z'",
    ),
    "data-data": Row(
        stream=events("data: " + HI, STOP),
        error=kimi.ProtocolError,
        says="""'data: {"choices": [{"index": 0""",
    ),
    "data-long": Row(stream=events("x" * 1000), error=kimi.ProtocolError, says=f"'{'x' * 200}'"),
    "data-blank": Row(stream=b"data:\n\ndata:   \n\n" + events(HI, STOP), reply={"text": "Hi"}),
    "data-blank-at-the-end": Row(stream=events(HI, STOP) + b"data:  ", reply={"text": "Hi"}),
    "field-error": Row(
        stream=b'error: {"code":400,"message":"the request exceeds the available context size"}\n\n',
        error=kimi.ContextLengthError,
        says="the request exceeds the available context size",
    ),
    "field-error-in-mid-stream": Row(
        stream=events(HI)
        + b'error: {"code":400,"message":"the request exceeds the available context size"}\n'
        + events(STOP),
        error=kimi.ContextLengthError,
        reply={"text": "Hi"},
    ),
    "field-error-at-the-end": Row(
        stream=events(HI) + b"error: gone wrong", error=kimi.APIError, says="gone wrong"
    ),
    "field-error-inside-an-event": Row(
        stream=events(HI) + b"data: " + HI.encode() + b"\nerror: gone wrong\n\n",
        error=kimi.APIError,
        says="gone wrong",
        reply={"text": "Hi"},
    ),
    "event-error": Row(
        stream=events(HI)
        + b'event: error\ndata: {"error":{"message":"Failed to call a function",'
        + b'"code":"tool_use_failed","status_code":400}}\n\n',
        error=kimi.BadRequestError,
        says="Failed to call a function",
        reply={"text": "Hi"},
    ),
    "a-line-of-text": Row(
        stream=b"upstream said no\n",
        error=kimi.ProtocolError,
        says="neither an event stream nor JSON; its last line is 'upstream said no'",
    ),
    "a-line-of-text-that-reports-an-error": Row(
        stream=b"upstream connect error or disconnect/reset before headers. overloaded",
        error=kimi.OverloadedError,
        says="upstream connect error",
    ),
    "a-line-of-text-before-the-end": Row(
        stream=events(HI) + b"bye\n",
        error=kimi.StreamInterrupted,
        says="the last line that could not be read is 'bye'",
        reply={"text": "Hi"},
    ),
    "a-line-of-text-in-a-complete-reply": Row(
        stream=b"hello\n" + events(HI, STOP), reply={"text": "Hi"}
    ),
    "an-object-that-is-no-chunk": Row(
        stream=events(HI, '{"message":"boom"}'),
        error=kimi.StreamInterrupted,
        says="""could not be read is '{"message":"boom"}'""",
        reply={"text": "Hi"},
    ),
    "an-object-that-is-no-chunk-first": Row(
        stream=events('{"message":"boom"}', "[DONE]"), error=kimi.EmptyResponseError, says="boom"
    ),
    "an-object-that-is-no-chunk-in-a-complete-reply": Row(
        stream=events('{"message":"hello"}', HI, STOP), reply={"text": "Hi"}
    ),
    "an-object-whose-words-report-an-error": Row(
        stream=events(HI, '{"message":"Internal server error"}', STOP),
        error=kimi.ServerError,
        says="Internal server error",
        reply={"text": "Hi"},
    ),
    "an-object-alone-whose-words-report-an-error": Row(
        stream=events('{"message":"Internal server error"}'),
        body=b'{"message":"Internal server error"}',
        error=kimi.ServerError,
        says="Internal server error",
    ),
    "base_resp": Row(
        stream=events('{"base_resp":{"status_code":1002,"status_msg":"rate limit"}}'),
        body=b'{"base_resp":{"status_code":1002,"status_msg":"rate limit"}}',
        error=kimi.RateLimitError,
        says="rate limit",
    ),
    "base_resp-beside-text": Row(
        stream=events(
            '{"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}],'
            '"base_resp":{"status_code":1027,"status_msg":"output new_sensitive"}}'
        ),
        body=b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],'
        b'"base_resp":{"status_code":1027,"status_msg":"output new_sensitive"}}',
        error=kimi.ContentFilteredError,
        says="output new_sensitive",
        reply={"text": "Hi", "outcome": None},
    ),
    **{
        f"event-{kind}": Row(
            stream=events(HI) + f'event: {kind}\ndata: {{"message":"boom"}}\n\n'.encode(),
            error=kimi.APIError,
            says="boom",
            reply={"text": "Hi"},
        )
        for kind in ("exception", "failed", "response.failed", "stream_error", "Error", "timeout")
    },
    "event-of-another-type-that-reports-an-error": Row(
        stream=events(HI) + b"event: close\ndata: upstream timed out\n\n",
        error=kimi.ServerError,
        says="upstream timed out",
        reply={"text": "Hi"},
    ),
    "event-of-another-type": Row(
        stream=b"event: ping\ndata: ok\n\n" + events(HI, STOP), reply={"text": "Hi"}
    ),
    "error_code": Row(
        stream=events('{"error_code":336003,"error_msg":"no"}'),
        body=b'{"error_code":336003,"error_msg":"no"}',
        error=kimi.APIError,
        says="no",
    ),
    "detail": Row(
        stream=events('{"detail":[{"loc":["body","model"],"msg":"field required"}]}'),
        body=b'{"detail":[{"loc":["body","model"],"msg":"field required"}]}',
        error=kimi.APIError,
        says="body.model: field required",
    ),
}

MESSAGES: dict[str, Row] = {
    "a-message-that-repeats-the-deltas": Row(
        stream=events(
            chunk(content="H", reasoning_content="h"),
            chunk(reasoning_content="m", tool_calls=[call("{")]),
            chunk(tool_calls=[{"index": 0, "function": {"arguments": "}"}}]),
            whole(
                content="Hi", reasoning_content="hm", tool_calls=[call("{}")], finish="tool_calls"
            ).decode(),
        ),
        body=whole(
            content="Hi", reasoning_content="hm", tool_calls=[call("{}")], finish="tool_calls"
        ),
        reply={
            "text": "Hi",
            "reasoning": "hm",
            "tool_calls": (kimi.ToolCall(id="a", name="f", arguments="{}"),),
        },
    ),
    "a-message-that-says-another-text": Row(
        stream=events(HI, whole(content="!").decode()),
        body=whole(content="Hi!"),
        reply={"text": "Hi!"},
    ),
    "a-message-that-repeats-text-held-back": Row(
        stream=events(chunk(content="<"), whole(content="<i").decode()),
        body=whole(content="<i"),
        reply={"text": "<i"},
    ),
    "messages-in-pieces": Row(
        stream=events(*(whole(content="ha", finish=reason).decode() for reason in (None, "stop"))),
        body=whole(content="haha"),
        reply={"text": "haha"},
    ),
    "a-message-with-a-call-of-its-own": Row(
        stream=events(
            HI,
            whole(content="Hi", tool_calls=[call("{}", index=None)], finish="tool_calls").decode(),
        ),
        body=whole(content="Hi", tool_calls=[call("{}")], finish="tool_calls"),
        reply={"text": "Hi", "tool_calls": (kimi.ToolCall(id="a", name="f", arguments="{}"),)},
    ),
    "texts-of-the-older-api": Row(
        stream=events('{"choices":[{"index":0,"text":"Hi","finish_reason":"stop"}]}'),
        body=b'{"choices":[{"index":0,"text":"Hi","finish_reason":"stop"}]}',
        reply={"text": "Hi"},
    ),
}

TYPES: dict[str, Row] = {
    "content-number": Row(
        stream=events(chunk(content="1"), chunk(content=6), chunk(content=0.5), STOP),
        body=whole(content="160.5"),
        reply={"text": "160.5"},
    ),
    "call-indexes-minus-one-and-0": Row(
        stream=events(
            chunk(tool_calls=[call("{}", index=-1)]),
            chunk(tool_calls=[call("[]", index=0, id="b")]),
            chunk(finish="tool_calls"),
        ),
        body=whole(
            tool_calls=[call("{}", index=-1), call("[]", index=0, id="b")], finish="tool_calls"
        ),
        reply={
            "tool_calls": (
                kimi.ToolCall(id="a", name="f", arguments="{}"),
                kimi.ToolCall(id="b", name="f", arguments="[]"),
            )
        },
    ),
    "call-indexes-that-are-names": Row(
        stream=events(
            chunk(tool_calls=[call("{", index="x", id=None), call("[", index="y", id=None)]),
            chunk(tool_calls=[{"index": "x", "function": {"arguments": "}"}}]),
            chunk(tool_calls=[{"index": "y", "function": {"arguments": "]"}}]),
            chunk(finish="tool_calls"),
        ),
        body=whole(
            tool_calls=[call("{}", index="x", id=None), call("[]", index="y", id=None)],
            finish="tool_calls",
        ),
        reply={
            "tool_calls": (
                kimi.ToolCall(id=None, name="f", arguments="{}"),
                kimi.ToolCall(id=None, name="f", arguments="[]"),
            )
        },
    ),
    "choice-indexes-that-are-names": Row(
        stream=events(
            chunk(content="a", beside={"index": -1}),
            chunk(content="b", beside={"index": "x"}),
            chunk(content="c", beside={"index": 1}),
            *(chunk(finish="stop", beside={"index": index}) for index in (-1, "x", 1)),
        ),
        reply={"text": "a"},
    ),
    "reasoning-as-a-list": Row(
        stream=events(chunk(reasoning_content=[{"text": "h"}]), chunk(thinking="m"), HI, STOP),
        body=whole(reasoning_content=[{"text": "h"}, "m"], content="Hi"),
        reply={"text": "Hi", "reasoning": "hm"},
    ),
    "a-thinking-part": Row(
        stream=events(
            chunk(content=[{"type": "thinking", "thinking": "hm"}]),
            chunk(content=[{"type": "text", "text": "Hi"}]),
            STOP,
        ),
        body=whole(
            content=[{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hi"}]
        ),
        reply={"text": "Hi", "reasoning": "hm"},
    ),
    "empty-of-another-type": Row(
        stream=events('{"choices":[{"delta":[]}]}', chunk(content="Hi", refusal=False), STOP),
        body=whole(content="Hi", refusal=False),
        reply={"text": "Hi"},
    ),
    "content-parts-of-all-kinds": Row(
        stream=events(
            chunk(content=["H", {"type": "image_url", "image_url": {"url": "x"}}]),
            chunk(content=[{"type": "text", "text": "i"}, {"type": "refusal", "refusal": "No."}]),
            STOP,
        ),
        body=whole(
            content=["H", {"type": "image"}, "i", {"type": "refusal", "refusal": "No."}],
            refusal=True,
        ),
        reply={"text": "Hi"},
    ),
    "a-delta-in-a-list": Row(
        stream=events('{"choices":[{"delta":[{"content":"Hi"}]}]}', STOP),
        body=b'{"choices":[{"message":[{"content":"Hi"}],"finish_reason":"stop"}]}',
        reply={"text": "Hi"},
    ),
    "a-count-too-large-for-a-float": Row(
        stream=events(HI, STOP, '{"choices":[],"usage":{"prompt_tokens":1e400,"total_tokens":5}}'),
        body=b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":1e400,"total_tokens":5}}',
        reply={"text": "Hi", "usage": kimi.Usage(total_tokens=5)},
    ),
    "counts-as-floats": Row(
        stream=events(HI, STOP, '{"choices":[],"usage":{"prompt_tokens":100.0}}'),
        reply={"usage": kimi.Usage(prompt_tokens=100)},
    ),
}

K3_CALL = (
    '<|open|>tools<|sep|><|open|>call tool="f" index="1"<|sep|>'
    '<|open|>argument key="city" type="string"<|sep|>Bonn<|close|>argument<|sep|>'
    "<|close|>call<|sep|><|close|>tools<|sep|>"
)
BARE_CALL = K3_CALL.replace("<|sep|>", "")
BONN = kimi.ToolCall(id=None, name="f", arguments='{"city":"Bonn"}')
#: With ``tool_markers="parse"`` and ``thinking_tags="parse"``.
MARKUP: dict[str, Row] = {
    **{
        f"a-k3-call-in-the-text-{name}": Row(
            stream=events(
                chunk(content=f"So.{text[:40]}"),
                chunk(content=text[40:]),
                chunk(content="<|close|>message<|sep|>"),
                STOP,
            ),
            body=whole(content=f"So.{text}<|close|>message<|sep|>"),
            reply={"text": "So.", "tool_calls": (BONN,), "outcome": "tool_calls"},
        )
        for name, text in (("with-sep", K3_CALL), ("without-sep", BARE_CALL))
    },
    "think-tags": Row(
        stream=events(chunk(content="<thi"), chunk(content="nk>hm</think>\n\nHi"), STOP),
        body=whole(content="<think>hm</think>\n\nHi"),
        reply={"text": "Hi", "reasoning": "hm"},
    ),
    "think-tags-after-text": Row(
        stream=events(chunk(content="So. <TH"), chunk(content="INK>hm</think>\n\nHi"), STOP),
        body=whole(content="So. <THINK>hm</think>\n\nHi"),
        reply={"text": "So. Hi", "reasoning": "hm"},
    ),
    "the-end-of-thinking-without-its-beginning": Row(
        stream=events(chunk(content="h"), chunk(content="m</thi"), chunk(content="nk>Hi"), STOP),
        body=whole(content="hm</think>Hi"),
        reply={"text": "Hi", "reasoning": "hm"},
    ),
}

ROWS = FINISH | HALVES | LINES | MESSAGES | TYPES | MARKUP
