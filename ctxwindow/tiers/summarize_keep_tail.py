"""`summarize_keep_tail`: a summary, then recent turns or rounds word for word.

On models whose thinking is bound to its prefix the tail goes out without thinking, all of it (BIND-28); inside an
open tool loop that would break REPLAY-01, so there this method stands back. On other models the tail's thinking
stays as it is.
"""

from __future__ import annotations

from ctxwindow.record.events import Compacted
from ctxwindow.tiers.offers import Offer, cannot, offered
from ctxwindow.tiers.situation import SLACK, Situation
from ctxwindow.tiers.summaries import price_of_summary, thinking_in
from ctxwindow.tiers.tails import longest, loop_thinks
from ctxwindow.tiers.warm import Place, left_over, next_summary

__all__ = ["offer"]


def offer(now: Situation, target: int) -> Offer:
    """The longest tail with which the window comes down to `target` tokens."""
    if now.bound and loop_thinks(now):
        return cannot(
            "summarize_keep_tail", "the open tool loop holds thinking, bound to what stands before it [BIND-28]"
        )
    place = next_summary(now, now.summary_budget())
    weight = now.summary_weight(place.budget)

    def head(start: int) -> int:
        return now.fixed + now.head_tokens(_edit(now, start, place, target)) + weight

    tail = longest(now, head, target, strips=now.bound)
    if tail is None or tail.start <= now.summarized_to:
        return cannot("summarize_keep_tail", f"no cut between rounds brings it down to {target:,}")
    edit = _edit(now, tail.start, place, target)
    where = "a turn" if now.outline.starts_turn(tail.start) else "a round"
    return offered(
        now,
        "summarize_keep_tail",
        f"keeps messages {tail.start} to {len(now) - 1} word for word, from the start of {where}",
        after=head(tail.start) + tail.tokens + SLACK,
        plan=edit,
        breaks="epoch",
        kept=now.kept_fixed,
        thinking=thinking_in(now) - (0 if now.bound else tail.thinking),
        hot=tail.start <= now.hot_cut,
        accounts=not now.unwritten,
        paid=price_of_summary(now, place.budget, edit.end),
    )


def _edit(now: Situation, start: int, place: Place, target: int) -> Compacted:
    pinned = [index for index in now.pins() if index < start]
    return Compacted(
        method="summarize_keep_tail",
        first=place.first,
        end=start,
        tail=start,
        instruction=now.instruction(start) if now.request < start else None,
        carried=None,
        strip_thinking=now.bound,
        summary=left_over(now) if now.unwritten else "",
        by="",
        tokens=place.budget,
        before=now.wire.ledger.total.tokens,
        target=target,
        level=place.level,
        pinned=tuple(pinned),
    )
