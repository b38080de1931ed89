"""What stands before a message, as far as its size depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ctxwindow.record import block_type
from ctxwindow.record.blocks import blocks_of, call_id
from ctxwindow.rules.view import plain
from ctxwindow.window.documents import cites

__all__ = ["START", "Before", "forces", "ordinary"]

_NONE: Mapping[str, str] = {}


class Before(NamedTuple):
    """What stands before a message, as far as its size depends on it."""

    role: str | None
    """Of the message before; None: there is none."""
    results: bool = False
    """It ends in the results of a round, so the turn of the assistant goes on."""
    names: Mapping[str, str] = _NONE
    """Call id -> tool of the calls in it."""
    cited: bool = False
    """Some document so far may be cited."""
    forced: bool = False
    """`tool_choice` forces a call: the break after results is made with what follows them."""

    def then(self, message: Mapping[str, Any]) -> Before:
        """What stands before the message after this one; a reminder that goes with its turn changes nothing (SYS-07)."""
        if message.get("role") == "system" and message.get("clear_at") == "next_user_message":
            return self
        blocks = [block for block in blocks_of(message) if isinstance(block, Mapping)]
        families = [block_type(block).family for block in blocks]
        calls = {identity: str(block.get("name")) for block in blocks if (identity := call_id(block)) is not None}
        return Before(
            role=str(message.get("role")),
            results=bool(families) and all(family == "result" for family in families),
            names=calls or _NONE,
            cited=self.cited or any(cites(block) for block in blocks),
            forced=self.forced,
        )


START = Before(role=None)
"""Before the first message."""


def forces(settings: Mapping[str, Any]) -> bool:
    """Whether a request's `tool_choice` leaves the model nothing but a call."""
    return plain(settings.get("tool_choice")).get("type") in ("any", "tool")


_ORDINARY: Mapping[str, Before] = {"user": Before("assistant"), "assistant": Before("user"), "system": Before("user")}


def ordinary(role: str) -> Before:
    """What usually stands before a message of a role: one of the other."""
    return _ORDINARY.get(role, START)
