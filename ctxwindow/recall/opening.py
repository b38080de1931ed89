"""Opening what a handle stands for: whole, by lines, or by a pattern."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.errors import ProtocolError
from ctxwindow.recall.entries import block_at, message_of
from ctxwindow.record.blocks import is_thinking

__all__ = ["opened"]


def opened(messages: Sequence[Mapping[str, Any]], handle: str) -> dict[str, Any]:
    """A copy of the block behind a handle, as it was recorded.

    Raises:
        ProtocolError: there is none, or it is thinking.
    """
    place = message_of(handle)
    message, block = place if place is not None else (len(messages), None)
    found = block_at(messages[message], block) if message < len(messages) and block is not None else None
    if not isinstance(found, dict) or is_thinking(found):
        raise ProtocolError(
            f"no block of this conversation has the handle {handle[:40]!r}.",
            path="handle",
            remedy="A handle of a block is `m12.0`; see `spilled` and `recall`.",
        )
    whole: dict[str, Any] = copy.deepcopy(found)
    return whole
