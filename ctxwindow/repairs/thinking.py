"""Thinking that cannot go back: unsigned, or in a place where it may not stand (REPLAY-04, MSG-09, MSG-10, THINK-08).

On models that bind thinking to what stood before it, the blocks that stay must be one unbroken run of the original
sequence (BIND-10). So where one in the middle has to go, all on one side of it go too. While a turn is open its own
thinking must go back (REPLAY-01, REPLAY-02), so the run that it stands in stays; else the longest, and of two equally
long ones the later.
"""

from __future__ import annotations

from collections.abc import Sequence

from ctxwindow.record.turns import is_turn_start
from ctxwindow.repairs.history import Draft, History, Part
from ctxwindow.rules import Violation
from ctxwindow.rules.view import plain

__all__ = ["MANUAL", "THINKING", "leave_out_thinking", "stop_manual_thinking"]

THINKING = frozenset({"MSG-09", "MSG-10", "REPLAY-04", "SHAPE-07", "THINK-08"})
MANUAL = frozenset({"THINK-07"})

_WHY = {
    "MSG-09": "an assistant message may not end in thinking.",
    "MSG-10": "with manual thinking it may stand only at the beginning of its message.",
    "REPLAY-04": "it carries no signature, so the API did not write it, or it was cut short.",
    "SHAPE-07": "thinking stands in assistant messages only.",
    "THINK-08": "with thinking off, the message that the reply goes on from may hold none.",
}


def leave_out_thinking(history: History, found: Sequence[Violation]) -> None:
    """Leave out the thinking that the violations name, and on bound models all on one side of it."""
    doomed: dict[int, str] = {}
    for rule, _, draft, part, _ in history.places(found):
        for other in _named(rule, draft, part):
            doomed.setdefault(id(other), rule)
    outside_the_run: set[int] = set()
    if doomed and history.profile is not None and history.profile.bound:
        checked = _checked(history)
        run = _run_that_stays(checked, doomed, _open_thinking(history))
        outside_the_run = {id(part) for number, part in enumerate(checked) if number not in run}
    for draft in history.drafts:
        for part in draft.of("thinking"):
            cause = doomed.get(id(part))
            if cause is not None:
                history.remove(draft, part)
                history.note("thinking left out", cause, part.path, _WHY[cause])
            elif id(part) in outside_the_run:
                history.remove(draft, part)
                why = "thinking that stays must be one unbroken run, and a block between it and the rest had to go."
                history.note("thinking left out", "BIND-10", part.path, why)


def _checked(history: History) -> list[Part]:
    """The thinking that the prefix check reads: what stands behind the last compaction block (BIND-15)."""
    found: list[Part] = []
    for draft in history.drafts:
        for part in draft.of("thinking", "compaction"):
            if part.family == "thinking":
                found.append(part)
            elif part.data.get("content"):
                found = []
    return found


def _named(rule: str, draft: Draft | None, part: Part | None) -> list[Part]:
    """The thinking blocks that a violation is about; some name the message, or the block beside."""
    if draft is None:
        return []
    if rule == "MSG-09":
        blocks = draft.blocks
        end = len(blocks)
        while end and blocks[end - 1].family == "thinking":
            end -= 1
        return blocks[end:]
    if rule == "MSG-10":
        return draft.of("thinking")
    return [part] if part is not None and part.family == "thinking" else []


def _open_thinking(history: History) -> set[int]:
    """The thinking of the turn that the request goes on with, by identity."""
    found: set[int] = set()
    for draft in history.drafts:
        if is_turn_start(plain(draft.form())):
            found = set()
        found.update(id(part) for part in draft.of("thinking"))
    return found


def _run_that_stays(sequence: list[Part], doomed: dict[int, str], still_open: set[int]) -> range:
    """Indexes of the stretch without a doomed block that holds the latest thinking of the open turn.

    Where there is none, of the longest stretch, the last of several.
    """
    runs, start = [range(0)], 0
    for end in range(len(sequence) + 1):
        if end == len(sequence) or id(sequence[end]) in doomed:
            runs.append(range(start, end))
            start = end + 1
    ends_open = [run for run in runs if run and id(sequence[run[-1]]) in still_open]
    return ends_open[-1] if ends_open else max(reversed(runs), key=len)


def stop_manual_thinking(history: History, found: Sequence[Violation]) -> None:
    """Turn manual thinking off where the open turn does not begin with thinking; nothing can put that back."""
    for violation in found[:1]:
        history.request = {**history.request, "thinking": {"type": "disabled"}}
        why = f"the turn that is open does not begin with thinking at {violation.path}, which manual thinking asks for."
        history.note("thinking turned off for this request", "THINK-07", "thinking", why)
