from __future__ import annotations

from typing import Any

from ctxwindow.record import Outline
from ctxwindow.record.turns import is_turn_start
from ctxwindow.rules import View, cuts, find_violations
from ctxwindow.rules.pairing import due_calls, is_due

HI = {"role": "user", "content": "hi"}


def found(*messages: Any, model: str = "claude-opus-5-5") -> list[tuple[str, str]]:
    """Rule and path of every error."""
    violations = find_violations({"model": model, "messages": list(messages)})
    return [(violation.rule, violation.path) for violation in violations if violation.severity == "error"]


def calls(*ids: str) -> dict[str, Any]:
    blocks = [{"type": "tool_use", "id": identity, "name": "f", "input": {}} for identity in ids]
    return {"role": "assistant", "content": blocks}


def results(*ids: str, text: str | None = None, before: str | None = None) -> dict[str, Any]:
    content: list[Any] = [{"type": "tool_result", "tool_use_id": identity, "content": "x"} for identity in ids]
    content += [] if text is None else [{"type": "text", "text": text}]
    content[:0] = [] if before is None else [{"type": "text", "text": before}]
    return {"role": "user", "content": content}


def server(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def search(identity: str) -> dict[str, Any]:
    return {"type": "server_tool_use", "id": identity, "name": "web_search", "input": {}}


def search_result(identity: str) -> dict[str, Any]:
    return {"type": "web_search_tool_result", "tool_use_id": identity, "content": []}


def test_tool_01() -> None:
    """Every client tool_use is answered by a tool_result in the very next user message (recorded: calls and results of
    consecutive messages of one role count together; Claude 3 did not check ids)."""
    assert found(HI, calls("a", "b"), results("b", "a")) == []
    assert found(HI, calls("a"), HI) == [("TOOL-01", "messages.1")]  # V-TOOL-1
    assert found(HI, calls("a", "b"), results("a")) == [("TOOL-01", "messages.1")]
    assert found(HI, calls("a", "b"), results("a"), calls("c"), results("c")) == [("TOOL-01", "messages.1")]
    assert found(HI, calls("a"), results("x"), HI) == [("TOOL-01", "messages.1"), ("TOOL-02", "messages.2.content.0")]


def test_tool_01_names_the_calls_as_the_api_does() -> None:
    (violation,) = find_violations({"model": "claude-opus-5-5", "messages": [HI, calls("toolu_1", "toolu_2"), HI]})
    assert violation.message == (
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1, toolu_2. Each "
        "`tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def test_tool_01_counts_runs_of_one_role_together() -> None:
    """Recorded: calls in two assistant messages, both answered in the user message behind them."""
    assert found(HI, calls("a"), calls("b"), results("a", "b")) == []
    assert found(HI, calls("a", "b"), results("a"), results("b"), HI) == []
    assert found(HI, calls("a"), calls("b"), results("b")) == [("TOOL-01", "messages.1")]


def test_tool_01_is_reported_once_for_each_message_with_calls() -> None:
    broken = [HI, *(message for number in range(50) for message in (calls(f"c{number}"), results(f"x{number}")))]
    violations = find_violations({"model": "claude-opus-5-5", "messages": broken})
    assert [violation.path for violation in violations if violation.rule == "TOOL-01"] == [
        f"messages.{1 + 2 * number}" for number in range(50)
    ]


def test_tool_01_is_a_warning_on_claude_3() -> None:
    request = {"model": "claude-3-opus-20240229", "messages": [HI, calls("a"), results("b")]}
    assert {(violation.rule, violation.severity) for violation in find_violations(request)} == {
        ("TOOL-01", "warning"),
        ("TOOL-02", "warning"),
    }


def test_tool_02() -> None:
    """Every tool_result matches a tool_use in the previous message (recorded: Claude 3 did not check)."""
    assert found(results("a")) == [("TOOL-02", "messages.0.content.0")]  # V-TOOL-2
    assert found(HI, calls("a"), results("a"), calls("b"), results("b", "a")) == [("TOOL-02", "messages.4.content.1")]
    assert found(HI, calls("a"), HI, calls("b"), results("b", "a")) == [
        ("TOOL-01", "messages.1"),
        ("TOOL-02", "messages.4.content.1"),
    ]
    assert found(HI, calls("a"), results("a")) == []


def test_tool_02_says_what_the_api_says() -> None:
    (violation,) = find_violations({"model": "claude-opus-5-5", "messages": [results("toolu_1")]})
    assert violation.message == (
        "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1. Each `tool_result` block "
        "must have a corresponding `tool_use` block in the previous message."
    )


def test_tool_03() -> None:
    """There is exactly one result per call."""
    assert found(HI, calls("a"), results("a", "a")) == [("TOOL-03", "messages.2.content.1")]
    assert found(HI, calls("a"), results("a"), results("a")) == [("TOOL-03", "messages.3.content.0")]
    assert found(HI, calls("a"), results("a")) == []


def test_tool_04() -> None:
    """tool_use ids are unique (recorded: one that comes back in a later round is accepted)."""
    assert ("TOOL-04", "messages.1.content.1") in found(HI, calls("a", "a"), results("a"))
    assert ("TOOL-04", "messages.2.content.0") in found(HI, calls("a"), calls("a"), results("a"))
    assert found(HI, calls("a"), results("a"), calls("a"), results("a")) == []
    later = find_violations(
        {"model": "claude-opus-5-5", "messages": [HI, calls("a"), results("a"), calls("a"), results("a")]}
    )
    assert [(violation.rule, violation.path, violation.severity) for violation in later] == [
        ("TOOL-04", "messages.3.content.0", "warning")
    ]


def test_tool_05() -> None:
    """In the message with results all tool_result blocks come first."""
    assert found(HI, calls("a"), results("a", before="so")) == [("TOOL-05", "messages.2.content.1")]
    assert found(HI, calls("a", "b"), results("a", text="so"), results("b")) == [("TOOL-01", "messages.1")]
    assert found(HI, calls("a"), results("a", text="so")) == []


def test_calls_are_due_until_their_turn_ends() -> None:
    outline = Outline()
    for message in (HI, calls("a"), calls("b"), results("a")):
        outline.add(message)
    assert due_calls(outline) == {"b": 2}
    assert is_due(outline, "b")
    assert not is_due(outline, "a")
    outline.add(HI)
    assert outline.open_calls == {"b": 2}
    assert due_calls(outline) == {}
    assert not is_due(outline, "b")


def test_due_calls_come_in_the_order_of_the_messages() -> None:
    outline = Outline()
    for message in (HI, calls("b", "a"), calls("c")):
        outline.add(message)
    assert list(due_calls(outline).items()) == [("b", 1), ("a", 1), ("c", 2)]
    assert due_calls(outline, since=2) == {"c": 2}


def test_a_loop_of_calls_is_one_turn() -> None:
    """TOOL-07."""
    loop = [HI, calls("a"), results("a"), {"role": "assistant", "content": "done"}, results("a", text="and?")]
    assert [is_turn_start(message) for message in loop] == [True, False, False, False, True]


def test_one_cuts_where_no_call_is_open() -> None:
    """TOOL-22."""
    assert cuts(View([HI, calls("a"), results("a"), {"role": "assistant", "content": "done"}, HI])) == [1, 3, 4, 5]
