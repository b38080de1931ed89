"""Telling what kind of transcript a file is, and reading it."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctxwindow.errors import HistoryError
from ctxwindow.transcripts.bodies import session_of_body
from ctxwindow.transcripts.claude_code import session_of_rows
from ctxwindow.transcripts.source import Lines, decode, open_lines, parse, parse_line

if TYPE_CHECKING:
    from ctxwindow.transcripts.session import Format, Session

__all__ = ["detect", "read"]

_KNOWN = "Give a Messages API request body (JSON), a list of messages, or a Claude Code session (JSONL)."


def read(path: str | Path) -> Session:
    """Read a transcript, whatever its format, plain or gzip.

    Lines of a session are streamed; a body is read whole.

    Raises:
        HistoryError: with file (and line, or message), reason and remedy, for whatever cannot be read.
    """
    name = str(path)
    with open_lines(path) as lines:
        form, rest = _detect(lines, name)
        if form == "claude_code":
            return session_of_rows(rest, name)
        raw = b"".join(line for _, line in rest)
    return session_of_body(parse(decode(raw, name, first=True), name), name)


def detect(path: str | Path) -> Format:
    """The format of a transcript, from its beginning: `read` may still find it broken.

    Raises:
        HistoryError: the file cannot be opened, or is none of the formats.
    """
    with open_lines(path) as lines:
        return _detect(lines, str(path))[0]


def _detect(lines: Lines, path: str) -> tuple[Format, Lines]:
    """The format of a file, and its lines again from the first."""
    read_so_far: list[tuple[int, bytes]] = []
    for number, raw in lines:
        read_so_far.append((number, raw))
        text = decode(raw, f"{path}:{number}", first=number == 1, last=not raw.endswith(b"\n")).strip()
        if not text:
            continue
        form = _format_of_line(text, f"{path}:{number}", lines, read_so_far)
        return form, chain(read_so_far, lines)
    raise HistoryError("the file is empty.", path=path, remedy=_KNOWN)


def _format_of_line(text: str, where: str, lines: Lines, read_so_far: list[tuple[int, bytes]]) -> Format:
    if text.startswith("["):
        return "messages"
    if not text.startswith("{"):
        raise HistoryError("this is neither a JSON object nor a list.", path=where, remedy=_KNOWN)
    try:
        values, _ = parse_line(text, where, last=False)
    except HistoryError:
        # Either the first line of a body written over several lines, or a broken first line of a session. A
        # session's next line is a row; nothing that can stand on the second line of a body is.
        for number, raw in lines:
            read_so_far.append((number, raw))
            if raw.strip():
                return "claude_code" if _is_row_line(raw) else "request"
        return "request"
    return _format_of_object(values[0], where)


def _is_row_line(raw: bytes) -> bool:
    try:
        values, _ = parse_line(decode(raw, ""), "", last=False)
    except HistoryError:
        return False
    return isinstance(values[0], dict) and "type" in values[0]


def _format_of_object(value: dict[str, Any], where: str) -> Format:
    if "messages" in value and "uuid" not in value:
        return "request"
    if "type" in value:
        return "claude_code"
    if "role" in value:
        raise HistoryError(
            "one message alone is no conversation.",
            path=where,
            remedy='Put the messages into one JSON list, or into a body\'s "messages".',
        )
    raise HistoryError('this object has no "messages", and is no row of a session.', path=where, remedy=_KNOWN)
