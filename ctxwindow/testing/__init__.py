"""For tests of your own: Hypothesis strategies for conversations and requests, and a Claude that needs no network.

Names are imported when they are first used: the strategies need the extra `test`, `FakeClaude` does not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctxwindow.testing.bodies import exchanges, requests
    from ctxwindow.testing.broken import Broken, broken_requests, mutations
    from ctxwindow.testing.fake import FakeClaude
    from ctxwindow.testing.strategies import SERVER_TOOLS, Step, conversations, json_values, replies, user_messages

__all__ = [
    "SERVER_TOOLS",
    "Broken",
    "FakeClaude",
    "Step",
    "broken_requests",
    "conversations",
    "exchanges",
    "json_values",
    "mutations",
    "replies",
    "requests",
    "user_messages",
]

_PLACES = {
    "Broken": "broken",
    "broken_requests": "broken",
    "mutations": "broken",
    "FakeClaude": "fake",
    "exchanges": "bodies",
    "requests": "bodies",
}
"""Name -> its module; all others are in `strategies`."""


def __getattr__(name: str) -> Any:
    """A name of `__all__`, from its module."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES.get(name, 'strategies')}"), name)
