"""What is never left to a model: the user's instructions, and what is done and open. The record tells both, word for word.

A model's summary keeps its own account of goal, decisions, questions and names. The sections of which a wrong word would
be an order that nobody gave, or work that nobody did, are written here, from the record.
"""

from __future__ import annotations

from ctxwindow.summarize import sections
from ctxwindow.summarize.sections import BULLET, HEADINGS, sections_of

__all__ = ["RESTATED", "restated"]

RESTATED = (sections.INSTRUCTIONS, sections.OPERATOR, sections.DONE, sections.OPEN, sections.TESTS)
"""The sections that the record fills."""


def restated(text: str, facts: str) -> str:
    """A model's summary with the sections of `RESTATED` taken from the record instead.

    What stands before the first heading goes under the state of the work. Empty when the model wrote nothing beside the
    sections that are not its own: then there is no summary of its.

    Args:
        text: as the model wrote it.
        facts: the sections from the record, as `extractive.facts` writes them.
    """
    told = [(heading or sections.STATE, line) for heading, line in sections_of(text) if heading not in RESTATED]
    if not told:
        return ""
    under: dict[str, list[str]] = {}
    for heading, line in (*sections_of(facts), *told):
        under.setdefault(heading, []).append(line)
    rows = ([heading, *(BULLET + line for line in under[heading])] for heading in HEADINGS if heading in under)
    return "\n".join(row for block in rows for row in block)
