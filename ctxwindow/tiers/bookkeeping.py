"""Keeping the book of a conversation's money: what each event says of it.

Like the state the book is a fold of the events, so that a conversation that is reopened has it (law 8). It reads the
state as it is after the event and changes nothing in it.
"""

from __future__ import annotations

from ctxwindow.record import Event
from ctxwindow.record.events import Compacted, Declined, Failed, Received, Sent
from ctxwindow.tiers.state import State
from ctxwindow.window.attribution import Sending
from ctxwindow.window.expense import Expense
from ctxwindow.window.spending import Book

__all__ = ["enter"]


def enter(book: Book, event: Event, state: State) -> None:
    """Enter one event, after the state has taken it."""
    match event:
        case Sent():
            _give_up(book)  # the same request may be planned again, with another max_tokens
            book.sent(_expense(event, state), state.profile, _sending(state))
        case Received():
            book.answered(
                event.usage,
                message=event.message,
                index=len(state.messages) - 1,
                model=event.model,
                stop_reason=event.stop_reason,
            )
        case Failed():
            # An error that came with a status is not billed; a connection that broke tells nothing.
            book.unanswered(billed=None if event.status is None else False)
        case Compacted():
            # What the server compacts inside a reply is billed with it (CMP-10).
            book.compacted(event.before, event.cost if event.method != "compact_threshold" else 0.0)
        case Declined() if event.method != "compact_threshold":
            book.declined(event.cost)
        case _:
            if state.awaiting is None:
                _give_up(book)


def _give_up(book: Book) -> None:
    if book.waiting:
        book.unanswered(billed=None)


def _expense(event: Sent, state: State) -> Expense:
    return Expense(
        send=event.send,
        turn=max(1, len(state.outline.turns)),
        model=event.model,
        at=event.at,
        warm=event.cost_warm,
        cold=event.cost_cold,
        lives=event.lives,
        max_tokens=event.max_tokens,
    )


def _sending(state: State) -> Sending:
    wire = state.wire
    return Sending(
        window=wire.ledger.window(),
        messages=wire.messages,
        sources=wire.sources,
        tools=wire.base.get("tools") or (),
        epoch=wire.epoch,
        length=len(wire.messages),
    )
