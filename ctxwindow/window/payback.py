"""In how many sends an edit has paid for itself.

An edit costs once: what is paid for a summary, and a prompt whose cached prefix must be written anew. It saves with each
send after that, because the prompt is shorter. Whether that is worth it is a question of how many sends will follow.
"""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import MisuseError
from ctxwindow.window.cost import MOST_DOLLARS, Bill, Ttl, bill, is_money
from ctxwindow.window.usage import MOST_TOKENS

__all__ = ["Payback", "payback", "sends_to_pay_back"]


class Payback(msgspec.Struct, frozen=True, kw_only=True):
    """What an edit costs and saves, in dollars for prompts; None where no price is known."""

    without: float | None
    """A send without the edit, its prefix read from the cache."""
    first: float | None
    """The first send after it, what changed written anew."""
    then: float | None
    """Each later one, read from the cache again."""
    paid: float
    """For the edit itself, such as a summary."""
    sends: int | None
    """After so many sends it has cost no more than none would have; None: never, or no price is known."""


_MOST_PROMPT = 4 * MOST_TOKENS
"""Tokens: a prompt is the sum of four counts (CTX-02)."""


def sends_to_pay_back(
    *, paid: float, without: float, first: float, then: float, without_first: float | None = None
) -> int | None:
    """The smallest number of sends n >= 1 with paid + first + (n - 1) * then <= without_first + (n - 1) * without.

    None if there is none. All in dollars; `without_first` is that of the first send without the edit, by default `without`.

    Raises:
        MisuseError: one of them is no amount from 0 to a million dollars.
    """
    at_first = without if without_first is None else without_first
    if not all(is_money(amount) for amount in (paid, without, first, then, at_first)):
        raise _absurd()
    if paid + first <= at_first:
        return 1
    if without <= then:
        return None
    # In fractions: the quotient of two floats that nearly cancel is off by whole sends. The slack is for the amounts
    # themselves, which are rounded.
    more = Fraction(paid) + Fraction(first) * (1 - Fraction(1, 10**12)) - Fraction(at_first)
    return 1 + max(1, math.ceil(more / (Fraction(without) - Fraction(then))))


def _absurd() -> MisuseError:
    return MisuseError(
        f"a cost is a number of dollars from 0 to {MOST_DOLLARS:,.0f}.",
        remedy="Pass dollars, not cents or tokens; 0 where nothing was paid.",
    )


def payback(
    profile: ModelProfile,
    *,
    before: int,
    after: int,
    kept: int,
    at: float,
    paid: float = 0.0,
    ttl: Ttl | None = "5m",
) -> Payback:
    """What an edit that takes a prompt from `before` to `after` tokens costs, and when it pays.

    Prompts are compared as they are, without what will be new in them, which costs the same either way.

    Args:
        profile: the model.
        before: tokens of the prompt without the edit, all of them in the cache.
        after: tokens with it.
        kept: of these, tokens at the start that are still in the cache: what stands before the first change.
        at: when, in seconds since the epoch.
        paid: dollars for the edit itself.
        ttl: how long the cache keeps what is written; None: nothing is cached, and every token is paid in full.

    Raises:
        MisuseError: `paid` is no amount from 0 to a million dollars, or one of the sizes is no number of tokens.
    """
    if not is_money(paid):
        raise _absurd()
    if not all(0 <= tokens <= _MOST_PROMPT for tokens in (before, after, kept)):
        raise MisuseError(
            f"a prompt has from 0 to {_MOST_PROMPT:,} tokens.", remedy="Pass sizes of prompts, in tokens."
        )
    if ttl is None:
        without, first = Bill(uncached=before), Bill(uncached=after)
        then = first
    else:
        kept = min(kept, after)
        written = {"written_1h" if ttl == "1h" else "written_5m": after - kept}
        without, first, then = Bill(read=before), Bill(read=kept, **written), Bill(read=after)
    costs = [bill(profile, tokens, at) for tokens in (without, first, then)]
    sends = None
    if costs[0] is not None and costs[1] is not None and costs[2] is not None:
        sends = sends_to_pay_back(paid=paid, without=costs[0], first=costs[1], then=costs[2])
    return Payback(without=costs[0], first=costs[1], then=costs[2], paid=paid, sends=sends)
