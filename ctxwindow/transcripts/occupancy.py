"""The request a file stands for: its body, and the window it occupies."""

from __future__ import annotations

import dataclasses
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import HistoryError
from ctxwindow.tiers import Policy
from ctxwindow.transcripts.live import Feed, session_model
from ctxwindow.transcripts.session import Incoming, Session, Thread
from ctxwindow.window import Window, count

__all__ = ["request_of", "window_of"]


def request_of(session: Session, thread: Thread, model: str | ModelProfile | None = None) -> dict[str, Any]:
    """The request body in a file; for a session, the messages since its client's last compaction.

    Raises:
        HistoryError: there is no message, or no model is named.
    """
    profile = session_model(session, thread, model)
    if session.request is not None:
        return {**session.request, "model": profile.id}
    messages: list[dict[str, Any]] = []
    for step in thread.steps:
        if isinstance(step, Incoming) and step.kind == "compact_summary":
            messages = []
        messages.append(step.message)
    if not messages:
        raise HistoryError("there is no message in it.", path=session.path, remedy="Choose a file with a conversation.")
    return {"model": profile.id, "messages": messages}


def window_of(session: Session, thread: Thread, model: str | ModelProfile | None = None) -> Window:
    """The window of the request in a file. A session's own usage anchors it, unless another model is asked for."""
    request = request_of(session, thread, model)
    if session.format != "claude_code":
        return count(request)
    policy = Policy(methods=())
    feed = Feed(session, thread, policy=policy, model=model, as_recorded=True, unseen=True, unlimited=True)
    for _ in feed:
        pass
    return dataclasses.replace(feed.conversation.window, size=feed.profile.window)
