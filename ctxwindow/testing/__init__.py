"""For tests of your own: Hypothesis strategies for conversations, and a Claude that needs no network.

Names are imported when they are first used: the strategies need the extra `test`, `FakeClaude` does not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctxwindow.testing.fake import FakeClaude
    from ctxwindow.testing.strategies import SERVER_TOOLS, Step, conversations, json_values, replies, user_messages

__all__ = [
    "SERVER_TOOLS",
    "FakeClaude",
    "Step",
    "conversations",
    "json_values",
    "replies",
    "user_messages",
]

_PLACES = {"FakeClaude": "fake"}
"""Names that are not in `strategies`."""


def __getattr__(name: str) -> Any:
    """A name of `__all__`, from its module."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES.get(name, 'strategies')}"), name)
