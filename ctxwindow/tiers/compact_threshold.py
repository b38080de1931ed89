"""`compact_threshold`: the server compacts by itself inside the next request, and goes on from its summary (CMP-01).

The request goes out whole, so it must fit; from the reply on everything before the block is ignored, sent or not (CMP-02),
and leaves the wire. Thinking before the block is not carried over (CMP-08). Not where a signed block stands (CMP-32).
"""

from __future__ import annotations

from ctxwindow.record.events import Edited
from ctxwindow.tiers.available import lacking
from ctxwindow.tiers.compact import OUTPUT
from ctxwindow.tiers.offers import Offer, cannot, offered, prompt_dollars
from ctxwindow.tiers.situation import SLACK, Situation
from ctxwindow.tiers.summaries import thinking_in

__all__ = ["LEAST_TRIGGER", "offer"]

LEAST_TRIGGER = 50_000
"""Input tokens (CMP-01)."""


def offer(now: Situation, target: int) -> Offer:
    """The edit, with the lowest trigger that there is: it works in the request that is being planned."""
    ledger = now.wire.ledger
    why = lacking("compact_threshold", now.profile, now.policy.platform)
    if why is not None:
        return cannot("compact_threshold", why)
    if now.own_edits:
        why = "the settings hold context edits of the caller's own"
    elif any(edit.block is not None and edit.block.get("signature") for edit in now.warm):
        why = "a signed compaction block stands on the wire [CMP-32]"
    elif "compact_threshold" in now.declined:
        why = "the last compaction brought no summary [CMP-04]"
    elif now.held is not None and now.held.trigger is not None:
        why = "it is asked for already"
    elif ledger.total.low <= LEAST_TRIGGER:
        why = f"under its least trigger of {LEAST_TRIGGER:,} tokens [CMP-01]"
    elif ledger.total.high > now.limit:
        why = "the request must fit before the server compacts it [law 3]"
    elif now.pins():
        why = "what is pinned would be gone in the middle of the reply"
    if why is not None:
        return cannot("compact_threshold", why)
    after = now.fixed + OUTPUT + SLACK
    if after > target:
        return cannot("compact_threshold", f"system and tools alone pass {target:,}")
    return offered(
        now,
        "compact_threshold",
        "the server summarises everything inside the next request",
        after=after,
        plan=Edited(
            method="compact_threshold",
            uses=now.holding.uses,
            turns=now.holding.turns,
            exclude=now.holding.exclude,
            trigger=LEAST_TRIGGER,
            first=0,
            end=len(now),
            before=ledger.total.tokens,
            target=target,
        ),
        breaks="epoch",
        kept=now.kept_fixed,
        thinking=thinking_in(now),
        hot=len(now) <= now.hot_cut,
        paid=prompt_dollars(now, now.total, now.cached_tokens, output=OUTPUT),
    )
