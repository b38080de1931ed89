"""What a shrinking method may look at: one moment of a conversation. Nothing here is mutated by the methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import Outline
from ctxwindow.record.events import Compacted, Edited
from ctxwindow.tiers.caching import LastSend, alive
from ctxwindow.tiers.heads import head_message, stands_for
from ctxwindow.tiers.policy import Policy
from ctxwindow.tiers.wire import Wire
from ctxwindow.window import Count, size_message

__all__ = ["HOT", "MIN_SUMMARY", "SLACK", "Situation"]

SLACK = 20
"""Tokens kept back when a size is the sum of parts counted apart: texts that meet may tile differently."""

WRITTEN = 4_096
"""Tokens of a summary that a model writes, at most: each is paid as output. Recorded ones of some 170,000 tokens have 3,400 to
4,800 (median, by tokenizer)."""

MIN_SUMMARY = 200
"""Tokens below which a summary says next to nothing."""

HOT = 0.15
"""Share of the room that stays word for word where the policy does not say."""


@dataclass(frozen=True)
class Situation:
    """One moment, as the methods see it."""

    messages: Sequence[Mapping[str, Any]]
    """The record."""
    resumes: AbstractSet[int]
    """Record indices of messages that only resume a reply that was cut."""
    forms: Mapping[int, Mapping[str, Any]]
    """Wire forms by record index, for everything that can be on the wire."""
    outline: Outline
    wire: Wire
    profile: ModelProfile
    policy: Policy
    limit: int
    """Tokens that the prompt may take: budget less reserved output."""
    bound: bool
    """Whether thinking on the wire must be taken as bound to its prefix (BIND-03, BIND-04)."""
    asked: bool
    """Whether an exact count of this wire was asked for before."""
    at: float | None
    """The caller's clock."""
    may_cut: Callable[[int], bool]
    """Whether the rules allow the record to be cut before an index."""
    pins: Callable[[], Sequence[int]]
    """Record indices of pinned messages, rising."""
    warm: Sequence[Compacted] = ()
    """The summaries that stand on the wire, in order; a server's compaction block among them."""
    held: Edited | None = None
    """The server-side edits in force."""
    cached: LastSend | None = None
    """What the cache holds of this wire at most."""
    trail: Sequence[LastSend] = ()
    """The sends of this epoch, each an entry of the cache for as long as it lives."""
    unsent: int = 0
    """Record index of the first message that was never sent."""
    declined: frozenset[str] = frozenset()
    """Methods that have failed of late."""
    own_edits: bool = False
    """Whether the caller's settings hold context edits of his own."""
    correction: int = 0
    """Tokens that the next epoch's fixed part will have beyond this one's: what exact sizes have taught since."""
    cautious: bool = False
    """Weigh everything by its upper bound: when the estimate fits and the bound does not."""

    def weigh(self, count: Count) -> int:
        """The tokens of a part: its estimate, corrected by what was learnt, or its upper bound when cautious."""
        return count.high if self.cautious else self.wire.ledger.learning.corrected(count).tokens

    @property
    def total(self) -> int:
        """Tokens of the window as it is."""
        total = self.wire.ledger.total
        return total.high if self.cautious else total.tokens

    @property
    def fixed(self) -> int:
        """Tokens outside the messages: system, tools, overheads."""
        count = self.wire.ledger.fixed.count
        tokens = count.high if self.cautious else count.tokens
        return tokens + self.correction + (SLACK if self.correction else 0)

    @property
    def room(self) -> int:
        """Tokens for messages: what marks and shares are shares of."""
        return self.limit - self.fixed

    def mark(self, share: float) -> int:
        """A mark in tokens of the whole prompt."""
        return self.fixed + int(self.room * share)

    @property
    def request(self) -> int:
        """Record index of the user message that is being worked on: one that only resumes a reply is none (MSG-16)."""
        return self._request() or 0

    @property
    def turn_start(self) -> int:
        """Record index where the turn in progress starts."""
        return self.outline.turn_start or 0

    def __len__(self) -> int:
        return len(self.messages)

    # -- the cache -----------------------------------------------------------------------------------------

    @property
    def cached_tokens(self) -> int:
        """Tokens at the start of the prompt that are read from the cache, as far as the clock tells (CACHE-05)."""
        return self.cached.tokens if self.cached is not None and alive(self.cached, self.policy.cache, self.at) else 0

    @property
    def is_cold(self) -> bool:
        """Whether what was sent of this epoch has left the cache, by the clock."""
        sent = self.cached is not None and self.cached.messages > 0
        return sent and self.policy.cache is not None and self.at is not None and not self.cached_tokens

    @property
    def kept_fixed(self) -> int:
        """Tokens of system and tools that a new epoch reads from the cache: all, where a breakpoint ends them and it lives."""
        marked = self.wire.base.get("system") or self.wire.base.get("tools")
        return min(self.fixed, self.cached_tokens) if marked else 0

    def cached_before(self, position: int) -> LastSend | None:
        """The longest live entry of the cache that ends at or before a place on the wire."""
        for last in reversed(self.trail):
            if last.messages <= position:
                return last if alive(last, self.policy.cache, self.at) else None
        return None

    # -- what stays ----------------------------------------------------------------------------------------

    @property
    def summarized_to(self) -> int:
        """Record index up to which something stands for the messages already: an edit must reach further (law 7)."""
        return self.warm[-1].end if self.warm else 0

    @cached_property
    def hot_cut(self) -> int:
        """The largest record index from which on the policy's least of turns, rounds and tokens is all there."""
        hot, outline = self.policy.hot, self.outline
        cut = len(self)
        if hot.turns:
            cut = min(cut, outline.turns[-hot.turns] if hot.turns <= len(outline.turns) else 0)
        if hot.rounds:
            cut = min(cut, outline.rounds[-hot.rounds].start if hot.rounds <= len(outline.rounds) else 0)
        least = hot.tokens if hot.tokens is not None else int(self.room * HOT)
        kept = 0
        entries, sources = self.wire.ledger.entries, self.wire.sources
        for position in range(len(sources) - 1, -1, -1):
            source = sources[position]
            tokens = self.weigh(entries[position].size.count)
            # What the policy names is there in full; of the share that nobody named no more than fits it.
            if source is None or (kept >= least if hot.tokens is not None else kept + tokens > least):
                break
            kept += tokens
            cut = min(cut, source)
        return cut

    @property
    def summaries(self) -> tuple[Compacted, ...]:
        """The summaries that a further one can stand beside: none, where a server's block or a gap is among them."""
        plain = all(edit.by and edit.block is None and edit.method.startswith("summarize") for edit in self.warm)
        return tuple(self.warm) if plain else ()

    @property
    def holding(self) -> Edited:
        """What the server is asked to clear already: nothing, where no edit is in force. An edit of one kind leaves the rest."""
        return self.held or Edited(method="", before=0, target=0)

    @property
    def unwritten(self) -> bool:
        """Whether nobody can write a summary, for the last one failed: what leaves the wire then leaves without one."""
        return not self.declined.isdisjoint(("summarize_keep_tail", "summarize_all"))

    # -- sizes ---------------------------------------------------------------------------------------------

    def summary_budget(self) -> int:
        """Tokens a summary may take."""
        warm = self.policy.warm
        most = warm.tokens if warm.writer == "extractive" else min(warm.tokens, WRITTEN)
        return max(MIN_SUMMARY, min(most, int(self.room * warm.share)))

    def summary_weight(self, budget: int) -> int:
        """What a summary of `budget` tokens may weigh: estimates of text err by up to 30 % (`estimator.json`)."""
        return budget + int(budget * 0.3) + SLACK if self.cautious else budget

    def tokens_before(self, place: int) -> int:
        """Tokens of the prompt before a place on the wire, as sent: what the server clears or strips is in them."""
        return self.fixed + sum(self.weigh(entry.size.count) for entry in self.wire.ledger.entries[:place])

    def size(self, form: Mapping[str, Any]) -> int:
        """Tokens of a message on this model."""
        return self.weigh(size_message(form, self.profile).count)

    def instruction(self, before: int) -> int | None:
        """The user message of the request in progress, if it lies before an index and may be repeated in full."""
        start = self._request()
        if start is None or start >= before or start not in self.forms:
            return None
        return start if self.size(self.forms[start]) <= self.room * self.policy.instruction else None

    def _request(self) -> int | None:
        return next((start for start in reversed(self.outline.turns) if start not in self.resumes), None)

    def head_tokens(self, edit: Compacted) -> int:
        """Tokens of the head with no summary of its own in it."""
        return self.size(head_message(stands_for(self.warm, edit), self.forms)) + SLACK
