from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import MisuseError
from ctxwindow.client.limits import Limits


def test_without_limits_nothing_is_passed() -> None:
    assert Limits().passed(10**6, 1e9, 1e9) is None


@pytest.mark.parametrize(
    ("spent", "first"),
    [
        ((2, 59.9, 0.49), None),
        ((3, 0.0, 0.0), "rounds"),
        ((0, 60.0, 0.0), "seconds"),
        ((0, 0.0, 0.5), "dollars"),
        ((3, 60.0, 0.5), "rounds"),
        ((0, 61.0, 0.6), "seconds"),
    ],
)
def test_a_limit_is_passed_when_it_is_reached(spent: tuple[int, float, float], first: str | None) -> None:
    assert Limits(rounds=3, seconds=60, dollars=0.5).passed(*spent) == first


@pytest.mark.parametrize(
    ("settings", "path", "told"),
    [
        ({"rounds": 0}, "limits.rounds", "greater than 0"),
        ({"rounds": 1.5}, "limits.rounds", "valid integer"),
        ({"rounds": True}, "limits.rounds", "valid integer"),
        ({"seconds": -1}, "limits.seconds", "greater than 0"),
        ({"seconds": True}, "limits.seconds", "valid number"),
        ({"dollars": "1"}, "limits.dollars", "valid number"),
        ({"dollars": float("inf")}, "limits.dollars", "finite"),
        ({"tool_seconds": float("nan")}, "limits.tool_seconds", "finite"),
        ({"round": 3}, "limits.round", "Did you mean rounds?"),
    ],
)
def test_a_mistake_is_told_in_one_line(settings: dict[str, Any], path: str, told: str) -> None:
    with pytest.raises(MisuseError) as caught:
        Limits(**settings)
    assert caught.value.path == path
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_table_is_told() -> None:
    with pytest.raises(MisuseError, match="a table of keys"):
        Limits.model_validate([3])


@given(st.integers(0, 20), st.integers(1, 20))
def test_more_rounds_never_unpass_a_limit(rounds: int, limit: int) -> None:
    limits = Limits(rounds=limit)
    assert limits.passed(rounds, 0, 0) is None or limits.passed(rounds + 1, 0, 0) == "rounds"
