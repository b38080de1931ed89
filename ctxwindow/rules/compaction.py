"""CMP: compaction blocks in a request. How they are asked for is in `ctxwindow.rules.compaction_requests`, how they
take the place of messages in `ctxwindow.rules.adoption`.

Two kinds of block look alike. One that an on-demand compaction returned is signed; there is one with content, and
it is the very first block of the conversation (CMP-20, CMP-21). One that the threshold edit left in a reply is not
signed; several may stand in the history, and the last counts (CMP-03).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.record import same_message
from ctxwindow.rules.pairing import due_calls
from ctxwindow.rules.prefix import key_of
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.system import is_effort_only
from ctxwindow.rules.view import Step, View, plain

__all__ = ["RULES", "compaction_blocks", "is_signed"]

_DEPTH = 3
"""Dots in `messages.0.content.0`."""


def is_signed(block: Mapping[str, Any]) -> bool:
    """Whether a compaction block is of the on-demand kind, with a summary in it."""
    return bool(block.get("signature")) and bool(block.get("content"))


def compaction_blocks(view: View) -> list[tuple[str, Mapping[str, Any]]]:
    """Path and block of every compaction block of a request; those inside other blocks are none."""
    found = [(path, block) for path, block in view.notable if block.get("type") == "compaction"]
    return [(path, block) for path, block in found if path.count(".") == _DEPTH]


def not_an_empty_string(step: Step) -> Iterator[Finding]:
    """CMP-04."""
    for block in step.blocks:
        if block.family == "compaction" and block.data.get("content") == "":
            yield Finding(
                path=f"{block.path}.content",
                message=f"{block.path}.content: a compaction block's content is a summary or null, not an empty string.",
                remedy="Send the block as it was returned; null means that the compaction failed.",
            )


def at_most_one(view: View) -> Iterator[Finding]:
    """CMP-20."""
    found = [(path, block) for path, block in compaction_blocks(view) if block.get("content")]
    if len(found) > 1 and any(is_signed(block) for _, block in found):
        yield Finding(
            path=found[1][0],
            message="compaction_block_ambiguous: `messages` holds more than one `compaction` block with content.",
            remedy="Send only the block that the conversation returned last.",
        )


def first_of_all(step: Step) -> Iterator[Finding]:
    """CMP-21."""
    for block in step.blocks:
        if block.family != "compaction":
            continue
        leading = step.index == 0 or (step.index == 1 and is_effort_only(step.before or {}))
        first = leading and block.index == 0
        if step.role == "system" or (is_signed(block.data) and not first):
            yield Finding(
                path=block.path,
                message=(
                    "compaction_block_misplaced: The `compaction` block is not the first block of the conversation, or is "
                    "in a `system` message."
                ),
                remedy="Put the block first, in place of the messages that it summarises.",
            )


def turn_complete(view: View) -> Iterator[Finding]:
    """CMP-19. A paused turn is not finished either (MSG-13)."""
    waiting = [*due_calls(view.outline).values(), *view.outline.open_server_calls.values()]
    if view.frame.compacts and waiting:
        yield Finding(
            path=f"messages.{max(waiting)}",
            message=(
                "compaction_incomplete_turn: The compaction request ends on an `assistant` turn that is not finished."
            ),
            remedy="Answer the open calls first, or compact the messages before them.",
        )


def something_to_summarize(view: View) -> Iterator[Finding]:
    """CMP-26."""
    if view.frame.compacts and not any(
        message.get("role") in ("user", "assistant") and message.get("content") for message in map(plain, view.messages)
    ):
        yield Finding(
            path="messages",
            message=(
                "compaction_nothing_to_summarize: `messages` holds no `user` or `assistant` content to summarize or adopt."
            ),
            remedy="Compact when there is a conversation.",
        )


def _same_block_before(view: View) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Blocks that the exchange before had under the same signature, or summary: path, block, original."""
    blocks = compaction_blocks(view) if view.exchange is not None else []
    if not blocks or view.exchange is None:
        return
    reply = view.exchange.reply
    old = View([*view.exchange.messages, *([] if reply is None else [reply])])
    originals = {
        key_of(block): block for _, block in compaction_blocks(old) if block.get("signature") or block.get("content")
    }
    for path, block in blocks:
        if key_of(block) in originals:
            yield path, block, originals[key_of(block)]


def opaque_unchanged(view: View) -> Iterator[Finding]:
    """CMP-05, against the request before: blocks are told by signature, and where there is none by summary."""
    for path, block, original in _same_block_before(view):
        if block.get("encrypted_content") != original.get("encrypted_content"):
            yield Finding(
                path=f"{path}.encrypted_content",
                message=f"{path}.encrypted_content: differs from what was returned with the block.",
                remedy="Send the block as it was returned.",
            )


def content_unchanged(view: View) -> Iterator[Finding]:
    """CMP-23, against the request before: what the signature recorded only the API knows."""
    for path, block, original in _same_block_before(view):
        if block.get("content") != original.get("content"):
            yield Finding(
                path=f"{path}.content",
                message=(
                    "compaction_content_mismatch: The `compaction` block's `content` differs from the text its `signature` "
                    "recorded."
                ),
                remedy="Send the block as it was returned.",
            )


def signature_present(step: Step) -> Iterator[Finding]:
    """CMP-24, as far as it can be seen."""
    for block in step.blocks:
        if block.family == "compaction" and block.data.get("signature") == "":
            yield Finding(
                path=f"{block.path}.signature",
                message="compaction_signature_invalid: The `compaction` block's `signature` does not verify.",
                remedy="Send the block as it was returned.",
            )


