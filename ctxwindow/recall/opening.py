"""Opening what a handle stands for: the block, or its text by lines or by a pattern.

Lines are counted from 1 and end at line feeds, as editors count them. The text of a call is its name and the strings
of its input, in order; of a message, that of all its blocks but thinking.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.errors import MisuseError, ProtocolError
from ctxwindow.recall.archive import Archive
from ctxwindow.recall.entries import block_at, checked_handle, message_of
from ctxwindow.recall.pattern import parse
from ctxwindow.record.blocks import is_thinking

__all__ = ["MOST_MATCHED", "Excerpt", "Line", "block_behind", "lines_behind", "matches_behind", "text_behind"]

MOST_MATCHED = 4_000_000
"""Characters of a text that a pattern is matched against, from its start: a second or two. Plain text has no limit."""


class Line(msgspec.Struct, frozen=True):
    """One line of a text."""

    number: int
    """From 1."""
    text: str
    matches: bool = False


class Excerpt(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of the text behind a handle."""

    handle: str
    lines: tuple[Line, ...]
    total: int
    """How many lines the text has."""
    matching: int = 0
    """How many lines match, shown or not; 0 where no pattern was asked for."""
    literal: bool = False
    """Whether the pattern was looked for letter for letter, because it is none that is taken (see `recall.pattern`)."""
    read: int | None = None
    """Where the text was too long, or the pattern too involved, to match all of it: how many lines were, from the first; 0
    where already the first line was too long."""


def block_behind(messages: Sequence[Mapping[str, Any]], handle: str) -> dict[str, Any]:
    """A copy of the block with a handle, as it was recorded.

    Raises:
        MisuseError: a handle is a string.
        ProtocolError: there is none, or it is thinking.
    """
    place = message_of(checked_handle(handle))
    message, block = place if place is not None else (len(messages), None)
    found = block_at(messages[message], block) if message < len(messages) and block is not None else None
    if not isinstance(found, dict) or is_thinking(found):
        raise ProtocolError(
            f"no block of this conversation has the handle {handle[:40]!r}.",
            path="handle",
            remedy="A handle of a block is `m12.0`; see `spilled` and `recall`.",
        )
    whole: dict[str, Any] = copy.deepcopy(found)
    return whole


def text_behind(archive: Archive, handle: str) -> str:
    """The whole text behind a handle.

    Raises:
        ProtocolError: nothing in the conversation has the handle.
    """
    return "\n".join(archive.entries[number].text for number in archive.at(handle))


def lines_behind(archive: Archive, handle: str, first: int, last: int) -> Excerpt:
    """The lines from `first` to `last`, both included; those that the text has not are left out.

    Raises:
        ProtocolError: nothing in the conversation has the handle.
        MisuseError: a line is no whole number, or the handle no string.
    """
    for name, value in (("first", first), ("last", last)):
        if type(value) is not int:
            raise MisuseError("a line is a whole number from 1 on.", path=name)
    lines = text_behind(archive, handle).split("\n")
    start = max(first, 1)
    shown = tuple(Line(number, text) for number, text in enumerate(lines[start - 1 : max(last, 0)], start=start))
    return Excerpt(handle=handle, lines=shown, total=len(lines))


def matches_behind(archive: Archive, handle: str, pattern: str, *, context: int = 0, most: int = 100) -> Excerpt:
    """The lines that match a pattern, the first `most` of them, with lines before and after.

    Args:
        archive: the conversation's texts.
        handle: what to look into.
        pattern: a regular expression of the kind that `ctxwindow.recall.pattern` takes; any other is looked for as it is.
        context: lines to show before and after each, up to 100.
        most: matching lines to show.

    Raises:
        ProtocolError: nothing in the conversation has the handle.
        MisuseError: an argument is of the wrong type.
    """
    for name, value in (("context", context), ("most", most)):
        if type(value) is not int:
            raise MisuseError("a number of lines is a whole number.", path=name)
    if not isinstance(pattern, str):
        raise MisuseError("a pattern is a string.", path="pattern")
    lines = text_behind(archive, handle).split("\n")
    matching, literal, read = _matching(lines, pattern)
    wanted: dict[int, bool] = {}
    around = max(0, min(context, 100))
    for place in matching[: max(most, 0)]:
        for near in range(max(0, place - around), min(len(lines), place + around + 1)):
            wanted[near] = wanted.get(near, False) or near == place
    shown = tuple(Line(place + 1, lines[place], matches) for place, matches in sorted(wanted.items()))
    return Excerpt(
        handle=handle,
        lines=shown,
        total=len(lines),
        matching=len(matching),
        literal=literal,
        read=read if read < len(lines) else None,
    )


def _matching(lines: Sequence[str], pattern: str) -> tuple[list[int], bool, int]:
    """The places of the lines that match, whether as plain text, and how many lines were read."""
    parsed = parse(pattern)
    if parsed is None:
        return [place for place, line in enumerate(lines) if pattern in line], True, len(lines)
    found: list[int] = []
    left = MOST_MATCHED
    for place, line in enumerate(lines):
        finds = parsed.finds(line) if len(line) < left else None
        if finds is None:
            return found, False, place
        left -= len(line) + 1
        if finds:
            found.append(place)
    return found, False, len(lines)
