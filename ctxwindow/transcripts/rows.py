"""The rows of a Claude Code session file: one JSON object a line, of which most are no messages.

Seen in versions 1.0.98 to 2.1.47: `user` and `assistant` rows hold a `message`; `system` rows hold compact
boundaries and local events; `progress`, `file-history-snapshot`, `queue-operation`, `summary` (session titles)
and `pr-link` rows hold nothing that was sent. Rows with a `uuid` form a tree through `parentUuid`, `progress`
rows included, so all of those are kept for the chain (`chain.py`).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import msgspec

from ctxwindow.errors import HistoryError
from ctxwindow.transcripts.bodies import check_content, check_role
from ctxwindow.transcripts.session import Note
from ctxwindow.transcripts.source import Lines, decode, parse_line

__all__ = ["Boundary", "Row", "read_rows"]

_SILENT = frozenset({"file-history-snapshot", "pr-link", "progress", "queue-operation", "summary", "system"})
"""Row types known to hold nothing that a request sent."""
_MESSAGES = ("user", "assistant")


class Boundary(msgspec.Struct, frozen=True, kw_only=True):
    """The client's record of a compaction, written before the row with its summary."""

    tokens: int | None
    """`preTokens`: the window before the compaction."""
    trigger: str | None
    kept: int
    """Rows that the client kept verbatim behind the summary. Written by clients newer than the recorded ones
    (seen from others in 2.1.205 and 2.1.226); 0 where nothing is said."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row with a place in the tree. `order` is its place in the file."""

    order: int
    line: int
    uuid: str
    parent: str | None
    linked: bool
    """Whether the row says what its parent is, be it that it has none."""
    logical: str | None
    """`logicalParentUuid`: what a compact boundary follows, though nothing before it is sent any more."""
    group: tuple[bool, str | None]
    """(sidechain, agent id)."""
    session: str | None
    role: str | None
    """None: not a message."""
    content: Any
    at: float | None
    meta: bool
    summary: bool
    """The row is the summary of a compaction."""
    placeholder: bool
    """An "assistant" row that the client made up: an API error, or an answer to a request never sent."""
    boundary: Boundary | None
    call: str | None
    """For a meta row: the tool call that it explains."""
    message_id: str | None
    """For an assistant row, as are the next three: the API's id, which all rows of one message share."""
    model: str | None
    usage: dict[str, Any] | None
    stop_reason: str | None

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The content as blocks; a text is one text block (MSG-08)."""
        if isinstance(self.content, str):
            return [{"type": "text", "text": self.content}]
        return list(self.content)

    def ids(self, kind: str, key: str) -> list[str]:
        """The string values of `key` in the row's blocks of type `kind`."""
        if not isinstance(self.content, list):
            return []
        values = (block.get(key) for block in self.content if block["type"] == kind)
        return [value for value in values if isinstance(value, str)]


def read_rows(lines: Lines, path: str) -> tuple[list[Row], list[Note]]:
    """All rows of a session that have a place in its tree, in file order, and notes on what was mended.

    Two objects on one line (a lost line end) are both read; a last line that breaks off is left out (a session
    still being written); a row that repeats an earlier `uuid` is read once. Each is noted.

    Raises:
        HistoryError: a line that is not JSON, or not a session row, or a message without role or content.
    """
    rows: dict[str, Row] = {}
    notes: list[Note] = []
    unread: Counter[str] = Counter()
    repeated = 0
    for number, raw in lines:
        where = f"{path}:{number}"
        last = not raw.endswith(b"\n")
        values, cut = parse_line(decode(raw, where, first=number == 1, last=last), where, last=last)
        if cut:
            notes.append(Note(path=where, text="the last line breaks off and was left out; is it still being written?"))
        if len(values) > 1:
            notes.append(Note(path=where, text=f"{_count(len(values))} objects on one line, all read."))
        for value in values:
            row = _row(value, number, len(rows), where)
            unread[_unread_type(value)] += 1
            if row is None:
                continue
            if row.uuid in rows:
                repeated += 1
            else:
                rows[row.uuid] = row
    if repeated:
        notes.append(Note(path=path, text=f"{repeated} rows repeat an earlier row's uuid; each was read once."))
    notes += [
        Note(path=path, text=f"{count} rows of type {kind!r} were not read; what they added to requests is unknown.")
        for kind, count in sorted(unread.items())
        if kind
    ]
    return list(rows.values()), notes


