"""Cutting a conversation: which of its newest messages can stay word for word behind what stands for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.tiers.situation import SLACK, Situation
from ctxwindow.tiers.wire import without_thinking

__all__ = ["Tail", "longest", "loop_thinks", "place_of", "recent_boundaries"]

_TURN_WORTH = 0.6
"""A cut at the start of a turn is taken when it keeps this share of the longest possible tail: a whole turn
reads better than a long one without its beginning."""


class Tail(msgspec.Struct, frozen=True):
    """One way to cut."""

    start: int
    """Record index of the first message that stays."""
    place: int
    """Its place on the wire."""
    tokens: int
    """Of what stays."""
    thinking: int
    """Of these, thinking."""


def longest(
    now: Situation, head: Callable[[int], int], target: int, *, strips: bool, new_role: bool = False
) -> Tail | None:
    """The longest tail with which the whole prompt has at most `target` tokens; None when no legal cut has.

    Args:
        now: the moment.
        head: tokens of all that stands before the tail, by where it starts.
        target: tokens of the whole.
        strips: whether thinking leaves the tail (BIND-28).
        new_role: whether the tail must begin under another role than the message before it has (CMP-30).
    """
    found = [tail for tail in _tails(now, head, target, strips=strips) if not new_role or _begins_anew(now, tail)]
    found.reverse()  # the longest first: few need to be judged by the rules
    best = next((tail for tail in found if now.may_cut(tail.start)), None)
    if best is None:
        return None
    least = _TURN_WORTH * best.tokens
    whole = (
        tail
        for tail in found
        if least <= tail.tokens <= best.tokens and now.outline.starts_turn(tail.start) and now.may_cut(tail.start)
    )
    return next(whole, best)


def _tails(now: Situation, head: Callable[[int], int], target: int, *, strips: bool) -> Iterator[Tail]:
    """Cuts at boundaries behind what is summarised already, newest first, as far back as `target` allows."""
    boundaries = set(recent_boundaries(now))
    expires = now.profile.thinking.prior_turns == "last_turn_only"
    kept = thinking = 0
    entries, sources = now.wire.ledger.entries, now.wire.sources
    heads: dict[bool, int] = {}
    for position in range(len(sources) - 1, -1, -1):
        source = sources[position]
        if source is None or source <= now.wire.start:
            break
        size = entries[position].size
        if strips and size.thinking.high:
            bare = without_thinking(now.wire.messages[position])  # what its reply's usage said is not said of this
            kept += now.size(bare) if bare is not None else 0
        else:
            kept += now.weigh(size.count)
            gone = expires and source < now.turn_start
            if gone:
                kept -= size.thinking.low if now.cautious else now.weigh(size.thinking)
            thinking += 0 if gone else now.weigh(size.thinking)
        inside = source > now.turn_start
        if inside not in heads:
            heads[inside] = head(source)
        if heads[inside] + kept + SLACK > target:
            break
        if source in boundaries:
            yield Tail(source, position, kept, thinking)


def _begins_anew(now: Situation, tail: Tail) -> bool:
    messages = now.wire.messages
    return tail.place > 0 and messages[tail.place].get("role") != messages[tail.place - 1].get("role")


def loop_thinks(now: Situation) -> bool:
    """Whether the open tool loop holds thinking, which must go back unchanged (REPLAY-01)."""
    return any(
        is_thinking(block)
        for index in range(now.turn_start, len(now))
        if now.messages[index].get("role") == "assistant"
        for block in blocks_of(now.messages[index])
    )


def place_of(now: Situation, source: int) -> int:
    """Where on the wire the first message from a record index on stands."""
    sources = now.wire.sources
    place = len(sources)
    while place > 0 and (held := sources[place - 1]) is not None and held >= source:
        place -= 1
    return place


def recent_boundaries(now: Situation) -> list[int]:
    """Boundaries after what the wire's head already stands for."""
    boundaries = now.outline.boundaries
    position = len(boundaries)
    while position > 0 and boundaries[position - 1] > now.wire.start:
        position -= 1
    return boundaries[position:]
