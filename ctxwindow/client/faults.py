"""What an error means for the conversation: whose it is, what the engine makes of it, and what is told of it."""

from __future__ import annotations

from typing import Any

from ctxwindow.client.incidents import LEFT, Incident, tell
from ctxwindow.client.talk import Talk
from ctxwindow.errors import CtxwindowError, EndpointError, StreamCut, WindowOverflow
from ctxwindow.record.events import Failed
from ctxwindow.rules import check
from ctxwindow.tiers.recovery import is_transport, recover

__all__ = ["is_api_error", "is_shut", "was_tried_again", "went_wrong"]

HTTP_OK = 200
_SHUT = frozenset({401, 402, 403})


def is_api_error(error: BaseException) -> bool:
    """Whether an error is the API's, or of the way to it: the SDK lets the `httpx2` errors of a stream through as they are."""
    return isinstance(error, (EndpointError, StreamCut)) or is_transport(error)


def is_shut(error: Exception) -> bool:
    """Whether an error says that no request gets through: the key, the account, or the base URL is wrong."""
    return isinstance(error, EndpointError) or getattr(error, "status_code", None) in _SHUT


def was_tried_again(error: Exception) -> bool:
    """Whether an error is final by itself, or the SDK has tried again already: not so with what befalls a stream (ERR-03).

    An error event inside a stream comes with the status of the stream, 200; raw errors of `httpx2` come from reading it. An
    empty stream may be one that broke off at its first byte.
    """
    if isinstance(error, EndpointError):
        return True
    status = getattr(error, "status_code", None)
    if status is not None:
        return bool(status != HTTP_OK) or recover(error).action != "send_again"
    return any(kind.__module__.partition(".")[0] == "anthropic" for kind in type(error).__mro__)


def went_wrong(
    talk: Talk, error: Exception, request: dict[str, Any], *, advice: str = "`resume()` asks again."
) -> Exception | None:
    """Tell the engine of an error, and note it; what is to be raised, or None where another request is to be planned.

    Args:
        talk: whose request it was.
        error: what was raised. Where it is final, the engine's reason is added to its notes.
        request: what was sent.
        advice: what to do about an error that is none of the request's, for its notes.
    """
    engine, now = talk.engine, talk.clock()
    raised: Exception | None = error
    try:
        recovery = engine.fail(error, now=now)
    except WindowOverflow as final:
        done, raised = "it was shrunk already, and is too long all the same", final
        final.__cause__ = error
    except CtxwindowError as final:
        done = final.reason.rstrip(".")
        if not isinstance(error, CtxwindowError):  # which says by itself what to do
            error.add_note(f"ctxwindow: {final}")
    else:
        done = recovery.why
        if recovery.action == "plan_again":
            raised = None
        else:
            done = LEFT
            error.add_note(f"ctxwindow: the turn is in the record, unanswered; {advice}")
    failed = next(event for event in reversed(engine.events) if isinstance(event, Failed))
    cause = _cause(request, talk) if failed.rule in _PREFIX_RULES else None
    incident = Incident(
        at=now, send=failed.send, kind=failed.kind, status=failed.status, rule=failed.rule, done=done, cause=cause
    )
    tell(talk.incidents, incident)
    return raised


_PREFIX_RULES = frozenset({"BIND-26", "REPLAY-01", "REPLAY-02"})


def _cause(request: dict[str, Any], talk: Talk) -> str | None:
    """Why thinking is not taken any more, as far as the request and the one before it tell."""
    if talk.changed is not None:
        return talk.changed
    previous = talk.previous
    if previous is None:
        return "unknown: this process has sent no request of the conversation before"
    report = check(request, previous=previous)
    found = next((thought.reason for thought in report.thinking if not thought.valid and thought.reason), None)
    return found or "not in the history: it extends the request before; another account, key or proxy may be behind it"
