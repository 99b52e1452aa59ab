"""Messages and records of the tests of models."""

import attrs
from reply_records import a_record

from kimi_async._messages import (
    ContentPart,
    ToolCall,
    assistant,
)
from kimi_async._models import ChatCompletion, Choice
from kimi_async._record import Usage

__all__ = ["CALL", "PARTS", "RECORD", "REPLY", "AttrsTrip"]


RECORD = a_record(provider="test", request_id="req-1")
CALL = ToolCall(id="f:0", name="f", arguments="{}")


PARTS: list[ContentPart] = [
    {"type": "text", "text": "a"},
    {"type": "image_url", "image_url": {"url": "data:,"}},
]


@attrs.frozen
class AttrsTrip:
    city: str
    km: int


REPLY = ChatCompletion(
    id="chatcmpl-1",
    model="m",
    created=1,
    provider="test",
    choices=(Choice(index=0, message=assistant("a", reasoning_content="r"), finish_reason="stop"),),
    usage=Usage(total_tokens=5),
    request_id="req-1",
    record=RECORD,
    raw={"id": "chatcmpl-1"},
)
