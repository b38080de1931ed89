"""The window a request occupies: totals by category, named overheads, and every block with its disposition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

__all__ = ["BlockCount", "Disposition", "Source", "Window"]

Source = Literal["exact", "anchored", "estimated"]
"""exact: from usage or count_tokens. anchored: an exact prefix and an estimated tail. estimated: all of it."""

Disposition = Literal[
    "counted",
    "stripped",  # thinking of earlier turns on last-turn-only models (RET-02)
    "expired",  # a turn-scoped system message whose turn is over (SYS-07)
    "compacted",  # stands before a compaction block, so the server ignores it (CMP-02)
    "dropped",  # thinking that fails the prefix check (BIND-08); or never sent, for the API refuses it (MSG-06)
    "unreadable",  # thinking of a model whose blocks this one cannot read (BIND-02)
    "cleared",  # by context editing; a placeholder may stand for it (EDIT-02, EDIT-06)
    "ignored",  # a compaction block without content: a summary that failed (CMP-04)
    "outside",  # the result of a call that code made: it goes to the code and never enters the context (TOK-20)
    "deferred",  # a tool definition that is not loaded yet (TOK-22)
]


class BlockCount(msgspec.Struct, frozen=True, kw_only=True):
    """One block of the wire: where it is, what it weighs, what becomes of it, and the rule behind that."""

    path: str
    kind: str
    tokens: int
    """Tokens it has, whether or not they count: only `counted` blocks do."""
    disposition: Disposition
    rule: str
    exact: bool


class Listed(Protocol):
    """Lists the blocks of a window, which costs what it lists."""

    def blocks(self, first: int | None = None) -> tuple[BlockCount, ...]:
        """Every block; or with `first` only those of messages from there on."""

    def grew_from(self, earlier: Any) -> bool:
        """Whether this is the list of `earlier` and messages at its end, with nothing before them changed in place."""


@dataclass(frozen=True)
class Window:
    """What one request occupies, in tokens.

    `tokens` is the sum of `by`, and `by["overhead"]` is the sum of `overheads`: the books balance (law 9).
    """

    model: str
    tokens: int
    low: int
    high: int
    source: Source
    size: int
    """The model's context window."""
    max_output: int
    by: dict[str, int]
    """Tokens by category: system, tools, messages, thinking, images, documents, overhead."""
    overheads: dict[str, int]
    """Named parts of `by["overhead"]`: frames, tool prompt; `placeholders`, what stands for cleared blocks;
    `unexplained`, what an exact size differs by from the sum of the parts; and `correction`, by how much what earlier
    sizes taught moves the estimates since (these two may be negative)."""
    not_counted: dict[str, int]
    """Rule id -> tokens that are sent or recorded but do not count."""
    _listed: Listed = field(repr=False, compare=False)
    doubt: str | None = None
    """Why the size that was last reported is not believed, or None. The bounds hold that size too, where it can be."""

    @property
    def free(self) -> int:
        """Tokens left in the model's window."""
        return self.size - self.tokens

    @property
    def blocks(self) -> tuple[BlockCount, ...]:
        """Every block with its disposition. Listed on demand: it costs the length of the wire."""
        return self._listed.blocks()

    def blocks_from(self, message: int) -> tuple[BlockCount, ...]:
        """The blocks of messages from an index on: it costs those messages."""
        return self._listed.blocks(message)

    def grew_from(self, earlier: Window) -> bool:
        """Whether all that counted in an earlier window of the same wire counts in this one too, at the same place."""
        return self.not_counted == earlier.not_counted and self._listed.grew_from(earlier._listed)

    def as_dict(self, *, blocks: bool = False) -> dict[str, Any]:
        """The documented JSON form of `ctxwindow count`."""
        form: dict[str, Any] = {
            "model": self.model,
            "input_tokens": self.tokens,
            "low": self.low,
            "high": self.high,
            "source": self.source,
            "doubt": self.doubt,
            "window": self.size,
            "max_output": self.max_output,
            "free": self.free,
            "by": dict(self.by),
            "overheads": dict(self.overheads),
            "not_counted": dict(self.not_counted),
        }
        if blocks:
            form["blocks"] = [msgspec.to_builtins(block) for block in self.blocks]
        return form
