"""What a modelled request costs: one code for managed conversations and for everything they are compared with.

The cache holds what the request before wrote, as long as its lifetime lasts (CACHE-05).
"""

from __future__ import annotations

import datetime

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.tiers import prompt_bill
from ctxwindow.window import Ttl, bill, lives

__all__ = ["Charge", "charge", "is_alive"]


class Charge(msgspec.Struct, frozen=True):
    """What one request costs."""

    dollars: float | None
    """None where no price is known."""
    read: int
    """Prompt tokens read from the cache."""


def charge(profile: ModelProfile, tokens: int, *, cached: int, output: int, at: float, ttl: Ttl | None) -> Charge:
    """The cost of one request. A session older than the model it is replayed on is priced at the model's first day.

    Args:
        profile: the model.
        tokens: of the prompt.
        cached: of these, how many the cache still holds.
        output: tokens of the reply.
        at: when it is sent, seconds since the epoch.
        ttl: for how long it is cached; None: not at all.
    """
    prompt = prompt_bill(profile, tokens, cached, ttl)
    if profile.prices:
        first = datetime.datetime.combine(profile.prices[0].since, datetime.time(12), tzinfo=datetime.UTC).timestamp()
        at = max(at, first)
    return Charge(bill(profile, msgspec.structs.replace(prompt, output=output), at), prompt.read)


def is_alive(before: float | None, at: float, ttl: Ttl | None) -> bool:
    """Whether what was written or read at `before` is still cached; None: nothing was written."""
    return before is not None and lives(before, ttl, at)
