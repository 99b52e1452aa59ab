"""Schemas in the flavour of Moonshot, and a check of its rules."""

from typing import Any

__all__ = ["INTEGER", "NULL", "TEXT", "TYPES", "check", "of_one"]


TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
NULL = {"type": "null"}


def check(node: dict[str, Any], *, at_root: bool = True) -> None:
    """Check *node* against the rules of ``docs/providers.md`` 3.3, without the code that wrote it."""
    annotations = {"title", "description"} | ({"$defs"} if at_root else set())
    kinds = [key for key in ("type", "anyOf", "$ref") if key in node]
    assert len(kinds) == 1
    if kinds != ["type"]:
        assert node.keys() - annotations == set(kinds)
    else:
        assert node["type"] in TYPES
        assert not {"oneOf", "allOf", "const", "pattern", "format", "prefixItems"} & node.keys()
    assert node.get("$ref", "#") == "#" or node["$ref"].startswith("#/$defs/")
    assert 1 <= len(node.get("anyOf", [1])) <= 10
    assert set(node.get("required", ())) <= node.get("properties", {}).keys()
    assert all(isinstance(node.get(key, ""), str) for key in ("title", "description"))
    assert node.get("enum") != []
    parts = [*node.get("anyOf", ()), *node.get("properties", {}).values()]
    parts += [node[key] for key in ("items", "additionalProperties") if key in node]
    for part in [*parts, *node.get("$defs", {}).values()]:
        if not isinstance(part, bool):
            check(part, at_root=False)


def of_one(schema: object, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, **more}
