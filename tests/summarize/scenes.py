"""Small conversations for the tests of summaries."""

from __future__ import annotations

import zlib
from typing import Any

from ctxwindow.tiers.segment import Segment


def tokens(text: str) -> int:
    """A stand-in for a token counter: a known rate, rounded up."""
    return -(-len(text) * 5 // 16)


def segment(*messages: dict[str, Any], budget: int = 1_000, previous: str | None = None, first: int = 0) -> Segment:
    return Segment(
        first=0 if previous else first,
        end=first + len(messages),
        previous=previous,
        messages_from=first,
        messages=messages,
        budget=budget,
    )


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def calls(name: str, given: dict[str, Any], answer: str = "ok", *, is_error: bool = False) -> list[dict[str, Any]]:
    call = f"toolu_{zlib.crc32(repr((name, given, answer)).encode()):08x}"
    use = {"type": "tool_use", "id": call, "name": name, "input": given}
    result = {"type": "tool_result", "tool_use_id": call, "content": answer, "is_error": is_error}
    return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]


def works(command: str, answer: str, *, is_error: bool = False) -> list[dict[str, Any]]:
    return calls("Bash", {"command": command}, answer, is_error=is_error)


def todos(*items: tuple[str, str]) -> list[dict[str, Any]]:
    """A to-do list as TodoWrite keeps it: (text, status) each."""
    return calls("TodoWrite", {"todos": [{"content": text, "status": status} for text, status in items]})
