"""The proof that a summary invents nothing: every line of it stands literally in what it stands for."""

from __future__ import annotations

from ctxwindow.summarize.passages import JOIN
from ctxwindow.summarize.sections import BULLET, HEADINGS, NAMES, NAMES_JOIN
from ctxwindow.summarize.source import pieces, sendable
from ctxwindow.tiers.segment import Segment

__all__ = ["provenance"]


def provenance(summary: str, segment: Segment) -> list[str]:
    """The lines of a summary that do not stand literally in the segment; an empty list is the proof.

    A line is a heading, or a bullet and text. The text stands on one line of a string of a message, or of the
    summary before; or it is `NAME: literal`, where a call or attachment has that name and that literal; or, among the
    files and identifiers, it is a list of which every part stands there. The bullet is taken off; nothing else is
    normalised.
    """
    literals: dict[str, list[str]] = {}
    texts: list[str] = [sendable(segment.previous or "")]
    for piece in pieces(segment.messages, segment.messages_from):
        texts.append(piece.text)
        if piece.label:
            literals.setdefault(piece.label, []).append(piece.text)
    source = "\n".join(texts)  # a line holds no line end, so it cannot stand across two of them
    unproven: list[str] = []
    heading = ""
    for line in summary.splitlines():
        text = line.removeprefix(BULLET)
        if line in HEADINGS:
            heading = line
            continue
        if line.startswith(BULLET) and text.strip() and (text in source or text in literals):
            continue
        if line.startswith(BULLET) and heading == NAMES and _all_stand(text.split(NAMES_JOIN), source):
            continue
        named = (
            text[len(label) + len(JOIN) :] in literal
            for label, all_literals in literals.items()
            if line.startswith(f"{BULLET}{label}{JOIN}")
            for literal in all_literals
        )
        if not any(named):
            unproven.append(line)
    return unproven


def _all_stand(parts: list[str], source: str) -> bool:
    return all(part.strip() and part in source for part in parts)
