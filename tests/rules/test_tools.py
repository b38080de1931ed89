from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import find_violations
from ctxwindow.window import count
from ctxwindow.window.compare import compare

HI = {"role": "user", "content": "hi"}
BOUND, MANUAL = "claude-opus-5-5", "claude-sonnet-4-5"
TOOL: dict[str, Any] = {"name": "f", "input_schema": {}}


def found(messages: list[Any], model: str = BOUND, **settings: Any) -> list[tuple[str, str]]:
    violations = find_violations({"model": model, "messages": messages, **settings})
    return [(violation.rule, violation.path) for violation in violations]


def round_(call: dict[str, Any], result: dict[str, Any]) -> list[Any]:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}, **call}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "x", **result}
    return [HI, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]


def test_tool_13() -> None:
    """Results of toolset calls carry the toolset_name of the call."""
    computer = {"toolset_name": "computer"}
    assert found(round_(computer, computer)) == []
    assert found(round_(computer, {})) == [("TOOL-13", "messages.2.content.0.toolset_name")]


@pytest.mark.parametrize("choice", ["any", "tool"])
def test_tool_15(choice: str) -> None:
    """A forced tool_choice is rejected with manual thinking, and always on some models."""
    forced, thinking = {"type": choice, "name": "f"}, {"type": "enabled", "budget_tokens": 2_000}
    settings = {"tools": [TOOL], "tool_choice": forced}
    assert found([HI], BOUND, **settings) == [("TOOL-15", "tool_choice.type")]
    assert found([HI], MANUAL, thinking=thinking, **settings) == [("TOOL-15", "tool_choice.type")]
    assert found([HI], MANUAL, **settings) == []
    assert found([HI], "claude-opus-5", thinking={"type": "adaptive"}, **settings) == []
    assert found([HI], BOUND, tools=[TOOL], tool_choice={"type": "auto"}) == []


def test_tool_17() -> None:
    """At least one tool is not deferred."""
    deferred = {**TOOL, "defer_loading": True}
    assert found([HI], tools=[deferred]) == [("TOOL-17", "tools")]
    assert found([HI], tools=[deferred, {**TOOL, "name": "g"}]) == []
    assert found([HI], tools=[]) == []


def test_tool_18() -> None:
    """A tool_reference names a tool of the request."""
    reference = {"content": [{"type": "tool_reference", "tool_name": "g"}]}
    g = {**TOOL, "name": "g", "defer_loading": True}
    assert found(round_({}, reference), tools=[TOOL]) == [("TOOL-18", "messages.2.content.0")]
    assert found(round_({}, reference), tools=[TOOL, g]) == []
    assert found(round_({}, reference), tools=[TOOL, {"type": "mcp_toolset", "mcp_server_name": "s"}]) == []
    searched = {"tool_references": [{"type": "tool_reference", "tool_name": "g"}]}
    blocks = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "tool_search_tool_bm25", "input": {}},
        {"type": "tool_search_tool_result", "tool_use_id": "srvtoolu_1", "content": searched},
    ]
    messages = [HI, {"role": "assistant", "content": blocks}, HI]
    assert found(messages, tools=[TOOL]) == [("TOOL-18", "messages.1.content.1")]
    assert found(messages, tools=[TOOL, g]) == []


def test_tool_19() -> None:
    """A deferred tool carries no cache_control."""
    marked = {**TOOL, "cache_control": {"type": "ephemeral"}}
    g = {**TOOL, "name": "g"}
    assert found([HI], tools=[g, {**marked, "defer_loading": True}]) == [("TOOL-19", "tools.1.cache_control")]
    assert found([HI], tools=[g, marked]) == []


def test_tool_23() -> None:
    """fine-grained-tool-streaming-2025-05-14 is rejected together with a toolset."""
    toolset = {"type": "computer_toolset_20260801", "name": "computer"}
    beta = ["fine-grained-tool-streaming-2025-05-14"]
    assert found([HI], tools=[toolset], betas=beta) == [("TOOL-23", "tools.0")]
    assert found([HI], tools=[toolset]) == []
    assert found([HI], tools=[TOOL], betas=beta) == []


def test_tools_are_turned_off_by_tool_choice() -> None:
    """TOOL-16: their definitions taken out cost thinking and cache, `tool_choice` none does not."""
    thought = {"type": "thinking", "thinking": "", "signature": "s"}
    reply = {"role": "assistant", "content": [thought, {"type": "text", "text": "a"}]}
    system = [{"type": "text", "text": "Be brief. " * 600, "cache_control": {"type": "ephemeral"}}]
    before = {"model": BOUND, "system": system, "tools": [TOOL], "messages": [HI, reply, HI]}
    off = compare(before, {**before, "tool_choice": {"type": "none"}})
    gone = compare(before, {key: value for key, value in before.items() if key != "tools"})
    assert (off.rejected, off.thinking_lost) == (False, ())
    assert off.warm.read > 0
    assert (gone.rejected, gone.thinking_lost) == (True, ("messages.1.content.0",))
    assert gone.warm.read == 0


def test_a_reference_costs_the_definition() -> None:
    """TOOL-20: as long as it is in the prompt."""
    search = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
    deferred = {**TOOL, "description": "Looks. " * 400, "defer_loading": True}
    call = {"type": "server_tool_use", "id": "s", "name": "tool_search_tool_bm25", "input": {}}

    def window(*references: Any) -> int:
        content = {"type": "tool_search_tool_search_result", "tool_references": list(references)}
        result = {"type": "tool_search_tool_result", "tool_use_id": "s", "content": content}
        messages = [HI, {"role": "assistant", "content": [call, result]}, HI]
        return count({"model": BOUND, "messages": messages, "tools": [deferred, search]}).tokens

    assert window({"type": "tool_reference", "tool_name": "f"}) > window() + 300


def test_tool_21() -> None:
    """A history with advisor results needs the advisor's beta header, even without the advisor tool."""
    call = {"type": "server_tool_use", "id": "s", "name": "advisor", "input": {}}
    advice = {"type": "advisor_tool_result", "tool_use_id": "s", "content": {"type": "advisor_result", "text": "a"}}
    request = {"model": BOUND, "messages": [HI, {"role": "assistant", "content": [call, advice]}, HI]}

    def judged(betas: Any) -> list[tuple[str, str, str]]:
        return [(v.rule, v.path, v.severity) for v in find_violations(request, betas=betas)]

    assert judged(None) == [("TOOL-21", "messages.1.content.1", "warning")]
    assert judged([]) == [("TOOL-21", "messages.1.content.1", "error")]
    assert judged(["advisor-tool-2026-03-01"]) == []
