"""The window of a whole request body, counted from nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.turns import is_turn_start
from ctxwindow.window.ledger import Entry, Ledger
from ctxwindow.window.sizes import fixed_sizes, size_message
from ctxwindow.window.window import Window

__all__ = ["count", "entry_for", "open_ledger"]

_OWN = frozenset({"model", "system", "tools", "messages"})


def count(request: Mapping[str, Any], model: str | ModelProfile | None = None) -> Window:
    """The window that a request body occupies.

    Args:
        request: a Messages API body: `messages`, and `model`, `system`, `tools`, ... where it has them.
        model: overrides the request's own.

    Raises:
        UnknownModel: the model is not in the catalog.
    """
    profile = resolve(model if model is not None else str(request.get("model")))
    ledger = open_ledger(profile, request)
    messages: Sequence[Any] = request.get("messages") or ()
    start = _last_compaction(messages)
    for index, message in enumerate(messages):
        ledger.add(entry_for(message, profile, ignored="CMP-02" if index < start else None))
    return ledger.window()


def open_ledger(profile: ModelProfile, request: Mapping[str, Any], *, unseen: int = 0, learned: int = 0) -> Ledger:
    """A ledger for the request's system, tools and settings, with no message yet."""
    settings = {key: value for key, value in request.items() if key not in _OWN}
    fixed = fixed_sizes(
        profile,
        system=request.get("system"),
        tools=request.get("tools"),
        settings=settings,
        unseen=unseen,
        learned=learned,
    )
    return Ledger(profile, fixed)


def entry_for(
    message: Mapping[str, Any], profile: ModelProfile, *, ignored: str | None = None, thinking: int | None = None
) -> Entry:
    """The ledger entry of one message on a model; `thinking` as in `size_message`."""
    return Entry(
        size=size_message(message, profile, thinking=thinking),
        role=str(message.get("role")),
        turn_start=is_turn_start(message),
        scoped=message.get("role") == "system" and message.get("clear_at") == "next_user_message",
        ignored=ignored,
    )


def _last_compaction(messages: Sequence[Any]) -> int:
    """Index of the message with the last compaction block that has content: what is before is ignored (CMP-02)."""
    for index in range(len(messages) - 1, -1, -1):
        for block in blocks_of(messages[index]):
            if isinstance(block, Mapping) and block.get("type") == "compaction" and block.get("content"):
                return index
    return 0
