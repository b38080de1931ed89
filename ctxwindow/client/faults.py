"""What an error means for the conversation: whose it is, what the engine makes of it, and what is told of it."""

from __future__ import annotations

from typing import Any

from ctxwindow.client.incidents import Incident, tell
from ctxwindow.client.talk import Talk
from ctxwindow.errors import CtxwindowError, EndpointError, StreamCut
from ctxwindow.rules import check
from ctxwindow.tiers.recovery import recover

__all__ = ["is_api_error", "went_wrong"]

HTTP_OK = 200

_PACKAGES = frozenset({"anthropic", "httpx2", "httpcore2"})


def is_api_error(error: BaseException) -> bool:
    """Whether an error is the API's, or of the way to it: the SDK lets the `httpx2` errors of a stream through as they are."""
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, (OSError, EndpointError, StreamCut)) or bool(packages & _PACKAGES)


def was_tried_again(error: Exception) -> bool:
    """Whether an error is final by itself, or the SDK has tried again already: not so with what befalls a stream (ERR-03).

    An error event inside a stream comes with the status of the stream, 200; raw errors of `httpx2` come from reading it. An
    empty stream may be one that broke off at its first byte.
    """
    status = getattr(error, "status_code", None)
    if status is not None:
        return bool(status != HTTP_OK) or recover(error).action != "send_again"
    return any(kind.__module__.partition(".")[0] == "anthropic" for kind in type(error).__mro__)


def went_wrong(talk: Talk, error: Exception, request: dict[str, Any]) -> bool:
    """Tell the engine of an error, and note it; whether another request is to be planned.

    Args:
        talk: whose request it was.
        error: what was raised. Where it is final, the engine's reason is added to its notes.
        request: what was sent.
    """
    engine, now = talk.engine, talk.clock()
    send = engine.sends
    status = getattr(error, "status_code", None)
    try:
        recovery = engine.fail(error, now=now)
    except CtxwindowError as final:
        error.add_note(f"ctxwindow: {final}")
        done, rule, again, kind = "the error was raised", final.rule, False, type(error).__name__
    else:
        done, rule, again, kind = recovery.why, recovery.rule, recovery.action == "plan_again", recovery.kind
        if not again:
            error.add_note("ctxwindow: the turn is in the record, unanswered; `resume()` asks again.")
    cause = _cause(request, talk) if rule in _PREFIX_RULES else None
    tell(
        talk.incidents,
        Incident(at=now, send=send, kind=kind, status=status, rule=rule, done=done, cause=cause),
    )
    return again


_PREFIX_RULES = frozenset({"BIND-26", "REPLAY-01", "REPLAY-02"})


def _cause(request: dict[str, Any], talk: Talk) -> str | None:
    """Why thinking is not taken any more, as far as the request and the one before it tell."""
    previous = talk.previous
    if previous is None:
        return "unknown: the request before was sent by another process"
    report = check(request, previous=previous)
    found = next((thought.reason for thought in report.thinking if not thought.valid and thought.reason), None)
    return found or "not in the history: it extends the request before; another account, key or proxy may be behind it"
