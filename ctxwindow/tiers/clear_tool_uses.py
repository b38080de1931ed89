"""`clear_tool_uses`: the server clears the oldest tool results of its copy (EDIT-01 to EDIT-05).

The wire stays as it is, and all thinking with it (EDIT-08); only the cache is lost from the first cleared result on
(EDIT-04). The server would move the edge with every new result: the request asks to keep what came after the edge, so
that it stays where the planner put it, and the prefix with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record.blocks import block_type, call_id, result_id
from ctxwindow.record.events import Edited
from ctxwindow.tiers.available import lacking
from ctxwindow.tiers.offers import Offer, cannot, offered
from ctxwindow.tiers.situation import SLACK, Situation
from ctxwindow.window.block_sizes import result_size
from ctxwindow.window.edits import cleared_form
from ctxwindow.window.framing import frame_of
from ctxwindow.window.tokens import Count

__all__ = ["offer", "unable"]


class _Use(msgspec.Struct, frozen=True):
    message: int
    """Place on the wire."""
    freed: int
    """Tokens that clearing its result takes out of the window, about."""


def unable(now: Situation) -> str | None:
    """Why context editing cannot be had on this model or with these settings; None when it can."""
    why = lacking("clear_tool_uses", now.profile, now.policy.platform)
    if why is not None:
        return why
    if now.own_edits:
        return "the settings hold context edits of the caller's own"
    if any(str(tool.get("type", "")).startswith("advisor_") for tool in now.wire.base.get("tools") or ()):
        return "context editing is not fully compatible with the advisor tool [EDIT-10]"
    return None


def offer(now: Situation, target: int) -> Offer:
    """As many of the oldest results cleared as bring the window down to `target` tokens."""
    why = unable(now)
    if why is not None:
        return cannot("clear_tool_uses", why)
    held = now.holding.uses
    after, cut, first, upto, gone = now.total + SLACK, 0, None, 0, 0
    for number, use in enumerate(_uses(now), start=1):
        if number > held and after <= target:
            break
        source = now.wire.sources[use.message]
        if source is not None and source >= now.unsent:
            break  # what the model has not seen is never cleared
        upto = number
        if number <= held:
            gone += use.freed
        else:
            after -= use.freed
            first = use.message if first is None else first
            cut = source if source is not None else 0
    if after > target or first is None:
        return cannot("clear_tool_uses", f"all old results together do not bring it down to {target:,}")
    return offered(
        now,
        "clear_tool_uses",
        f"the server clears the results of the first {upto} tool uses from its copy",
        after=after,
        plan=Edited(
            method="clear_tool_uses",
            uses=upto,
            turns=now.holding.turns,
            exclude=now.policy.keep_tools,
            first=now.wire.sources[first] or 0,
            end=cut + 1,
            before=now.wire.ledger.total.tokens,
            target=target,
        ),
        breaks="cache",
        kept=min(now.tokens_before(first) - gone, now.cached_tokens),
        hot=cut < now.hot_cut,
    )


def _uses(now: Situation) -> Iterator[_Use]:
    """Results of the wire that may be cleared, oldest first, as the server numbers them."""
    names: dict[str, str] = {}
    kept = now.policy.keep_tools
    entries = now.wire.ledger.entries
    for position in range(now.wire.ledger.start, len(entries)):
        entry = entries[position]
        alone = sum(1 for _ in entry.results()) == 1
        for place, block in entry.clearable.blocks:
            family = block_type(block).family
            if family == "call":
                names[call_id(block) or ""] = str(block.get("name"))
            elif family == "result" and (name := names.get(result_id(block) or "", "")) not in kept:
                left = _left(block, None if alone else name, now.profile)
                yield _Use(position, max(0, _least(now, entry.size.blocks[place].count, left)))


def _left(block: Mapping[str, Any], name: str | None, profile: ModelProfile) -> int:
    """Tokens of a cleared result, at most; the name of its tool where it is one of several, which cost more (`markup`)."""
    return result_size(cleared_form(block), profile, frame_of(profile), name=name).count.high


def _least(now: Situation, size: Count, left: int) -> int:
    """What clearing takes out at least, as the ledger has it: what was learnt about estimates is not said of a part."""
    return min(size.low, size.tokens - left) if now.cautious else size.tokens - left
