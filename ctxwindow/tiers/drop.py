"""`drop`: the oldest messages leave the wire, and nothing stands for them but a line that says so.

They stay in the record and can be recalled. As with a summary, thinking leaves the tail on models that bind it (BIND-28).
"""

from __future__ import annotations

from ctxwindow.record.events import Compacted
from ctxwindow.tiers.offers import Offer, cannot, offered
from ctxwindow.tiers.situation import SLACK, Situation
from ctxwindow.tiers.summaries import thinking_in
from ctxwindow.tiers.tails import longest, loop_thinks
from ctxwindow.tiers.warm import left_over

__all__ = ["offer"]


def offer(now: Situation, target: int) -> Offer:
    """The longest tail with which the window comes down to `target` tokens."""
    if now.bound and loop_thinks(now):
        return cannot("drop", "the open tool loop holds thinking, bound to what stands before it [BIND-28]")

    def head(start: int) -> int:
        return now.fixed + now.head_tokens(_edit(now, start, target))

    tail = longest(now, head, target, strips=now.bound)
    if tail is None or tail.start <= now.summarized_to:
        return cannot("drop", f"no cut between rounds brings it down to {target:,}")
    return offered(
        now,
        "drop",
        f"messages {now.summarized_to} to {tail.start - 1} leave the wire, with no summary",
        after=head(tail.start) + tail.tokens + SLACK,
        plan=_edit(now, tail.start, target),
        breaks="epoch",
        kept=now.kept_fixed,
        thinking=thinking_in(now) - (0 if now.bound else tail.thinking),
        hot=tail.start <= now.hot_cut,
        accounts=False,
    )


def _edit(now: Situation, start: int, target: int) -> Compacted:
    # A server's block cannot stay behind a head of ours (CMP-21): its text does.
    block = any(edit.block is not None for edit in now.warm)
    return Compacted(
        method="drop",
        first=0 if block else now.summarized_to,
        end=start,
        tail=start,
        instruction=now.instruction(start) if now.request < start else None,
        carried=None,
        strip_thinking=now.bound,
        summary=left_over(now),
        by="",
        tokens=0,
        before=now.wire.ledger.total.tokens,
        target=target,
        level=0,
        pinned=tuple(index for index in now.pins() if index < start),
    )
