from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import find_violations

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
