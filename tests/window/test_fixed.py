from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.window import count
from ctxwindow.window.fixed import Fixed, fixed_sizes
from ctxwindow.window.framing import builtin_tool, frame_of
from ctxwindow.window.markup import count_inside, count_tool, schema_markup

SONNET, OPUS_4_6, NEWER = resolve("claude-sonnet-4-5"), resolve("claude-opus-4-6"), resolve("claude-opus-5-5")
TOOL = {"name": "read", "description": "Reads a file.", "input_schema": {"type": "object"}}
FRAME = frame_of(SONNET)


def sizes(profile: Any = SONNET, *, system: Any = None, tools: Any = None, **settings: Any) -> Fixed:
    return fixed_sizes(profile, system=system, tools=tools, settings=settings)


def overheads(fixed: Fixed) -> dict[str, int]:
    return {name: found.tokens for name, found in fixed.overheads}


def test_the_parts_add_up() -> None:
    schema = {"type": "json_schema", "schema": {"type": "object"}}
    fixed = sizes(
        system=[{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
        tools=[TOOL, {**TOOL, "defer_loading": True}],
        thinking={"type": "enabled", "budget_tokens": 2_000},
        output_config={"format": schema},
    )
    parts = [*fixed.system, *fixed.tools, *(found for _, found in fixed.overheads)]
    assert fixed.count.tokens == sum(part.tokens for part in parts)
    assert fixed.tools[1].tokens == 0
    assert fixed.deferred[0][2] == fixed.tools[0]


def test_the_prompt_of_tools_is_as_published() -> None:
    """TOOL-14, PRICE-08."""
    assert overheads(sizes(tools=[TOOL]))["tool prompt"] == 496
    assert overheads(sizes(tools=[TOOL], tool_choice={"type": "none"}))["tool prompt"] == 496
    assert overheads(sizes(tools=[TOOL], tool_choice={"type": "any"}))["tool prompt"] == 588
    assert "tool prompt" not in overheads(sizes(tool_choice={"type": "any"}))


def test_a_named_tool_costs_its_name() -> None:
    named = sizes(tools=[TOOL], tool_choice={"type": "tool", "name": "read"})
    assert overheads(named)["tool choice"] == count_inside("read", "v3").tokens + FRAME.named_tool


@pytest.mark.parametrize(("choice", "less"), [("auto", "single_call"), ("tool", "single_forced_call")])
def test_single_calls_have_a_prompt_of_their_own(choice: str, less: str) -> None:
    setting = {"type": choice, "name": "read"}
    several = overheads(sizes(tools=[TOOL], tool_choice=setting))["tool prompt"]
    single = overheads(sizes(tools=[TOOL], tool_choice={**setting, "disable_parallel_tool_use": True}))["tool prompt"]
    assert single - several == getattr(FRAME, less) != 0


def test_sections_are_set_apart() -> None:
    """On the models since 4.6 the first section costs a token too; the published prompts of tools hold it."""
    thinking = {"type": "enabled", "budget_tokens": 2_000}
    for profile, first in ((SONNET, 0), (OPUS_4_6, 1)):
        assert overheads(sizes(profile)).get("sections", 0) == 0
        assert overheads(sizes(profile, system="Be brief.")).get("sections", 0) == first
        assert overheads(sizes(profile, system="Be brief.", tools=[TOOL]))["sections"] == 1
        assert overheads(sizes(profile, system="Be brief.", thinking=thinking))["sections"] == first + 1


def test_an_output_schema_is_indented() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    for settings in ({"output_config": {"format": {"schema": schema}}}, {"output_format": {"schema": schema}}):
        found = overheads(sizes(**settings))["output schema"]
        assert found == count_inside(schema_markup(schema), "v3").tokens + FRAME.schema


def test_adaptive_thinking_has_no_place_beside_a_forced_call() -> None:
    adaptive = {"type": "adaptive"}
    assert overheads(sizes(OPUS_4_6, thinking=adaptive))["thinking setting"] == frame_of(OPUS_4_6).thinking_adaptive
    forced = sizes(OPUS_4_6, tools=[TOOL], tool_choice={"type": "any"}, thinking=adaptive)
    assert "thinking setting" not in overheads(forced)


def test_built_in_tools() -> None:
    """PRICE-08: as recorded, else as published, else within bounds."""
    (recorded,) = sizes(tools=[{"type": "memory_20250818", "name": "memory"}]).tools
    assert recorded.tokens == builtin_tool("memory_20250818", "v3") == 1_069
    (published,) = sizes(NEWER, tools=[{"type": "bash_20250124", "name": "bash"}]).tools
    assert published.tokens == 325
    (unknown,) = sizes(tools=[{"type": "of_tomorrow", "name": "x"}]).tools
    assert (unknown.low, unknown.high) == (100, 7_000)


def test_a_tool_that_is_named_again_counts_again() -> None:
    """In one recorded request a reference to a tool that is not deferred renders its definition once more."""
    asked = {"role": "user", "content": "Read it."}
    called = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "search", "input": {}}]}
    reference = [{"type": "tool_reference", "tool_name": "read"}]
    found = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": reference}]}
    window = count({"messages": [asked, called, found], "tools": [TOOL]}, SONNET)
    assert window.overheads["tools named again"] == count_tool(TOOL, "v3").tokens
    assert window.tokens == sum(window.by.values())


@pytest.mark.parametrize(
    "settings",
    [{"thinking": 7}, {"tool_choice": "any"}, {"output_config": []}, {"output_config": {"format": "json"}}, {"output_format": 1}],
)  # fmt: skip
def test_odd_settings_cost_nothing(settings: dict[str, Any]) -> None:
    assert overheads(sizes(**settings)) == overheads(sizes())


def test_the_tools_of_servers_are_bounded() -> None:
    """They are the server's: recorded requests with one had 45 tokens more than the prompt of tools, and 13,600."""
    server = {"type": "url", "name": "wiki", "url": "https://example.org/mcp"}
    found = dict(sizes(mcp_servers=[server, server]).overheads)
    assert found["tool prompt"].tokens == 496
    assert found["tools of MCP servers"].low <= 90
    assert found["tools of MCP servers"].high >= 13_600
    assert dict(sizes(mcp_servers="odd").overheads).keys() == {"request"}
