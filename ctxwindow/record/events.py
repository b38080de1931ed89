"""Events: everything that happened to a conversation, in order. State is their fold.

An event is a frozen value with only JSON inside. Stores keep them as opaque bytes; `kind` is the tag.
`at` is the caller's clock in seconds since the epoch: the core reads none.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ctxwindow.errors import HistoryError
from ctxwindow.record.intake import from_json, to_json

__all__ = [
    "Answered",
    "Appended",
    "Arrived",
    "Compacted",
    "Configured",
    "Counted",
    "Declined",
    "Edited",
    "Event",
    "Failed",
    "Pinned",
    "Received",
    "Rewound",
    "Sent",
    "Spilled",
    "Started",
    "decode_event",
    "encode_event",
]

JSON = dict[str, Any]


class _Base(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=True):
    at: float | None = None


class Started(_Base, tag="started", frozen=True, kw_only=True):
    """The conversation began. `settings` are request fields other than model, system, tools and messages."""

    model: str
    profile: JSON | None = None
    """The caller's own model profile, for a model that is not in the catalog."""
    system: Any = None
    tools: list[JSON] | None = None
    settings: JSON = {}
    policy: JSON = {}
    unseen: int = 0
    """Tokens of system and tools that are sent but were not given (a transcript does not hold them)."""


class Configured(_Base, tag="configured", frozen=True, kw_only=True):
    """Model, platform or settings changed between requests. Only the fields that are set changed."""

    model: str | None = None
    profile: JSON | None = None
    settings: JSON | None = None
    platform: str | None = None


class Appended(_Base, tag="appended", frozen=True, kw_only=True):
    """The caller added a message."""

    message: JSON
    resumes: bool = False
    """Whether it only has the model go on from a reply that was cut: what it says stands in the record already (MSG-16)."""


class Spilled(_Base, tag="spilled", frozen=True, kw_only=True):
    """A tool result was put in the cold tier before its first send; the wire carries a preview."""

    message: int
    """Record index of the message."""
    block: int
    tokens: int
    """Tokens of the result as recorded."""
    head: int
    """Characters of the preview taken from the start."""
    tail: int
    """Characters of the preview taken from the end."""


class Sent(_Base, tag="sent", frozen=True, kw_only=True):
    """A request was handed out to be sent, with what was expected of it."""

    send: int
    """Number of the request, from 1."""
    model: str
    epoch: int
    messages: int
    """Record length when it was planned."""
    fingerprint: str
    tokens: int
    low: int
    high: int
    source: str
    max_tokens: int
    cost_warm: float | None = None
    cost_cold: float | None = None
    lives: bool = False
    """Whether the cached prefix was still alive by the clock."""


class Received(_Base, tag="received", frozen=True, kw_only=True):
    """The reply to a request, as it came."""

    send: int
    message: JSON
    usage: JSON | None = None
    stop_reason: str | None = None
    model: str | None = None
    reply_id: str | None = None
    rest: JSON = {}
    """Every other field of the reply: `container`, `context_management`, `stop_details`, ..."""
    cut: bool = False
    """Whether this is what had arrived of a reply that never came whole: evidence, not a turn (MSG-16)."""


class Arrived(_Base, tag="arrived", frozen=True, kw_only=True):
    """More of the reply to a request has arrived, and the rest is still to come. `Received` stands for all of it."""

    send: int
    events: list[JSON]
    """As they were streamed, deltas joined: see `ctxwindow.record.streamed`."""


class Answered(_Base, tag="answered", frozen=True, kw_only=True):
    """One call of a round has its result, and others have not. The message with all of them is `Appended` later."""

    block: JSON
    """The `tool_result`."""


