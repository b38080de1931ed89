"""Which thinking a model reads, send by send, and which it would read if nothing had been managed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ctxwindow.window import Window
from ctxwindow.window.parts import THINKING

__all__ = ["Losses", "ThoughtTally", "Thoughts"]


class Thoughts:
    """Follows the windows of one conversation: how many thinking blocks of each record message count.

    The work follows what is new, as long as what counted before still counts.
    """

    def __init__(self) -> None:
        self._before: Window | None = None
        self._length = 0
        self._counted: dict[int, int] = {}

    def take(self, window: Window, sources: Sequence[int], length: int) -> Mapping[int, int]:
        """What counts in one more window: record index -> thinking blocks. Valid until the next is taken.

        Args:
            window: of the send.
            sources: record indices of the messages on its wire, without the head.
            length: messages on its wire, the head included.
        """
        grew = self._before is not None and window.grew_from(self._before)
        first = self._length if grew else 0
        if not grew:
            self._counted = {}
        head = length - len(sources)
        for block in window.blocks_from(first):
            if block.kind in THINKING and block.disposition == "counted":
                place = int(block.path.split(".")[1]) - head
                if place >= 0:
                    self._counted[sources[place]] = self._counted.get(sources[place], 0) + 1
        self._before, self._length = window, length
        return self._counted


class ThoughtTally(msgspec.Struct, frozen=True, kw_only=True):
    """Thinking blocks that a request could have had, of those that would count without management."""

    kept: int = 0
    lost: int = 0


class Losses:
    """Adds up what became of thinking over the sends of one conversation."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._lost: dict[int, int] = {}

    def compare(self, unmanaged: Mapping[int, int], counted: Mapping[int, int]) -> ThoughtTally:
        """One send: what counts without management, and what counts here, by record index."""
        kept = lost = 0
        for index, blocks in unmanaged.items():
            here = min(blocks, counted.get(index, 0))
            kept += here
            lost += blocks - here
            self._seen[index] = max(blocks, self._seen.get(index, 0))
            if here < blocks:
                self._lost[index] = max(blocks - here, self._lost.get(index, 0))
        return ThoughtTally(kept=kept, lost=lost)

    @property
    def blocks(self) -> int:
        """Distinct thinking blocks that counted at some send of the unmanaged conversation."""
        return sum(self._seen.values())

    @property
    def blocks_lost(self) -> int:
        """Of these, how many were missing here at some send at which they would have counted."""
        return sum(self._lost.values())
