"""`summarize_all`: one user message is summary and next instruction; nothing older is replayed (BIND-28).

The newest messages, which the model has not answered yet, are repeated in it word for word: the user's message,
or in an open tool loop the latest results as text after the request in progress; and as many of the messages before them
as the target allows, written out. No thinking is kept, so none can be stale; no call is kept as a call, so none can be
orphaned. It works on every model at every moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Compacted
from ctxwindow.tiers.offers import Offer, cannot, offered
from ctxwindow.tiers.repeats import pinned_blocks
from ctxwindow.tiers.situation import MIN_SUMMARY, SLACK, Situation
from ctxwindow.tiers.summaries import price_of_summary, thinking_in
from ctxwindow.tiers.tails import recent_boundaries
from ctxwindow.tiers.warm import Place, instead_of_all, left_over, next_summary
from ctxwindow.window import Entry

__all__ = ["floor", "newest", "offer", "standing"]


_WRITTEN = 1.1
"""How much more a message may take as text than as blocks."""
_LINE = 50
"""Tokens of the line over a call or a result that is written out: the names of both and the call's id."""


def offer(now: Situation, target: int) -> Offer:
    """One message with a summary as long as `target` tokens allow."""
    budget = now.summary_budget()
    found = _fitted(now, target, next_summary(now, budget)) or _fitted(now, target, instead_of_all(now, budget))
    if found is None:
        return cannot("summarize_all", f"the newest messages alone pass {target:,}, or nothing is old, or nothing new")
    edit, base = found
    if edit.end <= now.summarized_to:
        return cannot("summarize_all", "nothing has come since the last summary [law 7]")
    edit, written = _written_out(now, edit, target - base)
    first = edit.carried[0] if edit.carried is not None else len(now)
    return offered(
        now,
        "summarize_all",
        f"replaces everything; messages {first} to {len(now) - 1} are written out behind the summary",
        after=base + now.summary_weight(edit.tokens) + written,
        plan=edit,
        breaks="epoch",
        kept=now.kept_fixed,
        thinking=thinking_in(now),
        hot=first <= now.hot_cut,
        accounts=not now.unwritten,
        paid=price_of_summary(now, edit.tokens, edit.end),
    )


def _fitted(now: Situation, target: int, place: Place) -> tuple[Compacted, int] | None:
    """The edit with as long a summary as `target` tokens allow, and the tokens of all but that.

    None when not even a short one fits.
    """
    edit = _edit(now, target, place)
    if edit is None:
        return None
    base = now.fixed + now.head_tokens(edit) + _system_tokens(now, edit) + SLACK
    budget = place.budget
    while now.summary_weight(budget) > target - base and budget > MIN_SUMMARY:
        budget = max(MIN_SUMMARY, budget * 3 // 4)
    if now.summary_weight(budget) > target - base:
        return None
    return msgspec.structs.replace(edit, tokens=budget), base


def _written_out(now: Situation, edit: Compacted, room: int) -> tuple[Compacted, int]:
    """The edit with as many messages before the newest written out as `room` allows, and the tokens that takes.

    What is written out is not summarised, the newest round included. Where there is nothing the edit stays as it is.
    """
    if edit.carried is None:
        return edit, 0
    room -= now.summary_weight(edit.tokens)
    best, taken, total = edit, 0, 0
    boundaries = set(recent_boundaries(now))
    least = max(now.summarized_to, now.wire.start) + 1
    entries, sources = now.wire.ledger.entries, now.wire.sources
    for position in range(len(sources) - 1, -1, -1):
        start = sources[position]
        if start is None or start < least:
            break
        if start >= edit.carried[0]:
            continue  # the newest results are counted in already
        total += _written_size(now, entries[position])
        if total > room:
            break
        if start in boundaries and entries[position].role in ("assistant", "user"):
            best = msgspec.structs.replace(
                edit,
                end=start,
                carried=(start, len(now)),
                instruction=edit.instruction if start > now.request else None,
                pinned=tuple(pin for pin in edit.pinned if pin < start),
            )
            taken = total
    return best, taken


def _written_size(now: Situation, entry: Entry) -> int:
    """What a message takes when it is written out, at most: about what it takes as it is, but for its thinking and for the
    lines that say whose it is. It is not counted anew, so that a decision does not cost the length of what it looks at.
    """
    plain = now.weigh(entry.size.count) - now.weigh(entry.size.thinking)
    return int(plain * _WRITTEN) + _LINE * len(entry.size.blocks)


def floor(now: Situation) -> int | None:
    """Tokens of the smallest request this method can make; None when it cannot make one."""
    edit = _edit(now, 0, Place(0, MIN_SUMMARY, 1))
    if edit is None:
        return None
    base = now.fixed + now.head_tokens(edit) + _system_tokens(now, edit)
    return base + SLACK + now.summary_weight(MIN_SUMMARY)


def standing(now: Situation) -> dict[int, Mapping[str, Any]]:
    """What the smallest request repeats word for word: wire forms by record index."""
    edit = _edit(now, 0, Place(0, MIN_SUMMARY, 1))
    if edit is None:
        return {}
    kept = range(*edit.carried) if edit.carried is not None else ()
    forms = {index: now.forms[index] for index in kept if index in now.forms}
    forms |= {index: {"role": "user", "content": pinned_blocks(index, now.forms)} for index in edit.pinned}
    if edit.instruction is not None:
        form = now.forms[edit.instruction]
        # As in the head: results that came with it belong to a round that is summarised.
        asked = [
            block
            for block in blocks_of(form)
            if not (isinstance(block, Mapping) and block.get("type") == "tool_result")
        ]
        forms[edit.instruction] = {**form, "content": asked}
    return forms


def _edit(now: Situation, target: int, place: Place) -> Compacted | None:
    start = newest(now)
    if start >= len(now) or start == 0:
        return None  # nothing new to answer (a paused reply), or nothing old to summarise
    answers = any(
        isinstance(block, dict) and block.get("type") == "tool_result"
        for index in range(start, len(now))
        for block in blocks_of(now.messages[index])
    )
    return Compacted(
        method="summarize_all",
        first=place.first,
        # A round is summarised whole, also when its results are repeated (law 6).
        end=len(now) if answers else start,
        tail=len(now),
        instruction=now.instruction(start),
        carried=(start, len(now)),
        strip_thinking=True,
        summary=left_over(now) if now.unwritten else "",
        by="",
        tokens=0,
        before=now.wire.ledger.total.tokens,
        target=target,
        level=place.level,
        pinned=tuple(index for index in now.pins() if index < start),
    )


def newest(now: Situation) -> int:
    """Record index of the first message after the last reply."""
    index = len(now)
    # A reply that is only evidence has answered nothing.
    while index > 0 and (index - 1 not in now.forms or now.messages[index - 1].get("role") != "assistant"):
        index -= 1
    return index


def _system_tokens(now: Situation, edit: Compacted) -> int:
    """Mid-conversation system messages among the newest stay on the wire as they are."""
    first, end = edit.carried or (0, 0)
    return sum(
        now.size(now.forms[index])
        for index in range(first, end)
        if index in now.forms and now.forms[index].get("role") == "system"
    )
