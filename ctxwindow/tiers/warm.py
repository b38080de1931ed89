"""The warm tier: summaries that stand for ranges of the record, side by side, and together again when they are many.

A new summary stands beside the older ones as long as they all fit the policy's share; when that is full, one summary of
a higher level takes the place of all of them and of what is new.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ctxwindow.record.events import Compacted
from ctxwindow.tiers.heads import is_gap
from ctxwindow.tiers.situation import MIN_SUMMARY, Situation

__all__ = ["Place", "instead_of_all", "left_over", "next_summary", "text_of"]


class Place(msgspec.Struct, frozen=True):
    """Where the next summary stands."""

    first: int
    """Record index from which on it stands for the messages: 0 when it takes the others in."""
    budget: int
    """Tokens."""
    level: int


def next_summary(now: Situation, budget: int) -> Place:
    """Where a summary of at most `budget` tokens would stand: beside the others, or in place of all."""
    if now.unwritten:
        return Place(0 if any(edit.block is not None for edit in now.warm) else now.summarized_to, 0, 0)
    beside = now.summaries
    if beside and now.policy.warm.levels > 1:
        room = int(now.room * now.policy.warm.share) - sum(edit.tokens for edit in beside)
        # Half of what was wanted is worth having; less, and it is time to put them together.
        if room >= max(MIN_SUMMARY, budget // 2):
            return Place(now.summarized_to, min(budget, room), 1)
    return instead_of_all(now, budget)


def instead_of_all(now: Situation, budget: int) -> Place:
    """Where a summary of at most `budget` tokens stands that takes all others in."""
    if now.unwritten:
        return next_summary(now, 0)
    level = max((edit.level for edit in now.warm), default=0) + 1
    return Place(0, budget, min(level, now.policy.warm.levels))


def left_over(now: Situation) -> str:
    """What is left of the summaries before where no new one is written: nothing but the text of a server's block, which
    cannot stay behind a head of ours (CMP-21).
    """
    block = any(edit.block is not None for edit in now.warm)
    return (text_of(now.warm)[0] or "") if block else ""


def text_of(warm: Sequence[Compacted]) -> tuple[str | None, int]:
    """What a summary of everything is given of the summaries before: their text, and where the messages begin.

    What was dropped without a summary, and what stands behind a compaction block in a reply, is given as it was.
    """
    texts, start = [], 0
    for edit in warm:
        if is_gap(edit):
            break
        if edit.method != "compact_threshold":  # its block is in the reply at `end`
            texts.append(edit.summary)
        start = edit.end
    return "\n\n".join(text for text in texts if text.strip()) or None, start
