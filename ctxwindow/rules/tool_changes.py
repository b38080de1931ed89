"""SYS: changes of the tools inside `messages`, and what MCP servers listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules.fields import needs
from ctxwindow.rules.limits import characters
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Block, Step, View, plain

__all__ = ["RULES", "resolved"]

_BY_REFERENCE = "mid-conversation-tool-changes-2026-07-01"
_BY_VALUE = "inline-tools-2026-09-15"
_MCP = "mcp-client-2026-09-15"
_CHANGES = ("tool_addition", "tool_removal")
_MOST_TOOLS = 10_000
_MOST_BYTES = 4_194_304


def _changes_in(step: Step) -> Iterator[Block]:
    return (block for block in step.blocks if block.data.get("type") in _CHANGES)


def allowed(step: Step) -> Iterator[Finding]:
    """SYS-10."""
    profile = step.frame.profile
    for block in _changes_in(step):
        kind = block.data["type"]
        if step.role != "system":
            yield Finding(
                path=block.path,
                message=f"{step.path}: `{kind}` blocks can only be in `system` messages",
                remedy="Put the change into a system message behind this one.",
            )
        elif profile is not None and not profile.features.mid_conversation_tool_changes:
            yield Finding(
                path=block.path,
                message="tool_addition/tool_removal is not supported on this model",
                remedy="Declare all tools from the start, and defer those that are not needed yet.",
            )
        elif plain(block.data.get("tool")).get("type") == "tool_definition":
            yield from needs(step.frame, f"{block.path}.{kind}.tool.definition", _BY_VALUE)
        else:
            yield from needs(step.frame, block.path, _BY_REFERENCE, _BY_VALUE)


class _Tools:
    """The tools known at a position: names with their kinds, and MCP servers."""

    def __init__(self, view: View) -> None:
        self.kinds: dict[str, str] = {}
        self.servers: set[str] = set()
        servers = view.frame.settings.get("mcp_servers")
        for server in servers if isinstance(servers, (list, tuple)) else ():
            self._serve(plain(server).get("name"))
        for _, tool in view.frame.tool_list:
            self.define(tool)

    def _serve(self, name: object) -> None:
        if isinstance(name, str):
            self.servers.add(name)

    def define(self, tool: Mapping[str, Any]) -> bool:
        """Take a definition in; False when its name is held by a tool of another kind."""
        kind, name = str(tool.get("type") or "custom"), tool.get("name")
        if kind == "mcp_toolset":
            self._serve(tool.get("mcp_server_name"))
        elif isinstance(name, str):
            return self.kinds.setdefault(name, kind) == kind
        return True

    def has(self, reference: Mapping[str, Any]) -> bool:
        """Whether a reference names something known; one of another shape is not judged."""
        match reference.get("type"):
            case "tool_reference":
                return reference.get("name") in self.kinds if isinstance(reference.get("name"), str) else True
            case "mcp_tool_reference" | "mcp_toolset_reference":
                server = reference.get("server_name")
                return server in self.servers if isinstance(server, str) else True
        return True


def _tool_changes(view: View) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Path and tool of each change in order; the last says whether a compaction block carries it (CMP-25)."""
    for index in range(len(view.messages)):
        message = view.message(index)
        content = message.get("content")
        if message.get("role") != "system" and not (isinstance(content, list) and index == 0):
            continue
        for place, block in enumerate(map(plain, blocks_of(message))):
            path = f"messages.{index}.content.{place}"
            carried = block.get("tool_changes") if block.get("type") == "compaction" else None
            for change in map(plain, carried if isinstance(carried, list) else ()):
                yield path, plain(change.get("tool")), True
            if block.get("type") in _CHANGES:
                yield path, plain(block.get("tool")), False


def resolved(view: View) -> Iterator[Finding]:
    """SYS-11. Silent where the tools are not known."""
    if not isinstance(view.frame.tools, (list, tuple)):
        return
    tools = _Tools(view)
    for path, tool, carried in _tool_changes(view):
        if tool.get("type") == "tool_definition":
            if not tools.define(plain(tool.get("definition"))) and not carried:
                yield Finding(
                    path=path,
                    message="tool_name_conflict: a tool of another kind already has this name.",
                    remedy="Give the new tool another name.",
                )
        elif not carried and not tools.has(tool):
            yield Finding(
                path=path,
                message="tool_reference_unresolved: the change names a tool or MCP server that is not defined before it.",
                remedy="Keep the definition in `tools`, also of a tool that is taken away (SYS-14).",
            )
    yield from _within_limits(view)


