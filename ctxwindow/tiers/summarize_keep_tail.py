"""`summarize_keep_tail`: a summary, then recent turns or rounds word for word.

On models whose thinking is bound to its prefix the tail goes out without thinking, all of it (BIND-28); inside an
open tool loop that would break REPLAY-01, so there this method stands back. On other models the tail's thinking
stays as it is.
"""

from __future__ import annotations

from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.record.events import Compacted
from ctxwindow.tiers.situation import SLACK, Proposal, Situation
from ctxwindow.tiers.wire import without_thinking

__all__ = ["propose"]

_TURN_WORTH = 0.6
"""A cut at the start of a turn is taken when it keeps this share of the longest possible tail: a whole turn
reads better than a long one without its beginning."""


def propose(now: Situation, target: int) -> Proposal | None:
    """The longest tail with which the window comes down to `target` tokens, or None."""
    if now.bound and _loop_thinks(now):
        return None
    budget = now.summary_budget()
    cuts = _cuts(now, target - now.summary_weight(budget))
    if not cuts:
        return None
    tail, kept = cuts[-1]
    for cut, tokens in cuts:
        if now.outline.starts_turn(cut) and tokens >= _TURN_WORTH * kept:
            tail, kept = cut, tokens
    edit = _edit(now, tail, budget, target)
    after = now.fixed + now.head_tokens(edit) + now.summary_weight(budget) + kept + SLACK
    where = "a turn" if now.outline.starts_turn(tail) else "a round"
    why = f"keeps messages {tail} to {len(now) - 1} word for word, from the start of {where}"
    return Proposal(method="summarize_keep_tail", edit=edit, after=after, why=why)


def _edit(now: Situation, tail: int, budget: int, target: int) -> Compacted:
    return Compacted(
        method="summarize_keep_tail",
        first=0,
        end=tail,
        tail=tail,
        instruction=now.instruction(tail) if now.turn_start < tail else None,
        carried=None,
        strip_thinking=now.bound,
        summary="",
        by="",
        tokens=budget,
        before=now.wire.ledger.total.tokens,
        target=target,
    )


def _loop_thinks(now: Situation) -> bool:
    """Whether the open tool loop holds thinking, which must go back unchanged (REPLAY-01)."""
    return any(
        is_thinking(block)
        for index in range(now.turn_start, len(now))
        if now.messages[index].get("role") == "assistant"
        for block in blocks_of(now.messages[index])
    )


def _cuts(now: Situation, target: int) -> list[tuple[int, int]]:
    """Legal cuts with the tokens they keep, newest first, as far back as `target` allows without a summary."""
    boundaries = set(_recent_boundaries(now))
    strips = now.profile.thinking.prior_turns == "last_turn_only"
    kept = 0
    out: list[tuple[int, int]] = []
    entries, sources = now.wire.ledger.entries, now.wire.sources
    heads: dict[bool, int] = {}
    for position in range(len(sources) - 1, -1, -1):
        source = sources[position]
        if source is None or source <= now.wire.start:
            break
        size = entries[position].size
        if now.bound and size.thinking.high:
            bare = without_thinking(now.wire.messages[position])  # what its reply's usage said is not said of this
            kept += now.size(bare) if bare is not None else 0
        else:
            kept += now.weigh(size.count)
            if strips and source < now.turn_start:
                kept -= size.thinking.low if now.cautious else now.weigh(size.thinking)
        inside = source > now.turn_start
        if inside not in heads:
            heads[inside] = now.head_tokens(_edit(now, source, 0, 0))
        if now.fixed + heads[inside] + kept + SLACK > target:
            break
        if source in boundaries and now.may_cut(source):
            out.append((source, kept))
    return out


def _recent_boundaries(now: Situation) -> list[int]:
    """Boundaries after what the wire's head already stands for."""
    boundaries = now.outline.boundaries
    position = len(boundaries)
    while position > 0 and boundaries[position - 1] > now.wire.start:
        position -= 1
    return boundaries[position:]
