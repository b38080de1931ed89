"""TOOL: how calls pair with their results.

Consecutive messages of one role are one turn to the API (MSG-02; recorded: calls spread over two assistant
messages, answered together). So a call is *due* from the assistant message that makes it until the user message
that can no longer answer it: one that holds anything but results, or the next assistant message. Each missing
answer is reported once, at that point, as TOOL-01.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.record import Outline
from ctxwindow.record.blocks import blocks_of, call_id, result_id
from ctxwindow.rules.frame import Frame
from ctxwindow.rules.rule import Finding, Rule, Severity
from ctxwindow.rules.view import Block, Step, View, ends_in, plain

__all__ = ["RULES", "calls_before", "due_calls", "is_due"]

_UNCHECKED_UNTIL = dt.date(2024, 6, 12)


def is_due(outline: Outline, identity: str) -> bool:
    """Whether a client call waits for the next user message.

    A call made before the current turn began was given up, and reported, when that turn began.
    """
    index = outline.open_calls.get(identity)
    return index is not None and (outline.turn_start is None or index > outline.turn_start)


def due_calls(outline: Outline, since: int = 0) -> dict[str, int]:
    """The calls that are due, made at message `since` or later: id -> index of their message, in order."""
    start = max(since, -1 if outline.turn_start is None else outline.turn_start + 1)
    due: dict[str, int] = {}
    # Newest first, so that the calls a broken history left open long ago are not walked over at every message.
    for identity, index in reversed(outline.open_calls.items()):
        if index < start:
            break
        due[identity] = index
    return dict(reversed(due.items()))


def _results(step: Step) -> Iterator[tuple[Block, str]]:
    for block in step.blocks:
        identity = result_id(block.data) if block.family == "result" else None
        if identity is not None:
            yield block, identity


def _lenient(frame: Frame) -> Severity | None:
    """A warning for Claude 3: its models did not check that ids match (recorded 2024-06-12, claude-3-opus, 200)."""
    released = frame.profile.released if frame.profile is not None else None
    return "warning" if released is not None and released < _UNCHECKED_UNTIL else None


def _missing(missing: Mapping[str, int], frame: Frame) -> Iterator[Finding]:
    """One finding per message with calls that got no result."""
    by_message: dict[int, list[str]] = {}
    for identity, index in missing.items():
        by_message.setdefault(index, []).append(identity)
    for index, ids in by_message.items():
        yield Finding(
            path=f"messages.{index}",
            message=(
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            ),
            remedy="Answer every call in the next user message; a call that was not run gets a result with is_error: true.",
            severity=_lenient(frame),
        )


def unanswered(step: Step) -> Iterator[Finding]:
    """TOOL-01, where a message closes the round too early."""
    if step.role == "user" and step.starts_turn:
        answered = {identity for _, identity in _results(step)}
        due = due_calls(step.outline, step.run_start)
        missing = {identity: index for identity, index in due.items() if identity not in answered}
        yield from _missing(missing, step.frame)
    elif step.role == "assistant" and step.role_before != "assistant":
        yield from _missing(due_calls(step.outline, step.run_start), step.frame)


def unanswered_at_end(view: View) -> Iterator[Finding]:
    """TOOL-01 at the end of a request. Of compaction requests CMP-19 speaks."""
    if not view.frame.compacts:
        yield from _missing(due_calls(view.outline), view.frame)


def results_known(step: Step) -> Iterator[Finding]:
    """TOOL-02. In a continued thread the server knows calls that are not in the request (THR-01)."""
    if step.frame.continues:
        return
    seen: set[str] = set()
    for block, identity in _results(step):
        if (
            is_due(step.outline, identity)
            or identity in seen
            or _is_server_id(identity, step)
            or _answered_twice(identity, step)
        ):
            seen.add(identity)
            continue
        # The message before already broke the round of this call, and TOOL-01 said so there.
        if identity in step.outline.open_calls and step.role_before == "user":
            continue
        yield Finding(
            path=block.path,
            message=(
                f"{block.path}: unexpected `tool_use_id` found in `tool_result` blocks: {identity}. Each `tool_result` "
                "block must have a corresponding `tool_use` block in the previous message."
            ),
            remedy="Keep the assistant message that made the call directly before it, or leave this result out.",
            severity=_lenient(step.frame),
        )


def _is_server_id(identity: str, step: Step) -> bool:
    return identity.startswith("srvtoolu_") or identity in step.outline.open_server_calls


def _answered_twice(identity: str, step: Step) -> bool:
    """Whether the user message before, which is part of the same turn, already answered the call."""
    return step.role_before == "user" and any(
        result_id(block) == identity for block in blocks_of(step.before or {}) if isinstance(block, Mapping)
    )


def one_result(step: Step) -> Iterator[Finding]:
    """TOOL-03."""
    seen: set[str] = set()
    for block, identity in _results(step):
        known = identity in step.outline.call_ids
        if known and (identity in seen or _answered_twice(identity, step)):
            yield Finding(
                path=block.path,
                message=(
                    f"{block.path}: each tool_use must have a single result. Found multiple `tool_result` blocks "
                    f"with id: {identity}"
                ),
                remedy="Keep one result per call.",
            )
        seen.add(identity)


def ids_unique(step: Step) -> Iterator[Finding]:
    """TOOL-04.

    An error among calls that wait at the same time. An id that comes back in a later round, its first call long
    answered, was accepted (recorded, claude-sonnet-4-5): a warning, because handles and recall go by it.
    """
    seen: set[str] = set()
    for block in step.blocks:
        identity = call_id(block.data) if block.family == "call" else None
        if identity is None:
            continue
        if identity in seen or identity in step.outline.call_ids:
            yield Finding(
                path=block.path,
                message=f"{block.path}: `tool_use` ids must be unique",
                remedy="Give each call an id of its own; do not merge branches that share calls.",
                severity=None if identity in seen or is_due(step.outline, identity) else "warning",
            )
        seen.add(identity)


def results_first(step: Step) -> Iterator[Finding]:
    """TOOL-05. The API reports it as TOOL-01: it does not see a result that stands behind other content."""
    other = False
    for block in step.blocks:
        identity = result_id(block.data) if block.family == "result" else None
        if other and identity is not None and is_due(step.outline, identity):
            yield Finding(
                path=block.path,
                message=(
                    f"messages.{step.outline.open_calls[identity]}: `tool_use` ids were found without `tool_result` blocks immediately "
                    f"after: {identity}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                    "next message."
                ),
                remedy="Put all tool_result blocks before any other content of the message.",
            )
        other = other or block.family != "result"


def calls_before(step: Step) -> dict[str, Mapping[str, Any]]:
    """Client calls of the assistant message directly before, by id."""
    if step.role_before != "assistant":
        return {}
    blocks = [block for block in blocks_of(step.before or {}) if isinstance(block, Mapping)]
    return {identity: block for block in blocks if (identity := call_id(block)) and block.get("type") == "tool_use"}


def rounds_stay_whole(view: View, index: int) -> bool:
    """TOOL-22 and MSG-20: no round, server pair or paused turn is split."""
    if index < len(view.messages) and view.message(index).get("role") != "assistant":
        return True
    # An assistant message behind one that ends with a server tool continues its paused turn; at the end of the
    # messages the continuation is still to come.
    before = plain(view.message(index - 1)) if index else {}
    return not (before.get("role") == "assistant" and ends_in(before, "server_call", "server_result"))


_USE = "platform.claude.com/docs/en/agents-and-tools/tool-use"
_ISSUES = "github.com/anthropics/claude-code/issues"
_READ = "2026-08-22"

RULES = (
    Rule(
        id="TOOL-01",
        sentence=(
            "Every client tool_use is answered by a tool_result in the very next user message (recorded: calls and "
            "results of consecutive messages of one role count together; Claude 3 did not check ids)."
        ),
        source=f"{_USE}/handle-tool-calls; {_ISSUES}/8210",
        date=_READ,
        check_message=unanswered,
        check_end=unanswered_at_end,
    ),
    Rule(
        id="TOOL-02",
        sentence="Every tool_result matches a tool_use in the previous message (recorded: Claude 3 did not check).",
        source=f"{_ISSUES}/18947",
        date="2026-01-18",
        on="user",
        holding=frozenset({"result"}),
        check_message=results_known,
    ),
    Rule(
        id="TOOL-03",
        sentence="There is exactly one result per call.",
        source="github.com/vectorize-io/hindsight/pull/4250",
        date="2026-09-09",
        on="user",
        holding=frozenset({"result"}),
        check_message=one_result,
    ),
    Rule(
        id="TOOL-04",
        sentence="tool_use ids are unique (recorded: one that comes back in a later round is accepted).",
        source=f"github.com/trycua/cua/issues/524; {_ISSUES}/20901",
        date="2026-01-25",
        on="assistant",
        holding=frozenset({"call"}),
        check_message=ids_unique,
    ),
    Rule(
        id="TOOL-05",
        sentence="In the message with results all tool_result blocks come first.",
        source=f"{_USE}/handle-tool-calls",
        date=_READ,
        on="user",
        holding=frozenset({"result"}),
        check_message=results_first,
    ),
    Rule(
        id="TOOL-06",
        sentence="All results of parallel calls belong in one user message; calls not run get a result with is_error: true.",
        source=f"{_USE}/parallel-tool-use",
        date=_READ,
        severity="warning",
        modelled="rules.pairing.due_calls",
    ),
    Rule(
        id="TOOL-07",
        sentence="The whole loop of calls, results and final text is one assistant turn for the rules of thinking.",
        source="platform.claude.com/docs/en/build-with-claude/thinking",
        date=_READ,
        modelled="record.turns.is_turn_start",
    ),
    Rule(
        id="TOOL-22",
        sentence="A conversation is cut only where no call is open, and never inside a paused turn.",
        source="platform.claude.com/docs/en/build-with-claude/compaction-keep-recent-turns",
        date="2026-09-26",
        may_cut=rounds_stay_whole,
    ),
)
