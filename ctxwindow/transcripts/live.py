"""Feeding a recorded thread to the engine as if it were live.

The recording says what came in and what was answered; the engine decides what would have been sent. A session
file does not hold system prompt and tools. What the first recorded request weighed beyond its messages can be
carried as `unseen`; then recorded usage is handed back too, while the wire is what was really sent. After an edit of
ours no recorded number describes our request any more, and everything later is estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.conversation import Conversation
from ctxwindow.errors import HistoryError, InvalidRequest, UnknownModel
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.record.turns import is_turn_start
from ctxwindow.summarize import Summarizer
from ctxwindow.tiers import Count, Policy, Send, Summarize
from ctxwindow.transcripts.session import Incoming, Reply, Session, Thread
from ctxwindow.window import count, count_text, read_usage, size_message

__all__ = ["Exchange", "Feed", "session_model", "unseen_tokens"]

_UNLIMITED = 1_000_000_000

RESERVE = 8_000
"""Output reserved per send where the recording does not say, in tokens."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request of the replay, with what was recorded for it."""

    send: Send
    reply: Reply
    turn: int
    """Number of the turn, from 1."""
    at: float
    """Seconds since the epoch; 0 where the recording has no times."""
    actual: int | None
    """Prompt tokens the API reported, if this request went out as recorded."""
    unmanaged: bool
    """Whether the wire still is what was really sent."""
    new: tuple[int, int]
    """Record range that came in since the send before."""


def session_model(session: Session, thread: Thread, model: str | ModelProfile | None = None) -> ModelProfile:
    """The model to count for: the given one, the request's, or that of the thread's first reply.

    Raises:
        HistoryError: none is named anywhere.
        UnknownModel: it is not in the catalog.
    """
    if model is not None:
        return resolve(model)
    named = (session.request or {}).get("model")
    for reply in thread.replies:
        named = named or reply.model
    if not isinstance(named, str):
        raise HistoryError("no model is named.", path=session.path, remedy="Name one with --model.")
    return resolve(named)


def unseen_tokens(thread: Thread, recorded: ModelProfile, profile: ModelProfile) -> int:
    """Tokens of the first recorded request beyond its messages: system prompt and tools, which no session file holds.

    As if on another model, they are scaled by what the thread's first messages weigh on the one and the other.
    0 where it cannot be told: no usage was recorded, or the conversation began outside the file.
    """
    if not thread.complete:
        return 0
    before = []
    for step in thread.steps:
        if isinstance(step, Incoming):
            before.append(step.message)
            continue
        usage = read_usage(step.usage)
        if usage is None or usage.prompt is None:
            return 0
        counted = count({"messages": before}, recorded).tokens
        missing = max(0, usage.prompt - counted)
        if recorded.tokenizer == profile.tokenizer or not counted:
            return missing
        return round(missing * count({"messages": before}, profile).tokens / counted)
    return 0


