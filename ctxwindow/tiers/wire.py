"""The wire of one epoch: what the next request sends, grown message by message.

Within an epoch nothing on the wire changes (law 4). Each record message has one wire form, made once:
blank text blocks are left out because the API refuses them (MSG-06) and ignores them in the prefix check
(BIND-14), and thinking without a signature because it is refused anywhere (REPLAY-04); for halves of characters stands
U+FFFD, because no request can carry them; everything else goes out as it came, but for spilled results.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import Outline, Prefix
from ctxwindow.record.blocks import blocks_of, is_thinking, never_sent
from ctxwindow.record.surrogates import without_surrogates
from ctxwindow.record.turns import OutlineMark
from ctxwindow.rules.editing import COMPACT
from ctxwindow.tiers.caching import has_markers, thin
from ctxwindow.window import Billed, Held, Learning, Ledger, entry_for, open_ledger
from ctxwindow.window.before import forces
from ctxwindow.window.ledger import Mark

__all__ = ["ON_DEMAND_BETA", "Wire", "is_block", "sendable", "with_betas", "without_block", "without_thinking"]

CLEARING_BETA = "context-management-2025-06-27"
"""EDIT-01."""
THRESHOLD_BETA = "compact-2026-01-12"
"""CMP-01."""
ON_DEMAND_BETA = "compact-2026-09-04"
"""CMP-16: on the request that compacts, and on every later one that carries the block."""


def sendable(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The form in which a message can be sent: itself, or without what no request can carry; None when nothing remains."""
    content = message.get("content")
    if isinstance(content, str):
        return dict(without_surrogates(message)) if content.strip() else None
    blocks = blocks_of(message)
    kept = [block for block in blocks if not never_sent(block)]
    if not kept:
        # An effort-only system message has no content at all (SYS-06).
        return dict(without_surrogates(message)) if message.get("output_config") and not blocks else None
    form = {**message, "content": kept} if len(kept) != len(blocks) else dict(message)
    sent: dict[str, Any] = without_surrogates(form)
    return sent


