"""The sizes of a message and of its blocks, as values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from ctxwindow.window.tokens import Count

__all__ = ["CATEGORIES", "THINKING", "ZERO", "BlockSize", "Category", "MessageSize"]

Category = Literal["system", "tools", "messages", "thinking", "images", "documents", "overhead"]
CATEGORIES: tuple[Category, ...] = ("system", "tools", "messages", "thinking", "images", "documents", "overhead")

ZERO = Count(tokens=0, low=0, high=0, exact=True)

THINKING = ("thinking", "redacted_thinking")
"""Kinds of blocks that are thinking."""


class BlockSize(msgspec.Struct, frozen=True):
    """One block: its API type, and its tokens by category (a tool result may hold images)."""

    kind: str
    parts: tuple[tuple[Category, Count], ...]
    count: Count


class MessageSize(msgspec.Struct, frozen=True):
    """One message: its blocks in order; `frame` is what the message itself adds."""

    blocks: tuple[BlockSize, ...]
    frame: Count
    count: Count
    """Everything, frame included."""
    thinking: Count
    """The share of thinking blocks, which the server may strip (RET-02)."""

    @classmethod
    def of(cls, blocks: Iterable[BlockSize], frame: Count) -> MessageSize:
        """The sizes of a message's blocks and of the message itself, added up."""
        blocks = tuple(blocks)
        return cls(
            blocks=blocks,
            frame=frame,
            count=sum((size.count for size in blocks), frame),
            thinking=sum((count for size in blocks for category, count in size.parts if category == "thinking"), ZERO),
        )

    def keeping(self, places: Iterable[int]) -> MessageSize:
        """The message with the blocks at these places only."""
        return MessageSize.of([self.blocks[place] for place in places], self.frame)
