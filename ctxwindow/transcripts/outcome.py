"""What one way of managing a session came to, in the measures by which policies and baselines are compared."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from ctxwindow.transcripts.survival import Tally
from ctxwindow.transcripts.thoughts import Losses, ThoughtTally

__all__ = ["Book", "Outcome", "total"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a comparison. Dollars are None where no price is known."""

    name: str
    sends: int
    cost: float | None
    """All of it, summaries and compactions included."""
    summaries_cost: float | None
    """The part of `cost` that was paid for summaries and compactions."""
    overflows: int
    """Requests that did not fit."""
    violations: int
    """Rules broken by its requests; a baseline's are not checked."""
    edits: dict[str, int]
    """By method."""
    epochs: int
    cache_hit_ratio: float
    """Share of the prompt tokens read from the cache."""
    thinking_kept: int
    """Thinking blocks that the model read, over all requests, of those that it would read without management."""
    thinking_lost: int
    """Those it did not read."""
    thinking_blocks: int
    """Distinct thinking blocks that some request would have read without management."""
    thinking_blocks_lost: int
    """Of these, those that were missing from at least one such request."""
    window_mean: float
    """Tokens of a request, on the mean."""
    window_peak: int
    used: int
    """Identifiers that replies used and that had appeared before."""
    on_wire: int
    """Of these, present in the request."""
    recallable: int
    """Of these, present in the request or recallable."""
    cost_ratio: float | None = None
    """`cost` to that of the unmanaged conversation; None too where a replay ended early."""
    threshold_ratio: float | None = None
    """`cost` to that of the server's default compaction."""

    @property
    def reference_survival(self) -> float | None:
        """Share of identifiers used again that were present in the request; None where nothing was sent."""
        return self._tally.survival if self.sends else None

    @property
    def reference_survival_recallable(self) -> float | None:
        """Share present in the request or recallable, likewise."""
        return self._tally.survival_recallable if self.sends else None

    @property
    def _tally(self) -> Tally:
        return Tally(used=self.used, on_wire=self.on_wire, recallable=self.recallable)


class Book:
    """Adds the sends of one column up."""

    def __init__(self) -> None:
        self.losses = Losses()
        self.epochs = 1
        self.overflows = 0
        self.violations = 0
        self.edits: dict[str, int] = {}
        self._sends = self._tokens = self._read = self._peak = 0
        self._costs: list[float | None] = []
        self._paid: list[float | None] = []
        self._thinking = ThoughtTally()
        self._tally = Tally()

    def send(self, tokens: int, *, dollars: float | None, read: int, thinking: ThoughtTally, survival: Tally) -> None:
        """One request: tokens of its prompt, of these read from the cache, and what it cost."""
        self._sends += 1
        self._tokens += tokens
        self._read += read
        self._peak = max(self._peak, tokens)
        self._costs.append(dollars)
        self._thinking = ThoughtTally(
            kept=self._thinking.kept + thinking.kept, lost=self._thinking.lost + thinking.lost
        )
        self._tally = self._tally + survival

    def pay(self, dollars: float | None, tokens: int) -> None:
        """A summary that was written from a prompt of so many tokens, beside the requests."""
        self._paid.append(dollars)
        self._peak = max(self._peak, tokens)

    def edit(self, method: str) -> None:
        """One edit."""
        self.edits[method] = self.edits.get(method, 0) + 1

    def outcome(self, name: str) -> Outcome:
        """The column so far."""
        return Outcome(
            name=name,
            sends=self._sends,
            cost=total([*self._costs, *self._paid]),
            summaries_cost=total(self._paid),
            overflows=self.overflows,
            violations=self.violations,
            edits=dict(sorted(self.edits.items())),
            epochs=self.epochs,
            cache_hit_ratio=self._read / self._tokens if self._tokens else 0.0,
            thinking_kept=self._thinking.kept,
            thinking_lost=self._thinking.lost,
            thinking_blocks=self.losses.blocks,
            thinking_blocks_lost=self.losses.blocks_lost,
            window_mean=self._tokens / self._sends if self._sends else 0.0,
            window_peak=self._peak,
            used=self._tally.used,
            on_wire=self._tally.on_wire,
            recallable=self._tally.recallable,
        )


def total(costs: Iterable[float | None]) -> float | None:
    """The sum of amounts, the same on every Python; None where one of them is not known."""
    known = list(costs)
    return math.fsum(cost or 0.0 for cost in known) if None not in known else None
