"""Reading the reply to an on-demand compaction: the block, or why there is none (CMP-16, CMP-27)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import identifiers_of
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Compacted, Declined, Edited
from ctxwindow.record.surrogates import has_surrogates
from ctxwindow.tiers.state import usable
from ctxwindow.window import Share, bill, count_text, shares

__all__ = ["Adopted", "Refused", "read_compaction", "server_compaction"]

_HALVES = "its block holds half of a character, and cannot go back as it came"


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """A compaction that brought a summary."""

    block: dict[str, Any]
    """As it came: it goes back byte for byte (CMP-05, CMP-23)."""
    summary: str
    by: str | None
    """The model that wrote it."""
    cost: float


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """One that brought none."""

    why: str
    cost: float


def read_compaction(reply: Any, profile: ModelProfile, at: float | None) -> Adopted | Refused:
    """What the reply brought.

    Args:
        reply: as taken in.
        profile: the model that was asked.
        at: when, in seconds since the epoch, for the price.
    """
    taken: Mapping[str, Any] = reply if isinstance(reply, Mapping) else {}
    model = taken.get("model")
    usage = taken.get("usage")
    cost = _cost(usage if isinstance(usage, Mapping) else None, profile, at)
    blocks = [block for block in blocks_of(taken) if isinstance(block, Mapping)]
    found = [block for block in blocks if block.get("type") == "compaction"]
    content = found[0].get("content") if len(found) == 1 and len(blocks) == 1 else None
    if found and has_surrogates(found[0]):
        return Refused(why=_HALVES, cost=cost)
    if isinstance(content, str) and content.strip() and found[0].get("signature"):
        by = model if isinstance(model, str) else None
        return Adopted(block=dict(found[0]), summary=content, by=by, cost=cost)
    reason = taken.get("stop_reason")
    return Refused(why=f"no summary, stop_reason {reason if isinstance(reason, str) else 'unknown':.40}", cost=cost)


def server_compaction(
    armed: Edited, reply: Mapping[str, Any], index: int, profile: ModelProfile, at: float | None
) -> Compacted | Declined:
    """What became of the threshold edit in the request that asked for it, by the reply at a record index (CMP-02, CMP-04).

    With a block the messages before the reply leave the wire, for the server ignores them. The iterations of compactions are
    its price (CMP-10).
    """
    message = {"role": "assistant", "content": reply.get("content")}
    blocks = [block for block in blocks_of(message) if isinstance(block, Mapping)]
    found = next((block for block in reversed(blocks) if block.get("type") == "compaction"), None)
    content = found.get("content") if found is not None else None
    usage = reply.get("usage")
    spent = [share for share in shares(usage if isinstance(usage, Mapping) else None) if share.kind == "compaction"]
    cost = _dollars(spent, profile, at)
    if found is not None and has_surrogates(found):
        return Declined(at=at, method=armed.method, why=_HALVES, cost=cost)
    if not isinstance(content, str) or not content.strip() or not usable(message, _text(reply.get("stop_reason"))):
        why = "the reply has no compaction block with content"
        return Declined(at=at, method=armed.method, why=why, cost=cost)
    return Compacted(
        at=at,
        method=armed.method,
        first=0,
        end=index,
        tail=index,
        instruction=None,
        carried=None,
        strip_thinking=False,
        summary=content,
        by=profile.id,
        tokens=count_text(content, profile.tokenizer).tokens,
        before=armed.before,
        target=armed.target,
        cost=cost,
        names=identifiers_of(content),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _cost(usage: Mapping[str, Any] | None, profile: ModelProfile, at: float | None) -> float:
    """Dollars of all iterations: the top level says nothing of a compaction (CMP-16). 0 where no price is known."""
    return _dollars(shares(usage), profile, at)


def _dollars(spent: Sequence[Share], profile: ModelProfile, at: float | None) -> float:
    costs = [bill(profile, share.tokens, at if at is not None else 0.0) for share in spent]
    return sum(cost for cost in costs if cost is not None)
