"""How far one operation has come, by what its limits measure: rounds, seconds, dollars."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from ctxwindow.client.limits import Limits
from ctxwindow.client.talk import Talk
from ctxwindow.errors import MisuseError
from ctxwindow.window import Bill, rates

__all__ = ["Progress"]


@dataclass
class Progress:
    """From the first step of an operation on. Use `begin`."""

    talk: Talk
    limits: Limits
    start: float
    """In seconds, by the clock of the conversation."""
    sends: int
    """Requests before it."""
    summaries: float
    """Dollars of summaries before it."""
    rounds: int = 0
    """Tool rounds that were run."""
    messages: list[Any] = field(default_factory=list)
    """What the operation has brought, in order."""

    @classmethod
    def begin(cls, talk: Talk, limits: Limits) -> Progress:
        """An operation that begins.

        Raises:
            MisuseError: its dollars are limited, and nothing tells what the model costs: it would not count as free, but the
                limit would never be reached.
        """
        now, engine = talk.clock(), talk.engine
        if limits.dollars is not None and not _is_priced(talk, now):
            raise MisuseError(
                f"dollars cannot be limited, for no price of {engine.model} is known at this time.",
                rule="PRICE-01",
                path="limits.dollars",
                remedy="Pass a ModelProfile with prices of your own, or limit rounds and seconds.",
            )
        return cls(talk=talk, limits=limits, start=now, sends=engine.sends, summaries=engine.summaries_paid)

    @property
    def dollars(self) -> float | None:
        """What it has cost, summaries included, as far as bills and prices are known; None where none is."""
        paid = self.talk.engine.paid(since=self.sends)
        summaries = self.talk.engine.summaries_paid - self.summaries
        return paid + summaries if paid is not None else summaries or None

    def passed(self) -> Literal["rounds", "seconds", "dollars"] | None:
        """The first limit that is reached."""
        return self._passed(self.rounds)

    def spent(self) -> Literal["rounds", "seconds", "dollars"] | None:
        """The same of seconds and dollars alone: between the requests of one reply, which count as no round."""
        return self._passed(0)

    def _passed(self, rounds: int) -> Literal["rounds", "seconds", "dollars"] | None:
        dollars = self.dollars
        if dollars is None:  # a reply whose bill cannot be told (a priority tier, say) never counts as free
            dollars = math.inf if self.talk.engine.sends > self.sends else 0.0
        return self.limits.passed(rounds=rounds, seconds=self.talk.clock() - self.start, dollars=dollars)


def _is_priced(talk: Talk, now: float) -> bool:
    """Whether it can be told what a reply costs, cache included."""
    policy, settings = talk.engine.policy, talk.engine.settings
    found = rates(
        talk.engine.profile, 0, now, us=settings.get("inference_geo") == "us", fast=settings.get("speed") == "fast"
    )
    bought = Bill(
        uncached=1,
        output=1,
        read=policy.cache is not None,
        written_5m=policy.cache == "5m",
        written_1h=policy.cache == "1h",
    )
    return found is not None and found.dollars(bought) is not None
