"""What a shrinking method offers at one moment: whether it can, what it frees, what it breaks, what it costs.

Costs are of prompts, in dollars, over the policy's horizon of sends. What will be new in them costs the same either way
and is left out. A method that takes thinking out of the window is charged what that thinking would cost to make again,
its tokens at the price of output (PRICE-05), as far as the policy takes it to be worth that.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ctxwindow.record.events import Compacted, Edited
from ctxwindow.tiers.caching import prompt_bill
from ctxwindow.tiers.policy import Method
from ctxwindow.tiers.situation import Situation
from ctxwindow.window import Rates, latest_price, rates, sends_to_pay_back

__all__ = ["Breaks", "Offer", "cannot", "leave_alone", "offered", "prompt_dollars"]

Breaks = Literal["nothing", "cache", "epoch"]
"""What an edit breaks: nothing; the cached prefix from some place on; or the prefix, with the thinking bound to it."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the planner's table. Tokens and dollars; dollars are None where no price is known."""

    method: str
    """A method, or `leave alone`."""
    able: bool
    why: str
    """What it would do; or why it cannot, with the rule."""
    after: int = 0
    """Tokens of the window after it, at most."""
    frees: int = 0
    breaks: Breaks = "nothing"
    kept: int = 0
    """Tokens at the start of the prompt that are read from the cache still."""
    thinking: int = 0
    """Tokens of thinking that it takes out of the window."""
    accounts: bool = True
    """Whether something stands for what leaves the wire."""
    hot: bool = True
    """Whether the least that shall stay word for word does."""
    paid: float | None = 0.0
    """Dollars for the edit itself, such as a summary."""
    first: float | None = None
    """Dollars for the first prompt after it."""
    then: float | None = None
    """Dollars for each later one."""
    over: float | None = None
    """Dollars over the horizon: `paid`, `first`, and the others."""
    lost: float | None = 0.0
    """Dollars that the lost thinking is worth."""
    pays_back: int | None = None
    """Sends after which it has cost no more than leaving alone; None: never, or no price is known."""
    plan: Compacted | Edited | None = None
    """What would be recorded, for a summary without its text."""

    @property
    def costs(self) -> float | None:
        """What the planner compares: dollars over the horizon, lost thinking included."""
        return None if self.over is None or self.lost is None else self.over + self.lost


def cannot(method: Method, why: str) -> Offer:
    """The row of a method that can do nothing here."""
    return Offer(method=method, able=False, why=why)


def leave_alone(now: Situation) -> Offer:
    """The row of doing nothing."""
    total = now.total
    cached = now.cached_tokens
    return _priced(
        now,
        Offer(method="leave alone", able=total <= now.limit, why=_state(now), after=total, kept=min(cached, total)),
    )


def _state(now: Situation) -> str:
    cache = "the cache is warm" if now.cached_tokens > now.fixed else "the cache is cold"
    over = now.total - now.limit
    return f"{over:,} tokens too many, {cache}" if over > 0 else f"it fits, {cache}"


def offered(
    now: Situation,
    method: Method,
    why: str,
    *,
    after: int,
    plan: Compacted | Edited,
    breaks: Breaks,
    kept: int,
    thinking: int = 0,
    hot: bool = True,
    accounts: bool = True,
    paid: float | None = 0.0,
) -> Offer:
    """The row of a method that can: its effect, priced."""
    offer = Offer(
        method=method,
        able=True,
        why=why,
        after=after,
        frees=now.total - after,
        breaks=breaks,
        kept=min(kept, after),
        thinking=thinking,
        hot=hot,
        accounts=accounts,
        paid=paid,
        plan=plan,
    )
    return _priced(now, offer)


def _priced(now: Situation, offer: Offer) -> Offer:
    first = prompt_dollars(now, offer.after, offer.kept)
    then = prompt_dollars(now, offer.after, offer.after)
    found = _rates(now, offer.after)
    lost = None if found is None else found.of("output", offer.thinking * now.policy.thinking_worth)
    if first is None or then is None or offer.paid is None:
        return msgspec.structs.replace(offer, first=first, then=then, lost=lost)
    sends = _pays_back(now, offer.paid + first, then) if offer.method != "leave alone" else None
    over = offer.paid + first + (now.policy.horizon - 1) * then
    return msgspec.structs.replace(offer, first=first, then=then, over=over, lost=lost, pays_back=sends)


def _pays_back(now: Situation, first: float, then: float) -> int | None:
    """After how many sends an edit has cost no more than leaving alone, whose first prompt is written as far as the cache has
    lost it, and whose later ones are read. None: never, or no price is known.
    """
    cached = min(now.cached_tokens, now.total)
    alone_first, alone_then = (prompt_dollars(now, now.total, held) for held in (cached, now.total))
    if alone_first is None or alone_then is None:
        return None
    return sends_to_pay_back(paid=0.0, without=alone_then, first=first, then=then, without_first=alone_first)


def prompt_dollars(now: Situation, tokens: int, cached: int, output: int = 0) -> float | None:
    """Dollars for one prompt of which so many tokens are read from the cache, and for what is generated."""
    found = _rates(now, tokens)
    if found is None:
        return None
    bill = prompt_bill(now.profile, tokens, cached, now.policy.cache)
    return found.dollars(msgspec.structs.replace(bill, output=output))


def _rates(now: Situation, tokens: int) -> Rates | None:
    """Prices of the day; where none was published yet, or no clock is given, the latest."""
    found = rates(now.profile, tokens, now.at if now.at is not None else 0.0)
    return found if found is not None else rates(now.profile, tokens, latest_price(now.profile))
