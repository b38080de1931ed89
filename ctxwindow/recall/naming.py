"""Saying where a text comes from, for a model that is to read it: who, in which message and turn, when."""

from __future__ import annotations

import datetime

from ctxwindow.recall.entries import Entry
from ctxwindow.recall.questions import Standing

__all__ = ["attribution", "shown_name", "when", "where"]

_NAME_CHARS = 80


def attribution(entry: Entry, now: Standing) -> str:
    """The line above a text that was recalled."""
    return f"[From {where(entry, now)}{when(entry.at)}. Said earlier, may be outdated. Handle: {entry.handle}]"


def where(entry: Entry, now: Standing) -> str:
    """Whose words they are, and where they stand."""
    if entry.message is None:
        first, _, end = entry.handle.removeprefix("s").partition("-")
        return f"the summary of messages {first} to {int(end) - 1}"
    return f"message {entry.message}, turn {now.turn_of(entry)}, {_whose(entry)}"


def when(at: float | None) -> str:
    """The time of something said, to the minute, in UTC; nothing where it is not known."""
    if at is None:
        return ""
    try:
        return f", {datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):  # a clock that does not count seconds since 1970
        return ""


def shown_name(name: str | None) -> str:
    """The name of a tool or type, safe to print on one line."""
    return "".join(character if character.isprintable() else "?" for character in (name or "")[:_NAME_CHARS])


def _whose(entry: Entry) -> str:
    if entry.tool:
        name = shown_name(entry.tool)
        return (
            f"the call of {name}" if entry.role == "assistant" and "result" not in entry.kind else f"result of {name}"
        )
    if entry.kind == "text":
        return {"user": "the user", "assistant": "you", "system": "the system"}.get(
            entry.role or "", shown_name(entry.role)
        )
    return shown_name(entry.kind)
