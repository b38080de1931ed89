from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from anthropic.types import beta
from anthropic.types.beta.beta_tool_union_param import BetaToolUnionParam

from ctxwindow.rules import View, find_violations
from ctxwindow.rules.schema import _NAMES, _TOOL, choice_made, top_level

MODEL = "claude-opus-5"
USER = {"role": "user", "content": "hi"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def found(**request: Any) -> list[tuple[str, str, str]]:
    """Rule, path and severity of everything found."""
    violations = find_violations({"model": MODEL, "messages": [USER], **request})
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def places(**request: Any) -> set[tuple[str, str]]:
    return {(rule, path) for rule, path, _ in found(**request)}


def said(**request: Any) -> list[str]:
    return [violation.message for violation in find_violations({"model": MODEL, "messages": [USER], **request})]


def test_shape_09() -> None:
    """`system` is a string or text blocks; `tools` is a list of objects."""
    assert places(system=7) == {("SHAPE-09", "system")}
    assert places(system=[{"type": "text"}]) == {("SHAPE-09", "system")}
    assert places(tools={"name": "f"}) == {("SHAPE-09", "tools")}
    assert places(tools=[{"name": "f", "input_schema": {}}, "g"]) == {("SHAPE-09", "tools.1")}
    assert places(system="Be brief.", tools=[{"name": "f", "input_schema": {}}]) == set()
    assert places(system=[{"type": "text", "text": "Be brief."}]) == set()


def test_shape_09_says_nothing_of_what_was_not_given() -> None:
    assert list(top_level(View([USER]))) == []


@pytest.mark.parametrize("named", [{}, {"model": "claude-opus-99"}])
def test_shape_10(named: dict[str, Any]) -> None:
    """Rules that depend on the model are checked only when the model is known."""
    (violation,) = find_violations({**named, "messages": [USER]})
    assert (violation.rule, violation.path, violation.severity) == ("SHAPE-10", "model", "warning")
    assert places(model="claude-opus-5-5") == set()


def test_shape_11() -> None:
    """Tool names are unique."""
    tool = {"name": "f", "input_schema": {}}
    assert places(tools=[tool, {**tool, "name": "g"}]) == set()
    assert places(tools=[tool, {**tool, "description": "again"}]) == {("SHAPE-11", "tools.1.name")}


def test_shape_12() -> None:
    """Request fields have the type that the reference gives them."""
    fine = {
        "max_tokens": 10,
        "stream": False,
        "metadata": None,
        "thinking": {"type": "adaptive"},
        "stop_sequences": ["END"],
        "service_tier": "auto",
        "inference_geo": None,
        "mcp_servers": [{"type": "url", "name": "n", "url": "https://example.com"}],
    }
    assert found(**fine) == []
    assert found(metadata=1) == [("SHAPE-12", "metadata", "error")]


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("model", 7, "string"),
        ("model", None, "string"),
        ("max_tokens", "ten", "integer"),
        ("max_tokens", True, "integer"),
        ("max_tokens", None, "integer"),
        ("stream", "maybe", "boolean"),
        ("stream", None, "boolean"),
        ("thinking", None, "object"),
        ("tool_choice", "auto", "object"),
        ("tool_choice", None, "object"),
        ("stop_sequences", "END", "list"),
        ("stop_sequences", None, "list"),
        ("service_tier", 1, "string"),
        ("speed", [], "string"),
        ("inference_geo", {}, "string"),
        ("mcp_servers", "x", "list"),
        ("container", 7, "string or object"),
        ("user_profile_id", {}, "string"),
    ],
)
def test_shape_12_says_which_type(field: str, value: Any, kind: str) -> None:
    violations = find_violations({"model": MODEL, "messages": [USER], field: value})
    assert [(each.path, each.message) for each in violations if each.rule == "SHAPE-12"] == [
        (field, f"{field}: Input should be a valid {kind}")
    ]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"stop_sequences": ["a", 1]}, "stop_sequences.1: Input should be a valid string"),
        ({"stop_sequences": [" "]}, "stop_sequences: each stop sequence must contain non-whitespace"),
        ({"mcp_servers": [None]}, "mcp_servers.0: Input should be a valid object"),
        ({"mcp_servers": [{"type": "url", "name": "n"}]}, "mcp_servers.0.url: Field required"),
        (
            {"mcp_servers": [{"type": "url", "name": "n", "url": 7}]},
            "mcp_servers.0.url: Input should be a valid string",
        ),
    ],
)
def test_shape_12_looks_into_lists(fields: dict[str, Any], text: str) -> None:
    assert said(**fields) == [text]