def _within_limits(view: View) -> Iterator[Finding]:
    """The limits of SYS-11. The size is seen from below: characters of the definitions' strings."""
    inline = [(path, plain(tool.get("definition"))) for path, tool, _ in _tool_changes(view) if tool.get("definition")]
    deferred = sum(
        tool.get("defer_loading") is True for tool in [*(t for _, t in view.frame.tool_list), *(t for _, t in inline)]
    )
    exceeded = {
        f"{_MOST_TOOLS} deferred tools": deferred > _MOST_TOOLS,
        f"{_MOST_TOOLS} tools defined in messages": len(inline) > _MOST_TOOLS,
        f"{_MOST_BYTES} bytes of tools defined in messages": (
            characters([tool for _, tool in inline], _MOST_BYTES) > _MOST_BYTES
        ),
    }
    for limit, broken in exceeded.items():
        if broken:
            yield Finding(
                path=inline[-1][0] if inline else "tools",
                message=f"available_tools_limit_exceeded: there are more than {limit}.",
                remedy="Leave out tools that are not used.",
            )


def placed(step: Step) -> Iterator[Finding]:
    """SYS-12. A system message behind an assistant message stands in a turn that the server paused (SYS-04)."""
    for block in _changes_in(step):
        if step.role == "system" and step.role_before == "assistant":
            yield Finding(
                path=block.path,
                message=f"{block.path}: tools cannot be changed directly behind a paused assistant turn.",
                remedy="Let the turn finish first, or put the change behind the next user message.",
            )
        definition = plain(plain(block.data.get("tool")).get("definition"))
        marked = [owner.get("cache_control") is not None for owner in (block.data, definition)]
        if all(marked) or (any(marked) and definition.get("defer_loading") is True):
            yield Finding(
                path=f"{block.path}.cache_control",
                message=f"{block.path}: cache_control stands on the block or on its definition, and on no deferred tool.",
                remedy="Leave one of the two out; for a deferred tool, both.",
            )


def listings_kept(step: Step) -> Iterator[Finding]:
    """SYS-13, what one message shows."""
    for block in step.blocks:
        if block.data.get("type") == "mcp_tool_listing":
            yield from needs(step.frame, block.path, _MCP)
            if any(before.data.get("type") != "mcp_tool_listing" for before in step.blocks[: block.index]):
                yield Finding(
                    path=block.path,
                    message=f"{block.path}: a listing of MCP tools does not stand first, as it came.",
                    remedy="Send the message back as it was returned.",
                    severity="warning",
                )


def listings_unchanged(view: View) -> Iterator[Finding]:
    """SYS-13, against the request before."""
    old = plain(view.previous).get("messages")
    for index, then in enumerate(map(plain, old if isinstance(old, (list, tuple)) else ())):
        listed = [block for block in map(plain, blocks_of(then)) if block.get("type") == "mcp_tool_listing"]
        if not listed or index >= len(view.messages) or view.message(index).get("role") != then.get("role"):
            continue
        now = [block for block in blocks_of(view.message(index)) if plain(block).get("type") == "mcp_tool_listing"]
        if now != listed:
            yield Finding(
                path=f"messages.{index}",
                message=f"messages.{index}: its listings of MCP tools are not those of the request before.",
                remedy="Send the message back as it was returned.",
                severity="warning",
            )


_PAGE = "platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages"
_SDK_DATE = "2026-11-20"

RULES = (
    Rule(
        id="SYS-10",
        sentence="System messages add and remove tools, by reference or by value, each with a beta and on some models.",
        source=f"anthropic 2.12.0 types/beta/beta_request_tool_addition_block_param.py; {_PAGE}",
        date=_SDK_DATE,
        models="Opus 4.8 and later, Fable and Mythos 5 and later, Sonnet 5.5, Haiku 5.5",
        holding=frozenset({"tool_change"}),
        check_message=allowed,
    ),
    Rule(
        id="SYS-11",
        sentence=(
            "A change names a tool that is defined before it, a definition takes no name of another kind of tool, and "
            "tools stay within limits of number and size."
        ),
        source=f"anthropic 2.12.0 types/tool_reference_unresolved_error.py and others; {_PAGE}",
        date=_SDK_DATE,
        check=resolved,
    ),
    Rule(
        id="SYS-12",
        sentence=(
            "Tools are not changed directly behind a paused turn; cache_control stands on the block or on its definition, "
            "and not on a deferred tool."
        ),
        source=f"{_PAGE}; claude-api skill, causes.md",
        date="2026-10-06",
        holding=frozenset({"tool_change"}),
        check_message=placed,
    ),
    Rule(
        id="SYS-13",
        sentence="Listings of MCP tools stand first in a reply and go back unchanged, with their beta.",
        source="anthropic 2.12.0 types/beta/beta_mcp_tool_listing_block_param.py; claude-api skill",
        date=_SDK_DATE,
        on="assistant",
        holding=frozenset({"tool_change"}),
        check_message=listings_kept,
        check=listings_unchanged,
    ),
    Rule(
        id="SYS-14",
        sentence="The definition of a removed tool stays; a late call of it is answered with an ordinary error result.",
        source="claude-api skill",
        date="2026-10-06",
        modelled="rules.tool_changes.resolved",
    ),
)
