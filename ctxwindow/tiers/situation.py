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
from ctxwindow.window import MessageSize, size_message

__all__ = ["MIN_SUMMARY", "SLACK", "Proposal", "Situation"]

SLACK = 16
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
    fixed: int
    """Tokens outside the messages: system, tools, overheads."""
    may_cut: Callable[[int], bool]
    """Whether the rules allow the record to be cut before an index."""

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

    @property
    def in_loop(self) -> bool:
        """Whether the newest turn has replies already: a tool loop that waits for its next reply."""
        return any(self.messages[index].get("role") == "assistant" for index in range(self.turn_start, len(self)))

    def __len__(self) -> int:
        return len(self.messages)

    def summary_budget(self) -> int:
        """Tokens a summary may take."""
        return max(MIN_SUMMARY, min(self.policy.summary_tokens, int(self.room * self.policy.summary)))

    def size(self, form: Mapping[str, Any]) -> MessageSize:
        """The size of a message on this model."""
        return size_message(form, self.profile)

    def instruction(self, before: int) -> int | None:
        """The user message of the turn in progress, if it lies before an index and may be repeated in full."""
        start = self.outline.turn_start
        if start is None or start >= before or start not in self.forms:
            return None
        size = self.size(self.forms[start]).count.tokens
        return start if size <= self.room * self.policy.instruction else None

    def head_tokens(self, edit: Compacted) -> int:
        """Tokens of the head with no summary in it."""
        return self.size(head_message(edit, self.forms)).count.tokens + SLACK
