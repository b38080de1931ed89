"""Conversations to search in."""

from __future__ import annotations

from typing import Any

from ctxwindow import Conversation, Policy
from tests.driver import plan

MODEL = "claude-opus-4-6"


def said(text: str, *before: dict[str, Any]) -> dict[str, Any]:
    return {"content": [*before, {"type": "text", "text": text}], "stop_reason": "end_turn"}


def talk(conversation: Conversation, *turns: str, start: float = 0.0) -> Conversation:
    """Ask, and be answered; a turn takes a second."""
    for number, turn in enumerate(turns):
        now = start + number
        conversation.append({"role": "user", "content": turn}, now=now)
        plan(conversation, now=now)
        conversation.receive(said(f"Noted: {turn}"), now=now + 0.5)
    return conversation


def opened(*turns: str, **settings: Any) -> Conversation:
    return talk(Conversation.start(model=MODEL, policy=Policy(**settings), now=0.0), *turns)


def use(conversation: Conversation, name: str, given: dict[str, Any], result: Any, *, now: float = 0.0) -> None:
    """One round: a call with hidden thinking, and its result."""
    plan(conversation, now=now)
    number = conversation.recorded
    thinking = {"type": "thinking", "thinking": f"hidden_thought {number}", "signature": "s" * 40}
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": given}
    conversation.receive({"content": [thinking, call], "stop_reason": "tool_use"}, now=now)
    block = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": result}
    conversation.append({"role": "user", "content": [block]}, now=now)


def working(**settings: Any) -> Conversation:
    """0 asks; 1 and 2 grep; 3 and 4 read a long file, which is spilled; 5 answers; 6 and 7 are another turn."""
    conversation = Conversation.start(model=MODEL, policy=Policy(**settings), now=0.0)
    conversation.append({"role": "user", "content": "Where is parse_config defined?"}, now=0.0)
    use(conversation, "grep", {"pattern": "def parse_config"}, "lib/config.py:12: def parse_config(path):", now=1.0)
    lines = "\n".join(f"line {number} of lib/config.py, value_{number}" for number in range(1, 3_001))
    use(conversation, "read", {"path": "lib/config.py"}, lines, now=2.0)
    plan(conversation, now=3.0)
    conversation.receive(said("It is in lib/config.py, line 12."), now=3.0)
    return talk(conversation, "Rename it to read_settings.", start=100.0)
