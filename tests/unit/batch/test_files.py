"""The lines of batch files."""

from __future__ import annotations

import json
from typing import Any

import pytest

import kimi_async as kimi
from kimi_async.batch import BatchResult
from kimi_async.batch._files import (
    Finished,
    error_line,
    may_be_ours,
    output_line,
    passes,
    read_row,
    read_state,
)

HI = [{"role": "user", "content": "Hi"}]
BODY = {"messages": HI, "temperature": 0.5}


@pytest.mark.parametrize(
    ("line", "is_text", "custom_id", "body"),
    [
        (
            {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": BODY},
            False,
            "a",
            BODY,
        ),
        ({"custom_id": "a", "messages": HI}, False, "a", {"messages": HI}),
        ({"custom_id": "a", "prompt": "Hi"}, False, "a", {"messages": HI}),
        ({"prompt": "Hi", "temperature": 0.5}, False, "7", BODY),
        ({"body": BODY, "note": "mine"}, False, "7", BODY),
        ({"body": BODY}, False, "7", BODY),
        ("Hi", False, "7", {"messages": HI}),
        ('"Hi"', True, "7", {"messages": [{"role": "user", "content": '"Hi"'}]}),
    ],
)
def test_the_forms_of_a_row(line: Any, is_text: bool, custom_id: str, body: Any) -> None:
    text = line if is_text else json.dumps(line)
    row = read_row(f"{text}\r\n", 7, is_text=is_text)
    assert (row.custom_id, row.body) == (custom_id, body)


PARTS = [{"type": "text", "text": "Hé"}, {"type": "image_url", "image_url": {"url": "data:,x"}}, 5]


@pytest.mark.parametrize(
    ("messages", "size"),
    [
        ([{"role": "user", "content": "Hi"}], 2),
        ([{"role": "system", "content": "二"}, {"role": "user", "content": PARTS}], 6),
        ([{"role": "assistant", "content": None}, {"role": "user"}, "Hi", 5], 0),
    ],
)
def test_the_text_of_a_row_is_the_text_of_its_messages(messages: list[Any], size: int) -> None:
    line = json.dumps({"custom_id": "a", "body": {"messages": messages, "user": "somebody"}})
    assert read_row(line, 1, is_text=False).text_bytes == size


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 7 is not JSON; name a file of prompts"),
        ("[" * 100_000, "line 7 is not JSON"),
        ('{"custom_id": 5, "prompt": "Hi"}', "line 7: custom_id must be a text"),
        ('{"custom_id": "", "prompt": "Hi"}', "line 7: custom_id must be a text"),
        ("5", "line 7: expected"),
        ('{"body": {}}', "line 7: expected"),
        ('{"body": {"messages": "Hi"}}', "line 7: expected"),
        ('{"prompt": 5}', "line 7: expected"),
        (
            '{"prompt": "Hi", "max_tokns": 5}',
            "line 7: 'max_tokns' would be ignored here; no parameter",
        ),
        (
            '{"body": {}, "n": 2, "stop": "x"}',
            "line 7: 'n' would be ignored here; put it into the body",
        ),
        *[
            (json.dumps({"body": {"messages": []}, **other}), "line 7: only requests to POST")
            for other in ({"method": "GET"}, {"url": "/v1/embeddings"}, {"url": None})
        ],
    ],
)
def test_lines_that_are_no_request(line: str, words: str) -> None:
    with pytest.raises(kimi.ConfigurationError, match=words):
        read_row(line, 7, is_text=False)


def test_a_body_becomes_parameters() -> None:
    body = {**BODY, "stream": True, "stream_options": {}, "top_k": 5, "model": "kimi-k3"}
    request = read_row(json.dumps({"body": body}), 1, is_text=False).to_request(None)
    assert request.messages == HI
    assert request.params == {
        "temperature": 0.5,
        "model": "kimi-k3",
        "extra_body": {"top_k": 5},
    }


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"x": 1}, {"x": 1, "top_k": 5}),
        ({}, {"top_k": 5}),
        (None, {"top_k": 5}),
        ("x", "x"),
        ([], []),
    ],
)
def test_an_extra_body_of_a_row(given: object, sent: object) -> None:
    """One that is not an object is left for the request, which refuses it as the error of its row."""
    line = json.dumps({"messages": HI, "extra_body": given, "top_k": 5})
    request = read_row(line, 1, is_text=False).to_request(None)
    assert request.params.get("extra_body") == sent


