"""Feeding a recorded thread to the engine as if it were live.

The recording says what came in and what was answered; the engine decides what would have been sent. A session
file does not hold system prompt and tools. What the first recorded request weighed beyond its messages can be
carried as `unseen`; then recorded usage is handed back too, while the wire is what was really sent. After an edit of
ours no recorded number describes our request any more, and everything later is estimated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.conversation import Conversation
from ctxwindow.errors import InvalidRequest
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.turns import is_turn_start
from ctxwindow.summarize import Extractive, Summarizer
from ctxwindow.tiers import Compact, Count, Policy, Send, Summarize
from ctxwindow.transcripts.recorded import (
    known_model,
    later,
    recorded_model,
    session_model,
    stop_reason,
    unseen_tokens,
)
from ctxwindow.transcripts.session import Incoming, Reply, Session, Thread
from ctxwindow.transcripts.simulated import Resumed, Server
from ctxwindow.window import count_text, read_usage, size_message

__all__ = ["RESERVE", "Exchange", "Feed", "session_model", "unseen_tokens"]

_UNLIMITED = 1_000_000_000

RESERVE = 8_000
"""Output reserved per send where the recording does not say, in tokens."""

_NOT_SETTINGS = frozenset({"model", "messages", "max_tokens", "system", "tools", "stream"})
"""Request fields that are the engine's, and `stream`: how a reply travels is the driver's."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request of the replay, with what was recorded for it."""

    send: Send
    reply: Reply
    step: int
    """Number of the reply among the steps of the thread."""
    turn: int
    """Number of the turn, from 1."""
    at: float
    """Seconds since the epoch, moved to the first day with a price where the recording is older or has no times."""
    actual: int | None
    """Prompt tokens the API reported, if this request went out as recorded."""
    unmanaged: bool
    """Whether the wire still is what was really sent."""
    new: tuple[int, int]
    """Record range that came in since the send before."""
    resumed: Resumed | None = None
    """The compaction in front of the reply, where the request asked the server for one."""

    @property
    def answer(self) -> dict[str, Any]:
        """The reply's message, as it goes into the record."""
        message = self.reply.message
        return message if self.resumed is None else {**message, "content": [self.resumed.block, *blocks_of(message)]}


