"""What a shrinking method may look at, and what it proposes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import Outline
from ctxwindow.record.events import Compacted
from ctxwindow.tiers.heads import head_message
from ctxwindow.tiers.policy import Method, Policy
from ctxwindow.tiers.wire import Wire
from ctxwindow.window import Count, size_message

__all__ = ["MIN_SUMMARY", "SLACK", "Proposal", "Situation"]

SLACK = 20
"""Tokens kept back when a size is the sum of parts counted apart: texts that meet may tile differently."""

MIN_SUMMARY = 200
"""Tokens below which a summary says next to nothing."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One way to shrink: everything of the edit but the summary's text."""

    method: Method
    edit: Compacted
    """With an empty summary; `tokens` is the summary's budget."""
    after: int
    """Tokens of the window if the summary takes all of its budget."""
    why: str


@dataclass(frozen=True)
class Situation:
    """One moment, as the methods see it. Nothing here is mutated by them."""

    messages: Sequence[Mapping[str, Any]]
    """The record."""
    forms: Mapping[int, Mapping[str, Any]]
    """Wire forms by record index, for everything that can be on the wire."""
    outline: Outline
    wire: Wire
    profile: ModelProfile
    policy: Policy
    limit: int
    """Tokens that the prompt may take: budget less reserved output."""
    summarized_to: int
    """Record index up to which a summary stands already: an edit must reach further (law 7)."""
    asked: bool
    """Whether an exact count of this wire was asked for before."""
    at: float | None
    """The caller's clock."""
    may_cut: Callable[[int], bool]
    """Whether the rules allow the record to be cut before an index."""
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
    def bound(self) -> bool:
        """Whether thinking must be taken as bound to its prefix (BIND-03, BIND-04)."""
        return self.profile.bound and self.policy.assume_binding

    @property
    def turn_start(self) -> int:
        """Record index where the turn in progress starts."""
        return self.outline.turn_start or 0

    def __len__(self) -> int:
        return len(self.messages)

    def summary_budget(self) -> int:
        """Tokens a summary may take."""
        return max(MIN_SUMMARY, min(self.policy.warm.tokens, int(self.room * self.policy.warm.share)))

    def summary_weight(self, budget: int) -> int:
        """What a summary of `budget` tokens may weigh: estimates of text err by up to 30 % (`estimator.json`)."""
        return budget + int(budget * 0.3) + SLACK if self.cautious else budget

    def size(self, form: Mapping[str, Any]) -> int:
        """Tokens of a message on this model."""
        return self.weigh(size_message(form, self.profile).count)

    def instruction(self, before: int) -> int | None:
        """The user message of the turn in progress, if it lies before an index and may be repeated in full."""
        start = self.outline.turn_start
        if start is None or start >= before or start not in self.forms:
            return None
        return start if self.size(self.forms[start]) <= self.room * self.policy.instruction else None

    def head_tokens(self, edit: Compacted) -> int:
        """Tokens of the head with no summary in it."""
        return self.size(head_message(edit, self.forms)) + SLACK
