"""What the methods that need a summary by the client share: its price, and the thinking that leaves with it."""

from __future__ import annotations

from ctxwindow.tiers.offers import prompt_dollars
from ctxwindow.tiers.situation import Situation
from ctxwindow.tiers.tails import place_of

__all__ = ["INSTRUCTION", "price_of_summary", "thinking_in"]

INSTRUCTION = 600
"""Tokens of the instruction that asks for a summary, roughly; they are paid and never cached."""


def price_of_summary(now: Situation, budget: int, end: int) -> float | None:
    """Dollars for a summary of at most `budget` tokens of what stands before record index `end`.

    Nothing, where it is quoted offline; where the model writes it, a request with the wire up to there, which rides on what
    the cache holds of it.
    """
    if now.policy.warm.writer == "extractive" or now.unwritten:
        return 0.0
    place = place_of(now, end)
    sent = now.tokens_before(place)
    entry = now.cached_before(place)
    # What the server clears or strips is in the sum, and not in the total.
    return prompt_dollars(
        now, min(sent, now.total) + INSTRUCTION, entry.tokens if entry is not None else 0, output=budget
    )


def thinking_in(now: Situation) -> int:
    """Tokens of thinking in the window."""
    return now.wire.ledger.thinking
