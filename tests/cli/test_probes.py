"""The findings of ``kimi-async doctor``, over real sockets, for each oddity that a fake can have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attrs import evolve, frozen
from doctor_host import capable

from kimi_async import AsyncKimi, ConfigurationError, Provider, Retries
from kimi_async.cli._doctor import examine
from kimi_async.cli._probes import MAX_TOKENS, PROBES, Finding, Heard, findings
from kimi_async.testing import (
    ErrorReply,
    FakeProvider,
    FakeRateLimits,
    FakeToolCall,
    Oddity,
    ReceivedRequest,
    Reply,
    ScriptedReply,
    oddities,
)
from kimi_async.testing._steps import Answer

pytestmark = pytest.mark.anyio

Report = dict[str, str]

#: The findings at a host that has every capability but partial mode.
CAPABLE: Report = {
    "streaming": "yes: N chunks, first output after N s",
    "end of reply": "finish reason 'stop', then [DONE]",
    "usage": "last chunk",
    "reasoning": "reasoning_content and reasoning",
    "request id": "none in the headers",
    "rate limits": "none in the headers",
    "tool calls": "yes: id get_weather:0",
    "JSON mode": "yes",
    "JSON schema": "yes",
    "partial mode": "not honoured: the answer starts anew",
    "thinking off": "off: no thinking",
    "error": "NotFoundError, status 404, code 'no_model' (success, error.code, error.message, trace_id)",
}
ENVELOPE = "(success, error.code, error.message, trace_id)"
AFTER_PLAIN = ("tool calls", "JSON mode", "JSON schema", "partial mode", "thinking off")


def all_fail(error: str, **others: str) -> Report:
    """Return the findings that differ if every reply fails with *error*."""
    return {**dict.fromkeys(("streaming", *AFTER_PLAIN), f"failed: {error}"), **others}


def error_seen(rest: str) -> Report:
    return {"error": f"NotFoundError, status {rest}"}


NOTHING_READ = {"end of reply": "", "usage": "", "reasoning": ""}
MARKUP = {"tool calls": "left in the text, in the markup of Kimi"}
TAGS = {"reasoning": "content, before </think>"}
PING = "ProtocolError: an event of the stream is not a JSON object (4 bytes): 'ping'"
GAVE_UP = "StreamInterrupted: the host gave the reply up: it sent the finish reason 'network_error'"
#: The findings that differ for each oddity; "" for one that is not there. An oddity that is not listed changes none.
CHANGED: Mapping[str, Report] = {
    "call-id-functions": {"tool calls": "yes: id functions.get_weather:0"},
    "call-id-missing": {"tool calls": "yes: without an id"},
    "tool-markers-k2": MARKUP,
    "tool-markers-k3": MARKUP,
    "thinking-tags": TAGS,
    "thinking-end-tag": TAGS,
    "reasoning-content": {"reasoning": "reasoning_content"},
    "reasoning": {"reasoning": "reasoning"},
    "reasoning-details": {"reasoning": "reasoning_details"},
    "usage-in-choice": {"usage": "choice"},
    "usage-at-finish": {"usage": "chunk with the finish reason"},
    "usage-twice": {"usage": "chunk with the finish reason and last chunk"},
    "usage-missing": {"usage": "nowhere: no token counts"},
    "finish-upper-case": {
        "end of reply": "finish reason 'STOP', then [DONE]",
        "tool calls": "yes: id get_weather:0, finish reason 'TOOL_CALLS'",
    },
    "finish-anthropic": {
        "end of reply": "finish reason 'end_turn', then [DONE]",
        "tool calls": "yes: id get_weather:0, finish reason 'tool_use'",
    },
    "finish-unknown": {
        "end of reply": "finish reason 'unexpected_state', then [DONE]",
        "tool calls": "yes: id get_weather:0, finish reason 'unexpected_state'",
    },
    "finish-error": all_fail(
        GAVE_UP,
        **{
            "end of reply": "finish reason 'network_error', no [DONE]",
            "usage": "",
            "reasoning": "",
        },
    ),
    "finish-missing": all_fail(
        "StreamInterrupted: the stream said [DONE] before a finish reason came",
        **{"end of reply": "no finish reason, then [DONE]", "usage": "", "reasoning": ""},
    ),
    "finish-stop-with-calls": {"tool calls": "yes: id get_weather:0, finish reason 'stop'"},
    "finish-twice": {"end of reply": "finish reason 'stop', 'stop', then [DONE]"},
    "ping-lines": all_fail(PING, **NOTHING_READ),
    "no-done": {"end of reply": "finish reason 'stop', no [DONE]"},
    "half-event": {
        "end of reply": "finish reason 'stop', no [DONE]",
        "usage": "nowhere: no token counts",
    },
    "json-for-stream": {
        "streaming": "no: one JSON body in place of a stream",
        "end of reply": "finish reason 'stop'",
        "usage": "the JSON body",
    },
    "error-moonshot": error_seen("404, code 'no_model' (error.type, error.message, error.code)"),
    "error-openai": error_seen(
        "404, code 'no_model' (error.message, error.type, error.param, error.code)"
    ),
    "error-flat": error_seen("404, code 'no_model' (code, message, data)"),
    "error-text": error_seen("404 (error)"),
    "error-nil-type": error_seen(
        "404, code 'no_model' (error.type, error.code, error.message, type)"
    ),
    "error-metadata": error_seen(
        "404, code '404'"
        " (error.message, error.code, error.metadata.raw, error.metadata.provider_name)"
    ),
    "error-detail": error_seen("404 (detail)"),
    "error-page": error_seen("404 (no JSON)"),
    "empty-body": all_fail(
        "EmptyResponseError: the body ended before any output came", **NOTHING_READ
    ),
    "error-under-200": error_seen(f"200, code 'no_model' {ENVELOPE}"),
    "error-event": error_seen(f"200, code 'no_model', in an event {ENVELOPE}"),
    "error-field": error_seen(f"200, code 'no_model', in an event {ENVELOPE}"),
}


async def examined(provider: Provider) -> list[Finding]:
    """Run doctor on a provider."""
    client = AsyncKimi(
        provider, model="kimi-k3", checks="off", on_interrupt="raise", retries=Retries.none()
    )
    return [*await examine(client)]


def report_of(found: list[Finding]) -> Report:
    """Return the findings by aspect, without figures that depend on the machine."""
    figures = r"[\d.]+ (?=chunks)|(?<=after )[\d.]+(?= s)"
    return {
        finding.aspect: re.sub(
            figures, lambda match: "N" + " " * match[0].endswith(" "), finding.seen
        )
        for finding in found
    }


def differing(report: Report) -> Report:
    """Return the findings that differ from those at a capable host."""
    return {
        aspect: report.get(aspect, "")
        for aspect, seen in CAPABLE.items()
        if report.get(aspect, "") != seen
    }


@pytest.mark.parametrize("name", [oddity.name for oddity in oddities()])
async def test_each_oddity_is_seen(name: str) -> None:
    async with FakeProvider(capable, oddities=[name]) as fake:
        report = report_of(await examined(fake.acedata()))
    assert differing(report) == CHANGED.get(name, {})


async def test_the_requests_are_few_and_small() -> None:
    async with FakeProvider(capable) as fake:
        assert differing(report_of(await examined(fake.acedata()))) == {}
    assert len(fake.requests) == len(PROBES) == 7
    assert {request.body["max_tokens"] for request in fake.requests} == {MAX_TOKENS, 16}
    assert sum(request.body["model"] == "kimi-k3" for request in fake.requests) == 6


async def test_a_prefix_that_is_honoured_is_seen() -> None:
    async with FakeProvider(capable, honours_prefix=True) as fake:
        found = await examined(fake.acedata())
    assert differing(report_of(found)) == {"partial mode": "continued"}
    assert {each.capability: each.value for each in found}["partial_mode"] is True


async def test_limits_and_ids_in_headers_are_seen() -> None:
    def with_id(answer: Answer) -> Answer:
        return evolve(answer, headers=(*answer.headers, ("x-request-id", "id-1")))

    limits = FakeRateLimits(requests_per_minute=100)
    named = Oddity(name="with-id", section="1.4", effect="answers have an id", answer=with_id)
    async with FakeProvider(capable, rate_limits=limits, oddities=[named]) as fake:
        report = report_of(await examined(fake.acedata()))
    assert report["request id"] == "header x-request-id: id-1"
    assert "x-ratelimit-limit 100" in report["rate limits"]


@frozen
class Case:
    """A host whose reply to one kind of request differs, and the finding.

    Attributes:
        applies: Chooses the requests.
        reply: The reply to them.
        aspect: The finding that changes.
        seen: The words of it.
        value: Its value.
        failed: Whether the request failed.
    """

    applies: Callable[[dict[str, Any]], bool]
    reply: ScriptedReply
    aspect: str
    seen: str
    value: bool | None = None
    failed: bool = False


def form(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: body.get("response_format", {}).get("type") == kind


def has(key: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: key in body


def is_prefixed(body: dict[str, Any]) -> bool:
    return "partial" in body["messages"][-1]


def is_unknown(body: dict[str, Any]) -> bool:
    return bool(body["model"] != "kimi-k3")


REFUSAL = ErrorReply(400, message="not supported")
CUT = Reply("", "Hm.", finish_reason="length")
CASES = {
    "schema-refused": Case(
        form("json_schema"),
        REFUSAL,
        "JSON schema",
        "no: refused with status 400: not supported",
        False,
    ),
    "schema-ignored": Case(
        form("json_schema"),
        Reply('{"capital": "Oslo"}'),
        "JSON schema",
        """no: the answer was '{"capital": "Oslo"}'""",
        False,
    ),
    "json-in-a-fence": Case(
        form("json_object"),
        Reply("```json\n{}\n```"),
        "JSON mode",
        "no: the answer was '```json\\n{}\\n```'",
        False,
    ),
    "json-refused": Case(
        form("json_object"),
        ErrorReply(422, message="no"),
        "JSON mode",
        "no: refused with status 422: no",
        False,
    ),
    "json-cut": Case(
        form("json_object"),
        CUT,
        "JSON mode",
        "not clear: no answer, finish reason 'length'",
    ),
    "json-cut-within": Case(
        form("json_object"),
        Reply('{"cap', finish_reason="length"),
        "JSON mode",
        "not clear: no answer, finish reason 'length'",
    ),
    "tools-refused": Case(
        has("tools"),
        ErrorReply(404, message="no tools"),
        "tool calls",
        "no: refused with status 404: no tools",
        False,
    ),
    "tools-ignored": Case(
        has("tools"), Reply("Sunny."), "tool calls", "no call; the model answered with a text"
    ),
    "arguments-not-json": Case(
        has("tools"),
        Reply(tool_calls=[FakeToolCall("get_weather", "Oslo!")]),
        "tool calls",
        "no: the arguments are 'Oslo!'",
        False,
    ),
    "tools-cut": Case(
        has("tools"), CUT, "tool calls", "not clear: no answer, finish reason 'length'"
    ),
    "tools-server-error": Case(
        has("tools"),
        ErrorReply(500, message="boom"),
        "tool calls",
        "failed: ServerError: boom",
        failed=True,
    ),
    "switch-ignored": Case(
        has("thinking"),
        Reply("42", "Hm."),
        "thinking off",
        "no: it thought although it was switched off",
        False,
    ),
    "prefix-empty": Case(
        is_prefixed,
        Reply("", "Hm."),
        "partial mode",
        "not honoured: no text came after the prefix",
        False,
    ),
    "prefix-cut": Case(
        is_prefixed, CUT, "partial mode", "not clear: no answer, finish reason 'length'"
    ),
    "prefix-else": Case(
        is_prefixed, Reply("Sure!"), "partial mode", "not clear: the answer was 'sure!'"
    ),
    "any-model": Case(
        is_unknown, Reply("Hello"), "error", "none: an unknown model name was answered"
    ),
    "no-error-but-a-cut": Case(
        is_unknown,
        Reply("Hello", cut_after=0, end="hangup"),
        "error",
        "failed: TransportError: the connection broke before any output came",
        failed=True,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_each_difference_of_a_host_is_seen(case: Case) -> None:
    def answer(request: ReceivedRequest) -> ScriptedReply:
        return case.reply if case.applies(request.body) else capable(request)

    async with FakeProvider(answer) as fake:
        found = await examined(fake.acedata())
    assert differing(report_of(found)) == {case.aspect: case.seen}
    (finding,) = [each for each in found if each.aspect == case.aspect]
    assert (finding.value, finding.failed) == (case.value, case.failed)


async def test_a_model_that_never_thinks_leaves_the_switch_open() -> None:
    async with FakeProvider(Reply("42")) as fake:
        report = report_of(await examined(fake.acedata()))
    assert report["reasoning"] == "none: the model did not think"
    assert report["thinking off"].startswith("not clear: the model did not think in the plain")


async def test_a_refusal_says_nothing_if_the_plain_request_is_refused_too() -> None:
    async with FakeProvider(ErrorReply(404, message="no such model")) as fake:
        found = await examined(fake.acedata())
    failed = [each.aspect for each in found if each.failed]
    assert failed == ["streaming", *AFTER_PLAIN]
    assert not any(each.value is not None for each in found)


def test_a_request_that_cannot_be_built_is_a_failure() -> None:
    (probe,) = [each for each in PROBES if each.aspect == "tool calls"]
    refused = ConfigurationError("this provider has no tools")
    (finding,) = findings(probe, Heard(error=refused), Heard())
    assert (finding.failed, finding.value) == (True, None)