class Feed:
    """A thread on its way through the engine: iterate over its exchanges, once.

    Attributes:
        conversation: the engine.
        profile: the model the thread begins on.
        unseen: tokens of system prompt and tools that the file does not hold, as far as that can be told.
        counts_unseen: whether they count, so that recorded usage describes the requests.
        refused: messages of the recording that the API would refuse, so they are not in the record: step number
            and error.
        unfollowed: switches of the model that were not made, because the history breaks a rule on the new one: step
            number and error.
        fed: messages handed to the engine, in order, as recorded.
        steps: their step numbers.
        unplanned: step numbers of replies that answer nothing here, such as one that follows another reply: they went into
            the record as they are.
        opened: how many messages there were when the engine began anew, at the last compaction that was followed.
        reserve: output reserved per send, in tokens, as far as the model can write so much.
        turns: turns begun so far.
        restarts: compactions of the recorded client that were followed.
    """

    def __init__(
        self,
        session: Session,
        thread: Thread,
        *,
        policy: Policy,
        model: str | ModelProfile | None = None,
        summarizer: Summarizer | None = None,
        as_recorded: bool = False,
        unseen: bool = False,
        unlimited: bool = False,
        reserve: int | None = None,
        priced: bool = False,
    ) -> None:
        """Open the thread; nothing is fed yet.

        Args:
            session: as read.
            thread: one of its threads.
            policy: how to manage it.
            model: as if it had run on this model.
            summarizer: who writes summaries, when the policy asks for one; the extractive one by default.
            as_recorded: follow the client's own compactions, instead of the whole record.
            unseen: count system prompt and tools in, as far as the first request's usage tells their size.
            unlimited: as if the model's window had no end.
            reserve: output to reserve per send, in tokens.
            priced: summaries cost what they would if the model had written them; else they are free, as by quoting.

        Raises:
            HistoryError: no model is named in the session, and none is given.
            UnknownModel: the model is not in the catalog.
            InvalidRequest: the model refuses the system prompt, tools or settings of the request body.
        """
        self._thread = thread
        self._summarizer = summarizer or Extractive()
        self._as_recorded = as_recorded
        self._given = model is not None
        self._request = session.request or {}
        self._policy = policy
        self._unlimited = unlimited
        self._priced = priced
        self.profile = session_model(session, thread, model)
        asked = reserve if reserve is not None else self._request.get("max_tokens")
        self.reserve = min(asked if isinstance(asked, int) and asked > 0 else RESERVE, self.profile.max_output)
        seen = self._request.get("system") is not None or self._request.get("tools") is not None
        recorded = recorded_model(session, thread)
        self.unseen = 0 if seen else unseen_tokens(thread, recorded or self.profile, self.profile)
        self.counts_unseen = unseen or seen
        self._later = 0.0 if as_recorded else later(thread, self.profile)
        self._server = Server(self._summarizer, self.unseen if self.counts_unseen else 0)
        self.turns = 0
        self.restarts = 0
        self.conversation = self._open()
        self.refused: list[tuple[int, InvalidRequest]] = []
        self.unfollowed: list[tuple[int, InvalidRequest]] = []
        self.fed: list[dict[str, Any]] = []
        self.steps: list[int] = []
        self.unplanned: list[int] = []
        self.opened = 0
        self._intact = True

    def _open(self) -> Conversation:
        return Conversation.start(
            model=self._on(self.profile),
            system=self._request.get("system"),
            tools=self._request.get("tools"),
            settings={key: value for key, value in self._request.items() if key not in _NOT_SETTINGS},
            policy=self._policy,
            unseen=self.unseen if self.counts_unseen else 0,
        )

    def _on(self, profile: ModelProfile) -> ModelProfile:
        return msgspec.structs.replace(profile, window=_UNLIMITED) if self._unlimited else profile

    @property
    def current(self) -> ModelProfile:
        """The model the next request goes to, with its real window."""
        return self.profile if self.conversation.model == self.profile.id else resolve(self.conversation.model)

    def __iter__(self) -> Iterator[Exchange]:
        since, at = 0, 0.0
        for number, step in enumerate(self._thread.steps):
            at = step.at + self._later if step.at is not None else max(at, self._later)
            if isinstance(step, Incoming):
                if step.kind == "compact_summary":
                    since = self._compacted(since)
                self.turns += is_turn_start(step.message)
                self._append(number, step, at)
                continue
            self._follow_model(number, step, at)
            if not self._answers():
                self.unplanned.append(number)
                self._append(number, step, at)
                continue
            send = self._plan(at)
            self._intact = self._intact and send.epoch == 0 and not self.conversation.spilled
            usage = self._usage(step) if self._intact and self.counts_unseen and self._describes(step) else None
            read = read_usage(usage)
            resumed = self._server.resume(send, self.conversation, self.current)
            exchange = Exchange(
                send=send,
                reply=step,
                step=number,
                turn=max(self.turns, 1),
                at=at,
                actual=read.prompt if read else None,
                unmanaged=self._intact,
                new=(since, len(self.conversation.messages)),
                resumed=resumed,
            )
            yield exchange
            since = len(self.conversation.messages)
            self._receive(number, step, exchange.answer, usage if resumed is None else resumed.usage, at)
            if send.aside is not None:  # what a driver does while it waits
                self._carry_out(send.aside, at)

    def _compacted(self, since: int) -> int:
        """The recorded client compacted. Returns where the next send's new messages begin.

        Followed, its next request starts from the summary, on a wire that is again what was sent; else the summary
        is one more message, which only we sent after all the others.
        """
        if not self._as_recorded:
            self._intact = False
            return since
        self.restarts += 1
        if self._thread.complete:
            # What the requests weighed beyond what is known (reminders, files the client attached) mostly comes back
            # with the next one: over 10 compactions recorded in complete threads the median forecast is 5,000 tokens
            # off with it, and 11,000 without. In an incomplete thread most of it is history outside the file, now gone.
            learned = self.conversation.window.overheads.get("unexplained", 0)
            self.unseen = max(0, self.unseen + learned)
        self.conversation = self._open()
        self.opened = len(self.fed)
        self._intact = True
        return 0

    def _answers(self) -> bool:
        """Whether a reply would answer something: one that follows another reply goes into the record as it is."""
        wire = self.conversation.wire
        return bool(wire) and wire[-1].get("role") != "assistant"

    def _append(self, number: int, step: Incoming | Reply, at: float) -> None:
        try:
            self.conversation.append(step.message, now=at)
        except InvalidRequest as error:
            self.refused.append((number, error))
            self._intact = False
        else:
            self.fed.append(step.message)
            self.steps.append(number)

    def _follow_model(self, number: int, step: Reply, at: float) -> None:
        """Switch when the recording does, unless it runs as if on one model."""
        profile = known_model(step.model)
        if self._given or profile is None or profile.id == self.conversation.model:
            return
        try:
            self.conversation.configure(model=self._on(profile), now=at)
        except InvalidRequest as error:
            self.unfollowed.append((number, error))

    def _describes(self, step: Reply) -> bool:
        """Whether a reply's usage is of the model that is counted for: other models' say nothing (CTX-20)."""
        named = step.model if step.model is not None else self._request.get("model")
        if named is None or named == self.conversation.model:
            return True  # a recording that names no model ran on the one that was given
        profile = known_model(named)
        return profile is not None and profile.id == self.conversation.model

    def _plan(self, at: float) -> Send:
        while True:
            decision = self.conversation.plan(max_tokens=min(self.reserve, self.current.max_output), now=at)
            match decision:
                case Send():
                    self._server.sent(decision, at)
                    return decision
                case Count():
                    self.conversation.counted(None, now=at)  # nobody to ask offline
                case _:
                    self._carry_out(decision, at)

    def _carry_out(self, decision: Summarize | Compact, at: float) -> None:
        if isinstance(decision, Compact):
            reply = self._server.compact(decision, self.conversation, self.current, at)
            self.conversation.compacted(reply, of=decision, now=at)
        else:
            text = self._summarizer.summarize(decision.segment, self._count)
            cost = 0.0
            if self._priced:
                cost = self._server.price(decision.prefix, text, self.conversation, self.current, at)
            self.conversation.summarized(text, by=self._summarizer.name, cost=cost, of=decision, now=at)

    def _count(self, text: str) -> int:
        return count_text(text, self.current.tokenizer).tokens

    def _usage(self, step: Reply) -> dict[str, Any] | None:
        """The recorded usage; output tokens only where they are the final number."""
        if step.usage is None or step.usage_final:
            return step.usage
        return {key: value for key, value in step.usage.items() if key != "output_tokens"}

    def _receive(
        self, number: int, step: Reply, message: dict[str, Any], usage: dict[str, Any] | None, at: float
    ) -> None:
        self.conversation.receive(
            {
                "content": message["content"],
                "usage": usage,
                "stop_reason": stop_reason(step),
                "model": step.model,
                "id": step.id,
                "max_tokens": None,  # what a plan reserves here is not what the client asked for
            },
            now=at,
        )
        self.fed.append(message)
        self.steps.append(number)

    def reply_tokens(self, step: Reply) -> int:
        """Output of a reply: as billed where the recording knows, else its size."""
        usage = read_usage(step.usage) if step.usage_final and self._describes(step) else None
        if usage is not None and usage.output is not None:
            return usage.output
        return size_message(step.message, self.current).count.tokens
