"""Calls of the server's own tools: call and result stay together, or both go (TOOL-08 to TOOL-10, MSG-20)."""

from __future__ import annotations

from collections.abc import Sequence

from ctxwindow.record.blocks import call_id, result_id
from ctxwindow.repairs.history import Draft, History, Part
from ctxwindow.rules import Violation

__all__ = ["SERVER_CALLS", "leave_out_pairs"]

SERVER_CALLS = frozenset({"MSG-20", "TOOL-08", "TOOL-09", "TOOL-10"})

_WHY = {
    "MSG-20": "its result is not whole, and the API takes it only byte for byte.",
    "TOOL-08": "there is no call before it.",
    "TOOL-09": "the server never answered it, and the turn went on.",
    "TOOL-10": "the server has yet to answer it, and its tool is gone.",
}


def leave_out_pairs(history: History, found: Sequence[Violation]) -> None:
    """Leave out each server call that has no result, and each result that has no call, with its other half."""
    doomed: dict[str | None, str] = {}
    for rule, _, draft, part, _ in history.places(found):
        if draft is not None:
            ids = _unanswered(draft, history) if part is None else [_id(part)]
            doomed |= {identity: rule for identity in ids if identity is not None}
    for draft in history.drafts:
        for part in draft.of("server_call", "server_result"):
            cause = doomed.get(_id(part))
            if cause is not None:
                history.remove(draft, part)
                what = "call left out" if part.family == "server_call" else "result left out"
                history.note(f"server {what}", cause, part.path, f"{_id(part)}: {_WHY[cause]}")


def _id(part: Part) -> str | None:
    return call_id(part.data) or result_id(part.data)


def _unanswered(draft: Draft, history: History) -> list[str]:
    """Ids of the server calls of a message that no result answers before the next turn of the user's."""
    calls = {identity: None for part in draft.of("server_call") if (identity := call_id(part.data)) is not None}
    for later in history.drafts[history.drafts.index(draft) :]:
        if later.role == "user" and any(part.family != "result" for part in later.blocks):
            break
        for part in later.of("server_result"):
            calls.pop(result_id(part.data) or "", None)
    return list(calls)
