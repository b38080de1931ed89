"""What is known of a conversation at one moment: its record, its wire, and what both say together.

No event is read here but the first: `ctxwindow.tiers.state` says how the others move what is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.record import Outline
from ctxwindow.record.blocks import blocks_of, call_id, result_id
from ctxwindow.record.events import Compacted, Edited, Sent, Spilled, Started
from ctxwindow.record.fingerprint import content_key
from ctxwindow.record.turns import OutlineMark
from ctxwindow.tiers.caching import LastSend, has_markers
from ctxwindow.tiers.decisions import Edit
from ctxwindow.tiers.heads import epoch_messages, restated
from ctxwindow.tiers.pins import PinTracker
from ctxwindow.tiers.policy import Policy
from ctxwindow.tiers.switching import unreadable
from ctxwindow.tiers.wire import Wire, sendable, without_thinking
from ctxwindow.window import Billed, Held, Learning, Suspicion, size_message

__all__ = ["WEIGHS", "Known"]

_PATIENCE = 4
"""Messages: half of those for which a method is left alone after its first failure."""

WEIGHS = (
    "thinking", "tool_choice", "output_config", "output_format", "context_management", "betas", "mcp_servers",
)  # fmt: skip
"""Settings that bear on the size of a request; the last two by what the server makes of it."""


class Known:
    """Everything known of one conversation, as of its last event.

    Attributes:
        messages: the record. Never mutated; the dicts are ours.
        forms: wire form by record index; a message without one is evidence only.
        wire: what would be sent now.
        sends: requests handed out.
        last: the last request handed out on this branch, or None.
        awaiting: the request whose reply is due, or None.
        arrived: what has come of that reply while it streams, as `ctxwindow.record.streamed` reads it.
        answers: results that are known of calls whose message has not been appended, by call.
        cut: record index of the newest reply that was cut off, or None.
        paused: whether the last reply was paused and goes back as it is (MSG-13).
        resumes: record indices of messages that only have the model go on from a reply that was cut.
        resuming: the outline before the newest of these, and those right before it, if no reply has answered them.
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
        self.arrived: list[dict[str, Any]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.cut: int | None = None
        self.resumes: set[int] = set()
        self.resuming: OutlineMark | None = None
        self.unsent = 0
        self.paused = False
        self.stopped = False
        self.cached: LastSend | None = None
        self.counts: dict[str, int | None] = {}
        self.tightened: int | None = None
        self.stripped = False
        self.shrunk = False
        self.loose = 0
        self.own_markers = has_markers(self.base)
        self.billed: dict[int, Billed] = {}
        self.makers: dict[int, ModelProfile] = {}
        self._binds_to = 0  # record length after the last reply of a model that binds its thinking
        self._unsent_before = 0
        self._lengths: list[int] = []
        self._stale = False
        self._wire = self._new_wire()

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
            # Of the rest, without some blocks, nothing was said.
            billed = Billed(thinking=billed.thinking, foreign=billed.foreign)
        maker = self.makers.get(source) if source is not None else None
        wire.add(form, source, billed, unreadable(form, self.profile, maker))

    def _strip(self, first: int, end: int) -> None:
        """Take the thinking out of the forms of a range of the record."""
        for index in range(first, end):
            bare = without_thinking(self.forms[index]) if index in self.forms else None
            if bare is not None:
                self.forms[index] = bare
            else:
                self.forms.pop(index, None)

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
        others = {key: self.base[key] for key in WEIGHS if key != "thinking" and self.base.get(key) is not None}
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
