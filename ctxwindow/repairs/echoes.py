"""What must, and what must not, go back with a turn: toolset names (TOOL-13), and what a fallback left behind (FB-05)."""

from __future__ import annotations

from collections.abc import Sequence

from ctxwindow.record.blocks import call_id, result_id
from ctxwindow.repairs.history import History
from ctxwindow.rules import Violation

__all__ = ["LEFT_BEHIND", "TOOLSETS", "leave_behind", "name_toolsets"]

TOOLSETS = frozenset({"TOOL-13"})
LEFT_BEHIND = frozenset({"FB-05"})


def name_toolsets(history: History, found: Sequence[Violation]) -> None:
    """Copy the toolset's name from each call to its result."""
    names = {call_id(part.data): part.data.get("toolset_name") for draft in history.drafts for part in draft.of("call")}
    for _, _, _, part, _ in history.places(found):
        name = names.get(result_id(part.data)) if part is not None else None
        if part is not None and name is not None:
            part.block = {**part.block, "toolset_name": name}
            history.note("toolset name added", "TOOL-13", part.path, "the result of a toolset call carries its name.")


def leave_behind(history: History, found: Sequence[Violation]) -> None:
    """Leave out what the model that refused had begun; results of its calls are left out as astray (FB-07)."""
    for _, _, draft, part, _ in history.places(found):
        if draft is not None and part is not None:
            history.remove(draft, part)
            why = "it stands before the final fallback, and the model that took over does not go on from it."
            history.note(f"{part.data.get('type')} left out", "FB-05", part.path, why)
