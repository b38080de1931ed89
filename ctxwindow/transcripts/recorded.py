"""What a recording says of itself: its model, and what its first request weighed beyond its messages."""

from __future__ import annotations

import datetime

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import HistoryError, UnknownModel
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.transcripts.session import Incoming, Reply, Session, Thread
from ctxwindow.window import count, read_usage
from ctxwindow.window.usage import MOST_WINDOWS

__all__ = ["known_model", "later", "recorded_model", "session_model", "stop_reason", "unseen_tokens"]


def known_model(model: object) -> ModelProfile | None:
    """The catalog's profile of a model that a recording names, or None: old and new models are in recordings too."""
    try:
        return resolve(model) if isinstance(model, str) else None
    except UnknownModel:
        return None


def session_model(session: Session, thread: Thread, model: str | ModelProfile | None = None) -> ModelProfile:
    """The model to count for: the given one, the request's, or that of the thread's first reply.

    Raises:
        HistoryError: none is named anywhere.
        UnknownModel: it is not in the catalog.
    """
    if model is not None:
        return resolve(model)
    named = _named(session, thread)
    if named is None:
        raise HistoryError("no model is named.", path=session.path, remedy="Name one with --model.")
    return resolve(named)


def recorded_model(session: Session, thread: Thread) -> ModelProfile | None:
    """The model that the recording names first; None where it names none, or one that the catalog does not know."""
    return known_model(_named(session, thread))


def _named(session: Session, thread: Thread) -> str | None:
    candidates = [(session.request or {}).get("model"), *(reply.model for reply in thread.replies)]
    return next((name for name in candidates if isinstance(name, str) and name), None)


def unseen_tokens(thread: Thread, recorded: ModelProfile, profile: ModelProfile) -> int:
    """Tokens of the first recorded request beyond its messages: system prompt and tools, which no session file holds.

    As if on another model, they are scaled by what the thread's first messages weigh on the one and the other.
    0 where it cannot be told: no usage was recorded, or the conversation began outside the file.

    Args:
        thread: whose first request is looked at.
        recorded: the model it went to.
        profile: the model that is counted for.
    """
    if not thread.complete:
        return 0
    before = []
    for step in thread.steps:
        if isinstance(step, Incoming):
            before.append(step.message)
            continue
        usage = read_usage(step.usage)
        if usage is None or usage.prompt is None or usage.prompt > MOST_WINDOWS * recorded.window:
            return 0
        counted = count({"messages": before}, recorded).tokens
        missing = max(0, usage.prompt - counted)
        if recorded.tokenizer == profile.tokenizer or not counted:
            return missing
        return round(missing * count({"messages": before}, profile).tokens / counted)
    return 0


def stop_reason(step: Reply) -> str | None:
    """A recorded reply whose calls were answered was complete, whatever the file says of its end."""
    ends_in_thinking = step.message["content"] and is_thinking(blocks_of(step.message)[-1])
    return step.stop_reason if ends_in_thinking or step.stop_reason != "max_tokens" else None


def later(thread: Thread, profile: ModelProfile) -> float:
    """Seconds by which a recording is moved so that it begins when its model has a price, if it is older than that."""
    if not profile.prices:
        return 0.0
    start = next((step.at for step in thread.steps if step.at is not None), 0.0)
    first = datetime.datetime.combine(profile.prices[0].since, datetime.time(12), tzinfo=datetime.UTC).timestamp()
    return max(0.0, first - start)
