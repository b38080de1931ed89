"""What a conversation is made of: its log, and the state and the book that follow from it. How events come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from ctxwindow.catalog import ModelProfile
from ctxwindow.conversation.beginning import started
from ctxwindow.errors import HistoryError
from ctxwindow.recall import Archive, Searcher, Vectors
from ctxwindow.recall.entries import handle_of
from ctxwindow.record import Event
from ctxwindow.record.events import (
    Answered,
    Appended,
    Arrived,
    Compacted,
    Configured,
    Edited,
    Failed,
    Pinned,
    Received,
    Rewound,
    Started,
)
from ctxwindow.record.log import Log
from ctxwindow.rules import Violation, check_message
from ctxwindow.tiers import Policy, Send, Verdict
from ctxwindow.tiers.bookkeeping import enter
from ctxwindow.tiers.compaction import server_compaction
from ctxwindow.tiers.state import State
from ctxwindow.tiers.travel import state_of
from ctxwindow.window import Book, Spending, Window
from ctxwindow.window.memo import Memo, TextCount

__all__ = ["Core"]

_ADDS = (Appended, Pinned, Arrived, Answered)
"""Events that leave what came before as it was."""

_REPLY_FIELDS = frozenset({"role", "content", "usage", "stop_reason", "model", "id", "type"})
"""Fields of a reply that its event names, or that are always the same."""


class Core:
    """The events, what follows from them, and what can be seen of it. Every part of a conversation stands on this one."""

    def __init__(self, first: Started, counts: Iterable[TextCount] = ()) -> None:
        """A conversation after its first event, which no store has yet. Use `start` or `fold`."""
        self._memo = Memo(counts)
        self._replay([first])
        self._kept = 0
        self._due: Compacted | None = None
        self._aside: Compacted | None = None
        self._aside_since = 0  # how many events there were when it was asked for
        self._overtaken: list[Compacted] = []  # not wanted any more, and the result may yet come
        self._weighed: Verdict | None = None
        self._counting: str | None = None
        self._out: tuple[int, Send] | None = None
        self._archive: Archive | None = None
        self._archived = 0
        self._vectors: Vectors | None = None
        self.searcher: Searcher | None = None

    # -- beginnings ----------------------------------------------------------------------------------------

    @classmethod
    def start(
        cls,
        *,
        model: str | ModelProfile,
        system: Any = None,
        tools: Sequence[Any] | None = None,
        policy: Policy | None = None,
        settings: Mapping[str, Any] | None = None,
        unseen: int = 0,
        now: float | None = None,
    ) -> Self:
        """A new conversation.

        Args:
            model: an id the catalog knows, or a profile of your own.
            system: as the API takes it, string or blocks.
            tools: tool definitions, dicts or SDK objects.
            policy: how to keep it inside its window.
            settings: other request fields that every send carries (`thinking`, `tool_choice`, `metadata`, ...).
            unseen: tokens of system and tools that are sent but not given here.
            now: the caller's clock, seconds since the epoch.

        Raises:
            UnknownModel: the id is not in the catalog.
            PolicyError: its budget leaves no room in the window of this model.
            MisuseError: `unseen` is not a number of tokens, or `now` no time.
            InvalidRequest: system, tools or settings are not JSON, or break a rule on their own; or a tool has the name
                of the one that the policy's `recall` adds.
        """
        return cls(
            started(model=model, system=system, tools=tools, policy=policy, settings=settings, unseen=unseen, now=now)
        )

    @classmethod
    def fold(cls, events: Iterable[Event], *, counts: Iterable[TextCount] = ()) -> Self:
        """The conversation that these events made, as read back from a store.

        Args:
            events: all of them, in order.
            counts: exact counts of its texts, if the store has any: those texts are not counted again.

        Raises:
            HistoryError: the events do not begin with `Started`.
        """
        stream = iter(events)
        first = next(stream, None)
        if not isinstance(first, Started):
            raise HistoryError("a conversation begins with a `started` event.", remedy="Read it from its first event.")
        conversation = cls(first, counts)
        for event in stream:
            conversation._record(event)
        conversation._kept = len(conversation._log)
        return conversation

    # -- what there is -------------------------------------------------------------------------------------

    @property
    def messages(self) -> tuple[dict[str, Any], ...]:
        """The record: every message of the current branch that was appended or received, as it came. Do not mutate."""
        return tuple(self._state.messages)

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that happened, on all branches, in order."""
        return tuple(self._log.events)

    @property
    def window(self) -> Window:
        """The window the next request would occupy as things stand."""
        with self._memo.using():
            return self._state.wire.ledger.window()

    @property
    def model(self) -> str:
        """The current model's id."""
        return self._state.profile.id

    @property
    def profile(self) -> ModelProfile:
        """The current model's profile."""
        return self._state.profile

    @property
    def settings(self) -> dict[str, Any]:
        """Request fields that every send carries, besides model, system, tools and messages."""
        return dict(self._state.settings)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._state.policy

    @property
    def sends(self) -> int:
        """How many requests have been handed out, on all branches."""
        return self._state.sends

    @property
    def epoch(self) -> int:
        """Number of the epoch, from 0: one more with every compaction."""
        return len(self._state.edits)

    @property
    def compactions(self) -> tuple[Compacted, ...]:
        """Every compaction, in order: what each stands for, by whom, and its text."""
        return tuple(self._state.edits)

    @property
    def spilled(self) -> dict[str, int]:
        """Handles of the results kept outside the window, with their tokens."""
        return {handle_of(*place): event.tokens for place, event in self._state.spills.items()}

    @property
    def spending(self) -> Spending:
        """What it has cost so far: every send with its forecast and its bill, by turn, tool, kind of block, and block."""
        return self._book.spending(self._log.names())

    def paid(self, *, since: int = 0) -> float | None:
        """Dollars of the requests after number `since`, as far as they are known, without summaries; None where none is."""
        return self._book.paid(since)

    @property
    def summaries_paid(self) -> float:
        """Dollars of all summaries so far that were paid for on their own."""
        return self._book.summaries

    @property
    def wire(self) -> tuple[dict[str, Any], ...]:
        """The messages the next request would send. Shared: do not mutate."""
        return tuple(self._state.wire.messages)

    def hot(self) -> tuple[int, ...]:
        """Record indices of the messages that stand on the wire."""
        return tuple(source for source in self._state.wire.sources if source is not None)

    @property
    def recorded(self) -> int:
        """How many messages the record has; `messages` copies them."""
        return len(self._state.messages)

    def _limit(self, max_tokens: int) -> int:
        """Tokens the prompt may take. The window is never passed, whatever the budget (CTX-08)."""
        state = self._state
        budget = state.policy.budget_of(state.profile.window)
        if state.tightened is not None:
            budget = min(budget, state.tightened)
        return budget - state.policy.reserve - max_tokens

    def _replay(self, events: Sequence[Event]) -> None:
        """Make state, book and log from the events."""
        first, *rest = events
        assert isinstance(first, Started)  # noqa: S101 - the first event, by both constructors
        self._log = Log(first)
        with self._memo.using():
            self._state = State(first)
            self._book = Book(self._log.messages, self._state.policy.cache)
            for event in rest:
                self._apply(event)

    def _apply(self, event: Event) -> None:
        """Take one more event into state, book and log."""
        if isinstance(event, Rewound):
            self._log.check(event)
            self._state = state_of(self._log.path(event.to))
        self._state.apply(event)
        enter(self._book, event, self._state, self._log)
        self._log.add(event)

    def _record(self, event: Event) -> None:
        """Apply first: an event that cannot be applied is not kept, nor is what it has changed by then (law 8)."""
        length = len(self._log)
        try:
            with self._memo.using():
                self._apply(event)
        except BaseException:
            self._replay(self._log.events[:length])
            raise
        self._out = None
        if not isinstance(event, _ADDS):
            # A summary that is being written, and a count, are of what came before.
            self._due = self._counting = None
        if isinstance(event, Compacted | Configured | Failed | Edited | Rewound):
            self._overtake()  # the range that it is of is not sent any more as it was then
        if isinstance(event, Rewound):
            self._archive = self._weighed = None

    def _broken_by(self, message: Mapping[str, Any]) -> list[Violation]:
        """The rules that a message would break if it came next."""
        state = self._state
        return check_message(
            message,
            index=len(state.messages),
            # What a message follows is the last one on the wire: evidence is not sent.
            previous=next(reversed(state.forms.values()), None),
            outline=state.outline,
            profile=state.profile,
            system=state.base.get("system"),
            tools=state.base.get("tools"),
            settings=state.settings,
            betas=state.settings.get("betas"),
        )

    def _take_reply(self, reply: Mapping[str, Any], at: float | None, *, cut: bool = False) -> int:
        """Record what came of the reply that is due; its index in the record."""
        state = self._state
        assert state.awaiting is not None  # noqa: S101 - the caller has looked
        armed, usage = state.held, reply.get("usage")
        self._record(
            Received(
                at=at,
                send=state.awaiting.send,
                message={"role": "assistant", "content": reply["content"]},
                usage=usage if isinstance(usage, dict) else None,
                stop_reason=_text(reply.get("stop_reason")),
                model=_text(reply.get("model")),
                reply_id=_text(reply.get("id")),
                rest={key: value for key, value in reply.items() if key not in _REPLY_FIELDS},
                cut=cut,
            )
        )
        index = len(state.messages) - 1
        if armed is not None and armed.trigger is not None and not cut:
            self._record(server_compaction(armed, reply, index, state.profile, at))
        return index

    def _overtake(self) -> None:
        """What is being prepared in the background is not wanted any more."""
        if self._aside is not None:
            self._overtaken.append(self._aside)
        self._aside = None


def _text(value: Any) -> str | None:
    """A string as it is; anything else is not known."""
    return value if isinstance(value, str) else None
