"""The sections of a summary, whoever writes it: a heading on a line of its own, lines with a bullet under it.

A later summary reads the one before by these headings, so that an instruction stays an instruction over any number
of compactions.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = [
    "ATTACHMENTS",
    "BULLET",
    "CALLS",
    "DONE",
    "EARLIER",
    "ERRORS",
    "GOAL",
    "HEADINGS",
    "INSTRUCTIONS",
    "NAMES",
    "NAMES_JOIN",
    "OPEN",
    "OPERATOR",
    "QUESTIONS",
    "QUOTED",
    "STATE",
    "TESTS",
    "lines_under",
    "sections_of",
]

GOAL = "[Goal]"
"""Written by a model only: the extractive summary quotes, and a goal is a conclusion."""
INSTRUCTIONS = "[User instructions]"
OPERATOR = "[System messages]"
DONE = "[Done]"
OPEN = "[Open]"
TESTS = "[Newest test run]"
STATE = "[Decisions and state of work]"
QUESTIONS = "[Open questions]"
ERRORS = "[Errors seen]"
CALLS = "[Tool calls]"
QUOTED = "[Quoted from results and code]"
NAMES = "[Files and identifiers]"
ATTACHMENTS = "[Attachments, not carried over]"
EARLIER = "[Earlier summary]"

HEADINGS = (
    *(GOAL, INSTRUCTIONS, OPERATOR, DONE, OPEN, TESTS, STATE, QUESTIONS),
    *(ERRORS, CALLS, QUOTED, NAMES, ATTACHMENTS, EARLIER),
)
"""The headings in the order in which they stand; one without lines is left out."""

BULLET = "- "
"""Before every line that is not a heading."""

NAMES_JOIN = ", "
"""Between the names on one line under `NAMES`."""


def sections_of(summary: str, *, several: bool = False) -> Iterator[tuple[str, str]]:
    """The lines of a summary that say something, without their bullets, each with the heading that it stands under.

    The heading is empty for what stands before the first one.

    Args:
        summary: its text.
        several: it is more than one summary, with blank lines between: prose after a blank line then stands under no
            heading, so that the words of a summary without headings are not taken for the last section of the one before.
    """
    heading, ended = "", False
    for row in summary.splitlines():
        if row.strip() in HEADINGS:
            heading, ended = row.strip(), False
        elif row.removeprefix(BULLET).strip():
            if ended and not row.startswith(BULLET):
                heading = ""
            yield heading, row.removeprefix(BULLET)
        else:
            ended = several


def lines_under(summary: str, heading: str, *, several: bool = False) -> list[str]:
    """The lines of one section; `several` as for `sections_of`."""
    return [line for under, line in sections_of(summary, several=several) if under == heading]