def test_a_system_message_is_added_where_there_is_none() -> None:
    row = read_row(json.dumps({"body": BODY}), 1, is_text=False)
    added = {"role": "system", "content": "Be brief"}
    assert row.to_request("Be brief").messages == [added, *HI]
    other = read_row(json.dumps({"messages": [added, *HI]}), 1, is_text=False)
    assert other.to_request("Be verbose").messages == [added, *HI]


def test_a_digest_differs_with_the_body_and_not_with_its_spelling() -> None:
    row = read_row('{"custom_id":"a","body":{"messages":[],"n":1}}', 1, is_text=False)
    same = read_row('{"body": {"n": 1, "messages": []}, "custom_id": "b"}', 2, is_text=False)
    other = read_row('{"body": {"n": 2, "messages": []}}', 2, is_text=False)
    assert row.digest == same.digest != other.digest


REPLY = kimi.ChatCompletion(provider="acedata")


def test_a_reply_can_be_read_back() -> None:
    row = read_row(json.dumps({"custom_id": "a", "body": BODY}), 1, is_text=False)
    line = output_line(row, REPLY, "options")
    assert line.endswith(b"}\n")
    assert json.loads(line)["response"]["body"]["object"] == "chat.completion"
    assert read_state(line.decode()) == Finished(custom_id="a", row=row.digest, settings="options")


@pytest.mark.parametrize("may_repeat", [False, True])
def test_a_failure_is_a_row_again(may_repeat: bool) -> None:
    row = read_row(json.dumps({"custom_id": "a", "body": BODY}), 1, is_text=False)
    kind = kimi.ServerError if may_repeat else kimi.BadRequestError
    error = kind("no", status=400)
    error.partial = kimi.ChatCompletion.from_json(
        b'{"provider":"acedata","choices":[{"index":0,"message":{"role":"assistant","content":"Hel"}}]}'
    )
    result: BatchResult[Any] = BatchResult(custom_id="a", index=0, error=error)
    line = error_line(row, result, "options").decode()
    assert read_row(line, 5, is_text=False).digest == row.digest
    assert json.loads(line)["error"]["partial"] == "Hel"
    state = read_state(line)
    assert state is not None
    assert state.may_repeat is may_repeat


REFUSED = kimi.BadRequestError("no", status=400)
BUSY = kimi.OverloadedError("no", status=503)


def of_the_day() -> kimi.RateLimitError:
    error = kimi.RateLimitError("no", status=429)
    error.retryable = False
    return error


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (REFUSED, False),
        (kimi.NotFoundError("no", status=404), True),
        (kimi.ContentFilteredError("no", status=400), False),
        (kimi.ConfigurationError("no"), False),
        (kimi.OutputError("no", text=""), False),
        (BUSY, True),
        (kimi.StreamInterrupted("no"), True),
        (kimi.ProtocolError("no"), True),
        (kimi.TotalTimeout(1), True),
        (of_the_day(), True),
        (kimi.AuthenticationError("no", status=401), True),
        (kimi.QuotaExceededError("no", status=402), True),
        (kimi.ProviderUnavailableError("no"), True),
        (kimi.ProviderUnavailableError("no", errors=(REFUSED, BUSY)), True),
        (kimi.ProviderUnavailableError("no", errors=(REFUSED, REFUSED)), False),
    ],
)
def test_failures_that_pass_without_a_change(error: kimi.KimiError, may_pass: bool) -> None:
    assert passes(error) is may_pass


@pytest.mark.parametrize(
    "line",
    [
        *("{", "5", '"text"', "[]", '{"custom_id": "a"}', '{"custom_id": "a", "kimi_async": 5}'),
        *("{}", '{"a":' * 100_000),
    ],
    ids=lambda line: line[:20],
)
def test_lines_of_something_else(line: str) -> None:
    assert read_state(line) is None
    assert may_be_ours(line.encode()) is (line == "{")  # that one may be torn


OURS = error_line(
    read_row('"Hi"', 1, is_text=False), BatchResult(custom_id="1", index=0, error=BUSY), "options"
)


@pytest.mark.parametrize(
    "torn", [OURS[:cut] for cut in (0, 5, 20, -1, None)] + [bytes(9), OURS[:5] + bytes(9)]
)
def test_a_torn_line_may_be_ours(torn: bytes) -> None:
    assert may_be_ours(torn)


@pytest.mark.parametrize("other", [b"milk", b"5", b'{"custom_id":"a"}', b'{"prompt":"Hi"', b"\xff"])
def test_a_torn_line_of_something_else(other: bytes) -> None:
    assert not may_be_ours(other)