def test_shape_13() -> None:
    """A client tool has a name and an input_schema, and no other fields than the API knows; the API's own tools have the
    names of their types."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    fine = [TOOL, {**TOOL, "name": "g", "type": "custom"}, search, {"type": "computer_toolset_20260801"}]
    assert not {rule for rule, _, _ in found(tools=fine)} & {"SHAPE-13"}
    assert said(tools=[{}]) == ["tools.0.custom.input_schema: Field required", "tools.0.custom.name: Field required"]
    assert said(tools=[{"name": "f"}]) == ["tools.0.custom.input_schema: Field required"]
    assert said(tools=[{"name": "f", "input_schema": "x"}]) == [
        "tools.0.custom.input_schema: Input should be a valid object"
    ]
    assert said(tools=[{**TOOL, "name": 7}]) == ["tools.0.custom.name: Input should be a valid string"]
    assert said(tools=[{**TOOL, "parameters": {}}]) == ["tools.0.custom.parameters: Extra inputs are not permitted"]
    assert said(tools=[{**TOOL, "type": 7}]) == ["tools.0.type: Input should be a valid string"]
    assert said(tools=[{"type": "web_search_20250305"}]) == [
        "tools.0.web_search_20250305.name: Input should be 'web_search'"
    ]


def test_shape_13_warns_of_a_type_of_tomorrow() -> None:
    assert found(tools=[{"type": "telepathy_20270101", "name": "t"}]) == [("SHAPE-13", "tools.0.type", "warning")]


def test_shape_13_knows_every_tool_of_the_sdk() -> None:
    """No false alarms: what the SDK's types have is accepted."""
    assert get_type_hints(beta.BetaToolParam).keys() == _TOOL
    types: set[str] = set()
    for tool in get_args(BetaToolUnionParam):
        hints = get_type_hints(tool)
        if tool is not beta.BetaToolParam:
            names = get_args(hints["name"]) if "name" in hints else (None,)
            types.update(get_args(hints["type"]))
            assert {_NAMES[kind] for kind in get_args(hints["type"])} == set(names)
    assert types == _NAMES.keys()


def test_shape_14() -> None:
    """tool_choice has one of its four types; a forced tool is one of the request."""
    for fine in ({"type": "auto"}, {"type": "any"}, {"type": "none"}, {"type": "tool", "name": "f"}):
        assert found(tools=[TOOL], tool_choice=fine) == []
    assert said(tools=[TOOL], tool_choice={}) == ["tool_choice.type: Field required"]
    assert said(tools=[TOOL], tool_choice={"type": "x"}) == [
        "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"
    ]
    assert said(tools=[TOOL], tool_choice={"type": "tool"}) == ["tool_choice.tool.name: Field required"]
    assert said(tools=[TOOL], tool_choice={"type": "tool", "name": 7}) == [
        "tool_choice.tool.name: Input should be a valid string"
    ]
    assert said(tools=[TOOL], tool_choice={"type": "tool", "name": "g"}) == ["Tool 'g' not found in provided tools"]


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"mcp_servers": [{"type": "url", "name": "n", "url": "https://example.com"}]},
        {"tools": [{"type": "mcp_toolset", "mcp_server_name": "n"}]},
        {"betas": ["inline-tools-2026-09-15"]},
    ],
)
def test_shape_14_is_silent_where_tools_come_from_elsewhere(elsewhere: dict[str, Any]) -> None:
    forced = {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}, **elsewhere}
    assert "SHAPE-14" not in {rule for rule, _, _ in found(**forced)}


def test_shape_14_says_nothing_of_tools_that_were_not_given() -> None:
    assert list(choice_made(View([USER], settings={"tool_choice": {"type": "tool", "name": "g"}}))) == []
