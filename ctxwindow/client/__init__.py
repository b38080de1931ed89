"""The anthropic SDK: sessions that keep themselves inside their window, and a middleware for agents that keep their own list.

Nothing of the SDK is imported before a session or a middleware is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctxwindow.client.naming import conversation

if TYPE_CHECKING:
    from ctxwindow.client.async_session import AsyncSession
    from ctxwindow.client.limits import Limits
    from ctxwindow.client.middleware import Middleware
    from ctxwindow.client.reply import Reply
    from ctxwindow.client.report import SessionReport
    from ctxwindow.client.session import Session
    from ctxwindow.client.streams import AsyncSessionStream, SessionStream

__all__ = [
    "AsyncSession",
    "AsyncSessionStream",
    "Limits",
    "Middleware",
    "Reply",
    "Session",
    "SessionReport",
    "SessionStream",
    "conversation",
]

_MODULES = {
    "AsyncSession": "async_session",
    "AsyncSessionStream": "streams",
    "Limits": "limits",
    "Middleware": "middleware",
    "Reply": "reply",
    "Session": "session",
    "SessionReport": "report",
    "SessionStream": "streams",
}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        from importlib import import_module  # noqa: PLC0415 - for those who use it

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
