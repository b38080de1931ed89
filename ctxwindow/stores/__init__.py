"""Where records live: the protocol, in memory, and in an SQLite file (loaded when it is first asked for)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctxwindow.stores.holds import Hold
from ctxwindow.stores.memory import MemoryStore
from ctxwindow.stores.protocol import ConversationInfo, Hit, Row, Store, Text
from ctxwindow.stores.recorder import follow, keep, load
from ctxwindow.window.memo import TextCount

if TYPE_CHECKING:
    from ctxwindow.stores.sqlite import SqliteStore

__all__ = [
    "ConversationInfo",
    "Hit",
    "Hold",
    "MemoryStore",
    "Row",
    "SqliteStore",
    "Store",
    "Text",
    "TextCount",
    "follow",
    "keep",
    "load",
]


def __getattr__(name: str) -> object:
    if name == "SqliteStore":
        from ctxwindow.stores.sqlite import SqliteStore  # noqa: PLC0415 - sqlite3 only for those who use it

        return SqliteStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
