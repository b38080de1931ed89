from __future__ import annotations

from ctxwindow.repairs import repair
from ctxwindow.rules import check
from tests.repairs.broken import request

GO = {"role": "user", "content": "Go."}
TEXT = {"type": "text", "text": "Found."}


def test_results_of_a_toolset_carry_its_name() -> None:
    """TOOL-13."""
    call = {"type": "tool_use", "id": "a", "name": "click", "input": {}, "toolset_name": "browser"}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
    body = request([GO, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}])
    repaired, done = repair(body)
    assert check(repaired).ok
    assert repaired["messages"][2]["content"] == [{**result, "toolset_name": "browser"}]
    assert [(one.rule, one.path) for one in done] == [("TOOL-13", "messages.2.content.0")]


def test_what_stands_before_a_fallback_is_left_behind_with_its_results() -> None:
    """FB-05 and FB-07."""
    call = {"type": "tool_use", "id": "a", "name": "search", "input": {}}
    seam = {"type": "fallback", "from": {"model": "claude-opus-5-5"}, "to": {"model": "claude-opus-5"}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
    body = request(
        [GO, {"role": "assistant", "content": [call, seam, TEXT]}, {"role": "user", "content": [result, TEXT]}]
    )
    repaired, done = repair(body)
    assert check(repaired).ok
    assert repaired["messages"][1]["content"] == [seam, TEXT]
    assert repaired["messages"][2]["content"] == [TEXT]
    assert [(one.rule, one.path) for one in done] == [
        ("FB-05", "messages.1.content.0"),
        ("TOOL-02", "messages.2.content.0"),
    ]
