"""What a summariser is given, and what it hands back."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Segment"]


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A closed stretch of a conversation that is to be replaced by a summary.

    No round in it is open, and every tool result in it stands with its call.
    """

    first: int
    """Record index of the first message the summary will stand for (0-based)."""
    end: int
    """Record index after the last message the summary will stand for."""
    previous: str | None
    """The summary that already stands for `[first, messages_from)`, or None."""
    messages_from: int
    """Record index of `messages[0]`; what lies before it is in `previous`."""
    messages: tuple[dict[str, Any], ...]
    """The messages of `[messages_from, end)` as recorded. Shared with the record: never mutate."""
    budget: int
    """The summary may take at most this many tokens."""
    level: int = 1
    """1, or more where it takes in summaries that were there before."""
