"""What the API answers, and what that moves: a reply and the size it tells, an exact count, an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow.record import block_type
from ctxwindow.record.blocks import blocks_of, call_id, is_thinking
from ctxwindow.record.events import Counted, Failed, Received
from ctxwindow.rules import is_misshapen
from ctxwindow.tiers.known import Known
from ctxwindow.tiers.reported import Reported, dropped, reported
from ctxwindow.tiers.switching import maker_of
from ctxwindow.tiers.wire import sendable
from ctxwindow.window import Billed, Suspicion, contradiction, is_open_ended

__all__ = ["Replies", "repeats_a_call", "usable"]


def usable(message: Mapping[str, Any], stop_reason: str | None) -> bool:
    """Whether a reply can be sent back as a turn of the conversation.

    Not when it is empty (FB-02, MSG-07), ends inside thinking (MSG-09), is a refusal (FB-02), was cut by the token
    limit inside a call (MSG-14), has two calls of one id (TOOL-04), or is no message by its shape: these stay in the
    record as evidence and leave the wire alone.
    """
    if stop_reason == "refusal" or is_misshapen(message) or repeats_a_call(message):
        return False
    form = sendable(message)
    if form is None:
        return False
    last = blocks_of(form)[-1]
    cut = stop_reason in ("max_tokens", "model_context_window_exceeded")
    return not is_thinking(last) and not (cut and block_type(last).family in ("call", "server_call"))


def repeats_a_call(message: Mapping[str, Any]) -> bool:
    """Whether two calls of a reply have one id: no request could carry it (TOOL-04)."""
    blocks = [
        block for block in blocks_of(message) if isinstance(block, Mapping) and block_type(block).family == "call"
    ]
    known = [identity for identity in map(call_id, blocks) if identity is not None]
    return len(set(known)) < len(known)


class Replies(Known):
    """Transitions by what the API answers."""

    def _received(self, event: Received) -> None:
        self._settle()
        told = reported(event, self.profile, self.base, self._asked(event))
        self.wire.ledger.drop(dropped(event))
        if told is not None and (told.sent is not None or told.doubt is not None):
            self._measured(told)
        self.awaiting = None
        self.arrived = []
        if not event.cut:  # what was asked is still to be answered then, a paused turn too (MSG-13)
            self.paused = event.stop_reason == "pause_turn"
            self.stopped = event.stop_reason != "tool_use"
            self.shrunk = False
        index = len(self.messages)
        on_wire = not event.cut and usable(event.message, event.stop_reason)
        if on_wire:
            self.resuming = None
        if event.cut:
            self.cut = index
        elif told is not None and told.billed is not None:
            self.billed[index] = told.billed
        self.makers[index] = maker_of(self.profile, event.model)
        if self.makers[index].bound and not event.cut:
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

    def _counted(self, event: Counted) -> None:
        """Pin an exact count of the wire; one that cannot be right is as good as none."""
        tokens = self.counts[event.fingerprint] = event.tokens
        if tokens is None or event.fingerprint != self.count_key:
            return
        ledger = self.wire.ledger
        doubt = contradiction(tokens, ledger.believed, window=self.profile.window)
        if doubt is not None:
            ledger.doubt(doubt, None)
            return
        ledger.anchor(tokens)
        self.learning = ledger.learning

    def _failed(self, event: Failed) -> None:
        self.awaiting = None
        self.arrived = []
        if event.limit is not None:
            self.tightened = event.limit
        if event.strip_thinking:
            self._strip_thinking()
        if event.tokens is None:
            return
        self.shrunk = True
        # The request was rejected: what was new in it is unsent again, and its exact size corrects every later one.
        ledger = self.wire.ledger
        ledger.anchor(event.tokens)
        self.learning, self.suspicion = ledger.learning, None
        self.learned = max(self.learned or 0, self.wire.learned + ledger.unexplained)
        self.unsent = self._unsent_before
        self.cached, self.trail = None, []
        self._wire = self._new_wire()
        self._stale = False

    @property
    def strippable(self) -> bool:
        """Whether thinking can leave the wire: once, and not that of an open turn."""
        old = (self.forms[index] for index in range(self._open_turn) if index in self.forms)
        return not self.stripped and any(is_thinking(block) for form in old for block in blocks_of(form))

    @property
    def _open_turn(self) -> int:
        """Where the current turn starts: while its tool loop is open, its thinking must go back (REPLAY-01, REPLAY-02)."""
        return self.outline.turn_start or 0

    def _strip_thinking(self) -> None:
        """All thinking of earlier turns leaves the wire, the same way at every later send. The prefix is no other (BIND-14)."""
        self._strip(0, self._open_turn)
        self.stripped = True
        self.cached, self.trail = None, []
        self._wire = self._new_wire()
        self._stale = False