class Compacted(_Base, tag="compacted", frozen=True, kw_only=True):
    """A range of the record was replaced on the wire by a summary, or left it: a new epoch."""

    method: str
    first: int
    """Where it begins: 0, or where the summaries end that stay beside it."""
    end: int
    """The summary stands for `[first, end)` of the record."""
    tail: int
    """Record index of the first message kept verbatim."""
    instruction: int | None
    """Record index of the user message whose content is repeated after the summary, or None."""
    carried: tuple[int, int] | None
    """Record range of tool results repeated as text after the summary, or None."""
    strip_thinking: bool
    """Whether thinking leaves the kept tail (BIND-28)."""
    summary: str
    by: str
    tokens: int
    before: int
    """Tokens of the window before the edit."""
    target: int
    """Tokens that the window had to come down to."""
    cost: float = 0.0
    """Dollars paid for the summary."""
    level: int = 1
    """1: a summary of messages; one more than the highest of the summaries that went into it."""
    names: tuple[str, ...] = ()
    """Identifiers of the range that it keeps."""
    pinned: tuple[int, ...] = ()
    """Record indices of messages whose content is repeated word for word, for they are pinned."""
    block: JSON | None = None
    """The compaction block that the server returned, signed: it goes first on the wire (CMP-21)."""


class Edited(_Base, tag="edited", frozen=True, kw_only=True):
    """From here on every request asks the server to edit its copy (EDIT-01), or to compact (CMP-01).

    What is asked for stays until the next event of the kind, or the next epoch. The prefix of the wire stays as it is.
    """

    method: str
    uses: int = 0
    """Tool uses whose results are cleared, from the first one on the wire."""
    turns: int = 0
    """Turns with thinking that is cleared."""
    exclude: tuple[str, ...] = ()
    """Tools that are left alone."""
    trigger: int | None = None
    """Input tokens from which on the server compacts."""
    first: int = 0
    end: int = 0
    """Record range that the edit touches."""
    before: int
    """Tokens of the window before."""
    target: int


class Declined(_Base, tag="declined", frozen=True, kw_only=True):
    """A way to shrink did not work out: no summary came of it. The planner takes another for a while."""

    method: str
    why: str
    cost: float = 0.0
    """Dollars paid for it all the same (CMP-27)."""


class Pinned(_Base, tag="pinned", frozen=True, kw_only=True):
    """The caller pinned a message, or took the pin off."""

    message: int
    pinned: bool = True


class Counted(_Base, tag="counted", frozen=True, kw_only=True):
    """An exact count of the request with this fingerprint, or None where no count could be had."""

    fingerprint: str
    """Model, thinking setting and fingerprint of the wire that was counted."""
    tokens: int | None


class Failed(_Base, tag="failed", frozen=True, kw_only=True):
    """A request was answered with an error, and what follows from it."""

    send: int
    status: int | None
    kind: str
    rule: str | None = None
    recovery: str
    tokens: int | None = None
    """The exact prompt size, where the error tells it (CTX-08)."""
    limit: int | None = None
    """The window, where the error tells it."""
    strip_thinking: bool = False
    """Whether the thinking of earlier turns leaves the wire from here on (BIND-26)."""


class Rewound(_Base, tag="rewound", frozen=True, kw_only=True):
    """The conversation went back to how it was after an earlier event, on this branch or another. What came since stays in
    the log: it is a branch of its own.
    """

    to: int
    """Number of that event, from 1: the parent of this one. That of every other event is the one before it."""
    sends: int
    """Requests handed out so far, on all branches: no number is given twice."""


Event = (
    Started
    | Configured
    | Appended
    | Spilled
    | Sent
    | Received
    | Arrived
    | Answered
    | Compacted
    | Edited
    | Declined
    | Pinned
    | Counted
    | Failed
    | Rewound
)

_TYPES: dict[str, type[Event]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        Started,
        Configured,
        Appended,
        Spilled,
        Sent,
        Received,
        Arrived,
        Answered,
        Compacted,
        Edited,
        Declined,
        Pinned,
        Counted,
        Failed,
        Rewound,
    )
}


def kind_of(event: Event) -> str:
    """The event's tag."""
    return str(event.__struct_config__.tag)


def encode_event(event: Event) -> bytes:
    """The event as JSON bytes; message content reads back equal."""
    try:
        return msgspec.json.encode(event)
    except UnicodeEncodeError:
        return to_json(msgspec.to_builtins(event))


def decode_event(data: bytes) -> Event:
    """The inverse of `encode_event`.

    Raises:
        HistoryError: the bytes are not an event of this version.
    """
    try:
        value = from_json(data)
        kind = _TYPES[value["event"]]
        return msgspec.convert(value, kind)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, KeyError, TypeError) as error:
        raise HistoryError(
            f"a stored event cannot be read ({type(error).__name__}).",
            remedy="Restore the database from a backup, or open it with the version that wrote it.",
        ) from None
