"""Replies, runs and parsed streams with each kind of end, and a service that answers with them in each format.

``uvicorn web_cases:app`` serves them to readers that are not written in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import kimi_async as kimi
from kimi_async import tools
from kimi_async.testing import (
    ErrorReply,
    FakeToolCall,
    FakeTransport,
    Faulty,
    Insert,
    Reply,
    ReplyChoice,
    ScriptedReply,
)
from kimi_async.tools import RunEvent, ToolError, tool
from kimi_async.web import ReplyResponse, Streamed
from kimi_async.web._body import ENCODERS
from kimi_async.web._ending import Ending
from kimi_async.web._formats import Encoder

__all__ = ["CASES", "EVENT_CASES", "FORMATS", "Case", "app", "encoded", "parse", "run"]

FORMATS: Final = ("text", "events", "openai", "ai-sdk")


@tool
async def weather(city: str) -> dict[str, int]:
    return {city: 21}


@tool
async def broken() -> None:
    raise ToolError("not today")


#: A tool without a function: its calls are left to the browser.
MAP: Final = {"type": "function", "function": {"name": "map", "parameters": {"type": "object"}}}

OSLO: Final = FakeToolCall("weather", {"city": "Oslo"}, id="call_1")
BROKEN: Final = FakeToolCall("broken", {}, id="call_2")
ELSEWHERE: Final = FakeToolCall("map", {"zoom": 3}, id="call_3")
NO_JSON: Final = FakeToolCall("weather", "{city", id="call_4")


@frozen
class City:
    name: str
    people: int


@frozen
class Case:
    """One stream: the script of the provider, and the call.

    Attributes:
        script: The replies of the provider.
        call: Makes the stream.
    """

    script: Sequence[ScriptedReply]
    call: Callable[[kimi.AsyncKimi], Streamed] = lambda client: client.stream("Hi")

    def stream(self) -> Streamed:
        return self.call(FakeTransport(self.script).client())


def run(client: kimi.AsyncKimi) -> Streamed:
    return client.run("Hi", tools=[weather, broken, MAP])


def run_of_one_step(client: kimi.AsyncKimi) -> Streamed:
    return client.run("Hi", tools=[weather], max_steps=1)


def deny(call: kimi.ToolCall) -> tools.Deny:
    return tools.Deny(reason="no", stop=True)


def denied_run(client: kimi.AsyncKimi) -> Streamed:
    return client.run("Hi", tools=[weather], approve=deny)


def parse(client: kimi.AsyncKimi) -> Streamed:
    return client.stream_parse("Hi", into=City)


ANSWER: Final = Reply("Hello, you!", "A greeting.")
OVERLOADED: Final = b'data: {"error":{"code":"engine_overloaded","message":"secret words"}}\n\n'

CASES: Final[Mapping[str, Case]] = {
    "complete": Case([ANSWER]),
    "refusal": Case([Reply(refusal="I cannot.")]),
    "two-choices": Case([Reply(choices=[ReplyChoice("Yes"), ReplyChoice("No")])]),
    "cut": Case([Reply("Hello, you!", "A greeting.", cut_after=-3, end="reset")]),
    "overloaded": Case([Faulty(ANSWER, Insert(OVERLOADED, after_event=-3))]),
    "length": Case([Reply("Hello, you", finish_reason="length")]),
    "only-thinking": Case([Reply(None, "A greeting?")]),
    "only-thinking-at-the-limit": Case([Reply(None, "A greet", finish_reason="length")]),
    "filtered": Case([Reply("Hello", finish_reason="content_filter")]),
    "odd-reason": Case([Reply("Hello", finish_reason="moon")]),
    "no-usage": Case([Reply("Hello", usage=None)]),
    "run": Case(
        [
            Reply("Let me look.", tool_calls=[OSLO]),
            Reply("Again.", tool_calls=[OSLO, BROKEN]),
            Reply("21 degrees."),
        ],
        run,
    ),
    "run-with-pending": Case([Reply("A map.", tool_calls=[ELSEWHERE])], run),
    "run-out-of-steps": Case([Reply(None, tool_calls=[OSLO])], run_of_one_step),
    "run-denied": Case([Reply(None, tool_calls=[OSLO])], denied_run),
    "run-cut": Case(
        [Reply("Let me look.", tool_calls=[OSLO]), ErrorReply(400, message="secret words")], run
    ),
    "call-without-json": Case([Reply(None, tool_calls=[NO_JSON]), Reply("Sorry.")], run),
    "parsed": Case([Reply('{"name":"Oslo","people":700000}')], parse),
    "unfit": Case([Reply('{"name":"Oslo"}')], parse),
}

_FAILED: Final = kimi.AttemptFailed(
    kimi.ErrorInfo(name="StreamInterrupted", message="secret words"), 0.5, "acedata", 1
)
_START: Final = kimi.StreamStart("id-1", "kimi-k3", 7, "acedata")
_CALL: Final = (
    kimi.ToolCallStart(0, "call_1", "weather"),
    kimi.ToolCallDelta(0, '{"city":"Oslo"}'),
)
_DONE: Final = kimi.ToolCallDone(
    kimi.ToolCall(id="call_1", name="weather", arguments='{"city":"Oslo"}')
)
_LATE: Final = kimi.StreamStart("id-2", "kimi-k3", 8, "cloudsway")

#: Events that no fake gives: the attempts of a reply.
EVENT_CASES: Final[Mapping[str, Sequence[RunEvent]]] = {
    "restarted": (
        *(_START, kimi.ContentDelta("Hel"), *_CALL, _FAILED, kimi.StreamRestarted("cloudsway", 0)),
        *(_LATE, *_CALL, _DONE),
        kimi.ContentDelta("Hello"),
    ),
    "continued": (
        *(_START, kimi.ContentDelta("Hel"), _FAILED, kimi.StreamContinued("cloudsway", 3)),
        *(kimi.ContentDelta("lo"), kimi.ContentDone("Hello"), kimi.Finish("stop")),
    ),
    "restarted-before-output": (
        *(_FAILED, kimi.StreamRestarted("cloudsway", 0), _LATE, kimi.ContentDelta("Hello")),
    ),
    "call-without-id": (_START, kimi.ToolCallStart(0, None, "weather")),
}


def encoded(encoder: Encoder, events: Sequence[RunEvent]) -> bytes:
    """Return the body of a complete reply with these events."""
    return b"".join([*map(encoder.feed, events), encoder.end(Ending(outcome="complete"))])


#: Cases of the service only: their answer to a browser is a status.
REFUSED: Final[Mapping[str, Case]] = {"refused": Case([ErrorReply(401)])}


async def answer(request: Request) -> Response:
    """Answer with the case and the format in the path."""
    name: Any = request.path_params
    if name["case"] in EVENT_CASES:
        encoder = ENCODERS[name["format"]]()
        body = encoded(encoder, EVENT_CASES[name["case"]])
        return Response(body, headers=encoder.headers, media_type=encoder.media_type)
    return ReplyResponse({**CASES, **REFUSED}[name["case"]].stream(), name["format"])


#: ``/{format}/{case}``, with any path after it: clients of OpenAI add theirs.
app: Final = Starlette(
    routes=[Route("/{format}/{case}{rest:path}", answer, methods=["GET", "POST"])]
)
