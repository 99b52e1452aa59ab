"""The ends of replies: the behaviour of a server, and the result for its caller.

The tests of ``test_attempt.py`` play the rows, and the page of faults in the documentation shows them.
``server`` is its first column.
"""

from __future__ import annotations

import httpx
from attrs import evolve, frozen
from fake_host import HELLO, STALL, USAGE, delta, sse

import kimi_async as kimi
from kimi_async import Timeouts

RESET = httpx.ReadError("reset")
BAD_FRAME = httpx.RemoteProtocolError(
    "peer closed connection without sending complete message body"
)
SHORT = Timeouts(first_output=5, idle=0.05, progress=0.05, finish_grace=0.05)
OVERLOADED = '{"error":{"type":"engine_overloaded_error","message":"busy"}}'


@frozen(kw_only=True)
class Broken:
    """A reply that must fail: the behaviour of the server, in words and as reads, and the result for the caller."""

    server: str
    reads: list[object]
    error: type[kimi.KimiError]
    outcome: str = "error"
    partial: str | None = None
    text: str | None = None
    timeouts: Timeouts = Timeouts()


SAID = delta("half an ans")

BROKEN = {
    # Output had begun
    "cut-politely": Broken(
        server="ends the body cleanly in the middle of the answer",
        reads=[sse(SAID)],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
        text="the body ended before a finish reason",
    ),
    "done-without-finish-reason": Broken(
        server="sends `[DONE]` without a finish reason",
        reads=[sse(SAID, "[DONE]")],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
        text=r"said \[DONE\] before a finish reason",
    ),
    "empty-finish-reason-is-none": Broken(
        server='sends `""` as the finish reason, then `[DONE]`',
        reads=[sse(SAID, delta(finish=""), "[DONE]")],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
    ),
    "reset": Broken(
        server="resets the connection in the middle of the answer",
        reads=[sse(SAID), RESET],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
        text="httpx.ReadError: reset",
    ),
    "framing-broken": Broken(
        server="closes the connection in the middle of the body",
        reads=[sse(SAID), BAD_FRAME],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
    ),
    "tail-is-dropped-when-broken": Broken(
        server="resets the connection in the middle of the event with the finish reason",
        reads=[sse(SAID), f"data: {delta(finish='stop')}\n".encode(), RESET],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
    ),
    "one-of-two-choices-finished": Broken(
        server="finishes one of two choices, then sends `[DONE]`",
        reads=[
            sse(
                SAID,
                '{"choices":[{"index":1,"delta":{"content":"x"}}]}',
                delta(finish="stop"),
                "[DONE]",
            )
        ],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
    ),
    "error-object": Broken(
        server="sends an error object in the middle of the answer",
        reads=[sse(SAID, OVERLOADED)],
        error=kimi.OverloadedError,
        partial="half an ans",
        text="busy",
    ),
    "error-event-as-json": Broken(
        server="sends an event of type `error` that holds JSON",
        reads=[sse(SAID), b'event: error\ndata: {"message":"gone wrong"}\n\n'],
        error=kimi.APIError,
        partial="half an ans",
        text="gone wrong",
    ),
    "error-beside-empty-choices": Broken(
        server="sends an error code beside empty `choices`",
        reads=[sse(SAID, '{"success":false,"code":"used_up","message":"no","choices":[]}')],
        error=kimi.QuotaExceededError,
        partial="half an ans",
    ),
    "good-content-in-a-broken-chunk": Broken(
        server="sends the end of the answer in one chunk with a tool call that has no name",
        reads=[sse(delta("half an ans", tool_calls=[{"index": 0, "id": "x"}], finish="stop"))],
        error=kimi.ProtocolError,
        partial="half an ans",
        text="without ever getting a name",
    ),
    "error-event": Broken(
        server="sends an event of type `error` that holds plain text",
        reads=[sse(SAID), b"event: error\ndata: gone wrong\n\n"],
        error=kimi.APIError,
        partial="half an ans",
        text="gone wrong",
    ),
    "broken-json": Broken(
        server="sends an event that is not JSON",
        reads=[sse(SAID, '{"choices":[')],
        error=kimi.ProtocolError,
        partial="half an ans",
    ),
    "wrong-type": Broken(
        server="sends `true` where the text should be",
        reads=[sse(SAID, '{"choices":[{"delta":{"content":true}}]}')],
        error=kimi.ProtocolError,
        partial="half an ans",
        text="content of the reply should be a text and is true or false: '.*true",
    ),
    "the-host-gives-up": Broken(
        server="sends the finish reason `error`",
        reads=[sse(SAID, delta(finish="error"), "[DONE]")],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
        text="it sent the finish reason 'error'",
    ),
    "error-object-in-a-choice": Broken(
        server="sends an error object in the choice",
        reads=[
            sse(
                SAID,
                '{"choices":[{"delta":{},"finish_reason":"error",'
                '"error":{"code":502,"message":"busy"}}]}',
            )
        ],
        error=kimi.ServerError,
        partial="half an ans",
        text="busy",
    ),
    "cut-inside-an-event": Broken(
        server="ends the body politely inside an event",
        reads=[sse(SAID), b'data: {"choices":[{"delta":{"content":"wer"},"finis'],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
        text="the body ended inside an event",
    ),
    "error-in-a-line-of-text": Broken(
        server="sends the field `error:` with an error object",
        reads=[sse(SAID), b'error: {"code":400,"message":"too many tokens"}\n\n'],
        error=kimi.ContextLengthError,
        partial="half an ans",
        text="too many tokens",
    ),
    "event-over-the-limit": Broken(
        server="sends an event of 9 MiB",
        reads=[sse(SAID), b"data: " + b"x" * (9 * 1024 * 1024)],
        error=kimi.ProtocolError,
        partial="half an ans",
        text="the limit 'event_bytes' of 8388608",
    ),
    "idle": Broken(
        server="goes silent in the middle of the answer",
        reads=[sse(SAID), STALL],
        error=kimi.IdleTimeout,
        outcome="timeout",
        partial="half an ans",
        text="'idle' ran out: not one byte came within 0.05 s",
        timeouts=evolve(SHORT, progress=None),
    ),
    "idle-where-the-http-client-keeps-the-limit": Broken(
        server="goes silent in the middle of the answer, for longer than any limit",
        reads=[sse(SAID), STALL],
        error=kimi.IdleTimeout,
        outcome="timeout",
        partial="half an ans",
        timeouts=Timeouts(first_output=0.5, idle=0.5, progress=None),
    ),
    "idle-by-the-http-client": Broken(
        server="goes silent until the HTTP client gives up",
        reads=[sse(SAID), httpx.ReadTimeout("slow")],
        error=kimi.IdleTimeout,
        outcome="timeout",
        partial="half an ans",
    ),
    "progress": Broken(
        server="sends comments and no more of the answer",
        reads=[sse(SAID), b": still here\n\n", STALL],
        error=kimi.ProgressTimeout,
        outcome="timeout",
        partial="half an ans",
        timeouts=evolve(SHORT, idle=60),
    ),
    "total": Broken(
        server="goes silent, and only `total` is short",
        reads=[sse(SAID), STALL],
        error=kimi.TotalTimeout,
        outcome="timeout",
        partial="half an ans",
        timeouts=Timeouts(total=0.05),
    ),
    "second-choice-that-only-began": Broken(
        server="finishes one choice, begins another, and goes silent",
        reads=[
            sse(
                delta("half an ans", finish="stop"),
                '{"choices":[{"index":1,"delta":{"role":"x"}}]}',
            ),
            STALL,
        ],
        error=kimi.IdleTimeout,
        outcome="timeout",
        partial="half an ans",
        timeouts=evolve(SHORT, progress=None, finish_grace=60),
    ),
    # Before any output
    "empty-body": Broken(
        server="ends the body at once",
        reads=[],
        error=kimi.EmptyResponseError,
        text="the body ended before any",
    ),
    "blank-body": Broken(
        server="sends blank lines and ends the body",
        reads=[b" \r\n", b"\n"],
        error=kimi.EmptyResponseError,
    ),
    "byte-order-mark-alone": Broken(
        server="sends a byte order mark and ends the body",
        reads=[b"\xef\xbb", b"\xbf"],
        error=kimi.EmptyResponseError,
    ),
    "comments-alone": Broken(
        server="sends a comment and ends the body",
        reads=[b": hello\n\n"],
        error=kimi.EmptyResponseError,
    ),
    "role-alone": Broken(
        server="sends the role of the answer and ends the body",
        reads=[sse(delta("", role="assistant"))],
        error=kimi.EmptyResponseError,
    ),
    "done-alone": Broken(
        server="sends `[DONE]` at once",
        reads=[sse("[DONE]")],
        error=kimi.EmptyResponseError,
        text="said",
    ),
    "no-choices": Broken(
        server="sends JSON with no choice in it",
        reads=[b'{"choices":[]}'],
        error=kimi.EmptyResponseError,
    ),
    "text": Broken(
        server="sends a line of plain text",
        reads=[b"upstream said no\n"],
        error=kimi.ProtocolError,
        text="neither an event stream nor JSON; its last line is 'upstream said no'",
    ),
    "text-that-begins-like-a-field": Broken(
        server="sends plain text that begins like a field of an event",
        reads=[b"identity unknown"],
        error=kimi.ProtocolError,
        text="its last line is 'identity unknown'",
    ),
    "html": Broken(
        server="sends an HTML page with status 200",
        reads=[b"\n <html><h1>Bad", b" Gateway</h1>"],
        error=kimi.ProtocolError,
        text="Bad Gateway",
    ),
    "json-error": Broken(
        server="sends an error object with status 200",
        reads=[b'{"success":false,"error":', b'{"code":"used_up","message":"empty"}}'],
        error=kimi.QuotaExceededError,
        text="empty",
    ),
    "json-list": Broken(server="sends a JSON list", reads=[b"[1]"], error=kimi.ProtocolError),
    "json-without-choices": Broken(
        server="sends an empty JSON object",
        reads=[b"{}"],
        error=kimi.ProtocolError,
    ),
    "json-cut": Broken(
        server="ends the body in the middle of the JSON",
        reads=[b'{"choices":['],
        error=kimi.EmptyResponseError,
    ),
    "json-broken-off": Broken(
        server="resets the connection in the middle of the JSON",
        reads=[b'{"choices":[', RESET],
        error=kimi.TransportError,
    ),
    "json-too-large": Broken(
        server="sends JSON of 33 MiB",
        reads=[b"{", b" " * (33 * 1024 * 1024)],
        error=kimi.ProtocolError,
        text="the limit 'body_bytes' of 33554432",
    ),
    "broken-before-output": Broken(
        server="sends a comment and resets the connection",
        reads=[b": hello\n\n", RESET],
        error=kimi.TransportError,
        text="waiting for the first output",
    ),
    "first-output": Broken(
        server="sends a comment and goes silent",
        reads=[b": hello\n\n", STALL],
        error=kimi.FirstOutputTimeout,
        outcome="timeout",
        text="'first_output' ran out",
        timeouts=Timeouts(first_output=0.05),
    ),
    "first-output-by-the-http-client": Broken(
        server="sends no byte of the body until the HTTP client gives up",
        reads=[httpx.ReadTimeout("slow")],
        error=kimi.FirstOutputTimeout,
        outcome="timeout",
    ),
    "total-before-output": Broken(
        server="sends no byte of the body, and only `total` is short",
        reads=[STALL],
        error=kimi.TotalTimeout,
        outcome="timeout",
        timeouts=Timeouts(total=0.05),
    ),
}


