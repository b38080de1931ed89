"""The state of a conversation: the fold of its events. Everything that moves state is in this file.

Theory of operation. The *record* (`messages`) only grows, by `Appended` and `Received`. Each record message has
at most one wire *form*; a reply that cannot be sent back (cut inside thinking or inside a call, or empty) has none
and stays as evidence. The *wire* holds the forms of the epoch: its head, then every form since. Messages since the
last `Sent` are unsent: only they may still change form, by `Spilled`. `Compacted` starts a new epoch and a new wire.
`Sent` freezes the wire; the reply's usage pins its size. `Rewound` follows the events of its path only: going back makes
another state (`ctxwindow.tiers.travel`). The same events always give the same state (law 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.recall.entries import handle_of
from ctxwindow.record import Event, Outline, block_type
from ctxwindow.record.blocks import blocks_of, call_id, is_thinking, result_id
from ctxwindow.record.events import (
    Appended,
    Compacted,
    Configured,
    Counted,
    Declined,
    Edited,
    Failed,
    Pinned,
    Received,
    Rewound,
    Sent,
    Spilled,
    Started,
)
from ctxwindow.record.fingerprint import content_key
from ctxwindow.rules import is_misshapen
from ctxwindow.tiers.caching import LastSend, has_markers
from ctxwindow.tiers.decisions import Edit
from ctxwindow.tiers.heads import epoch_messages, restated
from ctxwindow.tiers.pins import PinTracker
from ctxwindow.tiers.policy import Policy
from ctxwindow.tiers.reported import Reported, dropped, reported
from ctxwindow.tiers.spill import preview
from ctxwindow.tiers.switching import maker_of, switch_note, unreadable
from ctxwindow.tiers.warm import stands_for
from ctxwindow.tiers.wire import Wire, sendable, without_block, without_thinking
from ctxwindow.window import Billed, Held, Learning, Suspicion, contradiction, is_open_ended, size_message
from ctxwindow.window.block_sizes import size_block

__all__ = ["State", "usable"]

_PATIENCE = 4
"""Messages: half of those for which a method is left alone after its first failure."""

_WEIGHS = (
    "thinking", "tool_choice", "output_config", "output_format", "context_management", "betas", "mcp_servers",
)  # fmt: skip
"""Settings that bear on the size of a request; the last two by what the server makes of it."""


def usable(message: Mapping[str, Any], stop_reason: str | None) -> bool:
    """Whether a reply can be sent back as a turn of the conversation.

    Not when it is empty (FB-02, MSG-07), ends inside thinking (MSG-09), is a refusal (FB-02), was cut by the token
    limit inside a call (MSG-14), or is no message by its shape: these stay in the record as evidence and leave the
    wire alone.
    """
    if stop_reason == "refusal" or is_misshapen(message):
        return False
    form = sendable(message)
    if form is None:
        return False
    last = blocks_of(form)[-1]
    cut = stop_reason in ("max_tokens", "model_context_window_exceeded")
    return not is_thinking(last) and not (cut and block_type(last).family in ("call", "server_call"))


class State:
    """Everything known of one conversation, as of its last event.

    Attributes:
        messages: the record. Never mutated; the dicts are ours.
        forms: wire form by record index; a message without one is evidence only.
        wire: what would be sent now.
        sends: requests handed out.
        last: the last request handed out on this branch, or None.
        awaiting: the request whose reply is due, or None.
        paused: whether the last reply was paused and goes back as it is (MSG-13).
        unsent: record index of the first message that was never sent.
        edits: every compaction, in order.
        warm: the summaries that stand on the wire, in order.
        owed: a compaction by the server after which what is pinned, and the request in progress, have yet to be repeated.
        held: the server-side edits in force, or None.
        trail: the sends of this epoch.
        pinned: record indices that the caller pinned.
        pin_tracker: finds what the policy pins.
        declined: methods that failed: how often in a row, and how long the record was.
        fresh_edits: edits since the last send.
        learned: what the first exact size differed by from the sum of its parts.
        learning: what exact sizes have taught about the estimates, on any wire of this model.
        suspicion: the last reported size, if it was not believed.
        billed: what the usage of a reply says of its size, by record index.
        makers: the model that made each reply, by record index.
        tightened: a window that the API named, smaller than the catalog's.
        loose: record length before which thinking was kept over an edit that no model which checks it would have let pass
            (BIND-28, CMP-30).
        stripped: whether all thinking so far left the wire because the API found it bound elsewhere (BIND-26).
    """

    def __init__(self, started: Started) -> None:
        profile = msgspec.convert(started.profile, ModelProfile) if started.profile else None
        self.profile: ModelProfile = profile or resolve(started.model)
        self.base: dict[str, Any] = dict(started.settings)
        if started.system is not None:
            self.base["system"] = started.system
        if started.tools is not None:
            self.base["tools"] = started.tools
        self.policy = Policy.parse(started.policy)
        self.unseen_tokens = started.unseen
        self.learned: int | None = None
        self.learning = Learning()
        self.suspicion: Suspicion | None = None
        self.messages: list[dict[str, Any]] = []
        self.forms: dict[int, dict[str, Any]] = {}
        self.outline = Outline()
        self.spills: dict[tuple[int, int], Spilled] = {}
        self.edits: list[Compacted] = []
        self.warm: tuple[Compacted, ...] = ()
        self.owed: Compacted | None = None
        self.held: Edited | None = None
        self.fresh_edits: list[Edit] = []
        self.trail: list[LastSend] = []
        self.pinned: set[int] = set()
        self.pin_tracker = PinTracker(self.policy.pins)
        self.declined: dict[str, tuple[int, int]] = {}
        self.sends = 0
        self.last: Sent | None = None
        self.awaiting: Sent | None = None
        self.unsent = 0
        self.paused = False
        self.cached: LastSend | None = None
        self.counts: dict[str, int | None] = {}
        self.tightened: int | None = None
        self.stripped = False
        self.loose = 0
        self.own_markers = has_markers(self.base)
        self.billed: dict[int, Billed] = {}
        self.makers: dict[int, ModelProfile] = {}
        self._binds_to = 0  # record length after the last reply of a model that binds its thinking
        self._unsent_before = 0
        self._lengths: list[int] = []
        self._stale = False
        self._wire = self._new_wire()

    def apply(self, event: Event) -> None:  # noqa: C901, PLR0912 - a case an event
        """Move to the state after one more event."""
        match event:
            case Appended():
                self._appended(event)
            case Received():
                self._received(event)
            case Spilled():
                self._spilled(event)
            case Sent():
                self._sent(event)
            case Compacted():
                self._compacted(event)
            case Edited():
                self._edited(event)
            case Declined():
                times, _ = self.declined.get(event.method, (0, 0))
                self.declined[event.method] = times + 1, len(self.messages)
                if self.held is not None and self.held.method == event.method:
                    self._settle()
                    cleared = self.held.uses or self.held.turns
                    self.held = msgspec.structs.replace(self.held, trigger=None) if cleared else None
                    self._wire.hold(self._held, None)
            case Pinned():
                (self.pinned.add if event.pinned else self.pinned.discard)(event.message)
            case Counted():
                self.counts[event.fingerprint] = event.tokens
                if event.tokens is not None and event.fingerprint == self.count_key:
                    self._counted(event.tokens)
            case Failed():
                self._failed(event)
            case Configured():
                self._configured(event)
            case Rewound():
                # Everything else is as the events before it on its path left it.
                self.sends = event.sends
                self.awaiting = None
            case Started():
                raise AssertionError("a conversation starts once")
            case _:
                assert_never(event)

    # -- the record and the wire ---------------------------------------------------------------------------

    def _take(self, message: dict[str, Any], *, on_wire: bool = True) -> None:
        index = len(self.messages)
        self.messages.append(message)
        self.pin_tracker.follow(self.messages)
        form = sendable(message) if on_wire else None
        self.outline.add(message if form is not None else {"role": message.get("role"), "content": []})
        if form is None:
            return
        form = self._with_owed(form)
        self.own_markers = self.own_markers or has_markers(message.get("content"))
        self.forms[index] = form
        if not self._stale:
            self._put(self._wire, form, index)

    def _with_owed(self, form: dict[str, Any]) -> dict[str, Any]:
        """A message with what the last compaction by the server owes, where it can be said: in a user message, behind all
        results that are due (TOOL-05). From then on it is a part of the message, wherever that goes.
        """
        owed = self.owed
        if owed is None or form.get("role") != "user" or self.outline.open_calls:
            return form
        self.owed = None
        repeated = restated(owed, self.forms)
        return {**form, "content": [*blocks_of(form), *repeated]} if repeated else form

    def pins(self, limit: int) -> tuple[int, ...]:
        """Record indices of all that is pinned and has a share, where the prompt may take `limit` tokens; rising."""

        def size(message: Mapping[str, Any]) -> int:
            return size_message(message, self.profile).count.tokens

        room = limit - self.wire.ledger.fixed.count.tokens
        # What the model has not seen yet must be sent whatever it takes: what is only found gives way to it.
        unseen = sum(size(self.forms[index]) for index in range(self.unsent, len(self.messages)) if index in self.forms)
        share = self.policy.pins.share
        return self.pin_tracker.pinned(
            self.forms,
            self.outline,
            self.pinned,
            most=int(room * share),
            spare=int((room - unseen) * share),
            size=size,
        )

    def tool_of(self, result: Mapping[str, Any]) -> str | None:
        """The name of the tool that a result is of."""
        identity = result_id(result) or ""
        index = self.outline.call_ids.get(identity)
        calls = blocks_of(self.messages[index]) if index is not None else []
        found = (call.get("name") for call in calls if isinstance(call, Mapping) and call_id(call) == identity)
        return next((name for name in found if isinstance(name, str)), None)

    @property
    def wire(self) -> Wire:
        """What would be sent now."""
        self._settle()
        return self._wire

    def _settle(self) -> None:
        """Put the unsent messages on the wire again in their new forms, or the whole epoch if none was sent.

        Before anything else moves: what is unsent must still be known then, whether or not somebody has looked at
        the wire in between.
        """
        if not self._stale:
            return
        self._stale = False
        if self._wire.unsend():
            for index in range(self.unsent, len(self.messages)):
                if index in self.forms:
                    self._put(self._wire, self.forms[index], index)
        else:
            self._wire = self._new_wire()

    def _new_wire(self) -> Wire:
        """The wire of the epoch from its beginning."""
        edit = self.edits[-1] if self.edits else None
        wire = Wire(
            self.profile,
            self.base,
            epoch=len(self.edits),
            start=edit.tail if edit else 0,
            unseen=self.unseen_tokens,
            learned=self.learned or 0,
            learning=self.learning,
            held=self._held,
            trigger=self.held.trigger if self.held is not None else None,
        )
        if edit is None:
            for index, form in self.forms.items():
                self._put(wire, form, index)
            return wire
        length = self._lengths[-1]
        for form, source in epoch_messages(self.warm, self.forms, length):
            self._put(wire, form, source)
        for index in range(length, len(self.messages)):
            if index in self.forms:
                self._put(wire, self.forms[index], index)
        return wire

    def _put(self, wire: Wire, form: dict[str, Any], source: int | None) -> None:
        billed = self.billed.get(source) if source is not None else None
        if billed is not None and source is not None and form != self.messages[source]:
            billed = Billed(
                thinking=billed.thinking, foreign=billed.foreign
            )  # of the rest without some blocks nothing was said
        maker = self.makers.get(source) if source is not None else None
        wire.add(form, source, billed, unreadable(form, self.profile, maker))

    @property
    def _held(self) -> Held | None:
        """What the server is asked to clear."""
        held = self.held
        if held is None or not (held.uses or held.turns):
            return None
        return Held(uses=held.uses, turns=held.turns, exclude=held.exclude)

    @property
    def failing(self) -> frozenset[str]:
        """Methods that failed of late: after each failure in a row they are left alone for twice as many messages."""
        return frozenset(
            method
            for method, (times, length) in self.declined.items()
            if len(self.messages) < length + _PATIENCE * 2**times
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The request fields beside model, system, tools and messages."""
        return {key: value for key, value in self.base.items() if key not in ("system", "tools")}

    @property
    def count_key(self) -> str:
        """What an exact count belongs to: this wire on this model with these settings."""
        others = {key: self.base[key] for key in _WEIGHS if key != "thinking" and self.base.get(key) is not None}
        if self.held is not None:
            others["held"] = [self.held.uses, self.held.turns, self.held.trigger]
        key = f"{self.profile.id} {self.base.get('thinking')} {self.wire.prefix.last}"
        return f"{key} {content_key(others)}" if others else key

    @property
    def dropping(self) -> bool:
        """Whether the API was asked already to drop thinking that is bound elsewhere (BIND-08)."""
        thinking = self.base.get("thinking")
        binding = thinking.get("block_binding") if isinstance(thinking, dict) else None
        return isinstance(binding, dict) and binding.get("prefix_mismatch_behavior") == "drop_block"

    @property
    def bound(self) -> bool:
        """Whether thinking on the wire must be taken as bound to its prefix (BIND-03, BIND-04).

        Also while another model has the word: the one that made it may come back, and checks it then.
        """
        return self.policy.assume_binding and (self.profile.bound or self._binds_to > self.wire.start)

    # -- transitions ---------------------------------------------------------------------------------------

    def _appended(self, event: Appended) -> None:
        self._settle()
        self.awaiting = None  # a request that the caller gave up on
        self.paused = False
        self._take(event.message)
        if event.message.get("role") == "assistant":
            # A resumed history: what a reply answers was sent by somebody, so it may not change any more (BIND-12).
            self.unsent = len(self.messages)
            self.wire.sent()

    def _received(self, event: Received) -> None:
        self._settle()
        told = reported(event, self.profile, self.base, self._asked(event))
        self.wire.ledger.drop(dropped(event))
        if told is not None and (told.sent is not None or told.doubt is not None):
            self._measured(told)
        self.awaiting = None
        self.paused = event.stop_reason == "pause_turn"
        index = len(self.messages)
        on_wire = usable(event.message, event.stop_reason)
        if told is not None and told.billed is not None:
            self.billed[index] = told.billed
        self.makers[index] = maker_of(self.profile, event.model)
        if self.makers[index].bound:
            self._binds_to = index + 1
        self._take(event.message, on_wire=on_wire)
        if told is not None and told.last is not None and self._wire.sources[-1:] == [index]:
            cut = event.stop_reason == "max_tokens"
            self._wire.ledger.anchor_before(told.last, told.place, Billed(output=told.last_output, cut=cut))
        self.unsent = len(self.messages)
        # What was sent, its exact size and the reply to it stay as they are from here on.
        self.wire.sent()

    def _asked(self, event: Received) -> int | None:
        """The output that a reply's request asked for: what was planned, unless the reply says otherwise."""
        said = event.rest.get("max_tokens", self.awaiting.max_tokens if self.awaiting is not None else None)
        return said if type(said) is int else None

    def _measured(self, told: Reported) -> None:
        """Take in the size that was reported for the wire: pin it, unless something speaks against it.

        What is not believed bounds the window all the same, for it may be right (no request breaks for that, though
        one may be shrunk early); but not if the report before it was not believed either. The next report that is off
        by as much confirms it.
        """
        ledger, tokens = self.wire.ledger, told.sent
        if tokens is None:
            ledger.doubt(told.doubt or "", None)
            return
        if told.summed:
            ledger.doubt(told.doubt or "", min(tokens, self.profile.window))
            return
        expected = ledger.believed
        doubt = told.doubt or contradiction(
            tokens,
            expected,
            window=self.profile.window,
            tools=ledger.tools,
            cached=told.cached,
            output=told.output,
            open_ended=ledger.source == "estimated" or is_open_ended(self.base),
        )
        before, self.suspicion = self.suspicion, None
        confirmed = before is not None and before.confirmed_by(tokens, expected.tokens)
        if doubt is not None and not confirmed:
            self.suspicion = Suspicion(reported=tokens, expected=expected.tokens)
            ledger.doubt(doubt, tokens if before is None and tokens <= self.profile.window else None)
            return
        ledger.anchor(tokens, learn=doubt is None)
        self.learning = ledger.learning
        if self.learned is None:
            self.learned = ledger.unexplained

    def _counted(self, tokens: int) -> None:
        """Pin an exact count of the wire; one that cannot be right is as good as none."""
        ledger = self.wire.ledger
        doubt = contradiction(tokens, ledger.believed, window=self.profile.window)
        if doubt is not None:
            ledger.doubt(doubt, None)
            return
        ledger.anchor(tokens)
        self.learning = ledger.learning

    def _spilled(self, event: Spilled) -> None:
        self.spills[event.message, event.block] = event
        form = self.forms[event.message]
        content = blocks_of(form)
        recorded = blocks_of(sendable(self.messages[event.message]) or {})[event.block]
        content[event.block] = preview(
            recorded,
            handle_of(event.message, event.block),
            tokens=event.tokens,
            head=event.head,
            tail=event.tail,
            recall=self.policy.recall,
        )
        self.forms[event.message] = {**form, "content": content}
        self._stale = True
        freed = event.tokens - size_block(content[event.block], self.profile).count.tokens
        why = (
            f"a result of {event.tokens:,} tokens stays outside the window, as {handle_of(event.message, event.block)}"
        )
        self.fresh_edits.append(
            Edit(method="spill", first=event.message, end=event.message + 1, freed=max(0, freed), why=why)
        )

    def _sent(self, event: Sent) -> None:
        self._settle()
        wire = self._wire
        self._unsent_before = self.unsent
        self.sends = event.send
        self.last = self.awaiting = event
        self.unsent = len(self.messages)
        wire.sent()
        self.cached = LastSend(tokens=event.tokens, messages=len(wire.messages), at=event.at or 0.0)
        self.trail.append(self.cached)
        self.fresh_edits = []

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
        fixed = self._wire.ledger.fixed.count.tokens if self.base.get("system") else 0
        self.cached = LastSend(tokens=fixed, messages=0, at=sent.at) if sent is not None and fixed else None
        self.trail = []
        freed = before - self._wire.ledger.total.tokens
        by = f"summary by {event.by}" if event.by else "no summary"
        why = f"{by}; the window had to come down to {event.target:,}"
        if event.method == "restart":
            why = f"{by}, whose block cannot go to {self.profile.id} on {self.policy.platform} (CMP-01, CMP-16)"
        self.fresh_edits.append(Edit(method=event.method, first=event.first, end=event.end, freed=freed, why=why))

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

    def _failed(self, event: Failed) -> None:
        self.awaiting = None
        if event.limit is not None:
            self.tightened = event.limit
        if event.strip_thinking:
            self._strip_thinking()
        if event.tokens is None:
            return
        # The request was rejected: what was new in it is unsent again, and its exact size corrects every later one.
        ledger = self.wire.ledger
        ledger.anchor(event.tokens)
        self.learning, self.suspicion = ledger.learning, None
        self.learned = max(self.learned or 0, self.wire.learned + ledger.unexplained)
        self.unsent = self._unsent_before
        self.cached, self.trail = None, []
        self._wire = self._new_wire()
        self._stale = False

    def _strip(self, first: int, end: int) -> None:
        """Take the thinking out of the forms of a range of the record."""
        for index in range(first, end):
            bare = without_thinking(self.forms[index]) if index in self.forms else None
            if bare is not None:
                self.forms[index] = bare
            else:
                self.forms.pop(index, None)

    def _strip_thinking(self) -> None:
        """All thinking so far leaves the wire, the same way at every later send. The prefix is no other (BIND-14)."""
        self._strip(0, len(self.messages))
        self.stripped = True
        self.cached, self.trail = None, []
        self._wire = self._new_wire()
        self._stale = False

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
        moved = self.policy.platform != platform
        if event.model is None and not moved and all(before.get(key) == self.base.get(key) for key in _WEIGHS):
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
