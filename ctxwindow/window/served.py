"""What the server makes of a request: the messages that the model sees, and what was taken out of them by which rule.

Sent is not seen. Thinking of earlier turns may be stripped (RET-02), tool results and thinking cleared by context
editing (EDIT-02, EDIT-06), everything before the last compaction block left out (CMP-02), reminders expire (SYS-07),
tools wait until the conversation names them (TOOL-17). None of it changes what the client must send next time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules.editing import COMPACT
from ctxwindow.rules.view import plain
from ctxwindow.window.edits import cleared_form, setting_of
from ctxwindow.window.request import ledger_of
from ctxwindow.window.window import BlockCount, Window

__all__ = ["Served", "compaction_due", "serve"]

_TRIGGER = 150_000
"""Input tokens (CMP-01)."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the model sees it."""

    profile: ModelProfile
    request: dict[str, Any]
    """The body with `messages` and `tools` as they are rendered, and without `context_management`. What was not
    touched is the caller's own: never change it."""
    origins: tuple[int, ...]
    """For each of its messages, the index in the request as it was sent."""
    window: Window
    """What counts of the request as it was sent: `tokens` are the input tokens, and `blocks` says of every block that
    was sent what became of it, by which rule."""
    original_tokens: int
    """Input tokens as they would be without `context_management` (TOK-14)."""
    applied_edits: tuple[dict[str, Any], ...]
    """`context_management.applied_edits` of the response (EDIT-05)."""
    compaction_due: bool
    """Whether the prompt has reached the trigger of `compact_20260112`, so that a summary is made first (CMP-01)."""


def serve(
    request: Mapping[str, Any],
    profile: ModelProfile,
    *,
    dropped: Iterable[str] = (),
    unreadable: Iterable[str] = (),
) -> Served:
    """The request as the model sees it. Nothing of it is changed; what stays is shared.

    Args:
        request: a body that the API accepts.
        profile: the model.
        dropped: paths (`messages.1.content.0`) of thinking that fails the prefix check under `drop_block` (BIND-08).
        unreadable: paths of thinking of models that this one cannot read (BIND-02).
    """
    out: dict[int, dict[int, str]] = {}
    for rule, paths in (("BIND-08", dropped), ("BIND-02", unreadable)):
        for path in paths:
            _, at, _, place = path.split(".")
            out.setdefault(int(at), {})[int(place)] = rule
    ledger = ledger_of(request, profile, out)
    window = ledger.window()
    fates = {block.path: block for block in window.blocks}
    messages, origins = [], []
    for index, message in enumerate(request.get("messages") or ()):
        seen = _seen(plain(message), index, fates)
        if seen is not None:
            messages.append(seen)
            origins.append(index)
    form = {key: value for key, value in request.items() if key != "context_management"}
    form["messages"] = messages
    if request.get("tools"):
        form["tools"] = [
            tool for place, tool in enumerate(request["tools"]) if fates[f"tools.{place}"].disposition != "deferred"
        ]
    freed = sum(edit.tally.freed.tokens for edit in ledger.cleared)
    return Served(
        profile=profile,
        request=form,
        origins=tuple(origins),
        window=window,
        original_tokens=window.tokens + freed,
        applied_edits=tuple(edit.as_applied() for edit in ledger.cleared),
        compaction_due=compaction_due(request, window.tokens),
    )


def compaction_due(request: Mapping[str, Any], tokens: int) -> bool:
    """Whether a prompt of so many tokens, after the other edits, reaches the trigger of the edit `compact_20260112`.

    With server tools the API asks this again at the start of each sampling iteration (CMP-11), and what it then closes
    may be larger than the trigger (CMP-15).
    """
    setting = setting_of(request, COMPACT)
    if setting is None:
        return False
    trigger = plain(setting.get("trigger")).get("value")
    return tokens >= (trigger if isinstance(trigger, int) else _TRIGGER)


def _seen(message: Mapping[str, Any], index: int, fates: Mapping[str, BlockCount]) -> Mapping[str, Any] | None:
    """A message as the model sees it; None when it is left out as a whole."""
    blocks: Sequence[Any] = blocks_of(message)
    kept: list[Any] = []
    whole = bool(blocks)
    changed = False
    for place, block in enumerate(blocks):
        fate = fates[f"messages.{index}.content.{place}"]
        whole = whole and fate.disposition in ("compacted", "expired")
        if fate.disposition == "counted":
            kept.append(block)
            continue
        changed = True
        if fate.disposition == "cleared" and fate.rule == "EDIT-02":
            kept.append(cleared_form(block))
    if whole:
        return None
    return {**message, "content": kept} if changed else message
