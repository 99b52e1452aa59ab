from __future__ import annotations

import pytest

from kimi_async._errors import ConfigurationError
from kimi_async._protocol._chunk import DONE, Chunk, Done
from kimi_async._wire import ChatRequest, WireRequest


def test_a_request_does_not_print_what_is_asked() -> None:
    secret = {"content": "s3cret"}
    chat = ChatRequest(
        model="m", messages=(secret,), wire="stream", params={"user": secret}, extra_body=secret
    )
    wire = WireRequest(
        method="POST", url="https://host/path", headers={"x-trace": "s3cret"}, body=secret
    )
    assert repr(chat) == "ChatRequest(model='m', wire='stream')"
    assert repr(wire) == "WireRequest(method='POST', url='https://host/path')"


def test_a_request_has_no_parameter_that_was_not_given() -> None:
    chat = ChatRequest(model=None, messages=(), wire="json")
    assert (chat.params, chat.extra_body) == ({}, {})


def test_the_body_is_sent_as_compact_json() -> None:
    body = {"model": "m", "messages": [{"content": "ä\n"}], "stream": True, "n": 1.5}
    wire = WireRequest(method="POST", url="", headers={}, body=body)
    assert wire.content == (
        '{"model":"m","messages":[{"content":"ä\\n"}],"stream":true,"n":1.5}'.encode()
    )


def test_a_body_that_cannot_be_written_is_refused_without_being_quoted() -> None:
    with pytest.raises(ConfigurationError) as caught:
        WireRequest(method="POST", url="", headers={}, body={"model": "\ud800"})
    assert (
        str(caught.value) == "bad parameter: model holds something that cannot be written as JSON"
    )
    assert caught.value.__context__ is None


def test_a_request_may_have_no_body() -> None:
    wire = WireRequest(method="GET", url="", headers={})
    assert wire.content == b""


def test_a_chunk_is_frozen() -> None:
    chunk = Chunk(None, None, None, (), None, b"{}")
    for field in Chunk.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(chunk, field, None)


def test_done_is_the_only_one_of_its_type() -> None:
    assert type(DONE) is Done
