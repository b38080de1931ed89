"""The planner: leave alone, or shrink, and how. A pure function of one situation.

The window is shrunk when it passes the high mark, or when it passes the cold mark and the cache has expired, so that the
prompt is paid in full anyway; always down to the low mark, so that edits are rare. Every method of the policy makes an
offer. Of those that reach the mark the cheapest over the horizon is taken, or the first of the policy; one that keeps
what shall stay word for word goes before one that does not, and one with a summary before one without. An edit that the
window does not demand is made only if it gains enough (law 7) and costs less than leaving alone. When the low mark cannot
be reached, because the newest messages are large, the target moves up to what can be reached under the limit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from ctxwindow.tiers import (
    clear_thinking,
    clear_tool_uses,
    compact,
    compact_threshold,
    drop,
    summarize_all,
    summarize_keep_tail,
)
from ctxwindow.tiers.offers import Offer, leave_alone
from ctxwindow.tiers.policy import Method
from ctxwindow.tiers.situation import Situation

__all__ = ["Verdict", "in_background", "judge"]

_METHODS: dict[Method, Callable[[Situation, int], Offer]] = {
    "clear_tool_uses": clear_tool_uses.offer,
    "clear_thinking": clear_thinking.offer,
    "compact": compact.offer,
    "compact_threshold": compact_threshold.offer,
    "summarize_keep_tail": summarize_keep_tail.offer,
    "summarize_all": summarize_all.offer,
    "drop": drop.offer,
}
"""All but `spill`, which works on what was never sent (`tiers.pressure`)."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What to do: `send` as it is, `shrink` by an offer, `count` first, or `relieve` pressure by spilling."""

    action: Literal["send", "shrink", "count", "relieve"]
    why: str
    offer: Offer | None = None
    table: tuple[Offer, ...] = ()
    """Leaving alone and every method, side by side; empty where nothing had to be weighed."""


def judge(now: Situation) -> Verdict:
    """The verdict on one situation."""
    total, high = now.wire.ledger.total, now.mark(now.policy.high)
    fits = total.high <= now.limit
    passed = total.tokens > high
    cold = now.policy.cold is not None and now.is_cold and total.tokens > now.mark(now.policy.cold)
    if fits and not passed and not cold:
        return Verdict(action="send", why=f"{total.tokens:,} tokens are under the mark of {high:,}")
    straddles = total.low <= now.limit < total.high and (not passed or total.tokens > now.limit)
    if straddles and now.policy.exact_counts and not now.asked:
        return Verdict(
            action="count", why=f"{total.low:,} to {total.high:,} tokens straddle the limit of {now.limit:,}"
        )
    offer, table = _best(now if fits else dataclasses.replace(now, cautious=True), needed=not fits)
    if offer is None and not fits and passed:
        # The upper bound cannot be met, whatever is shrunk (a tool of unknown size): the estimate is what is left.
        offer, table = _best(now, needed=total.tokens > now.limit)
    if offer is not None:
        return Verdict(action="shrink", why=_reason(now, offer, fits=fits, passed=passed), offer=offer, table=table)
    if fits:
        reason = "above the mark" if passed else "the cache is cold"
        return Verdict(action="send", why=f"{reason}, but no edit is worth it", table=table)
    why = f"up to {total.high:,} tokens may not fit {now.limit:,}, and no method helps"
    return Verdict(action="relieve", why=why, table=table)


def in_background(now: Situation) -> Offer | None:
    """What may be prepared while a reply is awaited: a compaction by the server or a summary, in the policy's order (CMP-34).

    Only above its mark; what the window may demand at once is not left to it.
    """
    mark = now.policy.background
    if mark is None or now.total <= now.mark(mark):
        return None
    # A tail without its thinking could not stand in a tool loop that opens meanwhile (REPLAY-01).
    methods = [method for method in _BACKGROUND if not (now.bound and method == "summarize_keep_tail")]
    offers = [_METHODS[method](now, now.mark(now.policy.low)) for method in methods if method in now.policy.methods]
    able = [offer for offer in offers if _gains(now, offer, needed=False)]
    return min(able, key=lambda offer: _rank(now, offer), default=None)


_BACKGROUND: tuple[Method, ...] = ("compact", "summarize_keep_tail")
"""The others are made of what is newest, or cost no time."""


def _reason(now: Situation, offer: Offer, *, fits: bool, passed: bool) -> str:
    total = now.wire.ledger.total
    if not fits:
        return f"up to {total.high:,} tokens may not fit {now.limit:,}"
    gain = f"frees at least {offer.frees:,}"
    if passed:
        return f"{total.tokens:,} tokens passed the mark of {now.mark(now.policy.high):,}; {gain}"
    return f"{total.tokens:,} tokens would be written to the cache anew; {gain}"


def _best(now: Situation, *, needed: bool) -> tuple[Offer | None, tuple[Offer, ...]]:
    """The offer to take, if any, and the table it was taken from.

    Args:
        now: cautious, when the edit is needed for the request to fit.
        needed: then any gain is enough, at any price.
    """
    alone = leave_alone(now)
    table: tuple[Offer, ...] = ()
    for target in _targets(now, needed=needed):
        offers = [_METHODS[method](now, target) for method in now.policy.methods if method in _METHODS]
        table = table or (alone, *offers)
        able = [
            offer for offer in offers if _gains(now, offer, needed=needed) and (needed or _is_worth(now, offer, alone))
        ]
        if able:
            return min(able, key=lambda offer: _rank(now, offer)), (alone, *offers)
    return None, table


def _gains(now: Situation, offer: Offer, *, needed: bool) -> bool:
    """Law 7: an edit frees what the policy asks for, or it is needed and frees anything."""
    least = 1 if needed else int(now.room * now.policy.min_gain)
    return offer.able and offer.frees >= least


def _is_worth(now: Situation, offer: Offer, alone: Offer) -> bool:
    """Whether an edit that the window does not demand costs less over the horizon than none.

    Without prices: whether the high mark is passed.
    """
    if offer.costs is None or alone.over is None:
        return now.total > now.mark(now.policy.high)
    return offer.costs < alone.over


def _rank(now: Situation, offer: Offer) -> tuple[bool, bool, float, int]:
    """What goes before what: the policy's order; or what keeps the hot minimum, what gives an account, the cheaper one."""
    place = [*now.policy.methods, offer.method].index(offer.method)
    if now.policy.prefer == "order":
        return False, False, 0.0, place
    price = offer.costs if offer.costs is not None else math.inf
    return not offer.hot, not offer.accounts, price, place


def _targets(now: Situation, *, needed: bool) -> Iterable[int]:
    """The low mark; when the newest messages are too large for it, what can be reached under the limit; and at last, where
    the request would not fit otherwise, half way from there to the limit, and the limit itself.
    """
    targets = [now.mark(now.policy.low)]
    floor = summarize_all.floor(now)
    if floor is not None and floor <= now.limit:
        targets.append(max(targets[0], floor + (now.limit - floor) // 4))
    if needed:
        targets += [(targets[-1] + now.limit) // 2, now.limit]
    return dict.fromkeys(targets)
