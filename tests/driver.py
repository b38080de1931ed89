"""Drives a conversation through generated or recorded steps, and hands out everything that was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ctxwindow import Conversation, Count, Policy, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.summarize import Extractive
from ctxwindow.testing import Step
from ctxwindow.window import count_text

MAX_TOKENS = 500

FAMILIES = ("claude-haiku-4-5", "claude-opus-4-6", "claude-opus-5-5")
"""A model of each family: last-turn-only, keep-all, bound."""


def small(budget: int = 6_000, **settings: Any) -> Policy:
    return Policy(budget=budget, **settings)


def plan(conversation: Conversation, *, now: float | None = None, max_tokens: int = MAX_TOKENS) -> Send:
    """Plan until there is something to send, with the offline summariser."""
    while True:
        decision = conversation.plan(max_tokens=max_tokens, now=now)
        match decision:
            case Send():
                return decision
            case Summarize():
                conversation.summarized(summary(conversation, decision), by="extractive", now=now)
            case Count():
                conversation.counted(None, now=now)


def summary(conversation: Conversation, decision: Summarize) -> str:
    tokenizer = resolve(conversation.model).tokenizer
    return Extractive().summarize(decision.segment, lambda text: count_text(text, tokenizer).tokens)


def drive(conversation: Conversation, steps: Sequence[Step]) -> Iterator[Send]:
    """Feed the steps; yields each send before its reply is received."""
    for number, step in enumerate(steps):
        if step.kind == "append":
            conversation.append(step.message, now=float(number))
        else:
            send = plan(conversation, now=float(number))
            yield send
            conversation.receive({"content": step.message["content"], "stop_reason": "end_turn"}, now=float(number))
