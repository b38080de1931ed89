from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules.json_schema import fits

POINT = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}, "required": ["x"]}


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({"x": 1}, POINT),
        ({"x": 1, "z": "more"}, POINT),
        ({"x": 1.0}, POINT),
        ([{"x": 1}], {"type": "array", "items": POINT}),
        ("a", {"enum": ["a", "b"]}),
        (None, {"type": ["string", "null"]}),
        (1.5, {"type": "number"}),
        (True, {"type": "boolean"}),
        ("a", {"const": "a"}),
        ({"a1": 1}, {"type": "object", "additionalProperties": False, "patternProperties": {"^a": {}}}),
        ("anything", {}),
        ("anything", {"type": "of_tomorrow"}),
        ("anything", {"type": 7, "enum": 7, "required": 7, "properties": 7, "items": 7}),
        ({"x": "a"}, {"properties": {"x": True}}),
        (1, {"anyOf": [{"type": "string"}]}),
    ],
)
def test_what_fits_or_is_not_judged(value: Any, schema: Any) -> None:
    assert fits(value, schema)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({}, POINT),
        ({"x": "1"}, POINT),
        ({"x": True}, POINT),
        ({"x": 1.5}, POINT),
        ([], POINT),
        ([{"x": 1}, {}], {"type": "array", "items": POINT}),
        ({"x": 1, "z": 2}, {**POINT, "additionalProperties": False}),
        ("c", {"enum": ["a", "b"]}),
        ("b", {"const": "a"}),
        (1, {"type": ["string", "null"]}),
        (False, {"type": "number"}),
        ({"p": {"y": 1}}, {"properties": {"p": POINT}}),
    ],
)
def test_what_does_not_fit(value: Any, schema: Any) -> None:
    assert not fits(value, schema)
