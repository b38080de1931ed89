"""CMP: what happens when a compaction block takes the place of the messages that it summarises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.record import same_message
from ctxwindow.rules.compaction import compaction_blocks, is_signed
from ctxwindow.rules.prefix import compaction_of, key_of
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View, plain

__all__ = ["RULES"]


def adopted_whole(view: View) -> Iterator[Finding]:
    """CMP-28, against the request before: the two mistakes that draw no error."""
    old = view.exchange.messages if view.exchange is not None else []
    if not old or not view.messages:
        return
    before = compaction_of(old)
    now = next((block for _, block in reversed(compaction_blocks(view)) if block.get("content")), None)
    if before is not None and is_signed(before.block) and now is None:
        yield Finding(
            path="messages",
            message="the compaction block of the request before is missing: the model no longer sees that history.",
            remedy="Send the block first in every later request, until a newer one replaces it.",
        )
    new = now is not None and is_signed(now) and (before is None or key_of(before.block) != key_of(now))
    if new and len(view.messages) > 1 and same_message(view.message(1), old[0]):
        yield Finding(
            path="messages.1",
            message="the messages that the compaction block summarises still follow it: the model sees them twice.",
            remedy="Remove exactly the summarised messages from the front.",
        )


def new_role_kept(view: View, index: int) -> bool:
    """CMP-30, where it decides over thinking: the first kept message is of another role than the last summarised."""
    if view.frame.profile is None or not view.frame.profile.bound or index == len(view.messages):
        return True
    return view.message(index).get("role") != view.message(index - 1).get("role")


_LOST = {
    "image": "images",
    "document": "documents",
    "tool_addition": "tool changes",
    "tool_removal": "tool changes",
}


def nothing_lost(view: View) -> Iterator[Finding]:
    """CMP-29. Tool changes come back with the block where the beta for inline tools was sent."""
    if not view.frame.compacts:
        return
    found = Counter(_LOST[kind] for _, block in view.notable if (kind := str(block.get("type"))) in _LOST)
    found["system messages"] = sum(bool(_instructs(plain(message))) for message in view.messages)
    if "inline-tools-2026-09-15" in view.frame.betas:
        del found["tool changes"]
    lost = ", ".join(f"{what} ({number})" for what, number in found.items() if number)
    if lost:
        yield Finding(
            path="messages",
            message=f"messages: a summary does not carry over: {lost}.",
            remedy="Restate what is needed in a system message after the first new user turn.",
        )


def _instructs(message: Mapping[str, Any]) -> bool:
    return message.get("role") == "system" and bool(message.get("content"))


_ON_DEMAND = "platform.claude.com/docs/en/build-with-claude/compaction-on-demand"
_SKILL = "claude-api skill, causes.md"
_DATE = "2026-09-26"
_SKILL_DATE = "2026-10-06"

RULES = (
    Rule(
        id="CMP-27",
        sentence="A compaction may come back without a block (200, billed): nothing is dropped before one with content is there.",
        source=_ON_DEMAND,
        date=_DATE,
        severity="warning",
        modelled="rules.comparison.compaction_of",
    ),
    Rule(
        id="CMP-28",
        sentence="Adoption removes exactly the summarised messages from the front; the block stays first from then on.",
        source=_ON_DEMAND,
        date=_DATE,
        severity="warning",
        check=adopted_whole,
    ),
    Rule(
        id="CMP-29",
        sentence="A summary carries over no image, document, system message or tool change of its range.",
        source=f"{_ON_DEMAND}; {_SKILL}",
        date=_SKILL_DATE,
        severity="warning",
        check=nothing_lost,
    ),
    Rule(
        id="CMP-30",
        sentence="Kept thinking stays valid only behind a role other than that of the last summarised message.",
        source="platform.claude.com/docs/en/build-with-claude/compaction-keep-recent-turns",
        date=_DATE,
        models="bound models",
        may_cut=new_role_kept,
    ),
    Rule(
        id="CMP-31",
        sentence="To change system or tools without losing thinking, everything is compacted, and they change one request later.",
        source=_SKILL,
        date=_SKILL_DATE,
        models="bound models",
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="CMP-34",
        sentence="In the background a copy of a sent request is compacted; its block is adopted later, and what was added stays.",
        source=f"{_ON_DEMAND}; {_SKILL}",
        date=_SKILL_DATE,
        modelled="rules.prefix.prefix_report",
    ),
)
