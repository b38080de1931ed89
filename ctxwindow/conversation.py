"""The engine: events in, decisions out. It does no I/O, reads no clock and starts nothing.

    conversation = Conversation.start(model="claude-opus-5-5", system="Be brief.", policy=Policy())
    conversation.append({"role": "user", "content": "Fix the failing test."})
    decision = conversation.plan(max_tokens=8_000, now=clock())

A driver carries out what `plan` decides and hands the result back:

    Send       -> send `decision.request`, then `receive(reply)`, or `fail(error)`
    Summarize  -> summarise `decision.segment`, then `summarized(text, by=...)`, and plan again
    Compact    -> send `decision.request`, then `compacted(reply)`, or `compaction_failed(error)`, and plan again
    Count      -> count `decision.request`, then `counted(tokens)`, and plan again

Every call that changes anything is recorded as an event; `Conversation.fold(events)` gives the same conversation
again. `ctxwindow.stores.keep` writes new events to a store.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import HistoryError, InvalidRequest, MisuseError, ProtocolError
from ctxwindow.recall import Archive, Embedder, Question, Recalled, Searcher, Standing, Vectors, recall
from ctxwindow.recall.answers import answer
from ctxwindow.recall.entries import handle_of
from ctxwindow.recall.opening import Excerpt, block_behind, lines_behind, matches_behind
from ctxwindow.recall.tool import TOOL_NAME, with_recall_tool
from ctxwindow.record import Event, Outline, identifiers_of, intake
from ctxwindow.record.events import (
    Appended,
    Compacted,
    Configured,
    Counted,
    Declined,
    Edited,
    Failed,
    Pinned,
    Received,
    Rewound,
    Started,
)
from ctxwindow.record.log import Branch, Log, Place
from ctxwindow.rules import View, check_end, check_message, may_cut
from ctxwindow.tiers import Compact, Decision, Offer, Policy, Recovery, Send, Situation, Summarize, Verdict, judge
from ctxwindow.tiers.bookkeeping import enter
from ctxwindow.tiers.compaction import Adopted, read_compaction, server_compaction
from ctxwindow.tiers.intake import (
    changes_tools,
    check_fixed,
    check_tool_changes,
    checked_settings,
    checked_summary,
    checked_time,
    checked_tokens,
    fewer_betas,
    raise_errors,
)
from ctxwindow.tiers.planner import in_background
from ctxwindow.tiers.pressure import overflow, oversized, relief
from ctxwindow.tiers.recovery import recover
from ctxwindow.tiers.requests import compact_of, count_of, send_of, sent_event, summarize_of
from ctxwindow.tiers.restarts import check_kept, messages_after, restart
from ctxwindow.tiers.standing import standing
from ctxwindow.tiers.state import State
from ctxwindow.tiers.travel import Moment, moment, rewound, state_of
from ctxwindow.window import Book, Spending, Window, count_text
from ctxwindow.window.memo import Memo, TextCount

__all__ = ["Conversation"]


class Conversation:
    """One conversation and its window. Not thread-safe: one driver at a time."""

    def __init__(self, started: Started, counts: Iterable[TextCount] = ()) -> None:
        """Use `start` or `fold`."""
        self._memo = Memo(counts)
        self._replay([started])
        self._kept = 0
        self._due: Compacted | None = None
        self._aside: Compacted | None = None
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
    ) -> Conversation:
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
        profile = resolve(model)
        policy = policy or Policy()
        policy.budget_of(profile.window)
        given = intake(tools, "tools") if tools is not None else None
        started = Started(
            at=checked_time(now),
            model=profile.id,
            profile=msgspec.to_builtins(profile) if isinstance(model, ModelProfile) else None,
            system=intake(system, "system") if system is not None else None,
            tools=with_recall_tool(given) if policy.recall else given,
            settings=checked_settings(settings or {}),
            policy=policy.model_dump(mode="json"),
            unseen=checked_tokens(unseen, "unseen"),
        )
        check_fixed(profile, started.settings, system=started.system, tools=started.tools)
        return cls(started)

    @classmethod
    def fold(cls, events: Iterable[Event], *, counts: Iterable[TextCount] = ()) -> Conversation:
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
    def policy(self) -> Policy:
        """The policy in force."""
        return self._state.policy

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

    @property
    def wire(self) -> tuple[dict[str, Any], ...]:
        """The messages the next request would send. Shared: do not mutate."""
        return tuple(self._state.wire.messages)

    def hot(self) -> tuple[int, ...]:
        """Record indices of the messages that stand on the wire."""
        return tuple(source for source in self._state.wire.sources if source is not None)

    def open(self, handle: str) -> dict[str, Any]:
        """The whole block behind a handle, as it was recorded: a spilled result, or any that recall has told.

        Raises:
            ProtocolError: no block of this conversation has that handle, or it is thinking, which is never shown.
        """
        return block_behind(self._state.messages, handle)

    def recall(
        self,
        query: str = "",
        *,
        k: int = 10,
        around: int = 0,
        handle: str | None = None,
        kinds: Collection[str] | None = None,
        tool: str | None = None,
        first: int | None = None,
        end: int | None = None,
        since: float | None = None,
        until: float | None = None,
        embedder: Embedder | Vectors | None = None,
    ) -> list[Recalled]:
        """What was said about something, best first; without a query, what the filters let through, newest first.

        Filters combine. Thinking is never found. The first call reads the whole record; later ones what is new.

        Args:
            query: any text; it is looked for by its words, whole and in parts. A handle alone stands for what it names.
            k: the most texts to return, up to 1,000.
            around: messages before and after each hit to show the opening of, up to 20.
            handle: only this message or block (`m12`, `m12.3`), or summary (`s0-12`).
            kinds: only blocks of these types (`text`, `tool_use`, `tool_result`, ...), or `summary`.
            tool: only calls and results of this tool.
            first: only messages from this record index on ...
            end: ... and before this one.
            since: only what was said at or after this time, in seconds since the epoch ...
            until: ... and at or before this one. What has no time is left out where either is given.
            embedder: an embedding model of yours, to search by meaning too. Its vectors are kept while it is the one
                that is passed; pass `Vectors` to keep them yourself.

        Raises:
            MisuseError: an argument is of the wrong type, or the embedder failed its promise. The text of a query is
                never refused.
            ProtocolError: nothing in this conversation has the handle.
        """
        ask = Question(
            query=query,
            k=k,
            around=around,
            handle=handle,
            kinds=kinds,
            tool=tool,
            first=first,
            end=end,
            since=since,
            until=until,
        )
        if embedder is not None:
            self._vectors = Vectors.of(embedder, self._vectors)
        return recall(*self._recallable(), ask, self._vectors if embedder is not None else None)

    def open_lines(self, handle: str, first: int, last: int) -> Excerpt:
        """The lines from `first` to `last` (from 1, both included) of the text behind a handle, spilled or not.

        Raises:
            ProtocolError: nothing in this conversation has the handle.
        """
        return lines_behind(self._recallable()[0], handle, first, last)

    def open_matches(self, handle: str, pattern: str, *, context: int = 2, most: int = 100) -> Excerpt:
        """The first `most` lines of the text behind a handle that match a pattern, with `context` lines around each.

        The pattern is a regular expression that can be matched in linear time (see `ctxwindow.recall.pattern`); any other
        text is looked for as it is.

        Raises:
            ProtocolError: nothing in this conversation has the handle.
        """
        return matches_behind(self._recallable()[0], handle, pattern, context=context, most=most)

    def answer_recall(self, call: Any) -> dict[str, Any]:
        """The tool result that answers the model's call of the recall tool: append it in a user message.

        It is bounded (see `ctxwindow.recall.answers`), and whatever the model asked for, it is an answer: a mistake comes
        back with `is_error`.

        Args:
            call: the `tool_use` block, a dict or an SDK object.

        Raises:
            ProtocolError: the block is no call of the recall tool.
        """
        tokenizer = self._state.profile.tokenizer
        archive, now = self._recallable()
        room = self._limit(0) - self._state.wire.ledger.total.tokens
        return answer(
            archive, now, intake(call, "call"), room=room, count=lambda text: count_text(text, tokenizer).high
        )

    def _recallable(self) -> tuple[Archive, Standing]:
        """Everything that was said, and how things stand now."""
        if self._archive is None:
            self._archive = Archive(TOOL_NAME if self.policy.recall else None)
            self._archive.follow(self._log.path(len(self._log)))
        else:  # since it was made, all is on one branch
            self._archive.follow(self._log.events[self._archived :])
        self._archived = len(self._log)
        # A store's index holds every branch, and what was said on another was not said here.
        whole = self._log.straight and self._kept == len(self._log)
        return self._archive, standing(self._state, searcher=self.searcher if whole else None, version=self._kept)

    @property
    def recorded(self) -> int:
        """How many messages the record has; `messages` copies them."""
        return len(self._state.messages)

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

    # -- time travel ---------------------------------------------------------------------------------------

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Every branch: the current one, and those that `rewind` has left."""
        return self._log.branches

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
        place = self._log.place(seq)
        if place is None:
            raise MisuseError(
                f"there is no event {seq!r:.40}.", path="seq", remedy=f"Events are numbered 1 to {len(self._log)}."
            )
        return place

    def recorded_at(self, seq: int) -> int:
        """How many messages the record had just after event `seq`."""
        return self._log.recorded(seq)

    def mark_kept(self, events: int) -> None:
        """A store has the first `events` events, and where these are all, the counts too."""
        self._kept = events
        if events == len(self._log):
            self._memo.mark_kept()

    # -- what happens --------------------------------------------------------------------------------------

    def append(self, message: Any, *, now: float | None = None) -> int:
        """Add a message: a user message, tool results, or a mid-conversation system message.

        A request that is still out counts as given up from here on: its reply, which this message does not answer,
        is no longer taken. Receive it first.

        Returns:
            Its index in the record.

        Raises:
            InvalidRequest: the API would refuse it here; nothing was stored. The error names the rule, the path
                and the way out; further problems of the same message are in its notes.
        """
        state = self._state
        index = len(state.messages)
        taken = intake(message, f"messages.{index}")
        # What a message follows is the last one on the wire: evidence is not sent.
        previous = next(reversed(state.forms.values()), None)
        violations = check_message(
            taken,
            index=index,
            previous=previous,
            outline=state.outline,
            profile=state.profile,
            system=state.base.get("system"),
            tools=state.base.get("tools"),
            settings=state.settings,
            betas=state.settings.get("betas"),
        )
        if changes_tools(taken):
            # Tools that were not given are none, unless there are some that are only known by their size.
            tools = state.base.get("tools", None if state.unseen_tokens else [])
            wire = View([*state.wire.messages, taken], tools=tools, settings=state.settings)
            violations += check_tool_changes(wire, index)
        raise_errors(violations)
        self._record(Appended(at=checked_time(now), message=taken))
        return index

    def receive(self, reply: Any, *, now: float | None = None) -> int:
        """Record the reply to the request that `plan` handed out.

        A reply is never refused for what it says, because it is paid for: one that cannot be sent back (empty, refused,
        cut inside thinking or a call, or broken in shape) stays in the record as evidence and off the wire, and so
        does thinking without a signature (REPLAY-04).

        Args:
            reply: the SDK's message object, or a dict with `content` and, where known, `usage`, `stop_reason`,
                `model` and `id`; `max_tokens`, where its request did not ask for what was planned (None: not known).
            now: the caller's clock.

        Returns:
            The reply's index in the record.

        Raises:
            ProtocolError: no reply is due.
        """
        state = self._state
        if state.awaiting is None:
            raise ProtocolError(
                "no reply is due: no request is out, or a message was appended or a setting changed since.",
                remedy="Call `plan` and send its request; receive its reply before anything is appended.",
            )
        taken = intake(reply, "reply")
        content = taken.get("content") if isinstance(taken, dict) else None
        if not isinstance(content, (list, str)):
            raise InvalidRequest("a reply needs content.", path="reply.content", remedy="Pass the message as it came.")
        usage = taken.get("usage")
        at, armed = checked_time(now), state.held
        self._record(
            Received(
                at=at,
                send=state.awaiting.send,
                message={"role": "assistant", "content": content},
                usage=usage if isinstance(usage, dict) else None,
                stop_reason=_text(taken.get("stop_reason")),
                model=_text(taken.get("model")),
                reply_id=_text(taken.get("id")),
                rest={key: value for key, value in taken.items() if key not in _REPLY_FIELDS},
            )
        )
        index = len(state.messages) - 1
        if armed is not None and armed.trigger is not None:
            self._record(server_compaction(armed, taken, index, state.profile, at))
        return index

    def configure(
        self,
        *,
        model: str | ModelProfile | None = None,
        settings: Mapping[str, Any] | None = None,
        platform: str | None = None,
        now: float | None = None,
    ) -> None:
        """Switch the model or the platform, or replace the settings that every send carries. System and tools stay (BIND-12).

        All thinking stays in the history across switches: the API drops what the next model cannot read (BIND-21). A
        compaction block of the server that the next model or platform does not take is replaced by its text: a new epoch.
        The next `Send` says so among its edits.

        Raises:
            UnknownModel: the id is not in the catalog.
            PolicyError: there is no such platform, or the budget leaves no room in the window of the model.
            InvalidRequest: the settings, or the history on that model, break a rule; nothing was changed.
        """
        state, at = self._state, checked_time(now)
        profile = resolve(model) if model is not None else None
        given = checked_settings(settings) if settings is not None else None
        policy = state.policy if platform is None else state.policy.on(platform)
        following = profile or state.profile
        policy.budget_of(following.window)
        edit = restart(state, following, policy.platform, at)
        check_kept(state, following)
        check_fixed(
            following,
            state.settings if given is None else given,
            system=state.base.get("system"),
            tools=state.base.get("tools"),
            # What stands in the history may need the model or a beta that is taken away.
            messages=messages_after(state, edit) if profile is not None or fewer_betas(state.settings, given) else (),
        )
        self._record(
            Configured(
                at=at,
                model=profile.id if profile else None,
                profile=msgspec.to_builtins(profile) if isinstance(model, ModelProfile) else None,
                settings=given,
                platform=policy.platform if platform is not None else None,
            )
        )
        if edit is not None:
            self._record(edit)

    def summarized(self, text: str, *, by: str, cost: float = 0.0, now: float | None = None) -> None:
        """Hand back the summary that `Summarize` asked for, at once or in the background. A new epoch starts.

        Messages may be appended in the meantime: they stay after the summary, word for word.

        Args:
            text: the summary. It may be empty: then the wire only says which messages can be recalled.
            by: who wrote it, told to the model.
            cost: what it cost, in dollars.
            now: the caller's clock.

        Raises:
            ProtocolError: no summary is due, it is longer than asked, or at no cost that can be; nothing was changed.
        """
        state = self._state
        checked_summary(text, by, cost)
        edit = self._asked_for("summary", server=False)
        tokens = count_text(text, state.profile.tokenizer).tokens
        if tokens > edit.tokens:
            raise ProtocolError(
                f"the summary has {tokens:,} tokens and may have {edit.tokens:,}.",
                rule="law 7",
                remedy="Shorten it, or summarise with `ctxwindow.summarize.Extractive`.",
            )
        at, names = checked_time(now), identifiers_of(text)
        self._adopt(edit, at=at, summary=text, by=by, tokens=tokens, cost=float(cost), names=names)

    def summary_failed(self, why: str, *, cost: float = 0.0, now: float | None = None) -> None:
        """Say that the summary which is due will not come. The planner takes another method for a while.

        Args:
            why: in a few words, without content of the conversation.
            cost: what was paid for it all the same, in dollars.
            now: the caller's clock.

        Raises:
            ProtocolError: no summary is due.
        """
        checked_summary(why, "", cost)
        self._decline(self._asked_for("summary", server=False), why, cost, now)

    def compacted(self, reply: Any, *, now: float | None = None) -> bool:
        """Hand back the reply to a `Compact` request, at once or in the background. With a block in it a new epoch starts.

        Messages may be appended, sent and received in the meantime: they stay behind the block (CMP-28, CMP-34).

        Args:
            reply: the SDK's message object, or a dict with `content`, `stop_reason` and `usage`.
            now: the caller's clock.

        Returns:
            Whether it brought a summary. One without (CMP-27) is recorded with what it cost; the history stays as it is,
            and the planner takes another method for a while.

        Raises:
            ProtocolError: no compaction is due.
        """
        edit = self._asked_for("compaction", server=True)
        at = checked_time(now)
        found = read_compaction(intake(reply, "reply"), self._state.profile, at)
        if not isinstance(found, Adopted):
            self._decline(edit, found.why, found.cost, now)
            return False
        self._adopt(
            edit,
            at=at,
            summary=found.summary,
            block=found.block,
            by=found.by or self.model,
            tokens=count_text(found.summary, self._state.profile.tokenizer).tokens,
            cost=found.cost,
            names=identifiers_of(found.summary),
        )
        return True

    def compaction_failed(self, error: Any, *, now: float | None = None) -> Recovery:
        """What an error in answer to a `Compact` request means. The planner takes another method for a while.

        Raises:
            ProtocolError: no compaction is due.
        """
        edit = self._asked_for("compaction", server=True)
        recovery = recover(error)
        self._decline(edit, f"{recovery.status or 'no status'}, {recovery.kind}", 0.0, now)
        return recovery

    def _asked_for(self, what: str, *, server: bool) -> Compacted:
        """The edit that is due, or is prepared in the background."""
        for edit in (self._due, self._aside):
            if edit is not None and (edit.method == "compact") == server:
                return edit
        raise ProtocolError(f"no {what} is due.", remedy="Call `plan` first.")

    def _adopt(self, edit: Compacted, **found: Any) -> None:
        """Take a summary in. What came after its range since it was asked for stays as it is."""
        self._record(msgspec.structs.replace(edit, **found))

    def _decline(self, edit: Compacted, why: str, cost: float, now: float | None) -> None:
        if edit is self._aside:
            self._aside = None
        self._record(Declined(at=checked_time(now), method=edit.method, why=why, cost=float(cost)))

    def pin(self, message: int, *, now: float | None = None) -> None:
        """Pin a message: whatever is summarised, its content stays on the wire, word for word.

        Raises:
            MisuseError: there is no such message.
        """
        self._pin(message, pinned=True, now=now)

    def unpin(self, message: int, *, now: float | None = None) -> None:
        """Take a pin off that `pin` has set; those of the policy stay.

        Raises:
            MisuseError: there is no such message.
        """
        self._pin(message, pinned=False, now=now)

    def _pin(self, message: int, *, pinned: bool, now: float | None) -> None:
        if type(message) is not int or not 0 <= message < self.recorded:
            raise MisuseError(f"the record has the messages 0 to {self.recorded - 1}.", path="message")
        self._record(Pinned(at=checked_time(now), message=message, pinned=pinned))

    def counted(self, tokens: int | None, *, now: float | None = None) -> None:
        """Hand back the exact count that `Count` asked for; None where no count could be had.

        It is the size of the request that was to be counted: what was appended in the meantime is not in it.

        Raises:
            ProtocolError: no count is due, or it is none; nothing was changed.
        """
        if tokens is not None:
            checked_tokens(tokens, "tokens")
        if self._counting is None:
            raise ProtocolError("no count is due.", remedy="Call `plan` first.")
        self._record(Counted(at=checked_time(now), fingerprint=self._counting, tokens=tokens))

    def fail(self, error: Any, *, now: float | None = None) -> Recovery:
        """What to do after an error of the API, as the rulebook documents it.

        Args:
            error: an SDK exception, or an error body.
            now: the caller's clock.

        Raises:
            ProtocolError: no request is out.
            MisuseError: nothing that can be done here would help; the error says what would.
        """
        state = self._state
        if state.awaiting is None:
            raise ProtocolError("no request is out that could have failed.", remedy="Call `plan` first.")
        recovery = recover(error, dropping=state.dropping or state.stripped, thinking=state.settings.get("thinking"))
        self._record(
            Failed(
                at=checked_time(now),
                send=state.awaiting.send,
                status=recovery.status,
                kind=recovery.kind,
                rule=recovery.rule,
                recovery=recovery.action,
                tokens=recovery.tokens,
                limit=recovery.limit,
                strip_thinking=recovery.strip_thinking,
            )
        )
        if recovery.settings is not None:
            self.configure(settings=recovery.merged(state.settings), now=now)
        recovery.raise_if_final()
        return recovery

    # -- decisions -----------------------------------------------------------------------------------------

    def plan(self, *, max_tokens: int, now: float | None = None) -> Decision:
        """Decide what comes next. Costs the work for what is new since the last plan.

        Args:
            max_tokens: output to reserve and to ask for.
            now: the caller's clock, seconds since the epoch; None counts as 0 for prices and cache lifetimes.

        Raises:
            ProtocolError: there is nothing to answer, or calls are open.
            WindowOverflow: what must be sent cannot fit; names what cannot shrink.
        """
        now = checked_time(now)
        self._check_ready(max_tokens)
        if self._out is not None and self._out[0] == max_tokens:
            return self._out[1]  # nothing has happened since: the same request again
        with self._memo.using():
            return self._decide(max_tokens, now)

    def _decide(self, max_tokens: int, now: float | None) -> Decision:
        state = self._state
        limit = self._limit(max_tokens)
        for spill in oversized(state, limit, now):
            self._record(spill)
        while True:
            situation = self._situation(limit, now)
            verdict = judge(situation)
            if verdict.table:
                self._weighed = verdict
            if verdict.action == "send":
                return self._send(max_tokens, limit, now)
            if verdict.action == "count":
                self._counting = state.count_key
                return count_of(state, max_tokens)
            if verdict.offer is not None:
                plan = verdict.offer.plan
                if isinstance(plan, Edited) or (plan is not None and plan.method == "drop"):
                    self._record(msgspec.structs.replace(plan, at=now))  # nobody else is needed
                    continue
                return self._ask(situation, verdict, verdict.offer)
            spills = relief(state, dataclasses.replace(situation, cautious=True))
            if not spills and state.wire.ledger.total.tokens > limit:
                raise overflow(state, situation, max_tokens)
            if not spills:
                return self._send(max_tokens, limit, now)
            for spill in spills:
                self._record(spill)

    def _send(self, max_tokens: int, limit: int, now: float | None) -> Send:
        send = send_of(self._state, max_tokens, now, limit=limit)
        weighed, self._weighed = self._weighed, None
        if weighed is not None:
            taken = weighed.offer.method if weighed.offer is not None else None
            send = dataclasses.replace(send, table=weighed.table, taken=taken)
        self._record(sent_event(self._state, send, max_tokens, now))
        if self._state.policy.background is not None and self._aside is None:
            send = dataclasses.replace(send, aside=self._prepare(limit, now))
        self._out = max_tokens, send
        return send

    def _ask(self, now: Situation, verdict: Verdict, offer: Offer, *, aside: bool = False) -> Summarize | Compact:
        """The decision that an offer needs somebody else for."""
        assert isinstance(offer.plan, Compacted)  # noqa: S101 - server-side edits need nobody
        if aside:
            self._aside = offer.plan
        else:
            self._due = offer.plan
        if offer.method == "compact":
            return compact_of(self._state, now, offer, verdict.why, verdict.table, background=aside)
        return summarize_of(self._state, now, offer, verdict.why, verdict.table)

    def _prepare(self, limit: int, now: float | None) -> Summarize | Compact | None:
        """What may be done while the reply is awaited (CMP-34)."""
        situation = self._situation(limit, now)
        offer = in_background(situation)
        if offer is None:
            return None
        verdict = Verdict(action="shrink", why="in the background, while the reply is awaited")
        return self._ask(situation, verdict, offer, aside=True)

    def _check_ready(self, max_tokens: int) -> None:
        """Whether there is something to answer and nothing is open, by the rules about the end of a request."""
        state = self._state
        if type(max_tokens) is not int or not 1 <= max_tokens <= state.profile.max_output:
            raise InvalidRequest(
                f"max_tokens is {max_tokens!r:.40} and must be a whole number between 1 and {state.profile.max_output:,} on {self.model}.",
                rule="CTX-06",
                path="max_tokens",
                remedy="Ask for less output, or choose another model.",
            )
        # A system message alone, as one that only sets the effort may be (SYS-06), asks for nothing.
        if all(message.get("role") == "system" for message in state.wire.messages):
            raise ProtocolError("the conversation is empty.", remedy="Append a user message first.")
        for violation in check_end(self._view(state.wire.messages, state.wire.outline, max_tokens=max_tokens)):
            if violation.severity != "error" or (violation.rule == "MSG-04" and state.paused):
                continue
            reason = violation.message.removeprefix(f"{violation.path}: ")
            raise ProtocolError(reason, rule=violation.rule, path=violation.path, remedy=violation.remedy)

    def _view(self, messages: Sequence[Mapping[str, Any]], outline: Outline, **more: Any) -> View:
        state = self._state
        return View(
            messages,
            outline=outline,
            profile=state.profile,
            system=state.base.get("system"),
            tools=state.base.get("tools"),
            settings={**state.settings, **more},
            betas=state.settings.get("betas"),
        )

    def _limit(self, max_tokens: int) -> int:
        """Tokens the prompt may take. The window is never passed, whatever the budget (CTX-08)."""
        state = self._state
        budget = state.policy.budget_of(state.profile.window)
        if state.tightened is not None:
            budget = min(budget, state.tightened)
        return budget - state.policy.reserve - max_tokens

    def _situation(self, limit: int, now: float | None) -> Situation:
        state = self._state
        view = self._view(state.messages, state.outline)
        return Situation(
            messages=state.messages,
            forms=state.forms,
            outline=state.outline,
            wire=state.wire,
            profile=state.profile,
            policy=state.policy,
            limit=limit,
            bound=state.bound,
            asked=state.count_key in state.counts,
            at=now,
            correction=(state.learned or 0) - state.wire.learned,
            may_cut=lambda index: may_cut(view, index),
            pins=functools.cache(lambda: state.pins(limit)),
            warm=state.warm,
            held=state.held,
            cached=state.cached,
            trail=state.trail,
            unsent=state.unsent,
            declined=state.failing,
            own_edits=bool(state.base.get("context_management")),
        )

    def _replay(self, events: Sequence[Event]) -> None:
        """Make state, book and log from the events."""
        started, *rest = events
        assert isinstance(started, Started)  # noqa: S101 - the first event, by both constructors
        self._log = Log(started)
        with self._memo.using():
            self._state = State(started)
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
        if not isinstance(event, Appended | Pinned):
            # A summary that is being written, and a count, are of what came before.
            self._due = self._counting = None
        if isinstance(event, Compacted | Configured | Failed | Edited | Rewound):
            self._aside = None  # the range that it is of is not sent any more as it was then
        if isinstance(event, Rewound):
            self._archive = self._aside = self._weighed = None


_REPLY_FIELDS = frozenset({"role", "content", "usage", "stop_reason", "model", "id", "type"})
"""Fields of a reply that its event names, or that are always the same."""


def _text(value: Any) -> str | None:
    """A string as it is; anything else is not known."""
    return value if isinstance(value, str) else None
