from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.window import entry_for
from ctxwindow.window.entry import loads
from tests.window.scenes import OPUS, assistant, call, result, text, thinking, user

PROFILE = resolve(OPUS)
SUMMARY = {"type": "compaction", "content": "They spoke."}


def test_what_is_no_object_is_left_alone() -> None:
    """SHAPE-02 says what is wrong with it; counting goes on."""
    entry = entry_for(user(["x", result("t0", "done"), None]), PROFILE)
    assert list(entry.results()) == [(1, "t0")]
    assert len(entry.size.blocks) == 3


def test_an_entry_tells_what_is_out_from_the_start() -> None:
    """CMP-02, CMP-04: what stands before a compaction block in its own message, and a null block."""
    message = assistant(text("a"), SUMMARY, {"type": "compaction", "content": None}, text("b"))
    entry = entry_for(message, PROFILE)
    assert entry.restarts
    assert entry.out == {0: "CMP-02", 2: "CMP-04"}
    assert [place for place, _ in entry.clearable.blocks] == [1, 3]
    assert entry_for(assistant(thinking("a"), text("b")), PROFILE, out={0: "BIND-02"}).out == {0: "BIND-02"}


@pytest.mark.parametrize(
    ("caller", "by_code"),
    [({"type": "code_execution_20250825", "tool_id": "s"}, ("t0",)), ({"type": "direct"}, ()), (None, ()), ("x", ())],
)
def test_calls_that_code_made(caller: Any, by_code: tuple[str, ...]) -> None:
    """TOK-20."""
    assert entry_for(assistant({**call("t0"), "caller": caller}), PROFILE).calls_by_code == by_code


def _reference(name: str) -> dict[str, Any]:
    return {"type": "tool_reference", "tool_name": name}


@pytest.mark.parametrize(
    ("block", "names"),
    [
        (result("t0", [_reference("a"), text("b"), "d", _reference("c")]), ["a", "c"]),
        (
            {
                "type": "tool_search_tool_result",
                "tool_use_id": "s",
                "content": {"type": "tool_search_tool_search_result", "tool_references": [_reference("a")]},
            },
            ["a"],
        ),
        ({"type": "tool_addition", "tool": {"type": "tool_reference", "name": "a"}}, ["a"]),
        ({"type": "tool_removal", "tool": {"type": "tool_reference", "name": "a"}}, []),
        (
            {**SUMMARY, "tool_changes": [{"type": "tool_addition", "tool": {"type": "tool_reference", "name": "a"}}]},
            ["a"],
        ),
        (call("t0", given=[_reference("a")]), []),
        (text("tool_reference"), []),
    ],
)
def test_what_brings_a_deferred_tool_in(block: dict[str, Any], names: list[str]) -> None:
    """TOOL-20, SYS-10: results, additions and the changes that a compaction carries; never the input of a call."""
    assert sorted(loads([block])) == names
