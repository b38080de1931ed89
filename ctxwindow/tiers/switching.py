"""A switch of the model or the platform: what is read there of the thinking in the history, and what starts anew.

Everything stays in the history across switches, for the API filters per request (BIND-21): what the model of a request
cannot read it drops, unbilled, and the model that can read it finds it again when it comes back (BIND-02).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.rules.reading import reads
from ctxwindow.tiers.decisions import Edit

__all__ = ["maker_of", "switch_note", "unreadable"]


def maker_of(asked: ModelProfile, answered: str | None) -> ModelProfile:
    """The model that made a reply.

    Args:
        asked: the model of the request.
        answered: what the reply says; a name that the catalog does not know is a gateway's for the model that was asked.
    """
    if answered is None or answered == asked.id:
        return asked
    try:
        return resolve(answered)
    except UnknownModel:
        return asked


def unreadable(form: Mapping[str, Any], reader: ModelProfile, maker: ModelProfile | None) -> dict[int, str]:
    """Place -> rule of the thinking in a message that a model is known not to read.

    Args:
        form: the message as it is sent.
        reader: the model of the request.
        maker: the model that made it; None where nobody knows. What nothing is stated of counts as read: the window may
            then be smaller than was said, never larger.
    """
    if maker is None or maker.id == reader.id or reads(reader, maker) is not False:
        return {}
    return {place: "BIND-02" for place, block in enumerate(blocks_of(form)) if _thinks(block)}


def switch_note(
    before: tuple[ModelProfile, str],
    after: tuple[ModelProfile, str],
    wire: Iterable[tuple[Mapping[str, Any], ModelProfile | None]],
    *,
    messages: int,
    freed: int,
) -> Edit:
    """What a switch means, to be told with the first send after it.

    Args:
        before: the model and the platform until now.
        after: those from now on.
        wire: the messages on the wire, each with the model that made it, None where nobody knows.
        messages: length of the record.
        freed: tokens of thinking that are out of the window since then.
    """
    (old, left), (new, entered) = before, after
    thinking = [(maker, blocks) for form, maker in wire if (blocks := sum(map(_thinks, blocks_of(form))))]
    parts = [f"{one} to {other}" for one, other in ((old.id, new.id), (left, entered)) if one != other]
    if old.id != new.id:
        parts += _readable(new, thinking)
    if left != entered:
        account = sum(blocks for maker, blocks in thinking if maker is not None and maker.account_bound)
        if account:
            parts.append(f"{account:,} thinking blocks are read there only if the accounts are linked (BIND-19)")
        elif thinking:
            parts.append("thinking goes with it (THINK-15)")
    parts.append("the cache starts empty (CACHE-15)")
    if old.id != new.id:
        parts.append("sizes are estimated anew (CTX-20)")
    return Edit(method="switch", first=0, end=messages, freed=freed, why="; ".join(parts))


def _readable(reader: ModelProfile, thinking: Iterable[tuple[ModelProfile | None, int]]) -> list[str]:
    """What a model reads of the thinking blocks on the wire, by who made how many."""
    counts: dict[bool | None, int] = {True: 0, False: 0, None: 0}
    for maker, blocks in thinking:
        counts[None if maker is None else reads(reader, maker)] += blocks
    parts = []
    if any(counts.values()):
        parts.append(f"of {sum(counts.values()):,} thinking blocks it reads {counts[True]:,} (BIND-20)")
    if counts[False]:
        parts.append(f"{counts[False]:,} it cannot read, which stay in the history and count nothing (BIND-02)")
    if counts[None]:
        parts.append(f"of {counts[None]:,} nothing is stated, which count as read")
    return parts


def _thinks(block: Any) -> bool:
    return isinstance(block, Mapping) and is_thinking(block)
