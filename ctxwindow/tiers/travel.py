"""Time travel: a conversation as it was, and where a rewind goes.

Both fold events again from the first, which costs the length of the path, once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ctxwindow.errors import MisuseError
from ctxwindow.record import Event
from ctxwindow.record.events import Rewound, Sent, Started
from ctxwindow.record.log import Branch, Log
from ctxwindow.tiers.requests import send_of
from ctxwindow.tiers.state import State
from ctxwindow.window import Window

__all__ = ["Moment", "moment", "rewound", "state_of"]


@dataclass(frozen=True)
class Moment:
    """A conversation as it was when a request was handed out."""

    send: int
    """Number of the request."""
    at: float | None
    """The caller's clock then, in seconds since the epoch."""
    request: dict[str, Any]
    """As it was handed out, cache breakpoints included. Shared with the record: do not mutate."""
    window: Window
    """What it was expected to occupy."""
    wire: tuple[dict[str, Any], ...]
    """The messages that it sent, without cache breakpoints. Shared: do not mutate."""
    hot: tuple[int, ...]
    """Record indices of the messages that stood on the wire."""
    epoch: int
    messages: int
    """Length of the record then."""
    model: str
    """The model's id."""


def state_of(events: Iterable[Event]) -> State:
    """The state that a path of events makes.

    Args:
        events: from `Started` on.
    """
    stream = iter(events)
    started = next(stream)
    assert isinstance(started, Started)  # noqa: S101 - every path begins at the first event
    state = State(started)
    for event in stream:
        state.apply(event)
    return state


def moment(log: Log, send: int) -> Moment:
    """The conversation as it was when a send was handed out, on whatever branch.

    Raises:
        MisuseError: there is no such send.
    """
    seq = _of_send(log, send)
    event = log.events[seq - 1]
    assert isinstance(event, Sent)  # noqa: S101 - as the log notes them
    state = state_of(log.path(seq - 1))
    state.sends = event.send - 1
    was = send_of(state, event.max_tokens, event.at, limit=0)
    wire = state.wire
    return Moment(
        send=event.send,
        at=event.at,
        request=was.request,
        window=was.window,
        wire=tuple(wire.messages),
        hot=tuple(source for source in wire.sources if source is not None),
        epoch=was.epoch,
        messages=len(state.messages),
        model=state.profile.id,
    )


def rewound(log: Log, to: int | Branch | None, send: int | None, at: float | None) -> Rewound:
    """The event that goes back; see `Conversation.rewind`.

    Raises:
        MisuseError: there is no such place.
    """
    if (to is None) == (send is None):
        raise MisuseError("a rewind goes to one place.", path="to", remedy="Pass either `to` or `send`.")
    if send is not None:
        seq = _of_send(log, send)
    elif isinstance(to, Branch):
        # `current` and `shared` are told as of when the branch was taken from the list.
        if (to.tip, to.messages, to.at) not in ((known.tip, known.messages, known.at) for known in log.branches):
            raise MisuseError(
                "this branch is of another conversation, or has gone on.", path="to", remedy="Take one of `branches`."
            )
        seq = to.tip
    else:
        seq = log.before(_checked(to, len(log.line), "to", "the number of messages that stay"))
    return Rewound(at=at, to=seq, sends=len(log.sends))


def _of_send(log: Log, send: object) -> int:
    """`seq` of the event of a send."""
    if type(send) is int and send in log.sends:
        return log.sends[send]
    known = f"sends are numbered from 1 to {len(log.sends)}" if log.sends else "nothing was sent yet"
    raise MisuseError(f"there is no send {send!r:.40}: {known}.", path="send", remedy="See `spending.sends`.")


def _checked(value: object, most: int, path: str, what: str) -> int:
    if type(value) is int and 0 <= value <= most:
        return value
    raise MisuseError(f"{value!r:.40} is not {what}.", path=path, remedy=f"Pass a number from 0 to {most:,}.")
