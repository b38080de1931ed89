"""The request a file stands for: its body, and the window it occupies."""

from __future__ import annotations

import dataclasses
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import HistoryError
from ctxwindow.tiers import Policy
from ctxwindow.transcripts.live import Feed
from ctxwindow.transcripts.recorded import known_model, session_model
from ctxwindow.transcripts.session import Incoming, Session, Thread
from ctxwindow.window import Window, count

__all__ = ["request_of", "window_of"]


def request_of(session: Session, thread: Thread, model: str | ModelProfile | None = None) -> dict[str, Any]:
    """The request body in a file; for a session, the messages since its client's last compaction.

    A session's model is that of its last reply; where that is not in the catalog, of its first.

    Raises:
        HistoryError: there is no message, or no model is named.
        UnknownModel: the model is not in the catalog.
    """
    if session.request is not None:
        return {**session.request, "model": session_model(session, thread, model).id}
    messages: list[dict[str, Any]] = []
    last: ModelProfile | None = None
    for step in thread.steps:
        if not isinstance(step, Incoming):
            last = known_model(step.model) or last
        elif step.kind == "compact_summary":
            messages = []
        messages.append(step.message)
    if not messages:
        raise HistoryError("there is no message in it.", path=session.path, remedy="Choose a file with a conversation.")
    profile = last if model is None and last is not None else session_model(session, thread, model)
    return {"model": profile.id, "messages": messages}


def window_of(session: Session, thread: Thread, model: str | ModelProfile | None = None) -> Window:
    """The window of the request in a file. A session's own usage anchors it, unless another model is asked for.

    Messages of a session that the API would refuse do not count: they would keep the request from being sent.

    Raises:
        HistoryError: there is no message, or no model is named.
        UnknownModel: the model is not in the catalog.
    """
    request = request_of(session, thread, model)
    if session.format != "claude_code":
        return count(request, model)
    feed = Feed(session, thread, policy=Policy(methods=()), model=model, as_recorded=True, unseen=True, unlimited=True)
    for _ in feed:
        pass  # to its end: the last reply and what came after it are on the wire then
    return dataclasses.replace(feed.conversation.window, size=feed.current.window)
