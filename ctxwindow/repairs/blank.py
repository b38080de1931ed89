"""Texts and messages that hold nothing (MSG-06, MSG-07)."""

from __future__ import annotations

from collections.abc import Sequence

from ctxwindow.repairs.history import History, Place
from ctxwindow.rules import Violation
from ctxwindow.rules.view import plain

__all__ = ["BLANK", "NOTHING", "leave_out_blank", "leave_out_nothing"]

BLANK = frozenset({"MSG-06"})
NOTHING = frozenset({"MSG-06", "MSG-07", "SHAPE-04", "SYS-05"})


def leave_out_blank(history: History, found: Sequence[Violation]) -> None:
    """Leave out blank texts beside other blocks. A message of nothing else may yet take the results of calls in."""
    places = history.places(found)
    blank = {id(place.part) for place in places}
    for place in places:
        if place.draft is not None and not all(id(part) in blank for part in place.draft.blocks):
            _leave_out(history, place)


def leave_out_nothing(history: History, found: Sequence[Violation]) -> None:
    """Leave out blank texts and empty messages."""
    for place in history.places(found):
        _leave_out(history, place)


def _leave_out(history: History, place: Place) -> None:
    rule, _, draft, part, rest = place
    if draft is None:
        return
    if part is not None and rule == "MSG-06":
        history.remove(draft, part)
        history.note("text left out", "MSG-06", part.path, "the API refuses text without a visible character.")
    elif part is None and rest in ([], ["content"]) and not plain(draft.raw).get("content"):
        draft.gone = True
        history.note("message left out", rule, draft.path, "it holds nothing.")
