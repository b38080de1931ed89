"""The ledger: running totals of one wire on one model, kept message by message.

Adding a message costs that message. After a response the exact size of its request is pinned (`anchor`), and
only what was added or stripped since is estimated (CTX-16).
"""

from __future__ import annotations

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.window.sizes import CATEGORIES, ZERO, Category, Fixed, MessageSize
from ctxwindow.window.tokens import Count
from ctxwindow.window.window import BlockCount, Disposition, Source, Window

__all__ = ["Entry", "Ledger", "Mark"]


class Entry(msgspec.Struct, frozen=True):
    """What the ledger must know of one wire message."""

    size: MessageSize
    role: str
    turn_start: bool
    scoped: bool = False
    """A turn-scoped system message (SYS-07)."""
    ignored: str | None = None
    """Rule that takes the whole message out of the window (CMP-02), or None."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger's totals at one moment."""

    length: int
    by: dict[Category, Count]
    frames: Count
    turn_thinking: Count
    scoped: tuple[MessageSize, ...]
    stripped: dict[str, int]
    counted: Count
    total: Count
    source: Source


def _minus(left: Count, right: Count) -> Count:
    """`left - right`, with the doubt of both."""
    return Count(
        tokens=left.tokens - right.tokens,
        low=left.low - right.high,
        high=left.high - right.low,
        exact=left.exact and right.exact,
    )


class Ledger:
    """Running totals of a wire that only grows.

    Attributes:
        entries: one per wire message, in order.
        total: tokens in the window, with bounds.
        source: how the total is known.
    """

    def __init__(self, profile: ModelProfile, fixed: Fixed) -> None:
        self.profile = profile
        self.fixed = fixed
        self.entries: list[Entry] = []
        self._strips = profile.thinking.prior_turns == "last_turn_only"
        self._by: dict[Category, Count] = dict.fromkeys(CATEGORIES, ZERO)
        self._frames = ZERO
        self._turn_thinking = ZERO
        self._scoped: list[MessageSize] = []
        self._stripped: dict[str, int] = {}
        self._counted = fixed.count
        self.total = fixed.count
        self.source: Source = "estimated"

    def add(self, entry: Entry) -> None:
        """Count one more message, and take out what it ends: thinking of the turn before, scoped reminders."""
        self.entries.append(entry)
        if entry.ignored is not None:
            self._note(entry.ignored, entry.size.count.tokens)
            return
        if entry.role == "user":
            for scoped in self._scoped:
                self._expire(scoped)
            self._scoped.clear()
        if entry.turn_start:
            if self._strips:
                self._take_out("RET-02", self._turn_thinking, "thinking")
            self._turn_thinking = ZERO
        self._put_in(entry.size)
        self._turn_thinking = self._turn_thinking + entry.size.thinking
        if entry.scoped:
            self._scoped.append(entry.size)

    def _put_in(self, size: MessageSize) -> None:
        for block in size.blocks:
            for category, count in block.parts:
                self._by[category] = self._by[category] + count
        self._frames = self._frames + size.frame
        self._counted = self._counted + size.count
        self._grow(size.count)

    def _take_out(self, rule: str, count: Count, category: Category) -> None:
        if count.high == 0:
            return
        self._by[category] = _minus(self._by[category], count)
        self._counted = _minus(self._counted, count)
        self._note(rule, count.tokens)
        self.total = _minus(self.total, count)
        self.source = "estimated" if self.source == "estimated" else "anchored"

    def _expire(self, size: MessageSize) -> None:
        """A turn-scoped reminder whose turn is over costs nothing, its frame included (SYS-07, TOK-22)."""
        self._frames = _minus(self._frames, size.frame)
        self._counted = _minus(self._counted, size.frame)
        self.total = _minus(self.total, size.frame)
        self._take_out("SYS-07", _minus(size.count, size.frame), "messages")

    def _grow(self, count: Count) -> None:
        self.total = self.total + count
        self.source = "estimated" if self.source == "estimated" else "anchored"

    def _note(self, rule: str, tokens: int) -> None:
        self._stripped[rule] = self._stripped.get(rule, 0) + tokens

    def mark(self) -> Mark:
        """The totals of now, to `rollback` to."""
        return Mark(
            length=len(self.entries),
            by=dict(self._by),
            frames=self._frames,
            turn_thinking=self._turn_thinking,
            scoped=tuple(self._scoped),
            stripped=dict(self._stripped),
            counted=self._counted,
            total=self.total,
            source=self.source,
        )

    def rollback(self, mark: Mark) -> None:
        """Forget every message added since the mark."""
        del self.entries[mark.length :]
        self._by = dict(mark.by)
        self._frames = mark.frames
        self._turn_thinking = mark.turn_thinking
        self._scoped = list(mark.scoped)
        self._stripped = dict(mark.stripped)
        self._counted = mark.counted
        self.total = mark.total
        self.source = mark.source

    def anchor(self, tokens: int) -> None:
        """Pin the exact size of everything added so far."""
        self.total = Count(tokens=tokens, low=tokens, high=tokens, exact=True)
        self.source = "exact"

    @property
    def unexplained(self) -> int:
        """What the total differs by from the sum of the counted parts; 0 before the first anchor."""
        return self.total.tokens - self._counted.tokens

    def window(self) -> Window:
        """The totals as they are now; blocks are listed on demand from the entries of now."""
        by: dict[str, int] = {category: count.tokens for category, count in self._by.items()}
        by["system"] = sum(count.tokens for count in self.fixed.system)
        by["tools"] = sum(count.tokens for count in self.fixed.tools)
        overheads = {name: count.tokens for name, count in self.fixed.overheads}
        overheads["messages"] = self._frames.tokens
        if self.unexplained:
            overheads["unexplained"] = self.unexplained
        by["overhead"] = sum(overheads.values())
        entries, length, profile = self.entries, len(self.entries), self.profile
        return Window(
            model=profile.id,
            tokens=self.total.tokens,
            low=max(0, self.total.low),
            high=self.total.high,
            source=self.source,
            size=profile.window,
            max_output=profile.max_output,
            by=by,
            overheads=overheads,
            not_counted=dict(self._stripped),
            _list_blocks=lambda: _fixed_blocks(self.fixed) + _message_blocks(entries[:length], strips=self._strips),
        )