def without_thinking(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """A message without its thinking blocks; None when nothing remains."""
    blocks = blocks_of(message)
    kept = [block for block in blocks if not (isinstance(block, Mapping) and is_thinking(block))]
    if len(kept) == len(blocks):
        return dict(message)
    return {**message, "content": kept} if kept else None


def without_block(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """A message without compaction blocks of the server; None when nothing remains."""
    blocks = blocks_of(message)
    kept = [block for block in blocks if not (isinstance(block, Mapping) and block.get("type") == "compaction")]
    if len(kept) == len(blocks):
        return dict(message)
    return {**message, "content": kept} if kept else None


class Wire:
    """Messages as sent, with their ledger and their fingerprint chain.

    Attributes:
        epoch: number of the epoch, from 0.
        messages: the messages as sent. Shared: never mutate.
        sources: for each, the record index it came from, or None for a head.
        hot: the record indices among them.
        outline: turns and rounds of the messages as sent.
        start: record index from which messages stand on the wire verbatim.
        base: the request's system, tools and settings.
        unseen: tokens of system and tools that are sent and not known.
        learned: the correction its fixed part was made with.
    """

    def __init__(
        self,
        profile: ModelProfile,
        base: Mapping[str, Any],
        *,
        epoch: int = 0,
        start: int = 0,
        unseen: int = 0,
        learned: int = 0,
        learning: Learning | None = None,
        held: Held | None = None,
        trigger: int | None = None,
    ) -> None:
        """A wire with no message yet.

        Args:
            profile: the model.
            base: system, tools and settings.
            epoch: number of the epoch.
            start: record index from which messages stand verbatim.
            unseen: tokens of system and tools that are not given.
            learned: what exact sizes have shown the fixed part to be off by.
            learning: what earlier wires have taught about estimates.
            held: what the server is asked to clear of it.
            trigger: input tokens from which on the server is asked to compact.
        """
        self.profile = profile
        self.base = dict(base)
        self.unseen = unseen
        self.epoch = epoch
        self.start = start
        self.learned = learned
        self.trigger = trigger
        self.messages: list[dict[str, Any]] = []
        self.sources: list[int | None] = []
        self.hot: set[int] = set()
        self.ledger: Ledger = open_ledger(profile, base, unseen=unseen, learned=learned, learning=learning, held=held)
        self.prefix = Prefix(base.get("system"), base.get("tools"))
        self.outline = Outline()
        self._marked: list[int] = []
        self._sent: tuple[Mark, OutlineMark] | None = None

    def add(
        self,
        form: dict[str, Any],
        source: int | None,
        billed: Billed | None = None,
        out: Mapping[int, str] | None = None,
    ) -> None:
        """Put one message, already in its wire form, at the end.

        Args:
            form: the message as it will be sent.
            source: its record index, None for a head.
            billed: of a reply, what its usage said of it.
            out: place -> rule of blocks that the server is known to leave out.
        """
        if has_markers(form.get("content")):
            self._marked.append(len(self.messages))
        self.messages.append(form)
        self.sources.append(source)
        if source is not None:
            self.hot.add(source)
        self.prefix.add(form)
        self.outline.add(form)
        self.ledger.add(entry_for(form, self.profile, before=self.ledger.before, billed=billed, out=out or {}))

    def refit(self, base: Mapping[str, Any]) -> bool:
        """Take other settings in, without forgetting what is known of the size; system and tools stay.

        False where they decide over the messages, so that these must be put on another wire.
        """
        edits = [settings.get("context_management") for settings in (base, self.base)]
        if forces(base) != forces(self.base) or edits[0] != edits[1] or self.ledger.edits:
            return False
        fixed = open_ledger(self.profile, base, unseen=self.unseen, learned=self.learned).fixed
        self.ledger.refit(fixed, self._sent[0] if self._sent is not None else None)
        self.base = dict(base)
        return True

    def hold(self, held: Held | None, trigger: int | None) -> None:
        """Ask the server for these edits from here on, as for those of a new wire. What is known of the size stays."""
        self.trigger = trigger
        mark = self.ledger.hold(held, self._sent[0] if self._sent is not None else None)
        if mark is not None and self._sent is not None:
            self._sent = mark, self._sent[1]

    def sent(self) -> None:
        """Everything on the wire has been sent: from here on it may not change."""
        self._sent = self.ledger.mark(), self.outline.mark()

    def unsend(self) -> bool:
        """Take off what was put on since `sent`; False when nothing of this epoch was sent yet."""
        if self._sent is None:
            return False
        ledger, outline = self._sent
        length = ledger.length
        del self.messages[length:]
        self.hot.difference_update(self.sources[length:])
        del self.sources[length:]
        while self._marked and self._marked[-1] >= length:
            self._marked.pop()
        self.prefix.rollback(length)
        self.outline.rollback(outline)
        self.ledger.rollback(ledger)
        return True

    def request(self, max_tokens: int) -> dict[str, Any]:
        """The request body as it stands, without cache breakpoints."""
        body: dict[str, Any] = {"model": self.profile.id, "max_tokens": max_tokens}
        body.update(copy.deepcopy(self.base))
        body["messages"] = list(self.messages)
        if self._marked:
            thin(body, self._marked)
        edits, betas = self.ledger.edits, []
        if edits:
            betas.append(CLEARING_BETA)
        if self.trigger is not None:
            edits.append({"type": COMPACT, "trigger": {"type": "input_tokens", "value": self.trigger}})
            betas.append(THRESHOLD_BETA)
        if edits:
            body["context_management"] = {"edits": edits}
        if self.messages and is_block(self.messages[0]):
            betas.append(ON_DEMAND_BETA)
        with_betas(body, betas)
        return body


def is_block(message: Mapping[str, Any]) -> bool:
    """Whether a message is the signed compaction block of the server, which goes first (CMP-21)."""
    blocks = blocks_of(message)
    first = blocks[0] if blocks else None
    return isinstance(first, Mapping) and first.get("type") == "compaction" and bool(first.get("signature"))


def with_betas(body: dict[str, Any], betas: Sequence[str]) -> None:
    """Add beta names to a request that has perhaps some."""
    missing = [beta for beta in betas if beta not in (body.get("betas") or ())]
    if missing:
        body["betas"] = [*(body.get("betas") or ()), *missing]
