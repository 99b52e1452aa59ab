from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async._models import ModelInfo
from kimi_async._record import Usage
from kimi_async.testing import ProviderName, recording
from kimi_async.testing._completion import Completion, FakeToolCall, ReplyChoice
from kimi_async.testing._wire import ErrorSpec, as_models, phrase
from kimi_async.testing._wires import WIRES, as_events

each_wire = pytest.mark.parametrize("name", WIRES)

texts = st.none() | st.text(max_size=12)
calls = st.builds(FakeToolCall, st.text(min_size=1), st.text(), id=st.none() | st.text())
choices = st.builds(
    ReplyChoice,
    texts,
    texts,
    refusal=texts,
    tool_calls=st.lists(calls, max_size=2),
    finish_reason=st.none() | st.text(max_size=4),
)
counts = st.none() | st.integers(0)
usages = st.builds(
    Usage,
    prompt_tokens=counts,
    completion_tokens=counts,
    total_tokens=counts,
    cached_tokens=counts,
    reasoning_tokens=counts,
)
completions = st.builds(
    Completion,
    id=st.text(),
    model=st.text(),
    created=st.integers(0),
    choices=st.lists(choices, min_size=1, max_size=3).map(tuple),
    usage=st.none() | usages,
    chunk_chars=st.integers(1, 5),
)


def completion(*said: ReplyChoice, usage: Usage | None = None, chunk_chars: int = 8) -> Completion:
    return Completion(
        id="id", model="m", created=1, choices=said, usage=usage, chunk_chars=chunk_chars
    )


def recorded(name: str) -> tuple[dict[str, Any], Completion]:
    """Read a recorded body, and describe it as a completion."""
    body = json.loads(recording(name))
    (choice,) = body["choices"]
    message, usage = choice["message"], body["usage"]
    said = ReplyChoice(
        message["content"],
        message["reasoning_content"],
        refusal=message.get("refusal"),
        tool_calls=[
            FakeToolCall(call["function"]["name"], call["function"]["arguments"], id=call["id"])
            for call in message["tool_calls"] or ()
        ],
        finish_reason=choice["finish_reason"],
    )
    return body, Completion(
        id=body["id"],
        model=body["model"],
        created=body["created"],
        choices=(said,),
        usage=Usage(
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            total_tokens=usage["total_tokens"],
            cached_tokens=(usage["prompt_tokens_details"] or {}).get("cached_tokens"),
        ),
        chunk_chars=8,
    )


def chunks_of(body: bytes) -> list[dict[str, Any]]:
    """Read a whole stream, which ends with ``[DONE]``."""
    *data, done = [line for line in body.decode().split("\n\n") if line]
    assert done == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in data]


def folded(deltas: list[dict[str, Any]], key: str) -> str | None:
    """Join one text of some deltas; absent in all of them is ``None``."""
    pieces = [delta[key] for delta in deltas if delta.get(key) is not None]
    return "".join(pieces) if pieces else None


def folded_calls(deltas: list[dict[str, Any]]) -> list[Any]:
    """Join the pieces of each call."""
    joined: list[Any] = []
    for piece in (piece for delta in deltas for piece in delta.get("tool_calls") or ()):
        if "id" in piece:
            joined.append({key: value for key, value in piece.items() if key != "index"})
        else:
            joined[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
    return joined


def shape(value: Any) -> Any:
    """Reduce a JSON value to its keys, in their order, and to the kinds of its leaves."""
    if isinstance(value, dict):
        return tuple((key, shape(item)) for key, item in value.items())
    if isinstance(value, list):
        return [shape(item) for item in value]
    return None if value is None else type(value)


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("acedata", "acedata/chat_hello"),
        ("acedata", "acedata/chat_hello_ja"),
        ("acedata", "acedata/chat_multi_turn"),
        ("cloudsway", "cloudsway/chat_after_tool"),
        ("cloudsway", "cloudsway/chat_partial"),
    ],
)
def test_bodies_are_written_as_recorded(wire: ProviderName, name: str) -> None:
    body, described = recorded(name)
    written = WIRES[wire].body(described)
    assert json.dumps(written) == json.dumps(body)


