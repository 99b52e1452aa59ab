"""Replies to any request, for a fake without a script. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kimi_async.testing._completion import FakeToolCall, dump
from kimi_async.testing._received import ReceivedRequest
from kimi_async.testing._script import Reply

__all__ = ["answer_anything"]

#: Seconds between two events, so that people see a stream.
_PACE: Final = 0.02

_SCALARS: Final[Mapping[str, Any]] = {"integer": 1, "number": 1.5, "boolean": True, "array": []}


def answer_anything(request: ReceivedRequest) -> Reply:
    """Return a reply that fits the request: a call of its first tool, JSON, or a sentence."""
    thinking = "I am a fake, so I need not think."
    tool = _tool_to_call(request)
    if tool is not None:
        arguments = _example(tool.get("parameters") or {"type": "object"})
        return Reply(None, thinking, tool_calls=[FakeToolCall(tool["name"], arguments)], pace=_PACE)
    return Reply(_text(request), thinking, pace=_PACE)


def _tool_to_call(request: ReceivedRequest) -> Mapping[str, Any] | None:
    """Return the first tool of a request, unless its last message has the result of a tool."""
    results = [message.role == "tool" for message in request.messages[-1:]]
    tools = request.body.get("tools")
    if not tools or any(results) or request.body.get("tool_choice") == "none":
        return None
    function: Mapping[str, Any] | None = tools[0].get("function")
    return function


def _text(request: ReceivedRequest) -> str:
    wanted = request.body.get("response_format") or {}
    match wanted.get("type"):
        case "json_schema":
            return dump(_example(wanted["json_schema"]["schema"]))
        case "json_object":
            return "{}"
        case _:
            count = len(request.messages)
            return f"Hello from the fake provider. Your request has {count} message{'s' * (count != 1)}."


def _example(schema: Mapping[str, Any]) -> Any:
    """Return a value that a simple schema allows."""
    if schema.get("enum"):
        return schema["enum"][0]
    if schema.get("type") == "object":
        properties = schema.get("properties") or {}
        return {name: _example(properties[name]) for name in properties}
    return _SCALARS.get(schema.get("type", ""), "example")
