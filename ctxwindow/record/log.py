"""The log: all events in the order in which they happened, and the branches that they form.

Events are numbered from 1 (`seq`), as stores number them. The parent of an event is the one before it; of a `Rewound`
it is event `to`. So the log is a tree whose shared beginnings are stored once, and nothing that was left is lost.
A conversation is the fold over the *path* from event 1 to its last one. A path is a few stretches of the log, one more
for each rewind on it, and that is how it is kept here.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ctxwindow.errors import HistoryError
from ctxwindow.record.events import Appended, Event, Received, Rewound, Sent, Started

__all__ = ["Branch", "Log", "Place"]


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a conversation, from its beginning to an event that nothing follows."""

    tip: int
    """Number of its last event."""
    current: bool
    """Whether the conversation goes on here."""
    messages: int
    """Messages of its record."""
    shared: int
    """How many of them, from the first, it has in common with the current branch: there the two part."""
    at: float | None
    """When its last event happened, in seconds since the epoch; None where the caller gave no time."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an event stands."""

    branch: Branch
    """The current branch if the event is of it, else the newest that it is of."""
    message: int | None
    """Record index, on that branch, of the message that it brought; None where it brought none."""


class Log:
    """Events and their branches. Adding an event costs that event; a rewind costs the path that is left of it.

    Attributes:
        events: all of them; event `seq` is `events[seq - 1]`.
        messages: every message that ever came, on whatever branch, in the order in which they came.
        line: for each record index of the current branch, its place in `messages`. Only grows: a rewind starts another.
        sends: number of a send -> `seq` of its event.
    """

    def __init__(self, started: Started) -> None:
        self.events: list[Event] = [started]
        self.messages: list[dict[str, Any]] = []
        self.line: list[int] = []
        self.sends: dict[int, int] = {}
        self._came: list[int] = []  # `seq` of each of `messages`
        self._lengths = [0]  # of the record after each event, on its path
        self._starts = [1]  # where stretches of the log begin: at event 1 and at every `Rewound`

    def __len__(self) -> int:
        return len(self.events)

    @property
    def straight(self) -> bool:
        """Whether it never went back: then every event is on the current branch."""
        return len(self._starts) == 1

    def check(self, event: Event) -> None:
        """Whether an event can come next.

        Raises:
            HistoryError: it goes back to an event that is not there.
        """
        if isinstance(event, Rewound) and not 1 <= event.to <= len(self.events):
            raise HistoryError(
                f"event {len(self.events) + 1} goes back to event {event.to}, and there are {len(self.events)} before it.",
                remedy="Restore the database from a backup.",
            )

    def add(self, event: Event) -> None:
        """Put one more event at the end."""
        self.check(event)
        self.events.append(event)
        seq, length = len(self.events), self._lengths[-1]
        match event:
            case Appended() | Received():
                self.line.append(len(self.messages))
                self.messages.append(event.message)
                self._came.append(seq)
                length += 1
            case Sent():
                self.sends[event.send] = seq
            case Rewound():
                self.line = self._line(event.to)
                self._starts.append(seq)
                length = len(self.line)
            case _:
                pass
        self._lengths.append(length)

    def recorded(self, seq: int) -> int:
        """How many messages the record had just after an event."""
        return self._lengths[seq - 1]

    def before(self, message: int) -> int:
        """`seq` of the last event before a message of the current branch came, or of the last event of all."""
        return self._came[self.line[message]] - 1 if message < len(self.line) else len(self.events)

    def path(self, tip: int) -> Iterator[Event]:
        """The events from the first to `tip`, without those of other branches."""
        for stretch in self._stretches(tip):
            yield from self.events[stretch.start - 1 : stretch.stop - 1]

    def names(self) -> Callable[[int], str]:
        """What to call a message, given its place in `messages`: `messages.3` on the branch that is current now, by its place
        in the record; `events.17` on others, by the number of its event.
        """
        line = self.line

        def name(message: int) -> str:
            seq = self._came[message]
            index = self.recorded(seq) - 1
            return f"messages.{index}" if line[index : index + 1] == [message] else f"events.{seq}"

        return name

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Every branch, the one with the oldest end first; the current one is among them even before it has an event."""
        now = self._solid(len(self.events))
        bounds = itertools.pairwise([*self._starts, len(self.events) + 1])
        # A rewind that nothing followed makes no branch.
        grown = [range(start, stop) for start, stop in bounds if start == 1 or stop - start > 1]
        continued = {self._solid(self._parent(stretch)) for stretch in grown if stretch.start > 1}
        tips = sorted({stretch[-1] for stretch in grown} - continued | {now})
        return tuple(self._branch(tip, now) for tip in tips)

    def place(self, seq: int) -> Place | None:
        """Where an event stands; None where there is no such event."""
        if not 1 <= seq <= len(self.events):
            return None
        event = self._solid(seq)
        newest = sorted(self.branches, key=lambda branch: (branch.current, branch.tip), reverse=True)
        holding = (branch for branch in newest if any(event in stretch for stretch in self._stretches(branch.tip)))
        brought = isinstance(self.events[seq - 1], (Appended, Received))
        return Place(branch=next(holding), message=self.recorded(seq) - 1 if brought else None)

    def _branch(self, tip: int, now: int) -> Branch:
        shared = 0
        for mine, other in zip(self._stretches(tip), self._stretches(now), strict=False):
            if mine.start != other.start:
                break
            shared = self.recorded(min(mine.stop, other.stop) - 1)
            if mine.stop != other.stop:
                break
        event = self.events[tip - 1]
        return Branch(tip=tip, current=tip == now, messages=self.recorded(tip), shared=shared, at=event.at)

    def _stretches(self, tip: int) -> list[range]:
        """The parts of the log, as ranges of `seq`, that make up the path to an event."""
        found = []
        while tip:
            start = self._starts[bisect_right(self._starts, tip) - 1]
            found.append(range(start, tip + 1))
            tip = self._parent(found[-1])
        return found[::-1]

    def _line(self, tip: int) -> list[int]:
        line: list[int] = []
        for stretch in self._stretches(tip):
            line.extend(range(bisect_left(self._came, stretch.start), bisect_left(self._came, stretch.stop)))
        return line

    def _parent(self, stretch: range) -> int:
        """The event that a stretch of the log follows; 0 for the first."""
        event = self.events[stretch.start - 1]
        return event.to if isinstance(event, Rewound) else 0

    def _solid(self, tip: int) -> int:
        """An event, or where a rewind that nothing followed went to."""
        while isinstance(event := self.events[tip - 1], Rewound):
            tip = event.to
        return tip
