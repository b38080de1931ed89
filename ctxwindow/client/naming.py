"""Saying which conversation a request of the SDK belongs to, where its beginning does not tell (`Middleware`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["conversation", "named"]

_NAME: ContextVar[str | None] = ContextVar("ctxwindow_conversation", default=None)


@contextmanager
def conversation(name: str) -> Iterator[None]:
    """Requests that are sent inside belong to the conversation of this name. For this thread or task, and those it starts
    with its context.

        with ctxwindow.conversation("ticket-17"):
            client.messages.create(...)

    Raises:
        MisuseError: it cannot name a conversation.
    """
    from ctxwindow.stores.protocol import check_conversation  # noqa: PLC0415 - `import ctxwindow` needs no stores

    check_conversation(name)
    token = _NAME.set(name)
    try:
        yield
    finally:
        _NAME.reset(token)


def named() -> str | None:
    """The name that is set here, if any."""
    return _NAME.get()
