"""`compact`: an on-demand compaction by the server (CMP-16 to CMP-34).

A request with the messages up to a cut returns one signed block, which goes first from then on; what followed the cut
stays as it is, its thinking too (CMP-30), on models that bind thinking as well. It works inside an open tool loop, between
rounds, and in the background: what is appended meanwhile stays behind the block (CMP-34).
"""

from __future__ import annotations

from ctxwindow.record.events import Compacted
from ctxwindow.tiers.available import lacking
from ctxwindow.tiers.caching import LastSend
from ctxwindow.tiers.offers import Offer, cannot, offered, prompt_dollars
from ctxwindow.tiers.repeats import pinned_blocks
from ctxwindow.tiers.situation import SLACK, Situation
from ctxwindow.tiers.summaries import thinking_in
from ctxwindow.tiers.summarize_all import newest
from ctxwindow.tiers.tails import longest, place_of
from ctxwindow.window import entry_for

__all__ = ["OUTPUT", "nearest_entry", "offer", "unable"]

OUTPUT = 4_096
"""Tokens asked for: "a few thousand" (CMP-17). The block weighs no more than that."""

_EMPTY = {"role": "assistant", "content": [{"type": "compaction", "content": "."}]}
"""A block with next to nothing in it: what the message and the block itself take."""


def unable(now: Situation) -> str | None:
    """Why on-demand compaction cannot be had on this model, platform or with these settings; None when it can."""
    why = lacking("compact", now.profile, now.policy.platform)
    if why is not None:
        return why
    if "compact" in now.declined:
        return "the last compaction brought no summary [CMP-27]"
    if now.own_edits:
        return "the settings hold context edits of the caller's own [CMP-18, CMP-32]"
    budget = (now.wire.base.get("output_config") or {}).get("task_budget") or {}
    if isinstance(budget, dict) and budget.get("remaining") is not None:
        return "task_budget.remaining cannot meet a compaction block [CMP-18]"
    return None


def offer(now: Situation, target: int) -> Offer:
    """A block in place of all but the longest tail with which the window comes down to `target` tokens."""
    why = unable(now)
    if why is not None:
        return cannot("compact", why)
    # A policy whose summaries are shorter than what the server is to be given means it (CMP-27 is what it risks).
    budget = min(OUTPUT, now.policy.warm.tokens)
    restated = _restated(now)
    block = now.summary_weight(budget) + now.weigh(entry_for(_EMPTY, now.profile).size.count)

    def head(start: int) -> int:
        return now.fixed + block + (restated if start > now.request else 0)

    tail = longest(now, head, target, strips=False, new_role=True)
    if tail is None or tail.start <= now.summarized_to:
        return cannot("compact", f"no cut between rounds brings it down to {target:,}")
    start = tail.start
    pinned = tuple(index for index in now.pins() if index < start)
    instruction = now.instruction(start) if now.request < start else None
    place = place_of(now, start)
    sent = now.tokens_before(place)
    entry = nearest_entry(now, place)
    whole = start >= newest(now)
    content = [block for index in pinned for block in pinned_blocks(index, now.forms)]
    extra = now.size({"role": "user", "content": content}) if content else 0
    edit = Compacted(
        method="compact",
        first=0,
        end=start,
        tail=start,
        instruction=instruction,
        carried=None,
        strip_thinking=False,
        summary="",
        by="",
        tokens=budget,
        before=now.wire.ledger.total.tokens,
        target=target,
        level=max((warm.level for warm in now.warm), default=0) + 1,
        pinned=pinned,
    )
    after = head(start) + extra + tail.tokens + SLACK
    if after > target:
        return cannot("compact", f"with what is pinned nothing brings it down to {target:,}")
    return offered(
        now,
        "compact",
        "the server summarises all but the newest messages"
        if whole
        else f"the server summarises up to message {start - 1}; what follows stays, its thinking too",
        after=after,
        plan=edit,
        breaks="epoch",
        kept=now.kept_fixed,
        thinking=thinking_in(now) - tail.thinking,
        hot=start <= now.hot_cut,
        paid=prompt_dollars(now, sent, entry.tokens if entry is not None else 0, output=budget),
    )


def nearest_entry(now: Situation, place: int) -> LastSend | None:
    """What the cache holds of the request that compacts; nothing, where the server clears, for it does not there (CMP-18)."""
    return None if now.held is not None else now.cached_before(place)


def _restated(now: Situation) -> int:
    """Tokens of the request in progress, which is repeated in the newest message when a cut lies behind it."""
    start = now.instruction(len(now))
    return now.size(now.forms[start]) + SLACK if start is not None else 0
