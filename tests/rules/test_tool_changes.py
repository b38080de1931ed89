from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import Features, ModelProfile
from ctxwindow.rules import View, find_violations
from ctxwindow.rules.tool_changes import resolved

MODEL = "claude-opus-5-5"
BY_REFERENCE, BY_VALUE, MCP = (
    "mid-conversation-tool-changes-2026-07-01",
    "inline-tools-2026-09-15",
    "mcp-client-2026-09-15",
)
HI: dict[str, Any] = {"role": "user", "content": "hi"}
F: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}
LISTING: dict[str, Any] = {"type": "mcp_tool_listing", "mcp_server_name": "s", "tools": []}
TEXT: dict[str, Any] = {"type": "text", "text": "a"}


def by_reference(name: str, kind: str = "tool_addition", **more: Any) -> dict[str, Any]:
    return {"type": kind, "tool": {"type": "tool_reference", "name": name}, **more}


def by_value(definition: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": definition}, **more}


def change(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "system", "content": list(blocks)}


def found(
    *messages: Any, tools: Any = (F,), betas: Any = (BY_VALUE, MCP), previous: Any = None, **more: Any
) -> list[tuple[str, str, str]]:
    request = {"model": MODEL, "messages": list(messages), "tools": list(tools), **more}
    violations = find_violations(request, betas=betas, previous=previous)
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def test_sys_10() -> None:
    """System messages add and remove tools, by reference or by value, each with a beta and on some models."""
    referring, defining = change(by_reference("f")), change(by_value({**F, "name": "g"}))
    path = "messages.1.content.0"
    for beta in (BY_REFERENCE, BY_VALUE):
        assert found(HI, referring, betas=[beta]) == []
    assert found(HI, referring, betas=None) == [("SYS-10", path, "warning")]
    assert found(HI, referring, betas=[]) == [("SYS-10", path, "error")]
    assert found(HI, defining) == []
    assert found(HI, defining, betas=[BY_REFERENCE]) == [("SYS-10", f"{path}.tool_addition.tool.definition", "error")]
    assert found({**referring, "role": "user"}) == [("SYS-10", "messages.0.content.0", "error")]


def test_sys_10_by_model() -> None:
    profile = ModelProfile(
        id="m", window=1_000, max_output=100, features=Features(mid_conversation_system=True, prefill=True)
    )
    request = {"model": "m", "messages": [HI, change(by_reference("f"))], "tools": [F]}
    assert [v.rule for v in find_violations(request, profile=profile, betas=[BY_REFERENCE])] == ["SYS-10"]


def test_sys_11() -> None:
    """A change names a tool that is defined before it, a definition takes no name of another kind of tool, and tools stay
    within limits of number and size."""
    wrong = [("SYS-11", "messages.1.content.0", "error")]
    assert found(HI, change(by_reference("g"))) == wrong
    assert found(HI, change(by_value({**F, "name": "g"}), by_reference("g", "tool_removal"))) == []
    assert found(HI, change(by_reference("g"), by_value({**F, "name": "g"}))) == wrong
    assert found(HI, change(by_value({"type": "web_search_20250305", "name": "f"}))) == wrong
    assert found(HI, change(by_value({**F, "description": "anew"}))) == []


def test_sys_11_about_mcp_servers() -> None:
    toolset = {"type": "tool_addition", "tool": {"type": "mcp_toolset_reference", "server_name": "s"}}
    one = {"type": "tool_removal", "tool": {"type": "mcp_tool_reference", "server_name": "s", "name": "t"}}
    declared = {"type": "mcp_toolset", "mcp_server_name": "s"}
    assert found(HI, change(toolset)) == [("SYS-11", "messages.1.content.0", "error")]
    assert found(HI, change(toolset, one), tools=[F, declared]) == []
    assert found(HI, change(toolset), mcp_servers=[{"type": "url", "name": "s", "url": "u"}]) == []
    assert found(HI, change(by_value(declared), one)) == []


def test_sys_11_knows_the_tools_that_a_compaction_block_carries() -> None:
    block = {
        "type": "compaction",
        "content": "so far",
        "signature": "c",
        "tool_changes": [by_value({**F, "name": "g"})],
    }
    summary = {"role": "assistant", "content": [block]}
    assert found(summary, HI, change(by_reference("g", "tool_removal")), betas=None) == [
        ("CMP-16", "messages.0.content.0.signature", "warning"),
        ("SYS-10", "messages.2.content.0", "warning"),
    ]


@pytest.mark.parametrize(
    ("tools", "blocks"),
    [
        ([{**F, "name": f"t{n}", "defer_loading": True} for n in range(10_001)], []),
        ([], [by_value({"name": f"t{n}"}) for n in range(10_001)]),
        ([], [by_value({"name": "t", "description": "x" * 4_194_304})]),
    ],
    ids=["deferred", "defined", "bytes"],
)
def test_sys_11_about_limits(tools: list[Any], blocks: list[Any]) -> None:
    def exceeded(tools: list[Any], blocks: list[Any]) -> list[bool]:
        view = View([HI, change(*blocks)], tools=tools)
        return [finding.message.startswith("available_tools_limit_exceeded") for finding in resolved(view)]

    assert exceeded(tools, blocks) == [True]
    assert exceeded(tools[1:], blocks[1:]) == []


def test_sys_12() -> None:
    """Tools are not changed directly behind a paused turn; cache_control stands on the block or on its definition, and
    not on a deferred tool."""
    paused = {
        "role": "assistant",
        "content": [
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        ],
    }
    assert found(HI, paused, change(by_reference("f"))) == [("SYS-12", "messages.2.content.0", "error")]
    assert found(HI, paused, change(TEXT)) == []
    mark = {"cache_control": {"type": "ephemeral"}}
    g = {**F, "name": "g"}
    wrong = [("SYS-12", "messages.1.content.0.cache_control", "error")]
    assert found(HI, change(by_value(g, **mark))) == found(HI, change(by_value({**g, **mark}))) == []
    assert found(HI, change(by_value({**g, **mark}, **mark))) == wrong
    assert found(HI, change(by_value({**g, "defer_loading": True}, **mark))) == wrong


def test_sys_13() -> None:
    """Listings of MCP tools stand first in a reply and go back unchanged, with their beta."""
    reply = {"role": "assistant", "content": [LISTING, TEXT]}
    assert found(HI, reply, HI) == []
    assert found(HI, reply, HI, betas=[]) == [("SYS-13", "messages.1.content.0", "error")]
    assert found(HI, {**reply, "content": [TEXT, LISTING]}, HI) == [("SYS-13", "messages.1.content.1", "warning")]
    before = {"model": MODEL, "messages": [HI, reply, HI], "tools": [F]}
    without = {**reply, "content": [TEXT]}
    assert found(HI, reply, HI, previous=before) == []
    assert found(HI, without, HI, previous=before) == [("SYS-13", "messages.1", "warning")]


def test_a_removed_tool_stays_defined_and_a_late_call_is_answered() -> None:
    """SYS-14."""
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "f is gone", "is_error": True}
    messages = [HI, change(by_reference("f", "tool_removal")), call, {"role": "user", "content": [result]}]
    assert found(*messages) == []
    assert found(*messages, tools=[]) == [("SYS-11", "messages.1.content.0", "error")]
