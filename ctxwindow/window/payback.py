"""In how many sends an edit has paid for itself.

An edit costs once: what is paid for a summary, and a prompt whose cached prefix must be written anew. It saves with each
send after that, because the prompt is shorter. Whether that is worth it is a question of how many sends will follow.
"""

from __future__ import annotations

import math

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.window.cost import Bill, Ttl, bill

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


def sends_to_pay_back(*, paid: float, without: float, first: float, then: float) -> int | None:
    """The smallest number of sends n >= 1 with paid + first + (n - 1) * then <= n * without; None if there is none.

    All in dollars.
    """
    if paid + first <= without:
        return 1
    saved = without - then
    if saved <= 0:
        return None
    more = math.ceil((paid + first - without) / saved)
    # Rounding of floats can be one send off at the edge.
    return next(
        n for n in range(max(1, more), more + 3) if paid + first + (n - 1) * then <= n * without + 1e-12 * abs(first)
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
    """
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
