"""The totals of a ledger, as one value that can be kept and returned to."""

from __future__ import annotations

import msgspec

from ctxwindow.window.edits import Cleared, less
from ctxwindow.window.fixed import Fixed
from ctxwindow.window.learning import Learning
from ctxwindow.window.parts import CATEGORIES, ZERO, Category, MessageSize
from ctxwindow.window.tokens import Count
from ctxwindow.window.total import Total

__all__ = ["Running"]


class Running(msgspec.Struct, kw_only=True):
    """What a ledger has added up so far. It changes with each message; `copy` keeps it."""

    counted: Count
    """The sum of the parts."""
    total: Total
    """Of the window, with what the edits of `pinned` clear, and nothing else, taken out."""
    by: dict[Category, Count]
    start: int = 0
    """Index of the message with the last compaction block."""
    sent: int = 0
    """Tokens of all messages, whatever became of them."""
    frames: Count = ZERO
    turn_thinking: Count = ZERO
    """Of the turn in progress."""
    scoped: list[MessageSize] = []
    """Reminders that go with the turn (SYS-07)."""
    loaded: dict[str, int] = {}
    """Deferred tools that are in the window: name -> index in `tools`."""
    again: Count = ZERO
    """Definitions of other tools that a reference repeats."""
    left_out: dict[str, int] = {}
    """Rule -> tokens."""
    pinned: tuple[Cleared, ...] = ()
    """What was cleared when the last exact size came."""

    @classmethod
    def of(cls, fixed: Count, learning: Learning) -> Running:
        """The totals before the first message."""
        return cls(counted=fixed, total=Total(base=fixed, learning=learning), by=dict.fromkeys(CATEGORIES, ZERO))

    def refit(self, old: Fixed, new: Fixed) -> None:
        """The parts outside the messages are others, but for system and tools."""
        came, gone = (
            sum((count for name, count in one.overheads if (name, count) not in other.overheads), ZERO)
            for one, other in ((new, old), (old, new))
        )
        self.counted = less(self.counted, gone) + came
        self.total = self.total.refitted(new.count, came=came, gone=gone)

    def copy(self) -> Running:
        """The totals as they are now."""
        return msgspec.structs.replace(
            self,
            by=dict(self.by),
            scoped=list(self.scoped),
            loaded=dict(self.loaded),
            left_out=dict(self.left_out),
        )
