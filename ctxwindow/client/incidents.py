"""What went wrong, and what was done about it: told in the log, and in `session.report()`. Without content."""

from __future__ import annotations

import logging
from collections.abc import MutableSequence
from dataclasses import dataclass

__all__ = ["ARRIVED", "LEFT", "Incident", "declined", "log", "tell"]

log = logging.getLogger("ctxwindow.client")


@dataclass(frozen=True)
class Incident:
    """One fault."""

    at: float
    """Seconds since the epoch."""
    send: int
    """The request that it befell, by number."""
    kind: str
    """The error's type, such as `overloaded_error`, or `cut`."""
    status: int | None
    rule: str | None
    done: str
    """What was done about it."""
    cause: str | None = None
    """What is known of the cause."""


ARRIVED = "what arrived is kept as evidence"
"""What is done about a reply that is cut."""


LEFT = "it may pass; the turn was left to be asked again"
"""What is done about a fault after which the same may be sent again, once the SDK has tried that (SDK-01)."""


def declined(method: str, why: str, *, at: float, send: int) -> Incident:
    """A summary or compaction that did not come."""
    done = f"no summary came of it ({why}); another method is taken for a while"
    return Incident(at=at, send=send, kind=method, status=None, rule=None, done=done)


def tell(incidents: MutableSequence[Incident], incident: Incident) -> None:
    """Note an incident, and log it."""
    incidents.append(incident)
    status = f" {incident.status}" if incident.status is not None else ""
    cause = f" Cause: {incident.cause}" if incident.cause else ""
    log.warning("send %d: %s%s: %s.%s", incident.send, incident.kind, status, incident.done, cause)
