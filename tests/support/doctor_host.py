"""A host that does all that ``kimi-async doctor`` asks for; oddities and settings of the fake change it."""

from __future__ import annotations

from typing import Any

from kimi_async.testing import ErrorReply, FakeToolCall, ReceivedRequest, Reply

__all__ = ["capable"]


def capable(request: ReceivedRequest) -> Reply | ErrorReply:
    """Return the reply of a host that has every capability."""
    body: dict[str, Any] = request.body
    form = body.get("response_format", {}).get("type")
    if body.get("model", "").startswith("no-such-model"):
        return ErrorReply(404, "no_model", message="no such model")
    if "tools" in body:
        return Reply("", "Hm.", tool_calls=[FakeToolCall("get_weather", {"city": "Oslo"})])
    if form is not None:
        key = "capital" if form == "json_object" else "seat_of_government"
        return Reply(f'{{"{key}": "Oslo"}}', "Hm.")
    if request.messages[-1].partial:
        return Reply("one two three four five six", "Hm.")
    thinks = body.get("thinking", {}).get("type") != "disabled"
    return Reply("42", "Hm." if thinks else None)
