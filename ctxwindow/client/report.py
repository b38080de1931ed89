"""What `session.report()` tells: where the conversation stands, what it cost, what was done to it, what went wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ctxwindow.client.incidents import ARRIVED, LEFT, Incident, declined
from ctxwindow.client.talk import Talk
from ctxwindow.conversation import Conversation
from ctxwindow.record.events import Declined, Event, Failed, Received, Sent

__all__ = ["SessionReport", "report"]

_SHOWN = 20
"""Compactions, and faults, that a report writes out: the newest."""


@dataclass(frozen=True)
class SessionReport:
    """A conversation at one moment. `str()` gives it for people, `as_dict()` for programs."""

    name: str
    model: str
    messages: int
    sends: int
    epoch: int
    tokens: int
    """In the window as things stand."""
    limit: int
    """Of the budget."""
    dollars: float | None
    """As far as bills and prices are known."""
    forecast_error: float | None
    """Of the forecast cost against the bills, as a share; None where nothing can be compared."""
    compactions: tuple[tuple[str, int, int, str], ...]
    """Method, first message, message after the last, and by whom."""
    spilled: int
    """Tokens of results that are kept outside the window."""
    open: str | None
    """What is open: `calls`, `turn` or `cut`; None: nothing."""
    incidents: tuple[Incident, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        share = f" ({self.tokens / self.limit:.0%} of the budget of {self.limit:,})" if self.limit else ""
        lines = [
            f"{self.name} on {self.model}: {self.messages:,} messages, {self.sends:,} requests, epoch {self.epoch}",
            f"  window: {self.tokens:,} tokens{share}; outside it: {self.spilled:,} tokens",
            f"  cost: {_money(self.dollars)}{_error(self.forecast_error)}",
        ]
        lines += _newest(
            [f"  {method} of messages {first} to {end - 1}{_by(by)}" for method, first, end, by in self.compactions]
        )
        if self.open is not None:
            lines.append(f"  open: {_OPEN[self.open]}")
        lines += _newest([_told(incident) for incident in self.incidents])
        return "\n".join(lines)


_OPEN = {
    "calls": "calls wait for their results: `resume()` goes on",
    "turn": "the last turn has no reply: `resume()` asks for it",
    "cut": "the last reply was cut off: `resume()` goes on from it",
}


def report(talk: Talk) -> SessionReport:
    """The report of a conversation."""
    engine = talk.engine
    spending = engine.spending
    return SessionReport(
        name=talk.name,
        model=engine.model,
        messages=engine.recorded,
        sends=engine.sends,
        epoch=engine.epoch,
        tokens=engine.window.tokens,
        limit=engine.policy.budget_of(engine.profile.window),
        dollars=spending.dollars,
        forecast_error=spending.forecast_error,
        compactions=tuple((edit.method, edit.first, edit.end, edit.by) for edit in engine.compactions),
        spilled=sum(engine.spilled.values()),
        open=_open(engine),
        incidents=_incidents(talk),
    )


def _open(engine: Conversation) -> str | None:
    if engine.due_calls:
        return "calls"
    if engine.resumption is not None:
        return "cut"
    return "turn" if engine.recorded and engine.unanswered and not engine.open_calls else None


def _incidents(talk: Talk) -> tuple[Incident, ...]:
    """Every fault in the record; of those that this process met, with what it knows of the cause."""
    met = {(incident.at, incident.send, incident.kind): incident for incident in talk.incidents}
    found, sends = [], 0
    for event in talk.engine.events:
        if isinstance(event, Sent):
            sends = event.send
        known = _incident(event, sends)
        if known is not None:
            found.append(met.pop((known.at, known.send, known.kind), known))
    return tuple(sorted([*found, *met.values()], key=lambda incident: incident.at))


def _incident(event: Event, sends: int) -> Incident | None:
    """What the record says of a fault; None of what is none."""
    at = event.at or 0.0
    match event:
        case Failed():
            done = _DONE.get(event.recovery, event.recovery)
            return Incident(at=at, send=event.send, kind=event.kind, status=event.status, rule=event.rule, done=done)
        case Received(cut=True):
            return Incident(at=at, send=event.send, kind="cut", status=None, rule="MSG-16", done=ARRIVED)
        case Declined():
            return declined(event.method, event.why, at=at, send=sends)
    return None


_DONE = {
    "plan_again": "another request was planned",
    "send_again": LEFT,
    "give_up": "nothing could be done about it here",
}


def _newest(lines: list[str]) -> list[str]:
    left = len(lines) - _SHOWN
    return lines if left <= 0 else [f"  ({left:,} before)", *lines[left:]]


def _by(by: str) -> str:
    return f", by {by}" if by else ""


def _told(incident: Incident) -> str:
    status = f" {incident.status}" if incident.status is not None else ""
    rule = f" [{incident.rule}]" if incident.rule else ""
    cause = f" Cause: {incident.cause}." if incident.cause else ""
    at = datetime.fromtimestamp(incident.at, UTC)
    return f"  {at:%Y-%m-%d %H:%M:%S}Z send {incident.send}: {incident.kind}{status}: {incident.done}{rule}{cause}"


def _money(dollars: float | None) -> str:
    return "not known" if dollars is None else f"${dollars:,.4f}"


def _error(error: float | None) -> str:
    return "" if error is None else f"; the forecast was off by {error:.1%}"
