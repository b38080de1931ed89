from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Policy, PolicyError


def test_defaults_are_in_order() -> None:
    policy = Policy()
    assert policy.low < policy.high
    assert Policy.parse(policy.model_dump(mode="json")) == policy


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"budget": 0}, "budget"),
        ({"budget": "many"}, "budget"),
        ({"high": 1.5}, "high"),
        ({"low": 0.9, "high": 0.5}, "policy"),
        ({"spill": {"share": -1}}, "spill.share"),
        ({"methods": ["forget"]}, "methods.0"),
        ({"colour": "red"}, "colour"),
        ([], "policy"),
    ],
)
def test_a_mistake_is_one_line_with_the_key(settings: Any, path: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(settings)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
