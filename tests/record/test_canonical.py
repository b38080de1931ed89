"""BIND-14: what may change before a thinking block without breaking it, and what may not (V-BIND-3)."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.record import Prefix, canonical_message, canonical_tools
from ctxwindow.record.canonical import canonical_system


def _user(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


_SAME: dict[str, tuple[Any, Any]] = {
    "cache_control": (
        _user([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]),
        _user([{"type": "text", "text": "a"}]),
    ),
    "null keys": (_user([{"type": "text", "text": "a", "citations": None}]), _user("a")),
    "string is one block": (_user("a"), _user([{"type": "text", "text": "a"}])),
    "white space around text": (_user(" a\n"), _user("a")),
    "blank text blocks": (_user([{"type": "text", "text": "a"}, {"type": "text", "text": " "}]), _user("a")),
    "empty citations": (_user([{"type": "text", "text": "a", "citations": []}]), _user("a")),
    "is_error false": (
        _user([{"type": "tool_result", "tool_use_id": "t", "content": "x", "is_error": False}]),
        _user([{"type": "tool_result", "tool_use_id": "t", "content": "x"}]),
    ),
    "1.0 is 1": (
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {"x": 1.0}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {"x": 1}}]},
    ),
    "thinking itself": (
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
    ),
    "a rotated URL": (
        _user([{"type": "image", "source": {"type": "url", "url": "https://a/1"}}]),
        _user([{"type": "image", "source": {"type": "url", "url": "https://a/2"}}]),
    ),
}


@pytest.mark.parametrize("name", _SAME)
def test_changes_that_must_not_matter(name: str) -> None:
    left, right = _SAME[name]
    assert canonical_message(left) == canonical_message(right)


_OTHER: dict[str, tuple[Any, Any]] = {
    "interior white space": (_user("a b"), _user("a  b")),
    "role": (_user("a"), {"role": "system", "content": "a"}),
    "clear_at": (_user("a", clear_at="next_user_message"), _user("a")),
    "input": (
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {"x": 1}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {"x": 2}}]},
    ),
    "result text": (
        _user([{"type": "tool_result", "tool_use_id": "t", "content": "x"}]),
        _user([{"type": "tool_result", "tool_use_id": "t", "content": "y"}]),
    ),
    "image bytes": (
        _user([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}]),
        _user([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AB"}}]),
    ),
    "block order": (
        _user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        _user([{"type": "text", "text": "b"}, {"type": "text", "text": "a"}]),
    ),
    "is_error": (
        _user([{"type": "tool_result", "tool_use_id": "t", "content": "x", "is_error": True}]),
        _user([{"type": "tool_result", "tool_use_id": "t", "content": "x"}]),
    ),
}


@pytest.mark.parametrize("name", _OTHER)
def test_changes_that_must_matter(name: str) -> None:
    left, right = _OTHER[name]
    assert canonical_message(left) != canonical_message(right)


_TOOL = {"name": "read", "description": "Reads.", "input_schema": {"type": "object"}}
_OTHER_TOOL = {"name": "write", "input_schema": {"type": "object"}}


def test_tools_are_a_set() -> None:
    assert canonical_tools([_TOOL, _OTHER_TOOL]) == canonical_tools([_OTHER_TOOL, _TOOL])
    assert canonical_tools([_TOOL]) != canonical_tools([{**_TOOL, "description": "Reads it."}])
    assert canonical_tools([_TOOL]) != canonical_tools([_TOOL, _OTHER_TOOL])


def test_tool_defaults_may_be_written_out() -> None:
    spelled = {
        **_OTHER_TOOL,
        "type": "custom",
        "description": "",
        "strict": False,
        "cache_control": {"type": "ephemeral"},
    }
    assert canonical_tools([_OTHER_TOOL]) == canonical_tools([spelled])


def test_an_unreferenced_deferred_tool_is_outside() -> None:
    deferred = {**_OTHER_TOOL, "defer_loading": True}
    assert canonical_tools([_TOOL, deferred]) == canonical_tools([_TOOL])


def test_a_deferred_tool_enters_where_it_is_named() -> None:
    deferred = {**_OTHER_TOOL, "defer_loading": True}
    changed = {**deferred, "description": "Other."}
    found = _user(
        [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "write"}]}]
    )
    left, right = Prefix(None, [_TOOL, deferred]), Prefix(None, [_TOOL, changed])
    assert left.last == right.last
    assert left.add(_user("a")) == right.add(_user("a"))
    assert left.add(found) != right.add(found)
    left.rollback(1)
    right.rollback(1)
    assert left.last == right.last
    assert left.add(found) != right.add(found)


def test_system_as_string_or_blocks() -> None:
    assert canonical_system("a") == canonical_system([{"type": "text", "text": "a"}])
    assert canonical_system(None) is None
    assert canonical_system("a") != canonical_system("b")
