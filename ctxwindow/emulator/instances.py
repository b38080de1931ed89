"""The smallest value that a JSON schema describes: for calls and structured replies that nobody scripted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow.rules.view import plain

__all__ = ["instance_of"]

_EMPTY: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False, "null": None}
_DEEPEST = 20
"""Levels after which a schema that refers to itself is given up on."""


def instance_of(schema: object) -> Any:
    """A value of a schema: required properties only, the first of several choices, empty lists and strings.

    Lengths, ranges and patterns are not looked at.
    """
    whole = plain(schema)
    return _instance(whole, whole, 0)


def _instance(schema: Mapping[str, Any], whole: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    if "const" in schema:
        return schema["const"]
    choices = next((schema[key] for key in ("enum", "anyOf", "oneOf", "allOf") if schema.get(key)), None)
    if isinstance(choices, list):
        first = choices[0]
        return first if "enum" in schema else _instance(plain(first), whole, depth + 1)
    if isinstance(schema.get("$ref"), str):
        return _instance(_referred(schema["$ref"], whole), whole, depth + 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "array":
        return []
    if kind == "object" or "properties" in schema:
        properties, required = plain(schema.get("properties")), schema.get("required")
        names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        return {name: _instance(plain(properties.get(name)), whole, depth + 1) for name in names}
    return _EMPTY.get(kind) if isinstance(kind, str) else None


def _referred(reference: str, whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `#/$defs/Name` refers to; an empty schema where it is not in the document."""
    found: Any = whole
    for part in reference.removeprefix("#").strip("/").split("/"):
        found = plain(found).get(part.replace("~1", "/").replace("~0", "~"))
    return plain(found)
