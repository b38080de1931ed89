"""The texts of a record that can be found again: each with where it stands, who said it, and when.

A *handle* is the short name of a text. `m12.0` is block 0 of message 12, `m12` the whole message; blocks are counted
as they are sent, without those that the API refuses everywhere (MSG-06, REPLAY-04). `s0-12` is the summary that
stands for messages 0 to 11. Thinking is no text to be found: it is signed, and no source that could be quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ctxwindow.errors import MisuseError
from ctxwindow.record import Event, block_type
from ctxwindow.record.blocks import blocks_of, call_id, never_sent, result_id, texts_of
from ctxwindow.record.events import Appended, Compacted, Received

__all__ = ["MESSAGES", "Entry", "block_at", "checked_handle", "entries_of", "handle_of", "message_of", "summary_handle"]

MESSAGES = (Appended, Received)
"""The events that put a message into the record."""

_HANDLE = re.compile(r"m(0|[1-9]\d{0,8})(?:\.(0|[1-9]\d{0,8}))?", re.ASCII)
"""A text has one handle: no zeros lead."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One text of the record: a block of a message, or a summary."""

    path: str
    """Where it stands: `messages.12.content.0`, as it was recorded, or `summaries.0-12`."""
    handle: str
    """Its short name."""
    message: int | None
    """Record index of its message; None of a summary."""
    role: str | None
    """Role of its message; None of a summary."""
    kind: str
    """Type of its block, or `summary`."""
    tool: str | None
    """For calls and results: the name of the tool."""
    at: float | None
    """When, in seconds since the epoch, where the caller has told."""
    text: str


def handle_of(message: int, block: int) -> str:
    """The handle of a block; `block` counts what is sent of the message."""
    return f"m{message}.{block}"


def checked_handle(handle: Any) -> str:
    """A handle, if it can be one.

    Raises:
        MisuseError: it is no string.
    """
    if isinstance(handle, str):
        return handle
    raise MisuseError(
        "a handle is a string.", path="handle", remedy="Pass one such as `m12.0`; see `spilled` and `recall`."
    )


def summary_handle(edit: Compacted) -> str:
    """The handle of a summary."""
    return f"s{edit.first}-{edit.end}"


def message_of(handle: str) -> tuple[int, int | None] | None:
    """The record index, and the block if one is named, that a handle of a message stands for; None when it is none."""
    found = _HANDLE.fullmatch(handle)
    if found is None:
        return None
    return int(found[1]), int(found[2]) if found[2] is not None else None


def block_at(message: Mapping[str, Any], block: int) -> Any:
    """The block with that number among those that are sent of a message; None when there is none."""
    sent = [found for found in blocks_of(message) if not never_sent(found)]
    return sent[block] if 0 <= block < len(sent) else None


def entries_of(event: Event, index: int, tools: dict[str, str]) -> Iterator[Entry]:
    """The texts that an event brings, in order. What resumes a reply that was cut brings none: they stand in that one.

    Args:
        event: what happened.
        index: record index of its message, if it has one.
        tools: names of tools by the ids of calls so far; grows by the calls of this event.
    """
    if isinstance(event, Compacted):
        if event.summary.strip():
            yield _summary(event)
        return
    if not isinstance(event, MESSAGES) or (isinstance(event, Appended) and event.resumes):
        return
    message = event.message
    role = message.get("role")
    sent = -1
    for position, block in enumerate(blocks_of(message)):
        sent += not never_sent(block)
        if not isinstance(block, dict) or block_type(block).family == "thinking":
            continue
        text = "\n".join(texts_of(block))
        tool = _tool(block, tools)
        if text.strip():
            yield Entry(
                path=f"messages.{index}.content.{position}",
                handle=handle_of(index, sent),
                message=index,
                role=role if isinstance(role, str) else None,
                kind=_kind(block),
                tool=tool,
                at=event.at,
                text=text,
            )


def _summary(event: Compacted) -> Entry:
    return Entry(
        path=f"summaries.{event.first}-{event.end}",
        handle=summary_handle(event),
        message=None,
        role=None,
        kind="summary",
        tool=None,
        at=event.at,
        text=event.summary,
    )


def _tool(block: dict[str, Any], tools: dict[str, str]) -> str | None:
    """The tool that a block calls or answers for."""
    call = call_id(block)
    if call is not None:
        name = block.get("name")
        tools[call] = name if isinstance(name, str) else ""
        return tools[call] or None
    result = result_id(block)
    return tools.get(result) or None if result is not None else None


def _kind(block: dict[str, Any]) -> str:
    """The block's type as a name that a store takes: any JSON may come as a type, lone surrogates included."""
    return block_type(block).name.encode(errors="replace").decode() or "other"
