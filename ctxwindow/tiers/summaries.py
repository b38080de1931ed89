"""What the methods that need a summary by the client share: its price, and the thinking that leaves with it."""

from __future__ import annotations

from ctxwindow.tiers.offers import prompt_dollars
from ctxwindow.tiers.situation import Situation

__all__ = ["INSTRUCTION", "price_of_summary", "thinking_in"]

INSTRUCTION = 600
"""Tokens of the instruction that asks for a summary, roughly; they are paid and never cached."""


def price_of_summary(now: Situation, budget: int) -> float | None:
    """Dollars for a summary of at most `budget` tokens.

    Nothing, where it is quoted offline; where the model writes it, a request that rides on the prefix in the cache.
    """
    if now.policy.warm.writer == "extractive" or now.unwritten:
        return 0.0
    return prompt_dollars(now, now.total + INSTRUCTION, now.cached_tokens, output=budget)


def thinking_in(now: Situation) -> int:
    """Tokens of thinking in the window."""
    return now.wire.ledger.thinking
