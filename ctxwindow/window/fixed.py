"""The size of a request's parts outside its messages: system prompt, tools, and settings that become text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, document
from ctxwindow.rules.view import plain
from ctxwindow.window.before import forces
from ctxwindow.window.framing import Frame, builtin_tool, exactly, frame_of, roughly
from ctxwindow.window.markup import count_inside, count_tool, schema_markup
from ctxwindow.window.parts import ZERO
from ctxwindow.window.tokens import Count, count_text

__all__ = ["Fixed", "fixed_sizes"]


class Fixed(msgspec.Struct, frozen=True):
    """The parts of a request outside its messages."""

    system: tuple[Count, ...]
    tools: tuple[Count, ...]
    overheads: tuple[tuple[str, Count], ...]
    """Named: `request`, `tool prompt`, `tools of MCP servers`, `tool choice`, `thinking setting`, `output schema`, `task budget`, `sections`,
    `unseen`, `learned`."""
    count: Count
    deferred: tuple[tuple[str, int, Count], ...] = ()
    """Name, index and size of each deferred tool; `tools` and `count` have it at nothing (TOK-22)."""
    names: tuple[str, ...] = ()
    """Of the tools, in their order."""


def fixed_sizes(
    profile: ModelProfile,
    *,
    system: Any,
    tools: Any,
    settings: Mapping[str, Any],
    unseen: int = 0,
    learned: int = 0,
) -> Fixed:
    """The size of everything outside the messages.

    Args:
        profile: the model.
        system: string or text blocks, or None.
        tools: tool definitions, or None.
        settings: the other request fields (`thinking`, `tool_choice` and `output_config` bear on size).
        unseen: tokens known to be sent but not given, such as the system prompt of a recorded session.
        learned: what the first exact size differed by from the sum of the parts; it may be negative.
    """
    frame = frame_of(profile)
    systems = [{"type": "text", "text": system}] if isinstance(system, str) else list(system or ())
    system_counts = tuple(_system(block, profile) for block in systems)
    tool_counts = tuple(ZERO if _defers(tool) else _tool(tool, profile) for tool in tools or ())
    deferred = tuple(
        (str(tool.get("name")), index, _tool(tool, profile)) for index, tool in enumerate(tools or ()) if _defers(tool)
    )
    overheads = [("request", frame.around(frame.request, "request")), *_overheads(profile, frame, tools, settings)]
    sections = sum(
        (
            bool(tools),
            any(count.tokens for count in system_counts),
            plain(settings.get("thinking")).get("type") == "enabled",
            any(name == "output schema" for name, _ in overheads),
        )
    )
    breaks = (0 if tools or not sections else frame.first_section) + frame.section * max(0, sections - 1)
    breaks += frame.system_block * max(0, sum(count.tokens > 0 for count in system_counts) - 1)
    if breaks:
        overheads.append(("sections", frame.around(breaks, "first_section", "section", "system_block")))
    if unseen:
        overheads.append(("unseen", roughly(unseen, spread=0.01)))
    if learned:
        overheads.append(("learned", Count(tokens=learned, low=learned - 20, high=learned + 20, exact=False)))
    total = sum([*system_counts, *tool_counts, *(count for _, count in overheads)], ZERO)
    return Fixed(
        system=system_counts,
        tools=tool_counts,
        overheads=tuple(overheads),
        count=total,
        deferred=deferred,
        names=tuple(str(tool.get("name")) for tool in tools or ()),
    )


def _overheads(
    profile: ModelProfile, frame: Frame, tools: Any, settings: Mapping[str, Any]
) -> Iterator[tuple[str, Count]]:
    choice = plain(settings.get("tool_choice"))
    servers = settings.get("mcp_servers")
    servers = servers if isinstance(servers, (list, tuple)) else ()
    if tools or servers:
        yield "tool prompt", _tool_prompt(profile, frame, choice)
    if servers:
        yield "tools of MCP servers", sum((_SERVER for _ in servers), ZERO)
    if tools and choice.get("type") == "tool":
        name = count_text(str(choice.get("name", "")), profile.tokenizer)
        yield "tool choice", name + roughly(frame.named_tool, spread=0, slack=1)
    kind = plain(settings.get("thinking")).get("type")
    setting = {"enabled": frame.thinking_enabled, "adaptive": frame.thinking_adaptive}.get(str(kind), 0)
    if kind == "adaptive" and forces(settings):
        setting = 0  # a forced call leaves no place to think (TOOL-15)
    if setting:
        yield "thinking setting", roughly(setting, spread=0, slack=1)
    output = plain(settings.get("output_config"))
    form = plain(output.get("format") or settings.get("output_format"))
    if "schema" in form:
        schema = count_inside(schema_markup(form["schema"]), profile.tokenizer)
        yield "output schema", schema + roughly(frame.schema, spread=0.02)
    if output.get("task_budget"):
        yield "task budget", roughly(frame.task_budget, spread=0.2)


def _defers(tool: Mapping[str, Any]) -> bool:
    """Whether a tool costs nothing until the conversation names it (TOK-22)."""
    return bool(tool.get("defer_loading"))


def _system(block: Any, profile: ModelProfile) -> Count:
    """Text of the system prompt. It opens the prompt, with no word mark before a line break."""
    text = block.get("text") if isinstance(block, Mapping) else None
    if not isinstance(text, str):
        return ZERO
    return count_inside(text, profile.tokenizer) if text.startswith("\n") else count_text(text, profile.tokenizer)


def _tool_prompt(profile: ModelProfile, frame: Frame, choice: Mapping[str, Any]) -> Count:
    """The prompt that any tool adds (TOOL-14, PRICE-08): by model, and by whether a call is forced. The published
    numbers hold the tags around the list of tools.
    """
    forced = choice.get("type") in ("any", "tool")
    published = profile.tool_prompt.any_tool if forced else profile.tool_prompt.auto_none
    known = (frame.forced_tool_prompt if forced else frame.tool_prompt) or published
    if known is None:
        # Not published for this model: the published ones lie between 159 and 804.
        return Count(tokens=300, low=159, high=804, exact=False)
    single = choice.get("disable_parallel_tool_use") is True
    if not single or choice.get("type") == "any":
        return exactly(known)
    less = frame.single_forced_call if forced else frame.single_call
    return roughly(known + less, spread=0, slack=2) if less else exactly(known)


_SERVER = Count(tokens=2_000, low=40, high=20_000, exact=False)
"""The tools of an MCP server, which only the server knows: recorded are 45 tokens, and 13,600."""
_UNKNOWN_TOOL = Count(tokens=700, low=100, high=7_000, exact=False)


def _tool(tool: Mapping[str, Any], profile: ModelProfile) -> Count:
    """The definition of a tool; that of a built-in one the client never sees (PRICE-08)."""
    kind = tool.get("type")
    if kind not in (None, "custom"):
        return _builtin(str(kind), profile)
    return count_tool(tool, profile.tokenizer) + roughly(0, slack=1)


def _builtin(kind: str, profile: ModelProfile) -> Count:
    """The definition of a built-in tool: as recorded, as published, or between the least and the most of those known."""
    recorded = builtin_tool(kind, profile.tokenizer)
    if recorded is not None:
        return roughly(recorded, spread=0.05)
    for known in document().builtin_tools:
        tokens = known.tokens_on(profile) if kind in known.types else None
        if tokens is not None:
            prompt = profile.tool_prompt.auto_none or 0
            return roughly(max(0, tokens - prompt) if known.includes_tool_prompt else tokens, spread=0.2)
    return _UNKNOWN_TOOL