def test_acedata_chunks_have_the_recorded_shapes_in_the_recorded_order() -> None:
    """Opening, reasoning, the last reasoning with the first content, content with the finish, usage."""
    captured = [shape(chunk) for chunk in chunks_of(recording("acedata/stream_reasoning_ko"))]
    usage = Usage(prompt_tokens=9, completion_tokens=135, total_tokens=144)
    said = completion(ReplyChoice("ab", "xyz"), usage=usage, chunk_chars=1)
    written = [shape(chunk) for chunk in WIRES["acedata"].chunks(said)]
    assert written[:3] == captured[:3]
    assert written[3:] == captured[-3:]


def test_the_cloudsway_stream_that_ships_is_the_recorded_body_as_chunks() -> None:
    """Its README says so."""
    _, described = recorded("cloudsway/chat_tool_call")
    written = b"".join(as_events(WIRES["cloudsway"].chunks(described)))
    assert written == recording("cloudsway/stream_tool_call")


def test_cloudsway_chunks_have_the_fields_of_its_bodies() -> None:
    body, described = recorded("cloudsway/chat_after_tool")
    first, *_, finish, usage = WIRES["cloudsway"].chunks(described)
    assert list(first) == list(usage) == list(body)
    assert list(first["choices"][0]["delta"]) == list(body["choices"][0]["message"])
    assert (finish["choices"][0]["delta"], finish["usage"]) == ({}, None)
    assert (usage["choices"], usage["usage"]) == ([], body["usage"])


@each_wire
@given(said=completions)
def test_a_stream_says_what_the_body_says(name: ProviderName, said: Completion) -> None:
    body = WIRES[name].body(said)
    chunks = chunks_of(b"".join(as_events(WIRES[name].chunks(said))))
    assert {chunk["id"] for chunk in chunks} == {body["id"]}
    assert chunks[-1].get("usage") == body.get("usage")
    reasoning = "reasoning" if name == "openai" else "reasoning_content"
    for choice in body["choices"]:
        pieces = [
            piece
            for chunk in chunks
            for piece in chunk["choices"]
            if piece["index"] == choice["index"]
        ]
        deltas = [piece["delta"] for piece in pieces]
        message = choice["message"]
        for key in ("content", "refusal", reasoning):
            assert folded(deltas, key) == message.get(key)
        assert folded_calls(deltas) == (message.get("tool_calls") or [])
        assert deltas[0]["role"] == message["role"]
        *earlier, last = [piece["finish_reason"] for piece in pieces]
        assert (set(earlier), last) == ({None}, choice["finish_reason"])


@given(said=completions)
def test_acedata_gives_reasoning_under_both_keys(said: Completion) -> None:
    wire = WIRES["acedata"]
    deltas = [choice["delta"] for chunk in wire.chunks(said) for choice in chunk["choices"]]
    messages = [choice["message"] for choice in wire.body(said)["choices"]]
    for item in [*deltas, *messages]:
        assert item.get("reasoning") == item.get("reasoning_content")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(
            ReplyChoice("abc", "12"),
            ["content,role", "content,reasoning,reasoning_content", "content stop"],
            id="text",
        ),
        pytest.param(ReplyChoice(""), ["content,role", "content stop"], id="empty content"),
        pytest.param(ReplyChoice(), ["content,role", " stop"], id="nothing"),
        pytest.param(
            ReplyChoice(None, "12"),
            ["content,role", "reasoning,reasoning_content", " stop"],
            id="reasoning alone",
        ),
        pytest.param(
            ReplyChoice("a", refusal="b"),
            ["content,role", "content", "refusal", " stop"],
            id="refusal",
        ),
        pytest.param(
            ReplyChoice(tool_calls=(FakeToolCall("f"),)),
            ["content,role", "tool_calls", "tool_calls", " tool_calls"],
            id="a call",
        ),
    ],
)
def test_acedata_finishes_with_the_last_content(said: ReplyChoice, expected: list[str]) -> None:
    seen = [
        ",".join(sorted(choice["delta"])) + (" " + (choice["finish_reason"] or "")).rstrip()
        for chunk in WIRES["acedata"].chunks(completion(said, chunk_chars=2))
        for choice in chunk["choices"]
    ]
    assert seen == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acedata", [0, 1, 0, 1, 0, 0]),
        ("cloudsway", [0, 1, 0, 1, 0, 1, 0, 0]),
        ("moonshot", [0, 1, 0, 1, 0, 1, 0, 0]),
        ("openai", [0, 1, 0, 1, 0, 1, 0, 0]),
    ],
)
def test_several_choices_take_turns(name: ProviderName, expected: list[int]) -> None:
    said = completion(ReplyChoice("abc"), ReplyChoice("d"), chunk_chars=1)
    turns = [chunk["choices"][0]["index"] for chunk in WIRES[name].chunks(said)]
    assert turns == expected


