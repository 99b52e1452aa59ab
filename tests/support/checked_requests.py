"""Requests that are checked, and the sentences that refuse them."""

from collections.abc import Callable
from typing import Any

import pytest

from kimi_async._errors import ConfigurationError
from kimi_async._request._params import chat_request
from kimi_async._wire import ChatRequest

__all__ = ["ANY", "CIRCLE", "HI", "SECRET", "refused", "request"]


#: A value of a type that a message does not take.
ANY: Any = 5
#: A text that no error may repeat.
SECRET = "s3cret"
HI = ({"role": "user", "content": "Hi"},)
CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)


def request(params: dict[str, Any], messages: Any = "Hi", model: str | None = None) -> ChatRequest:
    return chat_request(messages, params, model=model, wire="stream")


def refused(call: Callable[[], object]) -> str:
    """The text of the ``ConfigurationError`` that *call* raises; nothing foreign is chained to it."""
    with pytest.raises(ConfigurationError) as caught:
        call()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert SECRET not in str(caught.value)
    return str(caught.value)
