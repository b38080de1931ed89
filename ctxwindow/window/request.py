"""The window of a whole request body, counted from nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.rules.view import plain
from ctxwindow.window.clearing import Held
from ctxwindow.window.countable import countable
from ctxwindow.window.entry import entry_for
from ctxwindow.window.fixed import fixed_sizes
from ctxwindow.window.learning import Learning
from ctxwindow.window.ledger import Ledger
from ctxwindow.window.window import Window

__all__ = ["count", "ledger_of", "open_ledger"]

_OWN = frozenset({"model", "system", "tools", "messages"})


def count(request: Mapping[str, Any], model: str | ModelProfile | None = None) -> Window:
    """The window that a request body occupies, after what the server strips, clears and leaves out.

    Args:
        request: a Messages API body: `messages`, and `model`, `system`, `tools`, ... where it has them. It may hold
            the SDK's objects, as in `"content": reply.content`.
        model: overrides the request's own.

    Raises:
        UnknownModel: the model is not in the catalog.
        InvalidRequest: a field that is counted has a type that cannot be, or JSON cannot carry the request.
    """
    body = countable(request)
    return ledger_of(body, resolve(model if model is not None else str(body.get("model")))).window()


def ledger_of(
    request: Mapping[str, Any], profile: ModelProfile, out: Mapping[int, Mapping[int, str]] | None = None
) -> Ledger:
    """The ledger of a whole request body.

    Args:
        request: as for `count`.
        profile: the model.
        out: message index -> place -> rule of blocks that the server is known to leave out.
    """
    ledger = open_ledger(profile, request)
    messages: Sequence[Any] = request.get("messages") or ()
    for index, message in enumerate(messages):
        ledger.add(entry_for(plain(message), profile, before=ledger.before, out=(out or {}).get(index, {})))
    return ledger


def open_ledger(
    profile: ModelProfile,
    request: Mapping[str, Any],
    *,
    unseen: int = 0,
    learned: int = 0,
    learning: Learning | None = None,
    held: Held | None = None,
) -> Ledger:
    """A ledger for the request's system, tools and settings, with no message yet.

    Args:
        profile: the model.
        request: as for `count`; its messages are left out.
        unseen: as in `fixed_sizes`.
        learned: as in `fixed_sizes`.
        learning: what the conversation has taught about estimates so far.
        held: what is cleared of it, in place of what its settings say.
    """
    settings = {key: value for key, value in request.items() if key not in _OWN}
    fixed = fixed_sizes(
        profile,
        system=request.get("system"),
        tools=request.get("tools"),
        settings=settings,
        unseen=unseen,
        learned=learned,
    )
    return Ledger(profile, fixed, settings, learning, held)