@pytest.mark.parametrize(
    ("name", "usage", "expected"),
    [
        pytest.param(
            "acedata",
            Usage(cached_tokens=0, reasoning_tokens=5),
            ({"cached_tokens_details": {}, "cached_tokens": 0}, {"reasoning_tokens": 5}),
            id="acedata, given",
        ),
        pytest.param(
            "acedata", Usage(), ({"cached_tokens_details": {}}, {}), id="acedata, not given"
        ),
        pytest.param(
            "cloudsway",
            Usage(cached_tokens=0, reasoning_tokens=5),
            ({"audio_tokens": 0, "cached_tokens": 0}, {"reasoning_tokens": 5}),
            id="cloudsway, given",
        ),
        pytest.param("cloudsway", Usage(), (None, None), id="cloudsway, not given"),
        pytest.param(
            "moonshot",
            Usage(cached_tokens=0, reasoning_tokens=5),
            (None, {"reasoning_tokens": 5}),
            id="moonshot, given",
        ),
        pytest.param("moonshot", Usage(), (None, None), id="moonshot, not given"),
        pytest.param(
            "openai",
            Usage(cached_tokens=0, reasoning_tokens=5),
            ({"cached_tokens": 0}, {"reasoning_tokens": 5}),
            id="openai, given",
        ),
        pytest.param("openai", Usage(), (None, None), id="openai, not given"),
    ],
)
def test_details_of_usage(name: ProviderName, usage: Usage, expected: tuple[Any, Any]) -> None:
    written = WIRES[name].body(completion(usage=usage))["usage"]
    details = ("prompt_tokens_details", "completion_tokens_details")
    assert tuple(written.get(key) for key in details) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("acedata", (1, 0, 1), id="acedata"),
        pytest.param("cloudsway", (1, 0, 1), id="cloudsway"),
        pytest.param("moonshot", (1, 1, 0), id="moonshot"),
        pytest.param("openai", (1, 0, 0), id="openai"),
    ],
)
def test_where_usage_is_said(name: ProviderName, expected: tuple[int, int, int]) -> None:
    """In a chunk of its own when asked for, inside the finished choice in any case, unasked in a chunk of its own."""
    said = completion(ReplyChoice("a"), usage=Usage(total_tokens=5))
    asked, unasked = (
        list(WIRES[name].chunks(said, include_usage=include)) for include in (True, False)
    )
    inside = [choice for chunk in asked for choice in chunk["choices"] if "usage" in choice]
    assert (_usage_chunks(asked), len(inside), _usage_chunks(unasked)) == expected


def _usage_chunks(chunks: list[dict[str, Any]]) -> int:
    return len([chunk for chunk in chunks if chunk.get("usage") and not chunk["choices"]])


