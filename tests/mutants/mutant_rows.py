"""The protections of the library, and what each is worth: how to take it out, and the tests that must then fail."""

from __future__ import annotations

from attrs import frozen

__all__ = ["MUTANTS", "Mutant"]


@frozen(kw_only=True)
class Mutant:
    """A protection taken out.

    Attributes:
        file: Where, from the folder of the package.
        find: The text that protects; it must be there exactly once.
        replace: What stands there without the protection.
        tests: The tests of which one at the least must fail then.
    """

    file: str
    find: str
    replace: str
    tests: tuple[str, ...]


ATTEMPT = "_reply/_attempt.py"
BODY = "_protocol/_body.py"
CLOCKS = "_reply/_deadlines.py"
FETCH = "_reply/_fetch.py"
REPLY = "_reply/_reply.py"
ASSEMBLER = "_protocol/_assembler.py"
CALL_PIECES = "_protocol/_tool_calls.py"
POOL = "_http/_pool.py"
SLOTS = "_http/_limiter.py"
EVENTLOOP = "_http/_cancellation.py"
FAILURES = "_providers/_errors.py"
READING = "_providers/_parsing.py"
TRANSPORT = "_http/_transport.py"

TOO_MANY = "tests/faults/test_bounds.py::test_of_too_many_in_one_event_the_first_are_kept"
BROKEN = "tests/unit/reply/test_attempt.py::test_a_reply_that_is_not_whole_raises_what_it_is_and_keeps_what_came"
WHOLE = "tests/unit/reply/test_attempt.py::test_a_whole_reply_is_the_same_however_it_came"
WAITS = "tests/faults/test_time_limits.py::test_a_reply_survives_the_waits_that_its_limits_allow"
ENDS = "tests/faults/test_time_limits.py::test_a_limit_ends_a_wait_to_the_second"
SECRETS = "tests/unit/test_secrets.py::test_errors_do_not_show_the_key"

