"""`clear_thinking`: the server clears the thinking of old turns from its copy (EDIT-06, RET-07).

For models that keep the thinking of all turns. What stays is an unbroken run at the end (BIND-10), the turn in progress
always among it (RET-06): in one long turn there is nothing to clear.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ctxwindow.record.blocks import is_thinking
from ctxwindow.record.events import Edited
from ctxwindow.tiers.available import lacking
from ctxwindow.tiers.clear_tool_uses import unable
from ctxwindow.tiers.offers import Offer, cannot, offered
from ctxwindow.tiers.situation import SLACK, Situation

__all__ = ["offer"]


class _Turn(msgspec.Struct):
    message: int
    """Place on the wire of its first message with thinking."""
    tokens: int = 0


def offer(now: Situation, target: int) -> Offer:
    """The thinking of as many of the oldest turns cleared as bring the window down to `target` tokens."""
    why = unable(now) or lacking("clear_thinking", now.profile, now.policy.platform)
    if why is None and _off(now):
        why = "it needs thinking to be on [EDIT-06]"
    if why is not None:
        return cannot("clear_thinking", why)
    held = now.holding.turns
    after, first, upto = now.total + SLACK, None, 0
    turns = _turns(now)
    for number, turn in enumerate(turns[:-1], start=1):
        if after <= target:
            break
        upto = number
        if number > held:
            after -= turn.tokens
            first = turn.message if first is None else first
    if after > target or first is None:
        return cannot("clear_thinking", f"the thinking of all earlier turns does not bring it down to {target:,}")
    return offered(
        now,
        "clear_thinking",
        f"the server clears the thinking of the first {upto} turns from its copy",
        after=after,
        plan=Edited(
            method="clear_thinking",
            uses=now.holding.uses,
            turns=upto,
            exclude=now.policy.keep_tools,
            first=now.wire.sources[first] or 0,
            end=(now.wire.sources[turns[upto - 1].message] or 0) + 1,
            before=now.wire.ledger.total.tokens,
            target=target,
        ),
        breaks="cache",
        kept=min(now.tokens_before(first), now.cached_tokens),
        thinking=now.total - after + SLACK,
    )


def _off(now: Situation) -> bool:
    thinking = now.wire.base.get("thinking")
    if not isinstance(thinking, Mapping):
        return now.profile.thinking.when_omitted == "off"
    return thinking.get("type") == "disabled"


def _turns(now: Situation) -> list[_Turn]:
    """Turns of the wire with thinking, oldest first, as the server numbers them."""
    ledger = now.wire.ledger
    turns: list[_Turn] = []
    fresh = True
    for position in range(ledger.start, len(ledger.entries)):
        entry = ledger.entries[position]
        fresh |= entry.turn_start
        sizes = [entry.size.blocks[place].count for place, block in entry.clearable.blocks if is_thinking(block)]
        if not sizes:
            continue
        if fresh:
            turns.append(_Turn(position))
            fresh = False
        # At least, as the ledger has it: what was learnt about estimates is not said of a part.
        turns[-1].tokens += sum(size.low if now.cautious else size.tokens for size in sizes)
    return turns
