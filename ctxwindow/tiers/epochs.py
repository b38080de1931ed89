"""What begins the prefix anew, or part of it: a compaction, an edit by the server, another model or other settings."""

from __future__ import annotations

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.record.events import Compacted, Configured, Declined, Edited
from ctxwindow.tiers.caching import LastSend, has_markers
from ctxwindow.tiers.decisions import Edit
from ctxwindow.tiers.heads import stands_for
from ctxwindow.tiers.known import WEIGHS, Known
from ctxwindow.tiers.repeats import pinned_blocks
from ctxwindow.tiers.switching import switch_note
from ctxwindow.tiers.wire import without_block
from ctxwindow.window import Billed, Learning

__all__ = ["Epochs"]


class Epochs(Known):
    """Transitions by what moves the prefix, and with it the cache (CACHE-11)."""

    def _compacted(self, event: Compacted) -> None:
        self._settle()
        before, sent = self.wire.ledger.total.tokens, self.cached
        if event.method == "restart":
            bare = {index: without_block(form) for index, form in self.forms.items()}
            self.forms = {index: form for index, form in bare.items() if form is not None}
        self.edits.append(event)
        self._lengths.append(len(self.messages))
        self.warm = stands_for(self.warm, event)
        self.owed = event if event.block is not None else None
        last = len(self.messages) - 1
        if last >= self.unsent and last in self.forms:
            self.forms[last] = self._with_owed(self.forms[last])
        self.held = None
        self.declined.pop(event.method, None)
        if event.strip_thinking:
            self._strip(event.tail, len(self.messages))  # for good: what was left out once never comes back (BIND-11)
        elif event.method != "compact" or not self.profile.bound:
            self.loose = len(self.messages)
        self._wire = self._new_wire()
        # What stands before the messages is in the cache as it was (CACHE-01), where its end was a breakpoint.
        fixed = self._wire.ledger.fixed.count.tokens if self.base.get("system") or self.base.get("tools") else 0
        self.cached = LastSend(tokens=fixed, messages=0, at=sent.at) if sent is not None and fixed else None
        self.trail = []
        freed = before - self._wire.ledger.total.tokens
        by = f"summary by {event.by}" if event.by else "no summary"
        why = f"{by}; the window had to come down to {event.target:,}"
        if event.method == "restart":
            why = f"{by}, whose block {self.profile.id} on {self.policy.platform} does not take (CMP-01, CMP-16)"
        self.fresh_edits.append(Edit(method=event.method, first=event.first, end=event.end, freed=freed, why=why))
        self._note_pins(event)

    def _note_pins(self, event: Compacted) -> None:
        """Say so where something that was pinned by name left the wire and is not repeated."""
        start = event.carried[0] if event.carried is not None else event.tail
        gone = self.pin_tracker.named(self.pinned) - {*event.pinned, event.instruction}
        left = sorted(index for index in gone if index < start and pinned_blocks(index, self.forms))
        if left:
            why = f"{len(left)} pinned messages have" if len(left) > 1 else "1 pinned message has"
            why += " no share of the room (`pins.share`) and left the wire"
            self.fresh_edits.append(Edit(method="pin", first=left[0], end=left[-1] + 1, freed=0, why=why))

    def _edited(self, event: Edited) -> None:
        """What the server is asked for: the wire stays, and of the cache what stands before the first cleared block (EDIT-04)."""
        self._settle()
        before, sources = self.wire.ledger, self._wire.sources
        self.held = event
        place = next((place for place, source in enumerate(sources) if (source or 0) >= event.first), len(sources))
        if event.trigger is None and self.cached is not None:
            whole = sum(entry.size.count.tokens for entry in before.entries[:place])
            kept = before.fixed.count.tokens + max(0, whole - sum(edit.tally.freed.tokens for edit in before.cleared))
            self.cached = LastSend(tokens=min(kept, self.cached.tokens), messages=place, at=self.cached.at)
            self.trail = [last for last in self.trail if last.messages <= place]
        was = before.total.tokens
        self._wire.hold(self._held, event.trigger)
        freed = was - self._wire.ledger.total.tokens
        why = f"by the server, at every send; the window had to come down to {event.target:,}"
        self.fresh_edits.append(
            Edit(method=event.method, first=event.first, end=event.end, freed=max(0, freed), why=why)
        )

    def _declined(self, event: Declined) -> None:
        times, _ = self.declined.get(event.method, (0, 0))
        self.declined[event.method] = times + 1, len(self.messages)
        if self.held is not None and self.held.method == event.method:
            self._settle()
            cleared = self.held.uses or self.held.turns
            self.held = msgspec.structs.replace(self.held, trigger=None) if cleared else None
            self._wire.hold(self._held, None)

    def _configured(self, event: Configured) -> None:
        model, platform = self.profile, self.policy.platform
        if event.platform is not None:
            self.policy = self.policy.on(event.platform)
        if event.model is not None:
            profile = msgspec.convert(event.profile, ModelProfile) if event.profile else None
            self.profile = profile or resolve(event.model)
            # Counts of one model say nothing about another (CTX-20).
            self.learned, self.learning, self.suspicion = None, Learning(), None
            other = self.profile.tokenizer != model.tokenizer
            self.billed = {
                index: Billed(thinking=billed.thinking, foreign=billed.foreign or other)
                for index, billed in self.billed.items()
            }
            self.tightened = None
        if self.bound and self.loose:
            self._strip(0, self.loose)
            self.loose = 0
        before = self.base
        if event.settings is not None:
            self.base = {key: value for key, value in self.base.items() if key in ("system", "tools")}
            self.base.update(event.settings)
            self.own_markers = self.own_markers or has_markers(event.settings)
        if event.model is not None or before.get("context_management") != self.base.get("context_management"):
            self.held = None  # weighed anew by what the next model has of it, and by what the caller edits
        self.awaiting = None
        self.arrived = []
        moved = self.policy.platform != platform
        if event.model is None and not moved and all(before.get(key) == self.base.get(key) for key in WEIGHS):
            self.wire.base = dict(self.base)  # nothing else bears on size or on the prefix (BIND-13)
            return
        # The cache is per model and account (CACHE-15), and settings that are rendered invalidate it (CACHE-11).
        self.cached, self.trail = None, []
        if event.model is not None or not self.wire.refit(self.base):
            self._wire = self._new_wire()
            self._stale = False
        if (self.profile.id != model.id or moved) and self.messages:
            self.fresh_edits.append(self._switched(model, platform))

    def _switched(self, model: ModelProfile, platform: str) -> Edit:
        wire = self._wire
        makers = (self.makers.get(source) if source is not None else None for source in wire.sources)
        return switch_note(
            (model, platform),
            (self.profile, self.policy.platform),
            zip(wire.messages, makers, strict=True),
            messages=len(self.messages),
            freed=wire.ledger.window().not_counted.get("BIND-02", 0),
        )
