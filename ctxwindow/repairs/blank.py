"""Texts and messages that hold nothing (MSG-06, MSG-07)."""

from __future__ import annotations

from collections.abc import Sequence

from ctxwindow.repairs.history import History
from ctxwindow.rules import Violation
from ctxwindow.rules.view import plain

__all__ = ["NOTHING", "leave_out_nothing"]

NOTHING = frozenset({"MSG-06", "MSG-07", "SHAPE-04", "SYS-05"})


def leave_out_nothing(history: History, found: Sequence[Violation]) -> None:
    """Leave out blank texts and empty messages."""
    for violation in found:
        draft, part, rest = history.at(violation.path)
        if draft is None:
            continue
        if part is not None and violation.rule == "MSG-06":
            history.remove(draft, part)
            history.note("text left out", "MSG-06", part.path, "the API refuses text without a visible character.")
        elif part is None and rest in ([], ["content"]) and not plain(draft.raw).get("content"):
            draft.gone = True
            history.note("message left out", violation.rule, draft.path, "it holds nothing.")