@frozen(kw_only=True)
class Whole:
    """A reply that is complete: the behaviour of the server, and the result for the caller."""

    server: str
    reads: list[object]
    usage: bool = True
    late_error: str | None = None
    timeouts: Timeouts = Timeouts()


ANSWER = sse(delta("Hel"), delta("lo", finish="stop"))

WHOLE = {
    "plain": Whole(
        server="sends finish reason, usage and `[DONE]`, and ends the body", reads=[HELLO]
    ),
    "each-byte": Whole(
        server="sends each byte in a read of its own",
        reads=[HELLO[at : at + 1] for at in range(len(HELLO))],
    ),
    "no-done": Whole(
        server="ends the body after the usage, without `[DONE]`", reads=[ANSWER, sse(USAGE)]
    ),
    "no-done-no-usage": Whole(
        server="ends the body after the finish reason", reads=[ANSWER], usage=False
    ),
    "broken-after-finish": Whole(
        server="resets the connection after the finish reason",
        reads=[ANSWER, RESET],
        usage=False,
        late_error="StreamInterrupted: the connection broke",
    ),
    "read-timeout-after-finish": Whole(
        server="goes silent after the finish reason until the HTTP client gives up",
        reads=[ANSWER, httpx.ReadTimeout("slow")],
        usage=False,
    ),
    "grace-runs-out": Whole(
        server="goes silent after the finish reason, for longer than `finish_grace`",
        reads=[ANSWER, STALL],
        usage=False,
        timeouts=SHORT,
    ),
    "grace-runs-out-after-usage": Whole(
        server="goes silent after the usage, for longer than `finish_grace`",
        reads=[ANSWER, sse(USAGE), STALL],
        timeouts=SHORT,
    ),
    "total-runs-out-after-finish": Whole(
        server="goes silent after the finish reason, for longer than `total`",
        reads=[ANSWER, STALL],
        usage=False,
        timeouts=Timeouts(total=0.05),
    ),
    "error-after-finish": Whole(
        server="sends an error object after the usage",
        reads=[ANSWER, sse(USAGE, OVERLOADED)],
        late_error="OverloadedError: busy",
    ),
    "rubbish-after-finish": Whole(
        server="sends an event that is not JSON after the usage",
        reads=[ANSWER, sse(USAGE, "rubbish")],
        late_error="ProtocolError: an event",
    ),
    "nameless-call-after-finish": Whole(
        server="begins a tool call without a name after the finish reason",
        reads=[ANSWER, sse(delta(tool_calls=[{"index": 0, "id": "x"}]), USAGE, "[DONE]")],
        late_error="ProtocolError: a tool call",
    ),
    "tail-without-blank-line": Whole(
        server="ends the body without the blank line after the usage",
        reads=[ANSWER, f"data: {USAGE}".encode()],
    ),
    "done-without-blank-line": Whole(
        server="ends the body without the blank line after `[DONE]`",
        reads=[ANSWER, sse(USAGE), b"data: [DONE]"],
    ),
    "events-after-done": Whole(
        server="sends more of an answer after `[DONE]`",
        reads=[HELLO, sse(delta("not part of it"))],
    ),
    "trickle-after-done": Whole(
        server="trickles bytes after `[DONE]` and keeps the connection open",
        reads=[HELLO, b": a", b": b", STALL],
    ),
    "flood-after-done": Whole(
        server="sends 600 kB after `[DONE]`", reads=[HELLO, *[b"x" * 60_000] * 10]
    ),
    "broken-after-done": Whole(server="resets the connection after `[DONE]`", reads=[HELLO, RESET]),
    "padding-comments-and-other-events": Whole(
        server="sends padding, comments and events of other types before the answer",
        reads=[b"\n\n: hi\r\n\r\nevent: ping\ndata: x\n\ndata:\n\nevent: note\n\n", HELLO],
    ),
    "not-a-number-beside-it": Whole(
        server="sends `-Infinity`, which is not JSON, beside the answer",
        reads=[HELLO.replace(b'"created":7', b'"created":7,"logprob":-Infinity')],
    ),
    "byte-order-mark": Whole(
        server="begins with a byte order mark", reads=[b"\xef", b"\xbb\xbf", HELLO]
    ),
    "typed-events": Whole(
        server="gives each event another type",
        reads=[HELLO.replace(b"data: {", b"event: chunk\ndata: {")],
    ),
    "json-to-a-stream-request": Whole(
        server="answers with one JSON body although the request asked for a stream",
        reads=[
            b' \n{"id":"c1","model":"m","created":7,"choices":[{"index":0,"message":{"content":"Hello"},',
            b'"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n',
        ],
    ),
}
