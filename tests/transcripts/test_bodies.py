from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.errors import HistoryError
from ctxwindow.transcripts import Incoming, Reply
from ctxwindow.transcripts.bodies import session_of_body

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "yes"}]}


def test_messages_become_steps_and_are_not_copied() -> None:
    note = {"role": "system", "content": [{"type": "text", "text": "mind the gap", "unknown": 1}]}
    body: dict[str, Any] = {"messages": [USER, ANSWER, ANSWER, USER, note], "model": "m", "unknown": 1}
    session = session_of_body(body, "body.json")
    assert [type(step) for step in session.main.steps] == [Incoming, Reply, Reply, Incoming, Incoming]
    assert all(step.message is given for step, given in zip(session.main.steps, body["messages"], strict=True))
    assert session.request is body
    assert session.main.complete
    reply = session.main.replies[0]
    assert (reply.id, reply.model, reply.usage, reply.usage_final, reply.at) == (None, None, None, False, None)


def test_what_only_the_api_would_refuse_is_read_as_it_is() -> None:
    messages = [
        ANSWER,
        {"role": "user", "content": ""},
        {"role": "user", "content": []},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "nowhere"}]},
        {"role": "assistant", "content": "text"},
        {"role": "assistant", "content": [{"type": "of_the_future", "x": {"y": 1}}], "extra": True},
    ]
    assert list(session_of_body(messages, "m.json").main.messages) == messages


@pytest.mark.parametrize(
    ("body", "where", "reason"),
    [
        ({"messages": [USER, {"content": "x"}]}, "b: messages.1", "has no role"),
        ([USER, {"role": None, "content": "x"}], "b: messages.1", "has no role"),
        ([{"role": "tool", "content": "x"}], "b: messages.0", "role is unknown"),
        ([{"role": ["user"], "content": "x"}], "b: messages.0", "role is unknown"),
        ([USER, "text"], "b: messages.1", "must be an object, this is a text"),
        ([USER, None], "b: messages.1", "must be an object, this is null"),
        ([[USER]], "b: messages.0", "must be an object, this is a list"),
        ([{"role": "user"}], "b: messages.0", "has no content"),
        ([{"role": "user", "content": None}], "b: messages.0.content", "content is null"),
        ([{"role": "user", "content": 1.5}], "b: messages.0.content", "content is a number"),
        ([{"role": "user", "content": {"type": "text"}}], "b: messages.0.content", "content is an object"),
        ([{"role": "user", "content": ["x"]}], "b: messages.0.content.0", "must be an object, this is a text"),
        ([{"role": "user", "content": [{"text": "x"}]}], "b: messages.0.content.0", "block has no type"),
        ([{"role": "user", "content": [{"type": 3}]}], "b: messages.0.content.0", "block has no type"),
        ({"messages": True}, "b: messages", "true or false, not a list"),
        ({"messages": {}}, "b: messages", "an object, not a list"),
        ({"request": {"messages": [USER]}}, "b", 'has no "messages"'),
        ("text", "b", "a text, not a list"),
    ],
)
def test_a_message_that_cannot_be_told_for_one_is_named(body: Any, where: str, reason: str) -> None:
    with pytest.raises(HistoryError) as refused:
        session_of_body(body, "b")
    assert refused.value.path == where
    assert reason in refused.value.reason
    assert refused.value.remedy
