"""Keeping a conversation in a store: events out as rows, rows back as events, texts for recall.

    kept = keep(store, "agent-7", conversation)     # writes what is new; returns the new version
    conversation = load(store, "agent-7")           # the same conversation again

The version check of the store is the lock: two writers cannot both continue the same conversation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctxwindow.conversation import Conversation
from ctxwindow.errors import HistoryError
from ctxwindow.record import Event, block_type, decode_event, encode_event
from ctxwindow.record.blocks import blocks_of, texts_of
from ctxwindow.record.events import Appended, Compacted, Received, kind_of
from ctxwindow.stores.protocol import Row, Store, Text

__all__ = ["keep", "load"]

_MESSAGES = (Appended, Received)
"""The events that put a message into the record."""


def keep(store: Store, name: str, conversation: Conversation) -> int:
    """Write the events that are new since the last call, with new counts of texts, all or none.

    A conversation knows how much of it is kept, not where: keep it in one store, under one name. (To copy it, keep
    `Conversation.fold(conversation.events)` after `mark_kept(0)`.)

    Args:
        store: where to.
        name: the conversation's name in the store.
        conversation: whose new events are taken.

    Returns:
        The conversation's version in the store.

    Raises:
        StoreConflict: another writer appended first; nothing was written. `load` it and go on from there.
        StoreUnavailable: nothing was written; the events are offered again at the next call.
        MisuseError: the name cannot name a conversation, or a time is not a finite number; nothing was written.
    """
    expect = conversation.kept
    events = conversation.unkept
    rows = []
    for seq, event in enumerate(events, start=expect + 1):
        texts = tuple(_texts(event, conversation.recorded_at(seq) - 1))
        rows.append(Row(seq=seq, kind=kind_of(event), payload=encode_event(event), at=event.at or 0.0, texts=texts))
    version = store.append(name, rows, expect=expect, counts=conversation.unkept_counts)
    conversation.mark_kept(version)
    return version


def load(store: Store, name: str) -> Conversation:
    """The conversation as of its last kept event.

    Raises:
        HistoryError: there is no such conversation, or an event of it cannot be read.
    """
    if store.version(name) == 0:
        raise HistoryError(f"the store has no conversation {name[:80]!r}.", remedy="See `store.conversations()`.")
    events = (decode_event(row.payload) for row in store.read(name))
    return Conversation.fold(events, counts=store.counts(name))


def _texts(event: Event, index: int) -> Iterator[Text]:
    """The readable texts of an event, by block; thinking is left out: it is no content to be quoted.

    `index`: where its message stands in the record. On two branches two messages may stand there: `seq` tells them apart
    (`Conversation.branch_of`).
    """
    if isinstance(event, Compacted):
        yield Text(path=f"summaries.{event.first}-{event.end}", kind="summary", text=event.summary)
        return
    if not isinstance(event, _MESSAGES):
        return
    for position, block in enumerate(blocks_of(event.message)):
        if not isinstance(block, dict) or block_type(block).family == "thinking":
            continue
        text = "\n".join(texts_of(block))
        if text.strip():
            yield Text(path=f"messages.{index}.content.{position}", kind=_kind(block), text=text)


def _kind(block: dict[str, Any]) -> str:
    """The block's type as a name that a store takes: any JSON may come as a type, lone surrogates included."""
    return block_type(block).name.encode(errors="replace").decode() or "other"
