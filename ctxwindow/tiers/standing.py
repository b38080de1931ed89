"""How things stand, for recall: what of the record the model has in front of it."""

from __future__ import annotations

from ctxwindow.recall import Searcher, Standing
from ctxwindow.record.blocks import blocks_of
from ctxwindow.tiers.state import State

__all__ = ["standing"]

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


def _hidden(state: State) -> frozenset[tuple[int, int]]:
    """What is sent and not shown to the model, because the server edits its copy (EDIT-02, CMP-02), by message and block.

    Costs the length of the wire where the server is asked to edit, and nothing elsewhere.
    """
    if state.held is None and not state.base.get("context_management"):
        return frozenset()
    wire = state.wire
    found = set()
    for block in wire.ledger.window().blocks:
        part, _, place = block.path.partition(".content.")
        if block.disposition not in _HIDDEN or not part.startswith("messages.") or not place.isdigit():
            continue
        position = int(part.removeprefix("messages."))
        source = wire.sources[position]
        if source is not None:
            # A kept message may be joined to the head: its own blocks stand last.
            before = len(blocks_of(wire.messages[position])) - len(blocks_of(state.forms[source]))
            found.add((source, int(place) - before))
    return frozenset(found)
