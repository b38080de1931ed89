from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.record import Prefix, content_key
from ctxwindow.testing import conversations


def _chain(messages: list[dict[str, Any]], system: Any = None) -> list[str]:
    prefix = Prefix(system)
    for message in messages:
        prefix.add(message)
    return prefix.chain


@given(conversations(long=False))
def test_equal_prefixes_have_equal_ends(steps: list[Any]) -> None:
    messages = [step.message for step in steps]
    whole = _chain(messages)
    assert _chain(messages[: len(messages) // 2]) == whole[: len(messages) // 2 + 1]


@given(conversations(long=False, thinking=False), st.data())
def test_a_change_changes_everything_after_it(steps: list[Any], data: st.DataObject) -> None:
    messages = [step.message for step in steps]
    at = data.draw(st.integers(min_value=0, max_value=len(messages) - 1))
    changed = [*messages[:at], {"role": "user", "content": "something else entirely"}, *messages[at + 1 :]]
    left, right = _chain(messages), _chain(changed)
    assert left[: at + 1] == right[: at + 1]
    assert all(a != b for a, b in zip(left[at + 1 :], right[at + 1 :], strict=True))


@given(conversations(long=False), st.data())
def test_rollback_forgets(steps: list[Any], data: st.DataObject) -> None:
    messages = [step.message for step in steps]
    prefix = Prefix("s")
    for message in messages:
        prefix.add(message)
    at = data.draw(st.integers(min_value=0, max_value=len(messages)))
    prefix.rollback(at)
    assert prefix.chain == _chain(messages[:at], "s")


def test_surrogates_and_key_order() -> None:
    assert content_key({"a": "\ud800", "b": 1}) == content_key({"b": 1, "a": "\ud800"})
    assert content_key({"a": "\ud800"}) != content_key({"a": "\ud801"})
