"""Context editing: what `context_management` clears of a request (EDIT-01 to EDIT-07).

The server edits its own copy of a request, each time from the whole history again (EDIT-01); nothing of it counts as
an edit of the prefix that thinking is bound to (EDIT-08).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.rules.editing import CLEAR_THINKING, CLEAR_TOOL_USES
from ctxwindow.window.edits import (
    Clearable,
    Cleared,
    ClearThinking,
    ClearToolUses,
    setting_of,
)

__all__ = ["Clearing", "ClearingMark", "Held"]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What is cleared of a wire, held where it is: the same at every send, so that the cached prefix stays.

    The server clears anew at each request, all but the last `keep` uses or turns (EDIT-02, EDIT-06). So each request
    asks to keep just what came after, and the edge moves only when the planner moves it.
    """

    uses: int = 0
    """Tool uses cleared, counted from the first one of the wire that is not excluded."""
    turns: int = 0
    """Turns with thinking cleared, counted from the first one of the wire."""
    exclude: tuple[str, ...] = ()
    """Tools whose uses are never cleared."""


class ClearingMark(msgspec.Struct, frozen=True):
    """The state of both edits at one moment."""

    thinking: tuple[int, ...] | None
    uses: tuple[int, ...] | None


class Clearing:
    """The edits that a request asks for, following its messages."""

    def __init__(self, settings: Mapping[str, Any], profile: ModelProfile, held: Held | None = None) -> None:
        """`held`: what is cleared, where it is not by the request's own settings."""
        thinking, uses = setting_of(settings, CLEAR_THINKING), setting_of(settings, CLEAR_TOOL_USES)
        self._held = held
        self._thinking = None if thinking is None else ClearThinking(thinking, profile)
        self._uses = None if uses is None else ClearToolUses(uses, profile)
        if held is not None and held.turns:
            self._thinking = ClearThinking({}, profile, held=held.turns)
        if held is not None and held.uses:
            self._uses = ClearToolUses({"exclude_tools": held.exclude}, profile, held=held.uses)
        self._edits = [edit for edit in (self._thinking, self._uses) if edit is not None]

    def __bool__(self) -> bool:
        """Whether any is asked for."""
        return bool(self._edits)

    @property
    def rules_thinking(self) -> bool:
        """Whether `keep` decides what thinking stays, in place of the model's own retention (RET-09)."""
        return self._thinking is not None

    def asked(self) -> list[dict[str, Any]]:
        """The edits of a request that hold what is held, in the order of EDIT-07."""
        edits: list[dict[str, Any]] = []
        held = self._held
        if held is not None and self._thinking is not None and held.turns and self._thinking.turns > 1:
            keep = {"type": "thinking_turns", "value": max(1, self._thinking.turns - held.turns)}
            edits.append({"type": CLEAR_THINKING, "keep": keep})
        if held is not None and self._uses is not None and held.uses:
            edit: dict[str, Any] = {
                "type": CLEAR_TOOL_USES,
                "trigger": {"type": "tool_uses", "value": 0},  # at once
                "keep": {"type": "tool_uses", "value": max(0, len(self._uses.uses) - held.uses)},
            }
            edits.append({**edit, "exclude_tools": list(held.exclude)} if held.exclude else edit)
        return edits

    def add(self, index: int, entry: Clearable) -> None:
        """Follow one more message."""
        for edit in self._edits:
            edit.add(index, entry)

    def restart(self) -> None:
        """A compaction block: what is before it is not in the window any more."""
        for edit in self._edits:
            edit.restart()

    def cleared(self, tokens: int) -> tuple[Cleared, ...]:
        """What is cleared of the messages so far, in the order in which the edits are applied.

        Args:
            tokens: the size of the prompt before any edit.
        """
        found = []
        if self._thinking is not None and (cleared := self._thinking.cleared()):
            found.append(cleared)
            tokens -= cleared.tally.freed.tokens
        if self._uses is not None and (cleared := self._uses.cleared(tokens)):
            found.append(cleared)
        return tuple(found)

    def places(self, cleared: tuple[Cleared, ...]) -> dict[tuple[int, int | None], str]:
        """Index and place of every block that is cleared, with the rule; place None: all thinking of the message."""
        found: dict[tuple[int, int | None], str] = {}
        uses = [] if self._uses is None else self._uses.uses
        for edit in cleared:
            if edit.type == CLEAR_THINKING:
                found.update(((index, None), edit.rule) for index in edit.places)
            else:
                found.update((place, edit.rule) for number in edit.places for place in uses[number])
        return found

    def mark(self) -> ClearingMark:
        """The state of now, to `rollback` to."""
        return ClearingMark(
            None if self._thinking is None else self._thinking.mark(),
            None if self._uses is None else self._uses.mark(),
        )

    def rollback(self, mark: ClearingMark) -> None:
        """Forget every message since the mark."""
        if self._thinking is not None and mark.thinking is not None:
            self._thinking.rollback(mark.thinking)
        if self._uses is not None and mark.uses is not None:
            self._uses.rollback(mark.uses)
