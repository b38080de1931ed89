"""TOOL: calls that the server runs, and code that calls client tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.record import block_type
from ctxwindow.record.blocks import blocks_of, call_id, result_id
from ctxwindow.rules.pairing import calls_before
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, plain

__all__ = ["RULES"]


def server_pairs(step: Step) -> Iterator[Finding]:
    """TOOL-08. In a continued thread the server knows calls that are not in the request (THR-01)."""
    if step.frame.continues:
        return
    here: set[str] = set()
    for block in step.blocks:
        if block.family == "server_call":
            here.add(call_id(block.data) or "")
        identity = result_id(block.data) if block.family == "server_result" else None
        if identity is None or identity in here or identity in step.outline.call_ids:
            continue
        kind, call = block.data["type"], block_type(block.data).answers
        yield Finding(
            path=block.path,
            message=(
                f"{block.path}: unexpected `tool_use_id` found in `{kind}` blocks: {identity}. Each `{kind}` block must "
                f"have a corresponding `{call}` block before it."
            ),
            remedy="Keep a server tool's call and its result together and in order, or leave out both.",
        )


def results_only_while_server_waits(step: Step) -> Iterator[Finding]:
    """TOOL-09. A message that starts a turn gives up on the server's calls, which the API refuses."""
    if not step.starts_turn:
        return
    names = _call_names(step.before)
    for identity, index in step.outline.open_server_calls.items():
        name = names.get(identity, "server tool")
        yield Finding(
            path=f"messages.{index}",
            message=(
                f"messages.{index}: `{name}` tool use with id `{identity}` was found without a corresponding "
                f"`{name}_tool_result` block"
            ),
            remedy=(
                "Send the paused turn back as it is (with tool_result blocks for the client calls only) until the server "
                "has answered, or leave the unanswered call out."
            ),
        )


def _call_names(message: Mapping[str, Any] | None) -> dict[str, str]:
    """Names of the calls in a message, by id."""
    return {
        identity: str(block.get("name"))
        for block in blocks_of(message or {})
        if isinstance(block, Mapping) and (identity := call_id(block)) is not None
    }


def server_tool_still_there(view: View) -> Iterator[Finding]:
    """TOOL-10, for the server tools whose calls carry the tool's own name."""
    names = [tool.get("name") for _, tool in view.frame.tool_list]  # a list: a broken name may be unhashable
    if view.frame.tools is None:
        return
    for identity, index in view.outline.open_server_calls.items():
        for place, block in enumerate(blocks_of(view.message(index))):
            name = plain(block).get("name")
            if call_id(plain(block)) == identity and name in ("web_search", "web_fetch") and name not in names:
                path = f"messages.{index}.content.{place}"
                yield Finding(
                    path=path,
                    message=f"{path}: `{name}` tool use with id `{identity}` is pending, but no `{name}` tool was provided",
                    remedy="Send the same `tools` until the paused turn is finished.",
                )


def no_result_for_server(step: Step) -> Iterator[Finding]:
    """TOOL-11."""
    for block in step.blocks:
        identity = result_id(block.data) if block.family == "result" else None
        if identity and (identity.startswith("srvtoolu_") or identity in step.outline.open_server_calls):
            yield Finding(
                path=block.path,
                message=f"{block.path}: `tool_result` given for the server tool call {identity}.",
                remedy="The server answers its own calls; leave this result out.",
            )


def results_only_for_code(step: Step) -> Iterator[Finding]:
    """TOOL-12, looking at the assistant message directly before."""
    from_code = {
        identity
        for identity, call in calls_before(step).items()
        if str(plain(call.get("caller")).get("type", "direct")) != "direct"
    }
    if not from_code:
        return
    for block in step.blocks:
        parts = block.data.get("content")
        text_only = not isinstance(parts, list) or all(plain(part).get("type") == "text" for part in parts)
        if block.family != "result" or (result_id(block.data) in from_code and not text_only):
            yield Finding(
                path=block.path,
                message=f"{block.path}: while code waits for tool results, a message holds tool_result blocks of text only.",
                remedy="Send the results alone, as text; other content follows in a later message.",
            )


_USE = "platform.claude.com/docs/en/agents-and-tools/tool-use"
_ISSUES = "github.com/anthropics/claude-code/issues"
_READ = "2026-08-22"

RULES = (
    Rule(
        id="TOOL-08",
        sentence="Results of server tools stand after their call, paired by id, perhaps in a later message of the same turn.",
        source=f"{_USE}/server-tools; {_ISSUES}/66548",
        date=_READ,
        on="assistant",
        holding=frozenset({"server_result"}),
        check_message=server_pairs,
    ),
    Rule(
        id="TOOL-09",
        sentence="While a server tool call waits, a user message holds only the tool_result blocks of client calls.",
        source=f"{_USE}/server-tools",
        date=_READ,
        on="user",
        check_message=results_only_while_server_waits,
    ),
    Rule(
        id="TOOL-10",
        sentence="While a server tool call waits, the tools stay the same.",
        source=f"{_USE}/server-tools",
        date=_READ,
        check_end=server_tool_still_there,
    ),
    Rule(
        id="TOOL-11",
        sentence="A tool_result is never given for a server tool call.",
        source=f"{_USE}/tool-search-tool",
        date=_READ,
        on="user",
        holding=frozenset({"result"}),
        check_message=no_result_for_server,
    ),
    Rule(
        id="TOOL-12",
        sentence="While code waits for tool results, the message that answers holds tool_result blocks of text only.",
        source=f"{_USE}/programmatic-tool-calling",
        date=_READ,
        on="user",
        check_message=results_only_for_code,
    ),
)
