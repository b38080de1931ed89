"""The state of a conversation: the fold of its events.

Everything that moves state is here, and in two families of transitions that stand behind this module: by what the API
answers (`replies`), and by what moves the prefix (`epochs`). All stand on what is known (`known`).

Theory of operation. The *record* (`messages`) only grows, by `Appended` and `Received`. Each record message has
at most one wire *form*; a reply that cannot be sent back (cut inside thinking or inside a call, or empty) has none
and stays as evidence. The *wire* holds the forms of the epoch: its head, then every form since. Messages since the
last `Sent` are unsent: only they may still change form, by `Spilled`. `Compacted` starts a new epoch and a new wire.
`Sent` freezes the wire, but for what had the model go on from a reply that was cut, when something else is said instead;
the reply's usage pins its size. `Rewound` follows the events of its path only: going back makes
another state (`ctxwindow.tiers.travel`). The same events always give the same state (law 8).
"""

from __future__ import annotations

from typing import assert_never

from ctxwindow.recall.entries import handle_of
from ctxwindow.record import Event
from ctxwindow.record.blocks import blocks_of, result_id
from ctxwindow.record.events import (
    Answered,
    Appended,
    Arrived,
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
from ctxwindow.tiers.caching import LastSend
from ctxwindow.tiers.decisions import Edit
from ctxwindow.tiers.epochs import Epochs
from ctxwindow.tiers.replies import Replies, usable
from ctxwindow.tiers.spill import preview
from ctxwindow.tiers.wire import sendable
from ctxwindow.window.block_sizes import size_block

__all__ = ["State", "usable"]


class State(Replies, Epochs):
    """Everything known of one conversation, as of its last event: see `Known` for what that is."""

    def apply(self, event: Event) -> None:  # noqa: C901, PLR0912 - a case an event
        """Move to the state after one more event."""
        match event:
            case Appended():
                self._appended(event)
            case Received():
                self._received(event)
            case Arrived():
                self.arrived.extend(event.events)
            case Answered():
                self.answers[result_id(event.block) or ""] = event.block
            case Spilled():
                self._spilled(event)
            case Sent():
                self._sent(event)
            case Compacted():
                self._compacted(event)
            case Edited():
                self._edited(event)
            case Declined():
                self._declined(event)
            case Pinned():
                (self.pinned.add if event.pinned else self.pinned.discard)(event.message)
            case Counted():
                self._counted(event)
            case Failed():
                self._failed(event)
            case Configured():
                self._configured(event)
            case Rewound():
                # Everything else is as the events before it on its path left it.
                self.sends = event.sends
                self.awaiting = None
                self.arrived = []
            case Started():
                raise AssertionError("a conversation starts once")
            case _:
                assert_never(event)

    def _appended(self, event: Appended) -> None:
        self._settle()
        self.awaiting = None  # a request that the caller gave up on
        self.arrived = []
        self.paused = self.stopped = self.shrunk = False
        if event.resumes:
            self.resuming = self.resuming or self.outline.mark()
            self.resumes.add(len(self.messages))
        else:
            self._withdraw()
        self._take(event.message)
        self.answers = {call: block for call, block in self.answers.items() if call in self.outline.open_calls}
        if event.message.get("role") == "assistant":
            # A resumed history: what a reply answers was sent by somebody, so it may not change any more (BIND-12).
            self.unsent = len(self.messages)
            self.wire.sent()

    def _withdraw(self) -> None:
        """Something else is said than what has the model go on from a reply that was cut. That had no answer, and would now have
        the model go on from it first: it leaves the wire, whether or not it was sent. It stood at the end, so that nothing is
        bound to it (BIND-12); of the cache what stands before it stays.
        """
        mark, self.resuming = self.resuming, None
        if mark is None:
            return
        place = sum(source is None or source < mark.length for source in self._wire.sources)
        self.trail = [last for last in self.trail if last.messages <= place]
        self.cached = self.trail[-1] if self.trail else None
        self.outline.rollback(mark)
        for index in range(mark.length, len(self.messages)):
            self.forms.pop(index, None)
            self.outline.add({"role": "assistant", "content": []})  # evidence, which begins no turn
        self._wire = self._new_wire()

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
        self.arrived = []
        self.unsent = len(self.messages)
        wire.sent()
        self.cached = LastSend(tokens=event.tokens, messages=len(wire.messages), at=event.at or 0.0)
        self.trail.append(self.cached)
        self.fresh_edits = []
