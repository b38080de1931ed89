"""The common part of JSON Schema, for the examples of a tool's input: enough to be certain of what does not fit.

Judged are `type`, `enum`, `const`, `required`, `properties`, `items` and `additionalProperties: false`. What other
keywords say (`$ref`, `anyOf`, `pattern`, ...) is not looked at: a value that breaks only those passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ctxwindow.rules.exchange import plain

__all__ = ["fits"]


def _integer(value: object) -> bool:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())  # 1.0 is an integer there
    return whole and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, (list, tuple)),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": _integer,
}


def fits(value: object, schema: object) -> bool:
    """Whether a value is not known to break a schema."""
    rules = plain(schema)
    return (
        _of_type(value, rules.get("type"))
        and _listed(value, rules)
        and (not isinstance(value, Mapping) or _members_fit(value, rules))
        and (not isinstance(value, (list, tuple)) or all(fits(item, rules.get("items")) for item in value))
    )


def _of_type(value: object, wanted: object) -> bool:
    kinds = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    checks = [_TYPES.get(kind) if isinstance(kind, str) else None for kind in kinds]
    return not checks or any(check is None or check(value) for check in checks)


def _listed(value: object, rules: Mapping[str, Any]) -> bool:
    allowed = rules.get("enum")
    return (not isinstance(allowed, (list, tuple)) or value in allowed) and (
        "const" not in rules or value == rules["const"]
    )


def _members_fit(value: Mapping[str, Any], rules: Mapping[str, Any]) -> bool:
    required, properties = rules.get("required"), plain(rules.get("properties"))
    if isinstance(required, (list, tuple)) and any(name not in value for name in required if isinstance(name, str)):
        return False
    # Names may be allowed by a pattern instead.
    if (
        rules.get("additionalProperties") is False
        and "patternProperties" not in rules
        and value.keys() - properties.keys()
    ):
        return False
    return all(fits(value[name], inner) for name, inner in properties.items() if name in value)
