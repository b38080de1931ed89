"""How things stand, for recall: what of the record the model has in front of it."""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.recall import Searcher, Standing
from ctxwindow.record.blocks import blocks_of
from ctxwindow.tiers.state import State
from ctxwindow.window import Window

__all__ = ["hidden_blocks", "standing"]

_HIDDEN = ("cleared", "compacted")


def standing(state: State, *, searcher: Searcher | None, version: int) -> Standing:
    """What recall has to know of a conversation besides what was said in it.

    Args:
        state: of the conversation.
        searcher: what can answer in place of the index in memory, if it has every event.
        version: how many events there are.
    """
    return Standing(
        turns=state.outline.turns,
        hot=state.wire.hot,
        spills=state.spills,
        hidden=_hidden(state),
        summaries=state.warm,
        searcher=searcher,
        version=version,
    )


def hidden_blocks(window: Window) -> Iterator[tuple[int, int]]:
    """What is sent and not shown to the model, because the server edits its copy (EDIT-02, CMP-02), by place on the wire:
    message and block. Costs the length of the wire.
    """
    for block in window.blocks:
        part, _, place = block.path.partition(".content.")
        if block.disposition in _HIDDEN and part.startswith("messages.") and place.isdigit():
            yield int(part.removeprefix("messages.")), int(place)


def _hidden(state: State) -> frozenset[tuple[int, int]]:
    """What is sent and not shown to the model, by message of the record and block.

    Costs the length of the wire where the server is asked to edit, and nothing elsewhere.
    """
    if state.held is None and not state.base.get("context_management"):
        return frozenset()
    wire = state.wire
    found = set()
    for position, place in hidden_blocks(wire.ledger.window()):
        source = wire.sources[position]
        if source is not None:
            # A kept message may be joined to the head: its own blocks stand last.
            before = len(blocks_of(wire.messages[position])) - len(blocks_of(state.forms[source]))
            found.add((source, place - before))
    return frozenset(found)
