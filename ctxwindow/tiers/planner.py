"""The planner: leave alone, or shrink, and how. A pure function of one situation.

The window is shrunk when it passes the high mark, down to the low mark; an edit that gains too little is not
made unless the request would not fit without it (law 7). When the low mark cannot be reached, because the newest
messages are large, the target moves up to what can be reached under the limit, and says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import msgspec

from ctxwindow.tiers import summarize_all, summarize_keep_tail
from ctxwindow.tiers.policy import Method
from ctxwindow.tiers.situation import Proposal, Situation

__all__ = ["Verdict", "judge"]

_METHODS: dict[Method, Callable[[Situation, int], Proposal | None]] = {
    "summarize_keep_tail": summarize_keep_tail.propose,
    "summarize_all": summarize_all.propose,
}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What to do: `send` as it is, `shrink` by the proposal, `count` first, or `relieve` pressure by spilling."""

    action: Literal["send", "shrink", "count", "relieve"]
    why: str
    proposal: Proposal | None = None


def judge(now: Situation) -> Verdict:
    """The verdict on one situation."""
    total = now.wire.ledger.total
    high = now.mark(now.policy.high)
    fits = total.high <= now.limit
    if fits and total.tokens <= high:
        return Verdict(action="send", why=f"{total.tokens:,} tokens are under the mark of {high:,}")
    if not fits and total.low <= now.limit and total.tokens <= high and now.policy.exact_counts and not now.asked:
        return Verdict(
            action="count", why=f"{total.low:,} to {total.high:,} tokens straddle the limit of {now.limit:,}"
        )
    proposal = _best(now if fits else dataclasses.replace(now, cautious=True), needed=not fits)
    if proposal is None and not fits and total.tokens > high:
        # The upper bound cannot be met, whatever is shrunk (a tool of unknown size): the estimate is what is left.
        proposal = _best(now, needed=total.tokens > now.limit)
    if proposal is not None:
        freed = total.tokens - proposal.after
        why = f"{total.tokens:,} tokens passed the mark of {high:,}; frees at least {freed:,}"
        if not fits:
            why = f"up to {total.high:,} tokens may not fit {now.limit:,}"
        return Verdict(action="shrink", why=why, proposal=proposal)
    if fits:
        return Verdict(action="send", why=f"above the mark of {high:,}, but no edit would free enough")
    return Verdict(action="relieve", why=f"up to {total.high:,} tokens may not fit {now.limit:,}, and no summary helps")


def _best(now: Situation, *, needed: bool) -> Proposal | None:
    """The first method of the policy that reaches the low mark and is worth it, else the lowest that fits.

    Args:
        now: cautious, when the edit is needed for the request to fit.
        needed: then any gain is enough; otherwise the policy's minimum (law 7).
    """
    least = 1 if needed else int(now.room * now.policy.min_gain)
    for target in _targets(now):
        for method in now.policy.methods:
            proposal = _METHODS[method](now, target) if method in _METHODS else None
            if proposal is None or proposal.edit.end <= now.summarized_to:
                continue
            if now.total - proposal.after >= least:
                return proposal
    return None


def _targets(now: Situation) -> list[int]:
    """The low mark; and, when the newest messages are too large for it, what can be reached under the limit."""
    low = now.mark(now.policy.low)
    floor = summarize_all.floor(now)
    if floor is None or floor > now.limit:
        return [low]
    return [low, max(low, floor + (now.limit - floor) // 4)]
