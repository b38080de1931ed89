"""Decisions: what the engine wants done next. Values, not callbacks: a driver carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ctxwindow.tiers.caching import Forecast
from ctxwindow.tiers.offers import Offer
from ctxwindow.tiers.segment import Segment
from ctxwindow.tiers.table import lines
from ctxwindow.window import Window

__all__ = ["Compact", "Count", "Decision", "Edit", "Send", "Summarize"]


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One edit of the wire: what was done, to which part of the record, why, and what it freed."""

    method: str
    first: int
    """Record index of the first message it touches."""
    end: int
    """Record index after the last."""
    freed: int
    """Tokens; 0 of a `pin`, which says that what was pinned is not repeated."""
    why: str


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
    table: tuple[Offer, ...] = ()
    """What the planner weighed since the send before: leaving alone, and every method. Empty when it had nothing to weigh."""
    taken: str | None = None
    """The method of the table that was taken; None: none was."""
    horizon: int = 0
    """Sends over which the costs of the table are summed."""
    aside: Summarize | Compact | None = None
    """What may be prepared while the reply is awaited, where the policy says so (CMP-34). Handed back as if it had been
    decided; until then, or if it never is, nothing is lost."""

    def explain(self) -> str:
        """The send in a few lines, for people, with the table that its edits were chosen from."""
        window = self.window
        parts = ", ".join(f"{name} {tokens:,}" for name, tokens in window.by.items() if tokens)
        bounds = f"{window.source}, {window.low:,} to {window.high:,}"
        text = [
            f"send {self.number}, epoch {self.epoch}: {window.tokens:,} tokens ({bounds}) of {window.size:,}: {parts}"
        ]
        if window.doubt is not None:
            text.append(f"  doubtful: {window.doubt}")
        text += [f"  not counted, {rule}: {tokens:,}" for rule, tokens in window.not_counted.items()]
        text += [
            f"  {edit.method} of messages {edit.first} to {edit.end - 1}: freed {edit.freed:,} tokens; {edit.why}"
            for edit in self.edits
        ]
        if self.table:
            text += [f"  {row}" for row in lines(self.table, self.taken, self.horizon)]
        elif not self.edits:
            text.append("  left alone: under every mark, so nothing was weighed")
        return "\n".join(text)


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
    prefix: dict[str, Any]
    """The request as it stands, up to the end of the segment: a summary that the model writes rides on it, and reads it from
    the cache. Its messages are shared with the record: do not mutate."""
    table: tuple[Offer, ...] = ()
    """What the planner weighed."""


@dataclass(frozen=True)
class Compact:
    """Have the server compact (CMP-16).

    Send `request`, hand the reply to `compacted`, or an error to `compaction_failed`, and plan again.
    """

    request: dict[str, Any]
    """Ready for `client.beta.messages.create(**request)`. Its messages are shared with the record: do not mutate."""
    method: str
    first: int
    end: int
    """The block will stand for `[first, end)` of the record."""
    whole: bool
    """Whether nothing but the newest messages stays behind the block."""
    forecast: float | None
    """Dollars for the compaction, at most; None where no price is known."""
    target: int
    """The window comes down to this many tokens or fewer."""
    freed: int
    """At least this many tokens, if the block takes all of its budget."""
    why: str
    background: bool = False
    """Whether it may run while the conversation goes on (CMP-34)."""
    table: tuple[Offer, ...] = ()
    """What the planner weighed."""


@dataclass(frozen=True)
class Count:
    """Have this request counted exactly, then call `counted` with the tokens (or None) and plan again."""

    request: dict[str, Any]
    """Without `max_tokens` and sampling fields, which count_tokens refuses (TOK-13)."""
    fingerprint: str
    window: Window
    """The estimate whose bounds straddle the budget."""


Decision = Send | Summarize | Compact | Count
