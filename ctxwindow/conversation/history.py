"""The log of a conversation: its branches, going back, and what of it a store has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ctxwindow.conversation.core import Core
from ctxwindow.errors import MisuseError
from ctxwindow.record import Event
from ctxwindow.record.events import Appended, Received
from ctxwindow.record.log import Branch, Place
from ctxwindow.tiers.intake import checked_time
from ctxwindow.tiers.travel import Moment, moment, rewound
from ctxwindow.window.memo import TextCount

__all__ = ["History"]


class History(Core):
    """Everything that ever happened, on all branches."""

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Every branch: the current one, and those that `rewind` has left."""
        return self._log.branches

    @property
    def replies(self) -> dict[int, Received]:
        """The replies of the current branch as they came, by record index. Costs the length of the history."""
        found, index = dict[int, Received](), 0
        for event in self._log.path(len(self._log)):
            if isinstance(event, Received):
                found[index] = event
            index += isinstance(event, Appended | Received)
        return found

    def is_evidence(self, message: int) -> bool:
        """Whether a message of the record is never sent: a reply that was refused, cut off, or came empty."""
        return message not in self._state.forms

    def everything(self) -> Iterator[dict[str, Any]]:
        """Every message that ever came, on all branches, in the order in which they came. Do not mutate."""
        return iter(tuple(self._log.messages))

    def at(self, *, send: int) -> Moment:
        """The conversation as it was when request `send` was handed out, on whatever branch. Costs the length of its history.

        Raises:
            MisuseError: there is no such send.
        """
        with self._memo.using():
            return moment(self._log, send)

    def rewind(self, to: int | Branch | None = None, *, send: int | None = None, now: float | None = None) -> None:
        """Go back, or over to another branch. What is left stays in the log as a branch; what it cost stays in `spending`.

        A request that is out counts as given up. Costs the length of the history, once.

        Args:
            to: how many messages of the record stay: all is as it was just before the next one came, compactions and settings
                included. Or one of `branches`: its last message is the last one again.
            send: instead, as it was when this request had been handed out.
            now: the caller's clock.

        Raises:
            MisuseError: there is no such place; nothing was changed.
        """
        self._record(rewound(self._log, to, send, checked_time(now)))

    def branch_of(self, seq: int) -> Place:
        """The branch, and the record index there, of event `seq`, such as that of a hit of a search.

        Raises:
            MisuseError: there is no such event.
        """
        place = self._log.place(self._checked(seq))
        assert place is not None  # noqa: S101 - every event stands somewhere
        return place

    def recorded_at(self, seq: int) -> int:
        """How many messages the record had just after event `seq`.

        Raises:
            MisuseError: there is no such event.
        """
        return self._log.recorded(self._checked(seq))

    def _checked(self, seq: object) -> int:
        if type(seq) is int and 1 <= seq <= len(self._log):
            return seq
        raise MisuseError(
            f"there is no event {seq!r:.40}.", path="seq", remedy=f"Events are numbered 1 to {len(self._log)}."
        )

    @property
    def unkept(self) -> tuple[Event, ...]:
        """The events that no store has yet."""
        return tuple(self._log.events[self._kept :])

    @property
    def kept(self) -> int:
        """How many events a store has already."""
        return self._kept

    @property
    def unkept_counts(self) -> tuple[TextCount, ...]:
        """Exact counts of its texts that no store has yet."""
        return self._memo.new

    def take_back(self) -> None:
        """Undo every event that no store has yet, as if it had not happened. Costs the length of the history."""
        if self._kept == len(self._log):
            return
        self._replay(self._log.events[: self._kept])
        self._due = self._weighed = self._counting = self._out = self._archive = None
        if self._aside_since > self._kept:
            self._aside = None  # it is of a request that was never sent

    def follow(self, events: Iterable[Event], *, counts: Iterable[TextCount] = ()) -> None:
        """Take in what somebody else has stored after the events that are kept. Costs the work for these.

        What no store has is taken back first.

        Args:
            events: all of them after the first `kept`, in order.
            counts: exact counts of its texts that the store has.
        """
        self.take_back()
        self._memo.tell(counts)
        for event in events:
            self._record(event)
            self._kept = len(self._log)

    def mark_kept(self, events: int) -> None:
        """A store has the first `events` events, and where these are all, the counts too."""
        self._kept = events
        if events == len(self._log):
            self._memo.mark_kept()