def _fixed_blocks(fixed: Fixed) -> tuple[BlockCount, ...]:
    rows = [("system", "text", count) for count in fixed.system]
    rows += [("tools", "tool", count) for count in fixed.tools]
    numbers = {"system": 0, "tools": 0}
    out = []
    for place, kind, count in rows:
        deferred = place == "tools" and count.high == 0
        out.append(
            BlockCount(
                path=f"{place}.{numbers[place]}",
                kind=kind,
                tokens=count.tokens,
                disposition="deferred" if deferred else "counted",
                rule="TOK-22" if deferred else "CTX-01",
                exact=count.exact,
            )
        )
        numbers[place] += 1
    return tuple(out)


def _message_blocks(entries: list[Entry], *, strips: bool) -> tuple[BlockCount, ...]:
    """Every block of the messages, by the same rules as the running totals, from the end backwards."""
    out: list[BlockCount] = []
    later_turn = later_user = False
    for index in range(len(entries) - 1, -1, -1):
        entry = entries[index]
        rows = []
        for position, block in enumerate(entry.size.blocks):
            rule = "CTX-01"
            disposition: Disposition = "counted"
            if entry.ignored is not None:
                rule, disposition = entry.ignored, "compacted"
            elif entry.scoped and later_user:
                rule, disposition = "SYS-07", "expired"
            elif strips and later_turn and block.kind in ("thinking", "redacted_thinking"):
                rule, disposition = "RET-02", "stripped"
            elif block.kind == "text" and block.count.high == 0:
                rule, disposition = "MSG-06", "dropped"
            rows.append(
                BlockCount(
                    path=f"messages.{index}.content.{position}",
                    kind=block.kind,
                    tokens=block.count.tokens,
                    disposition=disposition,
                    rule=rule,
                    exact=block.count.exact,
                )
            )
        out.extend(reversed(rows))
        later_turn |= entry.turn_start and entry.ignored is None
        later_user |= entry.role == "user" and entry.ignored is None
    return tuple(reversed(out))
