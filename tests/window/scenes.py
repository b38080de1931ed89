"""Small conversations that several tests of the window share."""

from __future__ import annotations

from typing import Any

OPUS = "claude-opus-5-5"
"""Keeps the thinking of all turns (RET-01), and checks its prefix (BIND-03)."""
HAIKU = "claude-haiku-4-5"
"""Keeps the thinking of the last turn only (RET-02)."""

Message = dict[str, Any]


def thinking(serial: str, words: int = 60) -> Message:
    return {"type": "thinking", "thinking": "I wonder. " * words, "signature": f"signature-{serial}" * 4}


def text(content: str) -> Message:
    return {"type": "text", "text": content}


def user(content: Any) -> Message:
    return {"role": "user", "content": content}


def assistant(*blocks: Message) -> Message:
    return {"role": "assistant", "content": list(blocks)}


def call(identity: str, name: str = "read_file", **given: Any) -> Message:
    return {"type": "tool_use", "id": identity, "name": name, "input": given}


def result(identity: str, content: Any) -> Message:
    return {"type": "tool_result", "tool_use_id": identity, "content": content}


def rounds(number: int, *, words: int = 200, name: str = "read_file") -> list[Message]:
    """One turn of so many rounds, each a call and its result."""
    messages = [user("Read them all.")]
    for index in range(number):
        messages.append(assistant(call(f"toolu_{index}", name, path=f"src/part_{index}.py " * 20)))
        messages.append(user([result(f"toolu_{index}", f"line {index} " * words)]))
    return messages


def clear_uses(**options: Any) -> Message:
    """The edit, with a trigger that every prompt exceeds unless one is given."""
    trigger = {"type": "input_tokens", "value": 0}
    return {"type": "clear_tool_uses_20250919", "trigger": trigger, **options}


def keep(number: int, unit: str = "tool_uses") -> Message:
    return {"type": unit, "value": number}


def body(messages: list[Message], *edits: Message, model: str = OPUS, **settings: Any) -> dict[str, Any]:
    """A request body."""
    management = {"context_management": {"edits": list(edits)}} if edits else {}
    return {"model": model, "max_tokens": 1_000, "messages": messages, **management, **settings}
