"""How the history ends: a reply that was cut, refused, or left without an answer (MSG-04, MSG-05, MSG-14, MSG-16, FB-02)."""

from __future__ import annotations

from collections.abc import Sequence

from ctxwindow.repairs.history import Draft, History, Part
from ctxwindow.rules import Violation

__all__ = ["ENDING", "TRAILING", "discard_reply", "go_on", "strip_end"]

ENDING = frozenset({"MSG-04"})
TRAILING = frozenset({"MSG-05"})

_CUT = ("max_tokens", "model_context_window_exceeded")
_FINISHED = ("end_turn", "stop_sequence", "tool_use", "compaction")
_QUOTED = 400
"""Characters of a cut reply that are quoted: enough to find the place, the whole stands right before."""


def discard_reply(history: History) -> None:
    """Leave out a reply that may not go back: refused (FB-02), or cut inside a call (MSG-14)."""
    last = history.drafts[-1] if history.drafts else None
    if last is None or last.role != "assistant":
        return
    if history.stop_reason == "refusal":
        rule, why = "FB-02", "it was refused; what came before the refusal is discarded."
    elif history.stop_reason in _CUT and last.blocks and last.blocks[-1].family in ("call", "server_call"):
        rule, why = "MSG-14", "it was cut inside a call; the turn is asked for again with a larger max_tokens."
    else:
        return
    last.gone = True
    history.note("reply left out", rule, last.path, why)


def go_on(history: History, found: Sequence[Violation]) -> None:
    """Put a user message behind a reply that the model cannot go on from by itself.

    A cut reply is quoted at its end (MSG-16); its whole text stays where it is. One whose stop reason is not known is
    taken to be cut, because an interrupted stream has none. One that stopped behind its compaction block is not here:
    it goes back as it is, and the model answers from the summary (CMP-06).
    """
    last = history.drafts[-1] if found and history.drafts else None
    if last is None or last.role != "assistant" or history.stop_reason == "pause_turn":
        return  # MSG-13: a paused turn goes back as it is
    if not last.blocks:
        last.gone = True
        history.note("message left out", "MSG-04", last.path, "it holds nothing, and the model takes no prefill.")
        return
    finished = history.stop_reason in _FINISHED
    text = str(last.blocks[-1].data.get("text") or "")
    asked = "Go on."
    if text and not finished:
        quoted = text.strip()[-_QUOTED:]
        asked = f"Your last message was cut off. It ended with:\n\n{quoted}\n\nGo on from exactly there, without repeating it."
    message = Draft(last.path, {"role": "user", "content": asked})
    last.behind.append(message)
    rule, why = ("MSG-04", "the reply is finished") if finished else ("MSG-16", "the reply was cut")
    history.note("user message added", rule, last.path, f"{why}, and the model takes no prefill to go on from.")


def strip_end(history: History, found: Sequence[Violation]) -> None:
    """Strip white space off the end of the text that the reply goes on from."""
    last = history.drafts[-1] if found and history.drafts else None
    part: Part | None = last.blocks[-1] if last is not None and last.blocks else None
    if part is not None and isinstance(part.data.get("text"), str):
        part.block = {**part.block, "text": part.block["text"].rstrip()}
        history.note(
            "white space stripped", "MSG-05", part.path, "a text that the reply goes on from does not end in it."
        )
