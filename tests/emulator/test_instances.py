from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ctxwindow.emulator.instances import instance_of
from ctxwindow.testing import json_values

NODE = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/$defs/Node"}}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, ""),
        ({"type": ["integer", "null"]}, 0),
        ({"enum": ["red", "blue"]}, "red"),
        ({"const": 7}, 7),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": "array", "items": {"type": "string"}}, []),
        (
            {"type": "object", "required": ["a"], "properties": {"a": {"type": "boolean"}, "b": {"type": "string"}}},
            {"a": False},
        ),
        ({"$ref": "#/$defs/X", "$defs": {"X": {"type": "number"}}}, 0),
        ({"$ref": "#/nowhere"}, None),
        ({}, None),
    ],
)
def test_the_smallest_value(schema: dict[str, Any], value: Any) -> None:
    assert instance_of(schema) == value


def test_a_schema_that_needs_itself_ends() -> None:
    found = instance_of({**NODE, "$defs": {"Node": NODE}})
    for _ in range(3):
        found = found["next"]


@given(json_values())
def test_no_schema_fails(schema: Any) -> None:
    """Whatever stands in the place of a schema, there is an answer."""
    instance_of(schema)
