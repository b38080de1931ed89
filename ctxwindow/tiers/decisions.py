"""Decisions: what the engine wants done next. Values, not callbacks: a driver carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ctxwindow.tiers.segment import Segment
from ctxwindow.window import Window

__all__ = ["Count", "Decision", "Edit", "Forecast", "Send", "Summarize"]


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One edit of the wire: what was done, to which part of the record, why, and what it freed."""

    method: str
    first: int
    """Record index of the first message it touches."""
    end: int
    """Record index after the last."""
    freed: int
    """Tokens."""
    why: str


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a send is expected to cost, in dollars: the prompt with and without its cache, and apart from it the reply, which
    nobody knows before. None where no price is known.
    """

    warm: float | None
    """If the cached prefix is still there."""
    cold: float | None
    """If it is not."""
    cached: int
    """Tokens of the prefix that an earlier request of this epoch wrote to the cache."""
    lives: bool
    """Whether that entry is still alive by the clock (CACHE-05)."""
    reply: float | None = None
    """The most that the reply can cost: `max_tokens` of output, thinking included (TOK-03)."""


@dataclass(frozen=True)
class Send:
    """Send this request, then call `receive` with the reply (or `fail` with the error)."""

    request: dict[str, Any]
    """Ready for `client.beta.messages.create(**request)`; for `client.messages.create` too, as long as it has no `betas`,
    which a recovery may add (BIND-26). Its messages are shared with the record: do not mutate."""
    window: Window
    """What it will occupy."""
    number: int
    """Sends are numbered from 1."""
    epoch: int
    """Runs of sends whose wire only grows at its end are numbered from 0."""
    forecast: Forecast
    breakpoints: tuple[str, ...]
    """Paths of the cache breakpoints that were set."""
    edits: tuple[Edit, ...]
    """Edits made since the send before."""
    fingerprint: str
    """Of system, tools and messages (BIND-14)."""
    sure: bool
    """Whether it fits by its upper bound too. False when the estimate fits, the bound does not (a document behind a
    URL, say), and nothing is left to shrink: then the API has the last word (CTX-08), and `fail` knows the way on."""

    def explain(self) -> str:
        """The send in a few lines, for people."""
        window = self.window
        parts = ", ".join(f"{name} {tokens:,}" for name, tokens in window.by.items() if tokens)
        bounds = f"{window.source}, {window.low:,} to {window.high:,}"
        lines = [
            f"send {self.number}, epoch {self.epoch}: {window.tokens:,} tokens ({bounds}) of {window.size:,}: {parts}"
        ]
        if window.doubt is not None:
            lines.append(f"  doubtful: {window.doubt}")
        lines += [f"  not counted, {rule}: {tokens:,}" for rule, tokens in window.not_counted.items()]
        lines += [
            f"  {edit.method} of messages {edit.first} to {edit.end - 1}: freed {edit.freed:,} tokens; {edit.why}"
            for edit in self.edits
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Summarize:
    """Have `segment` summarised within its budget, then call `summarized` with the text and plan again."""

    segment: Segment
    method: str
    target: int
    """The window comes down to this many tokens or fewer."""
    freed: int
    """At least this many tokens, if the summary takes all of its budget."""
    why: str


@dataclass(frozen=True)
class Count:
    """Have this request counted exactly, then call `counted` with the tokens (or None) and plan again."""

    request: dict[str, Any]
    """Without `max_tokens` and sampling fields, which count_tokens refuses (TOK-13)."""
    fingerprint: str
    window: Window
    """The estimate whose bounds straddle the budget."""


Decision = Send | Summarize | Count