class Feed:
    """A thread on its way through the engine: iterate over its exchanges.

    Attributes:
        conversation: the engine.
        refused: messages of the recording that the API would refuse, so they are not in the record: step number
            and error.
        fed: messages handed to the engine, in order, as recorded.
        reserve: output reserved per send, in tokens.
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
    ) -> None:
        """
        Args:
            session: as read.
            thread: one of its threads.
            policy: how to manage it.
            model: as if it had run on this model.
            summarizer: who writes summaries, when the policy asks for one.
            as_recorded: follow the client's own compactions, instead of the whole record.
            unseen: count system prompt and tools in, as far as the first request's usage tells their size.
            unlimited: as if the model's window had no end.
            reserve: output to reserve per send, in tokens.
        """
        self._thread = thread
        self._summarizer = summarizer
        self._as_recorded = as_recorded
        self._given = model is not None
        request = session.request or {}
        self.profile = session_model(session, thread, model)
        recorded = session_model(session, thread) if _names_model(session, thread) else self.profile
        self._faithful = recorded.id == self.profile.id
        self.reserve = min(reserve or request.get("max_tokens") or RESERVE, self.profile.max_output)
        self._policy = policy
        self._request = request
        seen = request.get("system") is not None or request.get("tools") is not None
        self.unseen = 0 if seen or not thread.replies else unseen_tokens(thread, recorded, self.profile)
        self._counts_unseen = unseen or seen
        self._unlimited = unlimited
        self.turns = 0
        self.restarts = 0
        self.conversation = self._open()
        self.refused: list[tuple[int, InvalidRequest]] = []
        self.fed: list[dict[str, Any]] = []

    def _open(self) -> Conversation:
        return Conversation.start(
            model=self._on(self.profile),
            system=self._request.get("system"),
            tools=self._request.get("tools"),
            policy=self._policy,
            unseen=self.unseen if self._counts_unseen else 0,
        )

    def _on(self, profile: ModelProfile) -> ModelProfile:
        return msgspec.structs.replace(profile, window=_UNLIMITED) if self._unlimited else profile

    def __iter__(self) -> Iterator[Exchange]:
        since, recorded = 0, True
        for number, step in enumerate(self._thread.steps):
            at = step.at or 0.0
            if isinstance(step, Incoming):
                if step.kind == "compact_summary":
                    recorded = self._restart() if self._as_recorded else False
                    since = since if not self._as_recorded else 0
                self.turns += is_turn_start(step.message)
                self._append(number, step, at)
                continue
            self._follow_model(step, at)
            if not self._answers():
                self._append(number, step, at)
                continue
            send = self._plan(at)
            recorded = recorded and send.epoch == 0 and not self.conversation.spilled
            usage = self._usage(step) if recorded and self._faithful and self._counts_unseen else None
            read = read_usage(usage)
            yield Exchange(
                send=send,
                reply=step,
                turn=max(self.turns, 1),
                at=at,
                actual=read.prompt if read else None,
                unmanaged=recorded,
                new=(since, len(self.conversation.messages)),
            )
            since = len(self.conversation.messages)
            self._receive(step, usage, at)

    def _restart(self) -> bool:
        """The recorded client compacted: its next request starts from the summary."""
        self.restarts += 1
        learned = self.conversation.window.overheads.get("unexplained", 0)
        self.unseen = max(0, self.unseen + learned)
        self.conversation = self._open()
        return True

    def _answers(self) -> bool:
        """Whether a reply would answer something: one that follows another reply goes into the record as it is."""
        wire = self.conversation.wire
        return bool(wire) and wire[-1].get("role") != "assistant"

    def _append(self, number: int, step: Incoming | Reply, at: float) -> None:
        try:
            self.conversation.append(step.message, now=at)
        except InvalidRequest as error:
            self.refused.append((number, error))
        else:
            self.fed.append(step.message)

    def _follow_model(self, step: Reply, at: float) -> None:
        """Switch when the recording does, unless it runs as if on one model."""
        if self._given or step.model is None or step.model == self.conversation.model:
            return
        try:
            profile = resolve(step.model)
        except UnknownModel:
            return
        if profile.id != self.conversation.model:
            self.conversation.configure(model=self._on(profile), now=at)

    def _plan(self, at: float) -> Send:
        while True:
            decision = self.conversation.plan(max_tokens=self.reserve, now=at)
            match decision:
                case Send():
                    return decision
                case Summarize():
                    self._summarize(decision, at)
                case Count():
                    self.conversation.counted(None, now=at)  # nobody to ask offline

    def _summarize(self, decision: Summarize, at: float) -> None:
        assert self._summarizer is not None
        tokenizer = resolve(self.conversation.model).tokenizer
        counter: Callable[[str], int] = lambda text: count_text(text, tokenizer).tokens  # noqa: E731
        text = self._summarizer.summarize(decision.segment, counter)
        self.conversation.summarized(text, by=self._summarizer.name, now=at)

    def _usage(self, step: Reply) -> dict[str, Any] | None:
        """The recorded usage; output tokens only where they are the final number."""
        if step.usage is None or step.usage_final:
            return step.usage
        return {key: value for key, value in step.usage.items() if key != "output_tokens"}

    def _receive(self, step: Reply, usage: dict[str, Any] | None, at: float) -> None:
        self.conversation.receive(
            {
                "content": step.message["content"],
                "usage": usage,
                "stop_reason": _stop_reason(step),
                "model": step.model,
                "id": step.id,
            },
            now=at,
        )
        self.fed.append(step.message)

    def reply_tokens(self, step: Reply) -> int:
        """Output of a reply: as billed where the recording knows, else its size."""
        usage = read_usage(step.usage) if step.usage_final else None
        if usage is not None and usage.output is not None and self._faithful:
            return usage.output
        return size_message(step.message, resolve(self.conversation.model)).count.tokens


def _names_model(session: Session, thread: Thread) -> bool:
    return isinstance((session.request or {}).get("model"), str) or any(reply.model for reply in thread.replies)


def _stop_reason(step: Reply) -> str | None:
    """A recorded reply whose calls were answered was complete, whatever the file says of its end."""
    ends_in_thinking = step.message["content"] and is_thinking(blocks_of(step.message)[-1])
    return step.stop_reason if ends_in_thinking or step.stop_reason != "max_tokens" else None
