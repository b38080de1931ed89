"""Keeping a conversation in a store: events out as rows, rows back as events, texts for recall.

    kept = keep(store, "agent-7", conversation)     # writes what is new; returns the new version
    conversation = load(store, "agent-7")           # the same conversation again

Both let the store answer the conversation's recall, as long as it has all of it.

The version check of the store is the lock: two writers cannot both continue the same conversation.
"""

from __future__ import annotations

from collections.abc import Collection

from ctxwindow.conversation import Conversation
from ctxwindow.errors import HistoryError, MisuseError, StoreError
from ctxwindow.recall import Found
from ctxwindow.recall.entries import entries_of
from ctxwindow.record import decode_event, encode_event
from ctxwindow.record.events import kind_of
from ctxwindow.stores.protocol import Row, Store, Text

__all__ = ["follow", "keep", "load"]


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
        index = conversation.recorded_at(seq) - 1
        texts = tuple(Text(path=text.path, kind=text.kind, text=text.text) for text in entries_of(event, index, {}))
        rows.append(Row(seq=seq, kind=kind_of(event), payload=encode_event(event), at=event.at or 0.0, texts=texts))
    version = store.append(name, rows, expect=expect, counts=conversation.unkept_counts)
    conversation.mark_kept(version)
    conversation.searcher = _StoreSearcher(store, name)
    return version


def load(store: Store, name: str) -> Conversation:
    """The conversation as of its last kept event.

    Raises:
        HistoryError: there is no such conversation, or an event of it cannot be read.
    """
    if store.version(name) == 0:
        raise HistoryError(f"the store has no conversation {name[:80]!r}.", remedy="See `store.conversations()`.")
    events = (decode_event(row.payload) for row in store.read(name))
    conversation = Conversation.fold(events, counts=store.counts(name))
    conversation.searcher = _StoreSearcher(store, name)
    return conversation


def follow(store: Store, name: str, conversation: Conversation) -> Conversation:
    """The conversation as of its last kept event, from one that was kept in this store some time ago.

    What the conversation has and the store has not is taken back. Costs the work for what somebody else has added since,
    unless the store's conversation is another one by now: then it is loaded.

    Raises:
        HistoryError: as for `load`.
    """
    kept = conversation.kept
    rows = store.read(name, after=kept - 1) if kept else iter(())
    last = next(rows, None)
    if last is None or last.payload != encode_event(conversation.events[kept - 1]):
        return load(store, name)
    events = [decode_event(row.payload) for row in rows]
    conversation.follow(events, counts=store.counts(name))
    return conversation


class _StoreSearcher:
    """Recall by what a store has indexed, for one conversation in it."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    def search(self, query: str, *, k: int, kinds: Collection[str] | None, version: int) -> list[Found] | None:
        """See `Searcher.search`."""
        try:
            if self._store.version(self._name) != version:
                return None
            hits = self._store.search(self._name, query, k=k, kinds=kinds)
        except (MisuseError, StoreError):  # closed, locked, of another process: the conversation has it all in memory
            return None
        return [Found(path=hit.path, score=hit.score, snippet=hit.snippet) for hit in hits]
