from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules.fields import extra, fault, needs, number_of, one_of
from ctxwindow.rules.frame import Frame


def test_a_field_that_is_not_known() -> None:
    found = extra("a.b", "Leave it out.")
    assert (found.path, found.message) == ("a.b", "a.b: Extra inputs are not permitted")


def test_a_field_that_needs_a_beta() -> None:
    """An error where all headers are known, else a warning; nothing where one of the betas is there."""
    frames = (Frame(), Frame(betas_known=True), Frame(betas=frozenset({"b"})))
    assert [[found.severity for found in needs(frame, "x", "a", "b")] for frame in frames] == [
        ["warning"],
        ["error"],
        [],
    ]
    (found,) = needs(Frame(), "x", "a", "b")
    assert found.message == "x: Extra inputs are not permitted"
    assert "a or b" in found.remedy


def test_a_value_that_is_none_of_those_known() -> None:
    assert one_of("x", ("a", "b", "c")).message == "x: Input should be 'a', 'b' or 'c'"


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"type": "a", "value": 1}, None),
        ({"type": "b", "value": 0}, ".value: Input should be greater than or equal to 1"),
        ({"type": "a", "value": True}, ".value: Input should be a valid integer"),
        ({"type": "a", "value": 1.5}, ".value: Input should be a valid integer"),
        ({"type": "c", "value": 1}, ".type: Input should be 'a' or 'b'"),
        (7, ".type: Input should be 'a' or 'b'"),
    ],
)
def test_a_number_of_something(value: Any, wrong: str | None) -> None:
    assert number_of(value, "a", "b", least=1) == wrong
    if wrong is not None:
        found = fault("x", wrong, "Correct it.")
        assert found.message == f"x{wrong}"
        assert found.path == f"x{wrong.partition(':')[0]}"
