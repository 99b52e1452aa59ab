"""The protections that matter most: how to remove each, and the test that must fail without it.

A row holds text of the package. Change the row together with that text; ``test_mutants.py`` names the rows that no
longer apply.
"""

from __future__ import annotations

from attrs import frozen

__all__ = ["MUTANTS", "Mutant"]


@frozen(kw_only=True)
class Mutant:
    """One protection and its removal.

    Attributes:
        file: The file, relative to the folder of the package.
        find: The text that protects. The file holds it exactly once.
        replace: The text without the protection.
        test: The test that must fail then: a node id of pytest.
    """

    file: str
    find: str
    replace: str
    test: str


MUTANTS = {
    # The end of a reply
    "no-invented-finish": Mutant(
        file="_protocol/_decoder.py",
        find='raise self._cut("the body ended")',
        replace="pass",
        test="tests/unit/reply/test_attempt.py::test_a_reply_that_is_not_whole_raises_what_it_is_and_keeps_what_came",
    ),
    "no-invented-finish-at-done": Mutant(
        file="_protocol/_decoder.py",
        find='raise self._cut("the stream said [DONE]")',
        replace="pass",
        test="tests/unit/reply/test_attempt.py::test_a_reply_that_is_not_whole_raises_what_it_is_and_keeps_what_came",
    ),
    "every-choice-must-finish": Mutant(
        file="_protocol/_assembler.py",
        find="return not self._unfinished and bool(self._choices)",
        replace="return self._unfinished < len(self._choices)",
        test="tests/unit/reply/test_attempt.py::test_a_reply_that_is_not_whole_raises_what_it_is_and_keeps_what_came",
    ),
    "failure-after-the-finish-is-late": Mutant(
        file="_protocol/_decoder.py",
        find="        if self.assembler.complete:\n            self._end(error, events)\n",
        replace="        if False:\n            self._end(error, events)\n",
        test="tests/unit/reply/test_attempt.py::test_a_whole_reply_is_the_same_however_it_came[asyncio-streamed-broken-after-finish]",
    ),
    "error-keeps-the-partial-reply": Mutant(
        file="_reply/_reply.py",
        find="failure.partial = evolve(partial, usage=partial.record.usage)",
        replace="pass",
        test="tests/unit/reply/test_attempt.py::test_a_reply_that_is_not_whole_raises_what_it_is_and_keeps_what_came",
    ),
    "on-complete-once": Mutant(
        file="_reply/_reply.py",
        find="        if self.record is not None:\n            return\n",
        replace="",
        test="tests/unit/test_stream.py",
    ),
    # Timeouts
    "first-output-timeout": Mutant(
        file="_reply/_deadlines.py",
        find="return min(_or_never(self.timeouts.first_output), self._total_at - now)",
        replace="return self._total_at - now",
        test="tests/unit/reply/test_deadlines.py::test_what_is_left_until_the_first_output",
    ),
    "progress-timeout": Mutant(
        file="_reply/_deadlines.py",
        find="return min(left, self._idle, self._progress - self._waited)",
        replace="return min(left, self._idle)",
        test="tests/faults/test_time_limits.py::test_a_limit_ends_a_wait_to_the_second[asyncio-comments-and-then-silence]",
    ),
    "finish-grace": Mutant(
        file="_reply/_deadlines.py",
        find="return min(left, _or_never(self.timeouts.finish_grace) - self._waited)",
        replace="return left",
        test="tests/faults/test_time_limits.py::test_a_reply_survives_the_waits_that_its_limits_allow[asyncio-finish-reason-and-open-socket]",
    ),
    "total-timeout": Mutant(
        file="_reply/_deadlines.py",
        find="self._total_at = started + _or_never(timeouts.total)",
        replace="self._total_at = math.inf",
        test="tests/faults/test_time_limits.py::test_a_limit_ends_a_wait_to_the_second[asyncio-total-over-comments]",
    ),
    # Connections, cancellation and permits
    "drain": Mutant(
        file="_reply/_attempt.py",
        find="await response.drain()",
        replace="pass",
        test="tests/exits/test_exits.py::test_exhausting_a_reply_keeps_the_connection",
    ),
    "drain-is-bounded": Mutant(
        file="_http/_response.py",
        find="with anyio.move_on_after(DRAIN_SECONDS):",
        replace="with anyio.CancelScope():",
        test="tests/faults/test_time_limits.py::test_a_reply_survives_the_waits_that_its_limits_allow[asyncio-trickle-after-done]",
    ),
    "close-is-bounded": Mutant(
        file="_http/_cancellation.py",
        find="with anyio.move_on_after(CLOSE_SECONDS):",
        replace="with anyio.CancelScope():",
        test="tests/unit/http/test_cancellation.py::test_a_close_that_does_not_end_is_given_up",
    ),
    "two-cancels-while-sending": Mutant(
        file="_http/_cancellation.py",
        find="    if asyncio_loop() is None:\n        try:\n",
        replace="    if True:\n        try:\n",
        test="tests/unit/http/test_cancellation.py::test_what_runs_sees_one_cancellation_of_two",
    ),
    "two-cancels-while-closing": Mutant(
        file="_http/_cancellation.py",
        find="await asyncio.shield(start_task(_bounded(close)))",
        replace="await start_task(_bounded(close))",
        test="tests/unit/http/test_cancellation.py::test_a_close_ends_although_its_task_is_cancelled_twice",
    ),
    "closing-the-client-ends-a-request": Mutant(
        file="_http/_transport.py",
        find="            scope.cancel()\n",
        replace="            pass\n",
        test="tests/unit/http/test_transport.py::test_closing_the_client_ends_a_request_that_waits",
    ),
    "permit-of-a-cancelled-waiter": Mutant(
        file="_http/_limiter.py",
        find="            if turn.is_set() and not self._closed:\n",
        replace="            if False:\n",
        test="tests/unit/http/test_limiter.py",
    ),
    "permit-is-given-back-once": Mutant(
        file="_http/_limiter.py",
        find="        if self._held:\n            self._held = False\n            self._limiter.release()\n",
        replace="        self._limiter.release()\n",
        test="tests/unit/http/test_limiter.py",
    ),
    "an-ended-reply-gives-its-permit-back": Mutant(
        file="_reply/_reply.py",
        find="            if self.over:\n                await self._close()\n",
        replace="",
        test="tests/exits/test_max_concurrency.py::test_every_way_to_leave_a_reply_gives_its_slot_back",
    ),
    # The test kit
    "no-key-in-a-recording": Mutant(
        file="testing/_record.py",
        find="refuse_keys(kept, self._keys)",
        replace="pass",
        test="tests/unit/testing/test_record.py::test_a_planted_key_is_refused",
    ),
    "a-limit-gives-its-place-back": Mutant(
        file="testing/_rate_limits.py",
        find="self.in_flight -= is_accepted",
        replace="pass",
        test="tests/unit/testing/test_options.py::test_too_many_requests_at_once_are_refused_as_ace_data_cloud_does",
    ),
}