def signature_unchanged(view: View) -> Iterator[Finding]:
    """CMP-24, against the exchange before: a summary that it holds, under another signature."""
    if view.exchange is None:
        return
    old, reply = view.exchange.messages, view.exchange.reply
    # Where the same message still follows nothing was compacted since the request before.
    stays = len(old) > 1 < len(view.messages) and same_message(view.message(1), old[1])
    sources = View([*(old[:1] if stays else []), *([] if reply is None else [reply])])
    originals = [block for _, block in compaction_blocks(sources) if is_signed(block)]
    for path, block in compaction_blocks(view) if originals else ():
        signatures = [one["signature"] for one in originals if one["content"] == block.get("content")]
        if signatures and block.get("signature") and block["signature"] not in signatures:
            yield Finding(
                path=f"{path}.signature",
                message="compaction_signature_invalid: The `compaction` block's `signature` does not verify.",
                remedy="Send the block as it was returned.",
            )


def tool_changes_unchanged(view: View) -> Iterator[Finding]:
    """CMP-25, against the request before."""
    for path, block, original in _same_block_before(view):
        if block.get("tool_changes") != original.get("tool_changes"):
            yield Finding(
                path=f"{path}.tool_changes",
                message=(
                    "compaction_tool_changes_mismatch: The `compaction` block's `tool_changes` differs from what was "
                    "returned with the block."
                ),
                remedy="Send the block as it was returned.",
            )


_SDK = "anthropic 2.12.0 types/"
_SDK_DATE = "2026-11-20"
_ON_DEMAND = "platform.claude.com/docs/en/build-with-claude/compaction-on-demand"
_THRESHOLD = "platform.claude.com/docs/en/build-with-claude/compaction"

RULES = (
    Rule(
        id="CMP-02",
        sentence="Everything before the last compaction block with content is ignored, sent or not.",
        source=_THRESHOLD,
        date="2026-09-26",
        modelled="rules.comparison.compaction_of",
    ),
    Rule(
        id="CMP-03",
        sentence="Blocks that the threshold edit left in replies go back; several may be present, the last counts.",
        source=_THRESHOLD,
        date="2026-08-22",
        modelled="rules.comparison.compaction_of",
    ),
    Rule(
        id="CMP-04",
        sentence="A compaction block's content is a summary, or null for one that failed; never an empty string.",
        source=f"{_SDK}beta/beta_compaction_block_param.py",
        date=_SDK_DATE,
        holding=frozenset({"compaction"}),
        check_message=not_an_empty_string,
    ),
    Rule(
        id="CMP-05",
        sentence="encrypted_content and signature of a compaction block go back as they came.",
        source=f"{_SDK}beta/beta_compaction_block_param.py",
        date=_SDK_DATE,
        severity="warning",
        check=opaque_unchanged,
    ),
    Rule(
        id="CMP-13",
        sentence="A compaction block may carry a breakpoint; one at the end of system outlives compactions.",
        source=_THRESHOLD,
        date="2026-08-22",
        modelled="rules.markers.markers",
    ),
    Rule(
        id="CMP-14",
        sentence="A compaction block goes back without the keys of other blocks, such as citations or text, even null.",
        source="platform.claude.com/docs/en/build-with-claude/compaction-threshold",
        date="2026-09-26",
        modelled="rules.version.known_fields",
    ),
    Rule(
        id="CMP-19",
        sentence="The last assistant turn of a compaction request has all its tool results.",
        source=f"{_SDK}compaction_incomplete_turn_error.py",
        date=_SDK_DATE,
        check_end=turn_complete,
    ),
    Rule(
        id="CMP-20",
        sentence="A request with a signed compaction block holds no other compaction block with content.",
        source=f"{_SDK}compaction_block_ambiguous_error.py",
        date=_SDK_DATE,
        check=at_most_one,
    ),
    Rule(
        id="CMP-21",
        sentence="A signed compaction block is the very first block of the conversation, and never in a system message.",
        source=f"{_SDK}compaction_block_misplaced_error.py",
        date=_SDK_DATE,
        holding=frozenset({"compaction"}),
        check_message=first_of_all,
    ),
    Rule(
        id="CMP-22",
        sentence="The first message may be an assistant message that holds just the block; another may follow it.",
        source=_ON_DEMAND,
        date="2026-09-26",
        modelled="rules.messages.first_is_user",
    ),
    Rule(
        id="CMP-23",
        sentence="The content of a signed compaction block equals the signed text.",
        source=f"{_SDK}compaction_content_mismatch_error.py",
        date=_SDK_DATE,
        check=content_unchanged,
    ),
    Rule(
        id="CMP-24",
        sentence="The signature of a compaction block verifies.",
        source=f"{_SDK}compaction_signature_invalid_error.py",
        date=_SDK_DATE,
        holding=frozenset({"compaction"}),
        check_message=signature_present,
        check=signature_unchanged,
    ),
    Rule(
        id="CMP-25",
        sentence="tool_changes of a compaction block equal what was returned with it.",
        source=f"{_SDK}compaction_tool_changes_mismatch_error.py",
        date=_SDK_DATE,
        check=tool_changes_unchanged,
    ),
    Rule(
        id="CMP-26",
        sentence="A compaction request holds user or assistant content.",
        source=f"{_SDK}compaction_nothing_to_summarize_error.py",
        date=_SDK_DATE,
        check_end=something_to_summarize,
    ),
)
