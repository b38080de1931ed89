"""The ledger: running totals of one wire on one model, kept message by message.

Adding a message costs that message. After a response the exact size of its request is pinned (`anchor`), and
only what was added or stripped since is estimated (CTX-16).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.window.before import START, Before, forces
from ctxwindow.window.clearing import Clearing, ClearingMark, Held
from ctxwindow.window.edits import Cleared, less
from ctxwindow.window.entry import Entry, loads
from ctxwindow.window.fixed import Fixed
from ctxwindow.window.learning import NOTHING_LEARNED, Learning
from ctxwindow.window.listing import Listing
from ctxwindow.window.parts import THINKING, ZERO, Category, MessageSize
from ctxwindow.window.reply import Billed, billed_size
from ctxwindow.window.running import Running
from ctxwindow.window.tokens import Count
from ctxwindow.window.total import minus
from ctxwindow.window.window import Source, Window

__all__ = ["Ledger", "Mark"]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger at one moment."""

    length: int
    by_code: int
    running: Running
    clearing: ClearingMark


def _freed(cleared: tuple[Cleared, ...]) -> Count:
    return sum((edit.tally.freed for edit in cleared), ZERO)


class Ledger:
    """Running totals of a wire that only grows.

    Attributes:
        entries: one per wire message, in order.
        fixed: the sizes of system, tools and overheads.
        total: tokens in the window, with bounds.
        source: how the total is known.
        learning: what exact sizes have taught about the estimates so far.
    """

    def __init__(
        self,
        profile: ModelProfile,
        fixed: Fixed,
        settings: Mapping[str, Any] | None = None,
        learning: Learning | None = None,
        held: Held | None = None,
    ) -> None:
        """`settings`: the request's other fields, of which `context_management` bears on the totals, unless `held` does."""
        self.profile = profile
        self.fixed = fixed
        self.entries: list[Entry] = []
        self._first = START._replace(forced=forces(settings or {}))
        self._clearing = Clearing(settings or {}, profile, held)
        self._strips = profile.thinking.prior_turns == "last_turn_only" and not self._clearing.rules_thinking
        self._deferred = {name: (index, count) for name, index, count in fixed.deferred}
        self._by_code: dict[str, None] = {}  # ids of calls that code made
        self._now = Running.of(fixed.count, learning or NOTHING_LEARNED)
        self._cleared: tuple[Cleared, ...] = ()

    @property
    def before(self) -> Before:
        """What stands before the next message."""
        return self.entries[-1].after if self.entries else self._first

    def add(self, entry: Entry) -> None:
        """Count one more message, and take out what it ends: thinking of the turn before, scoped reminders."""
        if entry.restarts:
            self._restart()
        entry = self._without_results_of_code(entry)
        index = len(self.entries)
        self.entries.append(entry)
        self._now.sent += entry.size.count.tokens
        if entry.role == "user":
            for scoped in self._now.scoped:
                self._expire(scoped)
            self._now.scoped.clear()
        if entry.turn_start:
            if self._strips:
                self._take_out("RET-02", self._now.turn_thinking, "thinking")
            self._now.turn_thinking = ZERO
        size = self._reduced(entry) if entry.out else entry.size
        self._put_in(size)
        self._now.turn_thinking = self._now.turn_thinking + size.thinking
        if entry.scoped:
            self._now.scoped.append(size)
        if self.fixed.names:
            self._load(entry)
        if self._clearing:
            self._clearing.add(index, entry.clearable)
            self._clear()

    def _clear(self) -> None:
        self._cleared = self._clearing.cleared(self._now.total.count.tokens + _freed(self._now.pinned).tokens)

    def _restart(self) -> None:
        """A compaction block: nothing before it is in the window any more (CMP-02), and no exact size holds."""
        running = Running.of(self.fixed.count, self.learning)
        running.start = len(self.entries)
        running.sent = self._now.sent
        running.left_out = {"CMP-02": self._now.sent} if self._now.sent else {}
        self._now = running
        self._clearing.restart()

    def _without_results_of_code(self, entry: Entry) -> Entry:
        """Results of calls that code made go to the code and never enter the context (TOK-20)."""
        self._by_code.update(dict.fromkeys(entry.calls_by_code))
        if not self._by_code or entry.role != "user":
            return entry
        out = {place: "TOK-20" for place, identity in entry.results() if identity in self._by_code}
        return msgspec.structs.replace(entry, out={**entry.out, **out}) if out else entry

    def _reduced(self, entry: Entry) -> MessageSize:
        """The size of a message without the blocks that are out of the window from the start."""
        for place, rule in entry.out.items():
            self._note(rule, entry.size.blocks[place].count.tokens)
        return entry.size.keeping([place for place in range(len(entry.size.blocks)) if place not in entry.out])

    def _put_in(self, size: MessageSize) -> None:
        for block in size.blocks:
            for category, count in block.parts:
                self._now.by[category] = self._now.by[category] + count
        self._now.frames = self._now.frames + size.frame
        self._now.counted = self._now.counted + size.count
        self._now.total = self._now.total.with_more(size.count)

    def _load(self, entry: Entry) -> None:
        """A deferred tool is rendered, and counts, from where the conversation first names it (TOOL-20)."""
        for name in loads([block for _, block in entry.clearable.blocks]):
            found = self._deferred.get(name)
            if found is None:
                self._repeat(name)
            if found is None or name in self._now.loaded:
                continue
            index, count = found
            self._now.loaded[name] = index
            self._now.by["tools"] = self._now.by["tools"] + count
            self._now.counted = self._now.counted + count
            self._now.total = self._now.total.with_more(count)

    def _repeat(self, name: str) -> None:
        """A reference to a tool that is not deferred renders its definition once more: so in one recorded request."""
        if name in self.fixed.names:
            count = self.fixed.tools[self.fixed.names.index(name)]
            self._now.again = self._now.again + count
            self._now.counted = self._now.counted + count
            self._now.total = self._now.total.with_more(count)

    def _take_out(self, rule: str, count: Count, category: Category) -> None:
        if count.high == 0:
            return
        self._now.by[category] = minus(self._now.by[category], count)
        self._now.counted = minus(self._now.counted, count)
        self._note(rule, count.tokens)
        self._now.total = self._now.total.with_less(count)

    def _expire(self, size: MessageSize) -> None:
        """A turn-scoped reminder whose turn is over costs nothing, its frame included (SYS-07, TOK-22)."""
        self._now.frames = minus(self._now.frames, size.frame)
        self._now.counted = minus(self._now.counted, size.frame)
        self._now.total = self._now.total.with_less(size.frame)
        self._take_out("SYS-07", minus(size.count, size.frame), "messages")

    def _note(self, rule: str, tokens: int) -> None:
        if tokens:
            self._now.left_out[rule] = self._now.left_out.get(rule, 0) + tokens

    @property
    def total(self) -> Count:
        """Tokens in the window, with bounds that hold a doubtful size too."""
        return self._now.total.bounded(self.believed)

    @property
    def believed(self) -> Count:
        """Tokens in the window, with bounds, whatever was reported and is not believed."""
        total = self._now.total.count
        if not self._clearing and not self._now.pinned:
            return total
        pinned, cleared = _freed(self._now.pinned), _freed(self._cleared)
        if cleared.tokens < pinned.tokens:
            return total + less(pinned, cleared)
        return minus(total, less(cleared, pinned))

    @property
    def source(self) -> Source:
        """How the total is known."""
        return self._now.total.source

    @property
    def learning(self) -> Learning:
        """What exact sizes have taught about the estimates so far."""
        return self._now.total.learning

    @property
    def tools(self) -> int:
        """Tokens of the tools in the window, with the prompt that they bring (TOOL-14)."""
        prompt = sum(count.tokens for name, count in self.fixed.overheads if name == "tool prompt")
        return self._now.by["tools"].tokens + sum(count.tokens for count in self.fixed.tools) + prompt

    @property
    def cleared(self) -> tuple[Cleared, ...]:
        """What context editing clears, in the order in which the edits are applied."""
        return self._cleared

    @property
    def start(self) -> int:
        """Place of the first message in the window: behind the last compaction block (CMP-02)."""
        return self._now.start

    @property
    def thinking(self) -> int:
        """Tokens of thinking in the window."""
        cleared = sum((edit.tally.parts.get("thinking", ZERO) for edit in self._cleared), ZERO)
        return self._now.by["thinking"].tokens - cleared.tokens

    @property
    def edits(self) -> list[dict[str, Any]]:
        """The edits that a request must ask for, so that what is held cleared is (EDIT-01)."""
        return self._clearing.asked()

    def mark(self) -> Mark:
        """The totals of now, to `rollback` to."""
        return Mark(
            length=len(self.entries),
            by_code=len(self._by_code),
            running=self._now.copy(),
            clearing=self._clearing.mark(),
        )

    def rollback(self, mark: Mark) -> None:
        """Forget every message added since the mark."""
        del self.entries[mark.length :]
        while len(self._by_code) > mark.by_code:
            self._by_code.popitem()
        self._now = mark.running.copy()
        self._clearing.rollback(mark.clearing)
        self._clear()

    def refit(self, fixed: Fixed, mark: Mark | None = None) -> None:
        """Take other settings in, that change nothing about system, tools and messages.

        Args:
            fixed: the sizes with these settings.
            mark: a moment to which one may yet `rollback`: it gets them too.
        """
        for running in (self._now, mark.running) if mark is not None else (self._now,):
            running.refit(self.fixed, fixed)
        self.fixed = fixed
        if self._clearing:
            self._clear()

    def hold(self, held: Held | None, mark: Mark | None = None) -> Mark | None:
        """From here on this is cleared, in place of what was; all that is known of the size stays.

        Args:
            held: what is cleared.
            mark: a moment to which one may yet `rollback`.

        Returns:
            That moment, with the same cleared.
        """
        self._clearing = Clearing({}, self.profile, held)
        length, at = mark.length if mark is not None else len(self.entries), None
        for index, entry in enumerate(self.entries):
            if index == length:
                at = self._clearing.mark()
            if entry.restarts:
                self._clearing.restart()
            self._clearing.add(index, entry.clearable)
        self._clear()
        return None if mark is None else msgspec.structs.replace(mark, clearing=at or self._clearing.mark())

    def anchor(self, tokens: int, *, learn: bool = True) -> None:
        """Pin the exact size of everything added so far, as it is after all edits.

        Args:
            tokens: the exact size.
            learn: whether it says how good the estimates were.
        """
        if learn:
            self._now.total = self._now.total.taught(tokens, self.total.tokens, whole=self._now.pinned == self._cleared)
        self._now.total = self._now.total.pinned(tokens)
        self._now.pinned = self._cleared

    def anchor_before(self, tokens: int, place: int, billed: Billed) -> None:
        """Pin the exact size of everything but the last message's blocks from a place on: what its last sampling read.

        Args:
            tokens: the exact size.
            place: of the first block that this sampling wrote.
            billed: what its usage says of these blocks.
        """
        size = self.entries[-1].size
        # The opening of the message was read too.
        written = billed_size(MessageSize.of(size.blocks[place:], ZERO), billed)
        self._now.total = self._now.total.pinned(tokens).with_more(written.count)
        self._now.pinned = self._cleared

    def drop(self, places: Mapping[int, Mapping[int, str]]) -> None:
        """Take out thinking that the server says it dropped (TOK-23).

        Args:
            places: message index -> place -> rule.
        """
        if places:
            self.entries = list(self.entries)  # a window that somebody kept lists the ones of its own time
        for index, found in places.items():
            entry = self.entries[index] if self._now.start <= index < len(self.entries) else None
            if entry is None or self._strips:
                continue
            out = dict(entry.out)
            for place, rule in found.items():
                block = entry.size.blocks[place] if place < len(entry.size.blocks) else None
                if block is not None and block.kind in THINKING and place not in out:
                    self._take_out(rule, block.count, "thinking")
                    out[place] = rule
            self.entries[index] = msgspec.structs.replace(entry, out=out)

    def doubt(self, why: str, reported: int | None) -> None:
        """Note that a size was reported that is not believed. The totals stand; their bounds hold that size too.

        Args:
            why: what contradicts it.
            reported: the size; None where the window cannot have it.
        """
        self._now.total = self._now.total.doubtful(why, reported - self.total.tokens if reported is not None else 0)

    @property
    def unexplained(self) -> int:
        """What an exact size differed by from the sum of the counted parts; 0 before the first anchor."""
        counted = self._now.counted.tokens - _freed(self._cleared).tokens
        return self.total.tokens - counted - self._now.total.correction

    def window(self) -> Window:
        """The totals as they are now; blocks are listed on demand from the entries of now."""
        by: dict[str, int] = {category: count.tokens for category, count in self._now.by.items()}
        left_out = dict(self._now.left_out)
        overheads = {name: count.tokens for name, count in self.fixed.overheads}
        overheads["messages"] = self._now.frames.tokens
        if self._now.again.tokens:
            overheads["tools named again"] = self._now.again.tokens
        for edit in self._cleared:
            for category, count in edit.tally.parts.items():
                by[category] -= count.tokens
            left_out[edit.rule] = edit.tally.whole.tokens
            if edit.tally.rest.tokens:
                overheads["placeholders"] = edit.tally.rest.tokens
        taught = {"correction": self._now.total.correction, "unexplained": self.unexplained}
        overheads.update({name: tokens for name, tokens in taught.items() if tokens})
        by["system"] = sum(count.tokens for count in self.fixed.system)
        by["tools"] += sum(count.tokens for count in self.fixed.tools)
        by["overhead"] = sum(overheads.values())
        total = self.total
        listing = Listing(
            entries=self.entries,
            length=len(self.entries),
            start=self._now.start,
            fixed=self.fixed,
            loaded=frozenset(self._now.loaded.values()),
            strips=self._strips,
            clearing=self._clearing,
            cleared=self._cleared,
        )
        return Window(
            model=self.profile.id,
            tokens=total.tokens,
            low=max(0, total.low),
            high=total.high,
            source=self.source,
            doubt=self._now.total.doubt,
            size=self.profile.window,
            max_output=self.profile.max_output,
            by=by,
            overheads=overheads,
            not_counted=left_out,
            _listed=listing,
        )
