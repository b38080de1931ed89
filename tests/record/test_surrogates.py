"""Halves of characters: the record keeps them, and what is sent says U+FFFD."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.record.surrogates import has_surrogates, without_surrogates

TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
"""Surrogates among them."""
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)


@given(JSON)
def test_what_is_left_can_be_sent(value: Any) -> None:
    """And nothing else is changed."""
    sent = without_surrogates(value)
    for text in _strings(sent):
        text.encode()
    assert not has_surrogates(sent)
    if not has_surrogates(value):
        assert sent is value
    assert without_surrogates(sent) is sent


def test_each_half_is_replaced_alone() -> None:
    assert without_surrogates({"a\ud83d": ["\ude00b", {"c": "\U0001f600"}]}) == {
        "a\ufffd": ["\ufffdb", {"c": "\U0001f600"}]
    }


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _strings(part)]
    return [text for inner in value for text in _strings(inner)] if isinstance(value, list) else []
