"""Every block of a request with what becomes of it, by the same facts as the running totals."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ctxwindow.window.clearing import Clearing
from ctxwindow.window.edits import Cleared
from ctxwindow.window.entry import Entry
from ctxwindow.window.fixed import Fixed
from ctxwindow.window.parts import THINKING, BlockSize
from ctxwindow.window.window import BlockCount, Disposition

__all__ = ["Listing"]

_DISPOSITIONS: dict[str, Disposition] = {
    "BIND-02": "unreadable",
    "BIND-08": "dropped",
    "CMP-02": "compacted",
    "CMP-04": "ignored",
    "TOK-20": "outside",
}
"""What becomes of blocks that are out of the window from the start."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What must be known to list the blocks of a ledger as it stood."""

    entries: list[Entry]
    length: int
    start: int
    """Index of the message with the last compaction block."""
    fixed: Fixed
    loaded: frozenset[int]
    """Indexes of deferred tools that a message has brought into the window."""
    strips: bool
    """Whether thinking of earlier turns is stripped (RET-02)."""
    clearing: Clearing
    cleared: tuple[Cleared, ...]

    def blocks(self, first: int | None = None) -> tuple[BlockCount, ...]:
        """Every block: system, tools, messages; or with `first` only those of messages from there on."""
        return (*self._fixed(), *self._messages()) if first is None else tuple(self._messages(first))

    def grew_from(self, earlier: Listing) -> bool:
        """Whether this is the list of `earlier` and messages at its end, with no other block in place."""
        same = self.entries is earlier.entries and self.fixed is earlier.fixed
        return same and (self.start, self.loaded) == (earlier.start, earlier.loaded)

    def _fixed(self) -> Iterator[BlockCount]:
        for index, count in enumerate(self.fixed.system):
            yield BlockCount(
                path=f"system.{index}",
                kind="text",
                tokens=count.tokens,
                disposition="counted",
                rule="CTX-01",
                exact=count.exact,
            )
        deferred = {index: count for _, index, count in self.fixed.deferred}
        for index, count in enumerate(self.fixed.tools):
            waits = index in deferred and index not in self.loaded
            tokens = deferred.get(index, count)
            yield BlockCount(
                path=f"tools.{index}",
                kind="tool",
                tokens=tokens.tokens,
                disposition="deferred" if waits else "counted",
                rule="TOK-22" if waits else "TOOL-20" if index in deferred else "CTX-01",
                exact=tokens.exact,
            )

    def _messages(self, first: int = 0) -> list[BlockCount]:
        """From the end backwards to `first`, because later messages decide over earlier ones."""
        found: list[BlockCount] = []
        cleared = self.clearing.places(self.cleared)
        later_turn = later_user = False
        for index in range(self.length - 1, first - 1, -1):
            entry = self.entries[index]
            whole = None
            if index < self.start:
                whole = "CMP-02"
            elif entry.scoped and later_user:
                whole = "SYS-07"
            rows = []
            for place, block in enumerate(entry.size.blocks):
                edit = cleared.get((index, None if block.kind in THINKING else place))
                strip = self.strips and later_turn
                rule, disposition = _fate(block, whole or entry.out.get(place), edit, strips=strip)
                rows.append(
                    BlockCount(
                        path=f"messages.{index}.content.{place}",
                        kind=block.kind,
                        tokens=block.count.tokens,
                        disposition=disposition,
                        rule=rule,
                        exact=block.count.exact,
                    )
                )
            found.extend(reversed(rows))
            later_turn |= entry.turn_start
            later_user |= entry.role == "user"
        return found[::-1]


def _fate(block: BlockSize, out: str | None, edit: str | None, *, strips: bool) -> tuple[str, Disposition]:
    """The rule that decides over a block, and what becomes of it.

    Args:
        block: its kind and size.
        out: rule by which the block or its message is out of the window, whatever the edits do.
        edit: rule of the edit that clears it.
        strips: whether a later turn has begun on a model that keeps the thinking of the last turn only.
    """
    if out == "SYS-07":
        return out, "expired"
    if out is not None:
        return out, _DISPOSITIONS[out]
    if edit is not None:
        return edit, "cleared"
    if strips and block.kind in THINKING:
        return "RET-02", "stripped"
    if block.kind == "text" and block.count.high == 0:
        return "MSG-06", "dropped"
    return "CTX-01", "counted"
