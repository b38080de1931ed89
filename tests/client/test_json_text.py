from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.client.json_text import NoJsonError, as_json, kind_of

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=10,
)


@given(_JSON)
def test_json_reads_back_and_is_the_same_for_equal_values(value: Any) -> None:
    text = as_json(value)
    assert as_json(json.loads(text)) == text


@given(st.sets(st.integers() | st.text()))
def test_sets_are_in_order(value: set[Any]) -> None:
    texts = [as_json(one) for one in json.loads(as_json(value))]
    assert texts == sorted(map(as_json, value))


@pytest.mark.parametrize("value", [b"secret", [1j], {"k": object()}])
def test_what_is_no_json_is_named_by_its_type(value: object) -> None:
    with pytest.raises(NoJsonError) as caught:
        as_json(value)
    assert str(caught.value) in ("bytes", "complex", "object")


def test_a_kind_is_short() -> None:
    assert kind_of(type("x" * 500, (), {})()) == "x" * 80
