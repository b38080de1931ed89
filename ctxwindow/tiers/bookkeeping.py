"""Keeping the book of a conversation's money: what each event says of it.

Like the state the book is a fold of the events, so that a conversation that is reopened has it (law 8). It reads the
state as it is after the event and changes nothing in it.
"""

from __future__ import annotations

from ctxwindow.record import Event
from ctxwindow.record.events import Compacted, Declined, Failed, Received, Rewound, Sent
from ctxwindow.record.log import Log
from ctxwindow.tiers.state import State
from ctxwindow.window.attribution import Sending
from ctxwindow.window.expense import Expense
from ctxwindow.window.sizes import size_message
from ctxwindow.window.spending import Book

__all__ = ["enter"]


def enter(book: Book, event: Event, state: State, log: Log) -> None:
    """Enter one event, after the state has taken it and before the log has. The book is that of all branches."""
    match event:
        case Sent():
            _give_up(book)  # the same request may be planned again, with another max_tokens
            book.sent(_expense(event, state), state.profile, _sending(state, log))
        case Received():
            book.answered(
                event.usage,
                message=event.message,
                index=len(log.messages),
                model=event.model,
                stop_reason=event.stop_reason,
                arrived=size_message(event.message, state.profile).count.low if event.cut else None,
            )
        case Failed():
            # An error that came with a status is not billed; a connection that broke tells nothing.
            book.unanswered(billed=None if event.status is None else False)
        case Compacted():
            book.compacted(event.before, _paid(event))
        case Declined() if event.method != "compact_threshold":
            book.declined(event.cost)
        case Rewound():
            if book.waiting:
                _give_up(book)
            last = state.last
            unsent = state.edits[last.epoch if last else 0 :]
            book.rewound(last.send if last else None, [(edit.before, _paid(edit)) for edit in unsent])
        case _:
            if state.awaiting is None:
                _give_up(book)


def _paid(edit: Compacted) -> float:
    """Dollars for a summary; what the server compacts inside a reply is billed with that (CMP-10)."""
    return edit.cost if edit.method != "compact_threshold" else 0.0


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


def _sending(state: State, log: Log) -> Sending:
    wire = state.wire
    return Sending(
        window=wire.ledger.window(),
        messages=wire.messages,
        sources=wire.sources,
        line=log.line,
        tools=wire.base.get("tools") or (),
        epoch=wire.epoch,
        length=len(wire.messages),
    )
