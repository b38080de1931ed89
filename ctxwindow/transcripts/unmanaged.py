"""The conversation as it would go without management, in a window without end: what all others are compared with.

One pass gives what each of its requests weighed, and the baselines that run along (`ctxwindow.transcripts.baselines`)
see each request as it comes. It does not depend on a policy, so it is made once for all that are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import Outline
from ctxwindow.tiers import Policy
from ctxwindow.transcripts.charges import Charge, charge, is_alive
from ctxwindow.transcripts.live import Exchange, Feed
from ctxwindow.transcripts.outcome import Book
from ctxwindow.transcripts.session import Session, Thread
from ctxwindow.transcripts.survival import Mentions, Names, Tally
from ctxwindow.transcripts.thoughts import Thoughts
from ctxwindow.window import Ttl, size_message
from ctxwindow.window.before import START

__all__ = ["Baseline", "Plain", "Scene", "Unmanaged", "run_unmanaged"]


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    """One request of the unmanaged conversation."""

    profile: ModelProfile
    """The model it goes to, with its real window."""
    tokens: int
    """Of its prompt."""
    cached: int
    """Of these, how many the request before wrote to the cache."""
    before: float | None
    """When that was, seconds since the epoch; None: nothing is cached."""
    at: float
    output: int
    """Tokens of the reply."""
    max_tokens: int
    thinking: Mapping[int, int]
    """Record index -> thinking blocks that count."""
    survival: Tally

    def charge(self, ttl: Ttl | None) -> Charge:
        """What it costs with a cache of that lifetime."""
        cached = self.cached if is_alive(self.before, self.at, ttl) else 0
        return charge(self.profile, self.tokens, cached=cached, output=self.output, at=self.at, ttl=ttl)


class Scene:
    """The unmanaged conversation at one request, as a baseline sees it.

    Attributes:
        feed: the conversation and its driver.
        exchange: the request, and the recorded reply.
        plain: what the request weighs.
        sources: record indices of the messages on the wire, in order.
        outline: their turns and rounds.
        mentions: where each identifier was said.
    """

    def __init__(self, feed: Feed, names: Names) -> None:
        self.feed = feed
        self.outline = Outline()
        self.sources: tuple[int, ...] = ()
        self.mentions = Mentions(names)
        self.exchange: Exchange
        self.plain: Plain
        self._before = START
        self._tokens, self._thinking = [0], [0]  # up to each message of the wire
        self._model = feed.conversation.model
        self._recorded = 0

    def advance(self, exchange: Exchange, plain: Plain) -> None:
        """The next request."""
        conversation = self.feed.conversation
        if conversation.model != self._model:  # counts never transfer (CTX-20)
            self._model, self.outline, self._before = conversation.model, Outline(), START
            self._tokens, self._thinking = [0], [0]
        wire, self.sources = conversation.wire, conversation.hot()
        for form in wire[self.outline.length :]:
            self._add(form, plain.profile)
        on_wire = set(self.sources)
        messages = conversation.messages
        for index in range(self._recorded, len(messages)):
            self.mentions.take(index, messages[index], on_wire=index in on_wire)
        self._recorded = len(messages)
        self.exchange, self.plain = exchange, plain

    def _add(self, form: Mapping[str, Any], profile: ModelProfile) -> None:
        size = size_message(form, profile, before=self._before)
        self._before = self._before.then(form)
        self.outline.add(form)
        self._thinking.append(self._thinking[-1] + size.thinking.tokens)
        self._tokens.append(self._tokens[-1] + size.count.tokens - size.thinking.tokens)

    @property
    def fixed(self) -> int:
        """Tokens beyond the messages: system prompt, tools, overheads, and what their sizes do not explain."""
        return self.plain.tokens - self.weigh(0)

    @property
    def first_thought(self) -> int:
        """Wire index from which thinking counts on this model, if nothing is managed (RET-01, RET-02)."""
        return 0 if self.plain.profile.keeps_prior_thinking else self.outline.turn_start or 0

    def weigh(self, start: int, *, thoughts: int = 0) -> int:
        """Tokens of the messages from a wire index on, with such thinking from `thoughts` on as the model keeps."""
        thoughts = max(start, thoughts, self.first_thought)
        return self._tokens[-1] - self._tokens[start] + self._thinking[-1] - self._thinking[thoughts]

    def thinking(self, thoughts: int) -> dict[int, int]:
        """Record index -> thinking blocks, of those that count without management and stand at a wire index or later."""
        first = self.source(thoughts)
        return {index: blocks for index, blocks in self.plain.thinking.items() if index >= first}

    def source(self, index: int) -> int:
        """The record index of a place on the wire, or of what comes next behind its end."""
        return self.sources[index] if index < len(self.sources) else self._recorded


class Baseline(Protocol):
    """Something else that could have been done with the conversation, send by send.

    Attributes:
        book: what it came to so far.
    """

    book: Book

    def send(self, scene: Scene) -> None:
        """The next request, in the unmanaged conversation's terms."""


class Unmanaged(msgspec.Struct, frozen=True, kw_only=True):
    """The unmanaged conversation of one thread."""

    sends: tuple[Plain, ...]
    names: Names
    """The identifiers of its messages."""


def run_unmanaged(
    session: Session,
    thread: Thread,
    *,
    model: str | ModelProfile | None = None,
    unseen: bool = False,
    baselines: Sequence[Baseline] = (),
) -> Unmanaged:
    """Feed a thread to an engine that never shrinks it. Arguments and errors as for `replay`.

    Args:
        session: as read.
        thread: one of its threads.
        model: as if it had run on this model.
        unseen: count system prompt and tools in.
        baselines: what else is to see each request.
    """
    feed = Feed(session, thread, policy=Policy(methods=()), model=model, unseen=unseen, unlimited=True)
    names, thoughts = Names(), Thoughts()
    scene = Scene(feed, names)
    sends: list[Plain] = []
    before: float | None = None
    for exchange in feed:
        send, reply = exchange.send, exchange.reply
        cached = send.forecast.cached
        hot = feed.conversation.hot()
        plain = Plain(
            profile=feed.current,
            tokens=send.window.tokens,
            cached=cached,
            before=before if cached else None,
            at=exchange.at,
            output=feed.reply_tokens(reply),
            max_tokens=int(send.request["max_tokens"]),
            thinking=dict(thoughts.take(send.window, hot, len(send.request["messages"]))),
            survival=Tally(),
        )
        before = exchange.at
        scene.advance(exchange, plain)
        survival = scene.mentions.judge(reply.message, start=0)
        scene.plain = plain = msgspec.structs.replace(plain, survival=survival)
        sends.append(plain)
        for baseline in baselines:
            baseline.send(scene)
    return Unmanaged(sends=tuple(sends), names=names)