@each_wire
def test_models_are_listed_in_the_form_of_the_provider(name: ProviderName) -> None:
    """``created`` is a text of digits at Cloudsway."""
    created = "1770992031" if name == "cloudsway" else 1770992031
    listed = WIRES[name].models(
        as_models(["a", ModelInfo(id="b"), ModelInfo(id="c", supports_reasoning=False)])
    )
    assert listed == {
        "object": "list",
        "data": [
            {"id": "a", "object": "model", "created": created, "owned_by": "moonshot"},
            {"id": "b", "object": "model"},
            {"id": "c", "object": "model", "supports_reasoning": False},
        ],
    }


def test_only_some_statuses_have_a_phrase() -> None:
    assert (phrase(429), phrase(529)) == ("Too Many Requests", "Unknown Error")


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        ("acedata", "kimi-k3", "kimi-k3"),
        ("acedata", None, "kimi-k2.5"),
        ("cloudsway", "grok-4-0709", "MaaS_Kimi_K2.5_20260127"),
        ("moonshot", "kimi-k2.6", "kimi-k2.6"),
        ("moonshot", None, "kimi-k3"),
        ("openai", "mine", "mine"),
        ("openai", None, "moonshotai/Kimi-K2.6"),
    ],
)
def test_the_model_that_is_echoed(name: ProviderName, asked: str | None, expected: str) -> None:
    assert WIRES[name].model(asked) == expected


def test_ids_have_the_forms_of_the_providers() -> None:
    assert {name: wire.new_id(31) for name, wire in WIRES.items()} == {
        "acedata": "chatcmpl-000000000000001f",
        "cloudsway": "0000000000000000000000000000001f",
        "moonshot": "chatcmpl-00000000000000000000001f",
        "openai": "chatcmpl-0000000000000000000000000000001f",
    }


@pytest.mark.parametrize(
    ("name", "status", "code", "type_", "expected"),
    [
        pytest.param("acedata", 403, None, None, {"code": "disabled"}, id="known"),
        pytest.param("acedata", 502, None, None, {}, id="unknown"),
        pytest.param(
            "acedata", 403, "disabled", "x", {"code": "disabled", "type": "x"}, id="given"
        ),
        pytest.param("cloudsway", 503, None, None, {"code": 503}, id="cloudsway"),
        pytest.param(
            "cloudsway",
            400,
            "NO_PROVIDER_ERROR",
            "x",
            {"code": "NO_PROVIDER_ERROR", "type": "x"},
            id="cloudsway, given",
        ),
        pytest.param(
            "moonshot", 429, None, None, {"type": "rate_limit_reached_error"}, id="moonshot"
        ),
        pytest.param(
            "moonshot", 400, None, None, {"type": "invalid_request_error"}, id="moonshot, 4xx"
        ),
        pytest.param("moonshot", 502, None, None, {"type": "server_error"}, id="moonshot, 5xx"),
        pytest.param(
            "moonshot",
            429,
            "x",
            "engine_overloaded_error",
            {"type": "engine_overloaded_error", "code": "x"},
            id="moonshot, given",
        ),
        pytest.param(
            "openai",
            404,
            None,
            None,
            {"type": "Not Found", "param": None, "code": 404},
            id="openai",
        ),
        pytest.param(
            "openai",
            429,
            "insufficient_quota",
            "x",
            {"type": "x", "param": None, "code": "insufficient_quota"},
            id="openai, given",
        ),
    ],
)
def test_errors(
    name: ProviderName,
    status: int,
    code: str | None,
    type_: str | None,
    expected: dict[str, str | int | None],
) -> None:
    complaint = ErrorSpec(status=status, code=code, message="why", type=type_, number=2)
    envelope = WIRES[name].error(complaint)
    assert envelope.get("error", envelope) == {"message": "why", **expected}


def test_the_acedata_error_envelope_has_the_recorded_shape() -> None:
    complaint = ErrorSpec(status=500, code=None, message="fetch failed", type=None, number=2)
    captured = json.loads(recording("acedata/error_500_api_error"))
    written = WIRES["acedata"].error(complaint)
    assert written | {"trace_id": None} == captured | {"trace_id": None}
    assert len(written["trace_id"]) == len(captured["trace_id"])
