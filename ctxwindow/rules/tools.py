"""TOOL: definitions, choices and toolsets. `rules.pairing` and `rules.server_tools` hold the rest of the family."""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.record.blocks import result_id
from ctxwindow.rules.fields import needs
from ctxwindow.rules.pairing import calls_before
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, plain

__all__ = ["RULES"]

_INLINE_TOOLS = "inline-tools-2026-09-15"
_ADVISOR = "advisor-tool-2026-03-01"


def toolset_echoed(step: Step) -> Iterator[Finding]:
    """TOOL-13, looking at the assistant message directly before."""
    calls = calls_before(step)
    for block in step.blocks:
        call = calls.get(result_id(block.data) or "", {}) if block.family == "result" else {}
        wanted = call.get("toolset_name")
        if wanted is not None and block.data.get("toolset_name") != wanted:
            yield Finding(
                path=f"{block.path}.toolset_name",
                message=f"{block.path}: the result of a toolset call must carry its toolset_name.",
                remedy="Copy `toolset_name` from the call to its result.",
            )


def forced_choice(view: View) -> Iterator[Finding]:
    """TOOL-15. A model whose profile does not say is not judged."""
    if plain(view.frame.settings.get("tool_choice")).get("type") not in ("any", "tool"):
        return
    if view.frame.profile is not None and view.frame.profile.features.forced_tool_choice is False:
        text = 'tool_choice: type "tool" and "any" are not supported for this model.'
    elif view.frame.manual_thinking:
        text = "Thinking may not be enabled when tool_choice forces tool use."
    else:
        return
    yield Finding(
        path="tool_choice.type", message=text, remedy='Use tool_choice {"type": "auto"} and say so in the prompt.'
    )


def one_tool_not_deferred(view: View) -> Iterator[Finding]:
    """TOOL-17."""
    tools = [tool for _, tool in view.frame.tool_list]
    if tools and all(tool.get("defer_loading") is True for tool in tools):
        yield Finding(
            path="tools",
            message="At least one tool must have defer_loading=false. All tools cannot be deferred.",
            remedy="Leave the tool search tool, or one other, undeferred.",
        )


def _references(step: Step) -> Iterator[tuple[str, str]]:
    """Path and name of each tool_reference in results of this message."""
    for block in step.blocks:
        if block.family not in ("result", "server_result"):
            continue
        content = block.data.get("content")
        parts = content if isinstance(content, list) else plain(content).get("tool_references")
        for part in parts if isinstance(parts, list) else ():
            name = plain(part).get("tool_name")
            if plain(part).get("type") == "tool_reference" and isinstance(name, str):
                yield block.path, name


def references_defined(step: Step) -> Iterator[Finding]:
    """TOOL-18. Silent where tools may come from elsewhere: MCP servers, or inline definitions."""
    frame = step.frame
    for path, name in _references(step):
        names = {tool.get("name") for _, tool in frame.tool_list}
        elsewhere = (
            frame.tools is None
            or _INLINE_TOOLS in frame.betas
            or bool(frame.settings.get("mcp_servers"))
            or any(tool.get("type") == "mcp_toolset" for _, tool in frame.tool_list)
        )
        if not elsewhere and name not in names:
            yield Finding(
                path=path,
                message=f"Tool reference '{name}' not found in available tools",
                remedy="Keep the definition in `tools` as long as the history refers to it.",
            )


def deferred_not_cached(view: View) -> Iterator[Finding]:
    """TOOL-19."""
    for index, tool in view.frame.tool_list:
        if tool.get("defer_loading") is True and tool.get("cache_control") is not None:
            yield Finding(
                path=f"tools.{index}.cache_control",
                message=f"tools.{index}: a deferred tool cannot carry cache_control.",
                remedy="Put the breakpoint on the last tool that is not deferred.",
            )


def advice_has_its_beta(step: Step) -> Iterator[Finding]:
    """TOOL-21."""
    for block in step.blocks:
        if block.data.get("type") == "advisor_tool_result":
            yield from needs(step.frame, block.path, _ADVISOR)


def toolset_streaming(view: View) -> Iterator[Finding]:
    """TOOL-23."""
    if "fine-grained-tool-streaming-2025-05-14" in view.frame.betas:
        for index, tool in view.frame.tool_list:
            if "_toolset_" in str(tool.get("type")):
                yield Finding(
                    path=f"tools.{index}",
                    message=f"tools.{index}: toolsets cannot be combined with fine-grained-tool-streaming-2025-05-14.",
                    remedy="Leave that beta header out.",
                )


_USE = "platform.claude.com/docs/en/agents-and-tools/tool-use"
_READ = "2026-08-22"

RULES = (
    Rule(
        id="TOOL-13",
        sentence="Results of toolset calls carry the toolset_name of the call.",
        source=f"{_USE}/parallel-tool-use",
        date=_READ,
        on="user",
        holding=frozenset({"result"}),
        check_message=toolset_echoed,
    ),
    Rule(
        id="TOOL-14",
        sentence="The first tool adds a system prompt of a size known per model.",
        source="platform.claude.com/docs/en/about-claude/pricing",
        date=_READ,
        modelled="window.fixed.fixed_sizes",
    ),
    Rule(
        id="TOOL-15",
        sentence="A forced tool_choice is rejected with manual thinking, and always on some models.",
        source="platform.claude.com/docs/en/api/errors",
        date="2026-09-26",
        check=forced_choice,
    ),
    Rule(
        id="TOOL-16",
        sentence="Tools are turned off with tool_choice none, not by deleting them.",
        source="claude-api skill, causes.md",
        date="2026-10-06",
        severity="warning",
        modelled="window.compare.compare",
    ),
    Rule(
        id="TOOL-17",
        sentence="At least one tool is not deferred.",
        source=f"{_USE}/tool-search-tool",
        date=_READ,
        check=one_tool_not_deferred,
    ),
    Rule(
        id="TOOL-18",
        sentence="A tool_reference names a tool of the request.",
        source=f"{_USE}/tool-search-tool",
        date=_READ,
        holding=frozenset({"result", "server_result"}),
        check_message=references_defined,
    ),
    Rule(
        id="TOOL-19",
        sentence="A deferred tool carries no cache_control.",
        source=f"{_USE}/tool-search-tool",
        date=_READ,
        check=deferred_not_cached,
    ),
    Rule(
        id="TOOL-20",
        sentence="tool_reference blocks are expanded anew on each request and cost their definitions each time.",
        source=f"{_USE}/tool-search-tool",
        date=_READ,
        modelled="window.ledger.Ledger",
    ),
    Rule(
        id="TOOL-21",
        sentence="A history with advisor results needs the advisor's beta header, even without the advisor tool.",
        source="platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool",
        date=_READ,
        on="assistant",
        holding=frozenset({"server_result"}),
        check_message=advice_has_its_beta,
    ),
    Rule(
        id="TOOL-23",
        sentence="fine-grained-tool-streaming-2025-05-14 is rejected together with a toolset.",
        source="platform.claude.com/docs/en/models/haiku-5-5/migration-guide",
        date="2026-10-08",
        check=toolset_streaming,
    ),
)
