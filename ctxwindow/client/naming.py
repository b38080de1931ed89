"""Saying which conversation a request of the SDK belongs to, where its beginning does not tell (`Middleware`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ctxwindow.errors import MisuseError

__all__ = ["conversation", "named"]

_NAME: ContextVar[str | None] = ContextVar("ctxwindow_conversation", default=None)

_OURS = re.compile(r"sdk-|.*~[0-9]+\Z", re.DOTALL)
"""Names that the middleware gives: to conversations without one, and to further records of one."""


@contextmanager
def conversation(name: str) -> Iterator[None]:
    """Requests that are sent inside belong to the conversation of this name. For this thread or task, and those it starts
    with its context.

        with ctxwindow.conversation("ticket-17"):
            client.messages.create(...)

    One is sent at a time: a request waits while another one of this name is in flight (`Middleware(patience=...)`). Whether it
    has the whole list, its end, or only what is new, it goes on with all that was said under the name.

    Raises:
        MisuseError: it cannot name a conversation, or is one of those that the middleware gives itself: they begin with
            `sdk-`, or end in `~` and a number.
    """
    from ctxwindow.stores.protocol import check_conversation  # noqa: PLC0415 - `import ctxwindow` needs no stores

    check_conversation(name)
    if _OURS.match(name):
        raise MisuseError(
            "names that begin with 'sdk-', or end in '~' and a number, are given by the middleware.",
            path="conversation",
            remedy="Write it otherwise, such as with '-' for '~'.",
        )
    token = _NAME.set(name)
    try:
        yield
    finally:
        _NAME.reset(token)


def named() -> str | None:
    """The name that is set here, if any."""
    return _NAME.get()
