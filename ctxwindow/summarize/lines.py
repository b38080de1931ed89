"""The lines that a summary of a segment may hold: its passages, and the lines of the summary before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctxwindow.record.identifiers import known_identifiers
from ctxwindow.summarize import sections
from ctxwindow.summarize.passages import LONGEST, Kind, passages, prose
from ctxwindow.summarize.ranking import Line
from ctxwindow.summarize.sections import HEADINGS, NAMES_JOIN, sections_of
from ctxwindow.summarize.source import Work, sendable
from ctxwindow.tiers.segment import Segment

__all__ = ["HEADING_OF", "distinct", "lines_of"]

# A reminder that a harness put into a message is left out: the harness repeats what still holds, and an old
# one must not come back as if it did (compare SYS-07).
_KINDS: dict[str, tuple[Kind, ...]] = {
    sections.GOAL: ("goal",),
    sections.INSTRUCTIONS: ("instruction",),
    sections.OPERATOR: ("operator",),
    sections.DONE: ("done",),
    sections.OPEN: ("open",),
    sections.TESTS: ("test",),
    sections.STATE: ("decision", "sentence", "list_item"),
    sections.QUESTIONS: ("question",),
    sections.ERRORS: ("error",),
    sections.CALLS: ("call",),
    sections.QUOTED: ("code", "table_row", "result"),
    sections.ATTACHMENTS: ("media",),
    sections.EARLIER: ("summary",),
}
HEADING_OF: dict[Kind, int] = {kind: HEADINGS.index(heading) for heading, kinds in _KINDS.items() for kind in kinds}
"""Index of the heading under which a passage goes, by what it is."""

# What a line of an earlier summary is, by its heading: the kind, None for a bare name, and whose words it counts as.
_UNDER: dict[str, tuple[Kind | None, Work]] = {
    sections.GOAL: ("goal", "assistant"),
    sections.INSTRUCTIONS: ("instruction", "user"),
    sections.OPERATOR: ("operator", "system"),
    sections.DONE: ("done", "assistant"),
    sections.OPEN: ("open", "assistant"),
    sections.TESTS: ("test", "tool"),
    sections.STATE: ("decision", "assistant"),
    sections.QUESTIONS: ("question", "assistant"),
    sections.ERRORS: ("error", "tool"),
    sections.CALLS: ("call", "assistant"),
    sections.QUOTED: ("result", "tool"),
    sections.NAMES: (None, "assistant"),
    sections.ATTACHMENTS: ("media", "tool"),
    sections.EARLIER: ("summary", "assistant"),
}


def lines_of(segment: Segment) -> list[Line]:
    """Every line that the summary may hold, in source order, each as often as it stands there."""
    known: dict[str, tuple[str, ...]] = {}
    lines: list[Line] = []
    for text, kind, work, heading in _earlier(sendable(segment.previous or "")):
        names = dict.fromkeys((*known_identifiers(text, known), *((text,) if kind is None else ())))
        lines.append(
            Line(
                text=text,
                kind=kind,
                work=work,
                message=segment.first,
                order=len(lines),
                heading=HEADINGS.index(heading),
                names=tuple(names),
                earlier=True,
            )
        )
    before = len(lines)
    for passage in passages(segment.messages, segment.messages_from):
        heading_at = HEADING_OF.get(passage.kind)
        if heading_at is not None:
            lines.append(
                Line(
                    text=passage.text,
                    kind=passage.kind,
                    work=passage.work,
                    message=passage.message,
                    order=before + passage.order,
                    heading=heading_at,
                    names=tuple(dict.fromkeys(known_identifiers(passage.literal, known))),
                )
            )
    return lines


def _earlier(previous: str) -> Iterator[tuple[str, Kind | None, Work, str]]:
    """The lines of the summary before: under their own headings where it has some, else as prose."""
    for heading, line in sections_of(previous, several=True):
        if not heading:
            for text, _ in prose(line, LONGEST["assistant"]):
                yield text, "summary", "assistant", sections.EARLIER
            continue
        kind, work = _UNDER[heading]
        # A list of names comes apart again, so that each can be kept or left out by itself.
        for part in line.split(NAMES_JOIN) if kind is None else (line,):
            if part.strip():
                yield part, kind, work, heading


_RANKS = {
    HEADINGS.index(heading): rank
    for rank, heading in enumerate(
        dict.fromkeys(
            (
                *(sections.INSTRUCTIONS, sections.OPEN, sections.DONE, sections.TESTS, sections.QUESTIONS),
                *HEADINGS,
            )
        )
    )
}


def distinct(lines: Sequence[Line]) -> list[Line]:
    """Of lines with equal text one: what is under the most important heading, and of those the newest."""
    best: dict[str, Line] = {}
    for line in lines:
        held = best.get(line.text)
        if held is None or _RANKS[line.heading] <= _RANKS[held.heading]:
            best[line.text] = line
    return list(best.values())
