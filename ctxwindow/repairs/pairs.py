"""Calls and results: every call answered once, directly behind it (TOOL-01 to TOOL-05).

The history is walked as the rules walk it. A call is due from its message until a user message that holds more than
results, or the next assistant message; what it lacks then is looked for among the results that stand elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ctxwindow.record.blocks import call_id, result_id
from ctxwindow.record.turns import is_turn_start
from ctxwindow.repairs.history import Draft, History, Part, Place
from ctxwindow.rules import Violation
from ctxwindow.rules.view import plain

__all__ = ["IDS", "PAIRS", "UNKNOWN_RESULT", "pair_results", "rename_calls"]

IDS = frozenset({"TOOL-04"})
PAIRS = frozenset({"SHAPE-07", "TOOL-01", "TOOL-02", "TOOL-03", "TOOL-05", "TOOL-11"})

UNKNOWN_RESULT = (
    "The result of this call is not known: it is missing from the history. The call may have run, in part or in whole. "
    "Verify what it has changed before running it again."
)
"""What answers a call whose result is nowhere to be found."""


def rename_calls(history: History, found: Sequence[Violation]) -> None:
    """Give each call whose id another call waiting at the same time has an id of its own, and its result the same."""
    taken = {identity for draft in history.drafts for part in draft.blocks for identity in _ids(part)}
    doubled = {id(place.part) for place in history.places(found)}
    for at, draft in enumerate(history.drafts):
        for part in draft.of("call"):
            identity = call_id(part.data)
            if id(part) not in doubled or identity is None:
                continue
            result = _result_of(history.drafts, at, part, identity)
            new = _free(identity, taken)
            taken.add(new)
            part.block = {**part.block, "id": new}
            history.note(f"call renamed to {new}", "TOOL-04", part.path, f"another call has the id {identity} too.")
            if result is not None:
                result.block = {**result.block, "tool_use_id": new}
                history.note(
                    f"result renamed to {new}", "TOOL-04", result.path, "it answers the call that was renamed."
                )


def _ids(part: Part) -> list[str]:
    return [identity for identity in (call_id(part.data), result_id(part.data)) if identity is not None]


def _free(identity: str, taken: set[str]) -> str:
    number = 2
    while f"{identity}_{number}" in taken:
        number += 1
    return f"{identity}_{number}"


def _result_of(drafts: list[Draft], at: int, part: Part, identity: str) -> Part | None:
    """The result that answers a call among several with its id: the second answers the second, and so on."""
    start = at
    while start and drafts[start - 1].role == "assistant":
        start -= 1
    calls = [other for one in drafts[start : at + 1] for other in one.of("call") if call_id(other.data) == identity]
    place = next(number for number, other in enumerate(calls) if other is part)
    results: list[Part] = []
    end = at + 1
    while end < len(drafts) and drafts[end].role == "assistant":
        end += 1
    while end < len(drafts) and drafts[end].role != "assistant":
        results += [other for other in drafts[end].of("result") if result_id(other.data) == identity]
        end += 1
    # Renamed ones no longer carry the id, so what is left is numbered from the calls that are left.
    return results[place] if place < len(results) else None


class _Missing(NamedTuple):
    """A call that lacks its result, and where the result may be put."""

    call: Part
    identity: str
    calling: Draft
    """The last message with calls in the run of assistant messages that it stands in."""
    run_end: Draft
    """The last message of that run. All its calls may be answered behind it (MSG-02)."""
    answers: Draft | None
    """The user message behind that; None where there is none."""
    alone: bool
    """Whether no call of the run has its result there: then what follows the calls was said after their results."""


class _Walk:
    """One walk over the history: which results answer which calls, what is missing, and what is astray."""

    def __init__(self, history: History) -> None:
        self.astray: dict[str, list[tuple[Draft, Part]]] = {}
        self.answered: set[str] = set()
        self.missing: list[_Missing] = []
        self.due: dict[str, Part] = {}
        self.in_run = False
        self.calling: Draft | None = None
        self.run_end: Draft | None = None
        self.answers: Draft | None = None
        self.begun = False
        for draft in history.drafts:
            if draft.role == "assistant":
                self._assistant(draft)
            else:
                self._other(draft)
        self._give_up()

    def _assistant(self, draft: Draft) -> None:
        if not self.in_run:
            self._give_up()
            self.calling, self.begun = None, False
        self.in_run, self.run_end, self.answers = True, draft, None
        for part in draft.blocks:
            identity = call_id(part.data) if part.family == "call" else None
            if identity is not None:
                self.due.setdefault(identity, part)
                self.calling = draft
            self._stray(draft, part)

    def _other(self, draft: Draft) -> None:
        self.in_run = False
        if draft.role == "user" and self.answers is None and self.run_end is not None:
            self.answers = draft
        leading = draft.role == "user"
        for part in draft.blocks:
            identity = result_id(part.data) if part.family == "result" else None
            leading = leading and identity is not None
            if leading and identity in self.due:
                del self.due[identity]
                self.answered.add(identity)
                self.begun = True
            else:
                self._stray(draft, part)
        if is_turn_start(plain(draft.form())):
            self._give_up()

    def _stray(self, draft: Draft, part: Part) -> None:
        identity = result_id(part.data) if part.family == "result" else None
        if identity is not None:
            self.astray.setdefault(identity, []).append((draft, part))

    def _give_up(self) -> None:
        """The calls that are due can no longer be answered from here on."""
        for identity, part in self.due.items():
            if self.calling is not None and self.run_end is not None:
                places = (self.calling, self.run_end, self.answers)
                self.missing.append(_Missing(part, identity, *places, alone=not self.begun))
        self.due = {}


def pair_results(history: History, found: Sequence[Violation]) -> None:
    """Move results to behind their calls, answer calls that have none, and leave out results that answer nothing."""
    if not any(_is_about_results(place) for place in history.places(found)):
        return
    walk = _Walk(history)
    for missing in walk.missing:
        call, identity = missing.call, missing.identity
        others = walk.astray.get(identity, [])
        draft: Draft | None = None
        if others:
            draft, part = others.pop(0)
            history.remove(draft, part)
            rule = "TOOL-05" if draft is missing.answers else "TOOL-01"
            history.note("result moved", rule, part.path, f"it answers {identity} and must stand directly behind it.")
        else:
            part = Part(call.path, _unknown(call, identity))
            why = f"{identity} has no result. Whether the call ran is not known, so it is not left out."
            history.note("result added", "TOOL-01", call.path, why)
        walk.answered.add(identity)
        from_there = draft is not None and draft is missing.answers
        if missing.alone and missing.calling is not missing.run_end and not from_there:
            _answer(missing.calling, None, part)
        else:
            _answer(missing.run_end, missing.answers, part)
    for identity, others in walk.astray.items():
        for draft, part in others:
            history.remove(draft, part)
            rule, why = _superfluous(identity, answered=identity in walk.answered)
            history.note("result left out", rule, part.path, why)


def _is_about_results(place: Place) -> bool:
    """SHAPE-07 speaks of calls and thinking too."""
    return place.rule != "SHAPE-07" or (place.part is not None and place.part.family == "result")


def _unknown(call: Part, identity: str) -> dict[str, Any]:
    result = {"type": "tool_result", "tool_use_id": identity, "content": UNKNOWN_RESULT, "is_error": True}
    name = call.data.get("toolset_name")
    return result if name is None else {**result, "toolset_name": name}  # TOOL-13


def _superfluous(identity: str, *, answered: bool) -> tuple[str, str]:
    if identity.startswith("srvtoolu_"):
        return "TOOL-11", f"{identity} is a call of the server's, which answers it itself."
    if answered:
        return "TOOL-03", f"{identity} has another result already."
    return "TOOL-02", f"there is no call {identity} that it could answer."


def _answer(run_end: Draft, answers: Draft | None, part: Part) -> None:
    """Put a result behind those that lead the message that answers; in a message of its own where there is none."""
    if answers is None or answers.parts is None:
        answers = next((draft for draft in run_end.behind if draft.role == "user"), None)
    if answers is None or answers.parts is None:
        answers = Draft(run_end.path, {"role": "user", "content": []})
        run_end.behind.insert(0, answers)
    leading = 0
    while leading < len(answers.blocks) and answers.blocks[leading].family == "result":
        leading += 1
    answers.parts = [*answers.blocks[:leading], part, *answers.blocks[leading:]]