MUTANTS = {
    # An ending that can be trusted
    "no-invented-finish": Mutant(
        file=ATTEMPT,
        find='raise self._ended("the body ended")',
        replace="pass",
        tests=(BROKEN,),
    ),
    "no-invented-finish-at-done": Mutant(
        file=ATTEMPT,
        find='raise self._ended("the stream said [DONE]")',
        replace="pass",
        tests=(BROKEN,),
    ),
    "no-finish-by-an-empty-word": Mutant(
        file="_providers/_fast_path.py",
        find="choice.finish_reason or None,",
        replace="choice.finish_reason,",
        tests=(BROKEN,),
    ),
    "no-finish-by-an-empty-word-in-an-unusual-chunk": Mutant(
        file=READING,
        find='reason or None,  # ""',
        replace='reason,  # ""',
        tests=("tests/unit/providers/test_parsing.py::test_the_quick_reading_says_the_same",),
    ),
    "every-choice-must-finish": Mutant(
        file=ASSEMBLER,
        find="return not self._unfinished and bool(self._choices)",
        replace="return self._unfinished < len(self._choices)",
        tests=(BROKEN,),
    ),
    "what-breaks-behind-the-finish-is-late": Mutant(
        file=ATTEMPT,
        find="            if not self.assembler.complete:\n                raise\n",
        replace="            raise\n",
        tests=(f"{WHOLE}[asyncio-streamed-broken-after-finish]",),
    ),
    "error-before-choices": Mutant(
        file=READING,
        find='    if raw.get("error"):\n        return True\n    if raw.get("choices"):\n        return False\n',
        replace='    if raw.get("choices"):\n        return False\n    if raw.get("error"):\n        return True\n',
        tests=("tests/unit/providers/test_parsing.py",),
    ),
    "error-inside-a-stream": Mutant(
        file=READING,
        find='return None if is_error(raw) else _read(raw, data, "delta")',
        replace='return _read(raw, data, "delta")',
        tests=(BROKEN,),
    ),
    "error-beside-choices": Mutant(
        file="_providers/_fast_path.py",
        find=" or event.error is not None",
        replace="",
        tests=("tests/unit/providers/test_parsing.py::test_the_quick_reading_says_the_same",),
    ),
    "tail-rule": Mutant(
        file=BODY,
        find="tail = self._decoder.close()",
        replace="tail = None",
        tests=(f"{WHOLE}[asyncio-streamed-tail-without-blank-line]",),
    ),
    "usage-not-erased": Mutant(
        file=ASSEMBLER,
        find="        if chunk.usage is not None:\n            self._usage = chunk.usage\n",
        replace="        self._usage = chunk.usage\n        if chunk.usage is not None:\n",
        tests=("tests/unit/protocol/test_assembler.py::test_usage_and_ids_of_the_reply",),
    ),
    "first-id-stays": Mutant(
        file=ASSEMBLER,
        find="        if self._id is None:\n            self._id = chunk.id\n",
        replace="        self._id = chunk.id\n",
        tests=("tests/unit/protocol/test_assembler.py::test_usage_and_ids_of_the_reply",),
    ),
    "calls-are-told-apart-by-id": Mutant(
        file=CALL_PIECES,
        find="last is None or (piece.id is not None and last.id not in (None, piece.id))",
        replace="last is None",
        tests=("tests/unit/protocol/test_assembler.py::test_chunks_become_events_and_a_message",),
    ),
    "a-cut-call-is-not-whole": Mutant(
        file=ASSEMBLER,
        find="cut=reason in _CUTTING",
        replace="cut=False",
        tests=("tests/unit/protocol/test_assembler.py::test_chunks_become_events_and_a_message",),
    ),
    "one-key-of-reasoning": Mutant(
        file=READING,
        find='if text is None or text == "" or type(text) is not str:',
        replace="if True:",
        tests=("tests/unit/providers/test_parsing.py",),
    ),
    "an-error-keeps-what-came": Mutant(
        file=REPLY,
        find="failure.partial = self._partial()",
        replace="pass",
        tests=(BROKEN,),
    ),
    "on-complete-once": Mutant(
        file=REPLY,
        find="        if self.record is not None:\n            return self.record\n",
        replace="",
        tests=(BROKEN, "tests/unit/test_stream.py"),
    ),
    "events-before-the-error": Mutant(
        file=REPLY,
        find="if self._failure is not None and not self.events:",
        replace="if self._failure is not None:",
        tests=(
            "tests/unit/reply/test_attempt.py::test_events_that_came_before_the_break_are_handed_out_first",
        ),
    ),
    # It cannot hang
    "grace": Mutant(
        file=CLOCKS,
        find="return min(left, _or_never(self.timeouts.finish_grace) - self._waited)",
        replace="return left",
        tests=(f"{WAITS}[asyncio-finish-reason-and-open-socket]",),
    ),
    "grace-ends-well": Mutant(
        file=ATTEMPT,
        find="            if not self.assembler.complete:\n                raise\n",
        replace="            if not self._done_seen:\n                raise\n",
        tests=(f"{WAITS}[asyncio-finish-reason-and-open-socket]",),
    ),
    "progress-clock": Mutant(
        file=CLOCKS,
        find="return min(left, self._idle, self._progress - self._waited)",
        replace="return min(left, self._idle)",
        tests=(f"{ENDS}[asyncio-comments-and-then-silence]",),
    ),
    "comments-are-no-progress": Mutant(
        file=ATTEMPT,
        find="self._deadlines.waited(now - begun)",
        replace="self._deadlines.read(output=True, whole=False)",
        tests=(f"{ENDS}[asyncio-comments-and-then-silence]",),
    ),
    "chunks-without-output-are-no-progress": Mutant(
        file=ATTEMPT,
        find="                if events:\n                    self._events",
        replace="                output_came = True\n                if events:\n                    self._events",
        tests=("tests/unit/reply/test_attempt.py::test_a_drip_without_output_uses_up_progress",),
    ),
    "total": Mutant(
        file=CLOCKS,
        find="self._total_at = started + _or_never(timeouts.total)",
        replace="self._total_at = math.inf",
        tests=(f"{ENDS}[asyncio-total-over-comments]",),
    ),
    "first-output": Mutant(
        file=CLOCKS,
        find="return min(_or_never(self.timeouts.first_output), self._total_at - now)",
        replace="return self._total_at - now",
        tests=("tests/unit/reply/test_deadlines.py::test_what_is_left_until_the_first_output",),
    ),
    "drain-bound": Mutant(
        file=ATTEMPT,
        find="with anyio.move_on_after(DRAIN_SECONDS):",
        replace="with anyio.CancelScope():",
        tests=(f"{WAITS}[asyncio-trickle-after-done]",),
    ),
    "drain-bytes-bound": Mutant(
        file=ATTEMPT,
        find="while drained < DRAIN_BYTES and ",
        replace="while ",
        tests=("tests/unit/reply/test_attempt.py::test_a_flood_behind_the_end_is_not_drained",),
    ),
    "drain": Mutant(
        file=ATTEMPT,
        find="await self._drain(response)",
        replace="pass",
        tests=("tests/exits/test_exits.py::test_exhausting_a_reply_keeps_the_connection",),
    ),
    "error-body-is-not-waited-for-long": Mutant(
        file=FETCH,
        find="with anyio.move_on_after(ERROR_BODY_SECONDS):",
        replace="with anyio.CancelScope():",
        tests=(
            "tests/faults/test_time_limits.py::test_the_body_of_an_error_is_waited_for_five_seconds",
        ),
    ),
    "close-bound": Mutant(
        file=EVENTLOOP,
        find="with anyio.move_on_after(CLOSE_SECONDS):",
        replace="with anyio.CancelScope():",
        tests=("tests/unit/http/test_cancellation.py::test_a_close_that_does_not_end_is_given_up",),
    ),
    # It does not leak
    "two-cancels-while-sending": Mutant(
        file=EVENTLOOP,
        find="    if asyncio_loop() is None:\n        try:\n",
        replace="    if True:\n        try:\n",
        tests=(
            "tests/unit/http/test_cancellation.py::test_what_runs_sees_one_cancellation_of_two",
        ),
    ),
    "cancel-while-connecting-on-trio": Mutant(
        file=EVENTLOOP,
        find="            await close_shielded(abandon)\n            raise\n",
        replace="            raise\n",
        tests=(
            "tests/unit/http/test_cancellation.py::test_what_runs_is_abandoned_when_its_scope_is_cancelled",
        ),
    ),
    "client-closed-while-connecting": Mutant(
        file=TRANSPORT,
        find="            scope.cancel()\n",
        replace="            pass\n",
        tests=(
            "tests/unit/http/test_transport.py::test_closing_the_client_ends_a_request_that_waits",
        ),
    ),
    "two-cancels-while-closing": Mutant(
        file=EVENTLOOP,
        find="await asyncio.shield(_start(_bounded(close)))",
        replace="await _start(_bounded(close))",
        tests=(
            "tests/unit/http/test_cancellation.py::test_a_close_ends_although_its_task_is_cancelled_twice",
        ),
    ),
    "own-close-task": Mutant(
        file=EVENTLOOP,
        find="await asyncio.shield(_start(_bounded(close)))",
        replace="await _bounded(close)",
        tests=(
            "tests/unit/http/test_cancellation.py::test_a_close_ends_although_its_task_is_cancelled_twice",
        ),
    ),
    "retirement": Mutant(
        file=POOL,
        find="        if cancelled and member.cancelled == RETIRE_AFTER:\n",
        replace="        if False:\n",
        tests=(
            "tests/unit/http/test_pool.py::test_a_retired_client_is_closed_with_its_last_request",
        ),
    ),
    "so-many-requests-over-a-client": Mutant(
        file=POOL,
        find="most = PER_CLIENT if self._owned else math.inf",
        replace="most = math.inf",
        tests=(
            "tests/unit/http/test_pool.py::test_a_client_has_so_many_requests_at_once_and_the_first_with_room_has_the_next",
        ),
    ),
    "idle-clients-are-closed": Mutant(
        file=POOL,
        find="if member.left_at < before)",
        replace="if False)",
        tests=(
            "tests/unit/http/test_pool.py::test_a_client_that_nobody_needs_is_closed_when_its_connections_have_expired",
        ),
    ),
    "retirement-waits-for-the-last-reply": Mutant(
        file=POOL,
        find="(member for member in (*self._retired, *idle) if not member.users)",
        replace="(member for member in (*self._retired, *idle))",
        tests=("tests/unit/http/test_pool.py::test_a_reply_goes_on_over_the_client_it_began_with",),
    ),
    "retired-clients-are-closed": Mutant(
        file=POOL,
        find="            await close_shielded(unused.client.aclose)\n",
        replace="",
        tests=(
            "tests/unit/http/test_pool.py::test_a_retired_client_is_closed_with_its_last_request",
        ),
    ),
    "a-permit-handed-over-to-who-is-cancelled": Mutant(
        file=SLOTS,
        find="            if turn.is_set() and not self._closed:\n",
        replace="            if False:\n",
        tests=("tests/unit/http/test_limiter.py",),
    ),
    "a-permit-comes-back-once": Mutant(
        file=SLOTS,
        find="        if self._held:\n            self._held = False\n            self._limiter.release()\n",
        replace="        self._limiter.release()\n",
        tests=("tests/unit/http/test_limiter.py",),
    ),
    "sockets-opened-for-a-cancelled-request": Mutant(
        file=TRANSPORT,
        find="abandon=opened.aclose",
        replace="abandon=_Opened().aclose",
        tests=(
            "tests/unit/http/test_transport.py::test_a_socket_that_was_opened_for_a_cancelled_request_is_closed",
        ),
    ),
    "socket-of-a-body-left-early": Mutant(
        file=TRANSPORT,
        find="            await self._close_socket()\n",
        replace="            pass\n",
        tests=(
            "tests/unit/http/test_transport.py::test_leaving_early_takes_the_socket_unless_others_share_it",
        ),
    ),
    "an-error-gives-the-connection-back": Mutant(
        file=REPLY,
        find="            if self.over:\n                await self._close()\n",
        replace="",
        tests=(BROKEN,),
    ),
    "a-stream-left-open-is-reported": Mutant(
        file="_stream.py",
        find="if reply is not None and reply.is_open:",
        replace="if False:",
        tests=("tests/unit/test_stream.py::test_a_stream_left_open_is_reported_and_recorded",),
    ),
    # It is bounded
    "size-bound-of-an-event": Mutant(
        file="_protocol/_sse.py",
        find="return data_bytes + line_bytes > self._limit",
        replace="return False",
        tests=(f"{BROKEN}[asyncio-event-over-the-limit]",),
    ),
    "size-bound-of-a-body": Mutant(
        file=BODY,
        find="if len(self._whole) > self._limits.body_bytes:",
        replace="if False:",
        tests=(f"{BROKEN}[asyncio-json-too-large]",),
    ),
    "size-bound-of-an-error-body": Mutant(
        file=FETCH,
        find="len(body) < limits.error_body_bytes and ",
        replace="",
        tests=(
            "tests/unit/http/test_transport.py::test_an_error_body_is_read_up_to_a_bound_and_survives_a_break",
        ),
    ),
    "bound-of-choices": Mutant(
        file=ASSEMBLER,
        find="if len(self._choices) >= limits.choices:",
        replace="if False:",
        tests=(f"{TOO_MANY}[choices-asyncio]",),
    ),
    "bound-of-tool-calls": Mutant(
        file="_protocol/_tool_calls.py",
        find="if len(self._calls) >= self._most:",
        replace="if False:",
        tests=(f"{TOO_MANY}[tool-calls-asyncio]",),
    ),
    "bound-of-nesting": Mutant(
        file=BODY,
        find="if is_deeper(data, self._limits.nesting):",
        replace="if False:",
        tests=("tests/faults/test_bounds.py::test_what_lies_too_deep_is_not_decoded",),
    ),
    "turns-for-others-in-a-burst": Mutant(
        file=TRANSPORT,
        find="            await anyio.lowlevel.checkpoint()\n            return self._hold",
        replace="            return self._hold",
        tests=(
            "tests/faults/test_loop_stalls.py::test_a_burst_is_taken_in_pieces_with_a_turn_for_others_between",
        ),
    ),
    # It keeps the key to itself
    "key-redaction-of-headers": Mutant(
        file=TRANSPORT,
        find="name: provider.without_key(value) for",
        replace="name: value for",
        tests=(SECRETS,),
    ),
    "key-redaction-of-causes": Mutant(
        file=TRANSPORT,
        find="text = provider.without_key(said)[:200]",
        replace="text = said[:200]",
        tests=(SECRETS,),
    ),
    "key-redaction-of-errors": Mutant(
        file=FAILURES,
        find="body = _without(key, body.strip())",
        replace="body = body.strip()",
        tests=(SECRETS,),
    ),
    "key-redaction-of-excerpts": Mutant(
        file=FAILURES,
        find="return _excerpt(_without(key, body))",
        replace="return _excerpt(body)",
        tests=(SECRETS,),
    ),
    "no-foreign-error-in-the-context": Mutant(
        file=TRANSPORT,
        find="failure = _send_failure(error, timeouts, provider)",
        replace="raise _send_failure(error, timeouts, provider)",
        tests=(SECRETS,),
    ),
    "local-protocol-errors-quote-a-header": Mutant(
        file=TRANSPORT,
        find='said = "" if "LocalProtocolError" in _names(error) else " ".join',
        replace='said = " ".join',
        tests=(
            "tests/unit/http/test_transport.py::test_the_text_of_a_local_protocol_error_is_left_out",
        ),
    ),
    "no-redirects": Mutant(
        file=TRANSPORT,
        find="client.send, request, stream=True, auth=None, follow_redirects=False",
        replace="client.send, request, stream=True, auth=None, follow_redirects=True",
        tests=("tests/unit/http/test_transport.py::test_a_redirect_is_not_followed",),
    ),
}