def _unread_type(value: dict[str, Any]) -> str:
    """The type of a row that may have added to a request in a way not read here, or an empty text."""
    kind: str = value["type"]
    if kind == "system" and value.get("subtype") == "microcompact_boundary":
        return "microcompact_boundary"  # the client shortened earlier tool results from here on
    return "" if kind in _SILENT or kind in _MESSAGES else kind[:40]


def _count(number: int) -> str:
    return {2: "two", 3: "three"}.get(number, str(number))


def _row(value: Any, line: int, order: int, where: str) -> Row | None:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise HistoryError(
            "this line is not a row of a Claude Code session (an object with a type).",
            path=where,
            remedy="Remove the line, or give the session file as the client wrote it.",
        )
    kind = value["type"]
    message: dict[str, Any] = {}
    role = None
    if kind in _MESSAGES:
        message, role = _message(value, where)
    elif not isinstance(value.get("uuid"), str):
        return None
    agent = _text(value, "agentId")
    sidechain = value.get("isSidechain") is True
    usage = message.get("usage")
    return Row(
        order=order,
        line=line,
        # A message row without a uuid can be nobody's parent; any name that is its own will do.
        uuid=_text(value, "uuid") or f"line {line}, row {order}",
        parent=_text(value, "parentUuid"),
        linked="parentUuid" in value,
        logical=_text(value, "logicalParentUuid"),
        group=(sidechain, agent if sidechain else None),
        session=_text(value, "sessionId"),
        role=role,
        content=message.get("content"),
        at=_seconds(value.get("timestamp")),
        meta=value.get("isMeta") is True,
        summary=value.get("isCompactSummary") is True,
        placeholder=role == "assistant"
        and (value.get("isApiErrorMessage") is True or message.get("model") == "<synthetic>"),
        boundary=_boundary(value) if value.get("subtype") == "compact_boundary" else None,
        call=_text(value, "sourceToolUseID"),
        message_id=_text(message, "id") if role == "assistant" else None,
        model=_text(message, "model"),
        usage=usage if isinstance(usage, dict) else None,
        stop_reason=_text(message, "stop_reason"),
    )


def _message(value: dict[str, Any], where: str) -> tuple[dict[str, Any], str]:
    message = value.get("message")
    if not isinstance(message, dict):
        raise HistoryError(
            f"this {value['type']} row has no message.", path=where, remedy="Remove the row, or mend the file."
        )
    role = check_role(message, f"{where}: message")
    check_content(message, f"{where}: message")
    return message, role


def _boundary(value: dict[str, Any]) -> Boundary:
    data = value.get("compactMetadata")
    if not isinstance(data, dict):
        return Boundary(tokens=None, trigger=None, kept=0)
    tokens = data.get("preTokens")
    kept = data.get("preservedMessages")
    uuids = kept.get("uuids") if isinstance(kept, dict) else None
    return Boundary(
        tokens=tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None,
        trigger=_text(data, "trigger"),
        # An older form names only the first and the last row kept: at least one.
        kept=len(uuids) if isinstance(uuids, list) else int("preservedSegment" in data),
    )


def _text(value: dict[str, Any], key: str) -> str | None:
    found = value.get(key)
    return found if isinstance(found, str) and found else None


def _seconds(stamp: Any) -> float | None:
    """An ISO 8601 time with a zone as seconds since the epoch; None for anything else, which would be a guess."""
    if not isinstance(stamp, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
