"""Reply to any request, for a fake without a script. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kimi_async.testing._completion import FakeToolCall, dump
from kimi_async.testing._received import ReceivedRequest
from kimi_async.testing._script import Reply

__all__ = ["answer_anything"]

#: Seconds between two events, so that people see a stream.
_PACE: Final = 0.02

_SCALARS: Final[Mapping[object, Any]] = {
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
    "array": [],
    "object": {},
}
#: A schema that refers to itself ends here.
_DEPTH: Final = 8


def answer_anything(request: ReceivedRequest) -> Reply:
    """Return a reply that fits the request: a call of its first tool, JSON, or a sentence."""
    thinking = "I am a fake, so I need not think."
    call = _call_for(request)
    if call is not None:
        return Reply(None, thinking, tool_calls=[call], pace=_PACE)
    return Reply(_text(request), thinking, pace=_PACE)


def _call_for(request: ReceivedRequest) -> FakeToolCall | None:
    """Return a call of the first tool of a request, unless its last message has the result of a tool."""
    results = [message.role == "tool" for message in request.messages[-1:]]
    if any(results) or request.body.get("tool_choice") == "none":
        return None
    match request.body.get("tools"):
        case [{"function": {"name": str(name), **function}}, *_]:
            schema = function.get("parameters")
            arguments = _example(schema, schema)
            return FakeToolCall(name, arguments if isinstance(arguments, dict) else {})
        case _:
            return None


def _text(request: ReceivedRequest) -> str:
    match request.body.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return dump(_example(schema, schema))
        case {"type": "json_object" | "json_schema"}:
            return "{}"
        case _:
            count = len(request.messages)
            return f"Hello from the fake provider. Your request has {count} message{'s' * (count != 1)}."


def _example(schema: Any, root: Any, depth: int = 0) -> Any:
    """Return a value that a simple schema allows; *root* has the definitions to which it refers."""
    if depth > _DEPTH:
        return None
    match schema:
        case {"$ref": str(reference)}:
            return _example(_referred(reference, root), root, depth + 1)
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
            return _example(first, root, depth + 1)
        case {"properties": dict(properties)}:
            return {name: _example(inner, root, depth + 1) for name, inner in properties.items()}
        case {"items": dict(items), "minItems": int(least)}:
            return [_example(items, root, depth + 1)] * min(least, _DEPTH)
        case {"type": [kind, *_]} | {"type": str(kind)}:
            return _SCALARS.get(kind, "example")
        case _:
            return "example"


def _referred(reference: str, root: Any) -> Any:
    """Return the schema that a reference inside of *root* names; ``None`` if there is none."""
    found = root
    for name in filter(None, reference.removeprefix("#").split("/")):
        found = found.get(name) if isinstance(found, dict) else None
    return found
