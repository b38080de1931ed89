"""System messages inside the history: put where they may stand, or turned into reminders (SYS-01, SYS-04)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ctxwindow.repairs.history import Draft, History, Part
from ctxwindow.rules import Violation
from ctxwindow.rules.view import plain

__all__ = ["PLACES", "UNSUPPORTED", "place_instructions", "remind_instead"]

UNSUPPORTED = frozenset({"SYS-01"})
PLACES = frozenset({"SYS-04"})

_NOT_HERE = "the model takes no system messages inside the conversation."
_NOT_THERE = "a system message stands behind a user message, and before an assistant message or the end."


def remind_instead(history: History, found: Sequence[Violation]) -> None:
    """Turn system messages into `<system-reminder>` texts of the user message beside them."""
    for _, _, draft, _, _ in history.places(found):
        if draft is None or draft.role != "system":
            continue
        at = history.drafts.index(draft)
        if not draft.blocks:
            draft.gone = True
            history.note("message left out", "SYS-01", draft.path, f"it only sets the effort, and {_NOT_HERE}")
        elif _expired(history, at):
            draft.gone = True
            history.note("message left out", "SYS-01", draft.path, f"its turn is over (SYS-07), and {_NOT_HERE}")
        elif all(part.data.get("type") == "text" for part in draft.blocks):
            _remind(history, at, draft, "SYS-01", _NOT_HERE)


def _expired(history: History, at: int) -> bool:
    """Whether a turn-scoped message renders nothing any more (SYS-07)."""
    scoped = plain(history.drafts[at].raw).get("clear_at") == "next_user_message"
    return scoped and any(later.role == "user" for later in history.drafts[at + 1 :])


def _remind(history: History, at: int, draft: Draft, rule: str, why: str) -> None:
    """Put the texts of a system message into the user message before or after it, behind any results there."""
    reminders = [Part(part.path, _reminder(str(part.data["text"]))) for part in draft.blocks]
    draft.gone = True
    before = next((other for other in reversed(history.drafts[:at]) if not other.gone), None)
    after = history.drafts[at + 1] if at + 1 < len(history.drafts) else None
    if before is not None and before.role == "user" and before.parts is not None:
        before.parts = [*before.parts, *reminders]
    elif after is not None and after.role == "user" and after.parts is not None:
        leading = 0
        while leading < len(after.parts) and after.parts[leading].family == "result":
            leading += 1
        after.parts = [*after.parts[:leading], *reminders, *after.parts[leading:]]
    else:
        reminder = Draft(draft.path, {"role": "user", "content": []})
        reminder.parts = reminders
        draft.behind.append(reminder)
    history.note("system message turned into a reminder", rule, draft.path, why)


def _reminder(text: str) -> dict[str, Any]:
    return {"type": "text", "text": f"<system-reminder>\n{text}\n</system-reminder>"}


def place_instructions(history: History, found: Sequence[Violation]) -> None:
    """Move system messages to behind the user message that follows; make one that nothing follows a reminder."""
    moved = {id(place.draft) for place in history.places(found)}
    drafts = list(history.drafts)
    for at, draft in enumerate(drafts):
        if id(draft) not in moved or draft.role != "system":
            continue
        host = _host(drafts, at)
        if host is not None:
            history.drafts.remove(draft)
            host.behind.append(draft)
            history.note(
                "system message moved", "SYS-04", draft.path, f"it stands behind {host.path} now: {_NOT_THERE}"
            )
        elif all(part.data.get("type") == "text" for part in draft.blocks):
            _remind(history, history.drafts.index(draft), draft, "SYS-04", _NOT_THERE)


def _host(drafts: list[Draft], at: int) -> Draft | None:
    """The last user message of the next run of them; None when no user message follows."""
    later = at + 1
    while later < len(drafts) and drafts[later].role != "user":
        later += 1
    host: Draft | None = None
    while later < len(drafts) and drafts[later].role in ("user", "system"):
        if drafts[later].role == "user":
            host = drafts[later]
        later += 1
    return host
