"""The file as a whole: which thread is the main one, and what has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ctxwindow.errors import HistoryError

if TYPE_CHECKING:
    from ctxwindow.transcripts import Session
    from tests.transcripts.conftest import Script


def notes(session: Session) -> list[str]:
    return [str(note).rpartition("/")[2] for note in session.notes]


def test_a_session_of_client_messages_alone_is_empty(script: Script) -> None:
    script.assistant("API Error", isApiErrorMessage=True)
    with pytest.raises(HistoryError, match="the conversation is empty"):
        script.read()


def test_a_thread_without_steps_leaves_its_notes(script: Script) -> None:
    script.assistant("API Error", id="x", isApiErrorMessage=True)
    script.user("hello", parentUuid=None)
    session = script.read()
    assert len(session.threads) == 1
    assert notes(session) == [
        "session.jsonl:1: written by the client in the model's place (such as an API error); left out."
    ]


def test_a_cleared_context_begins_a_new_conversation(script: Script) -> None:
    root = script.user("plan it")
    script.assistant("the plan", id="msg_1")
    script.row("progress", parentUuid=None)
    script.user("carry the plan out")
    script.assistant("done", id="msg_2")
    session = script.read()
    assert [thread.id for thread in session.threads] == ["s1", root]
    assert session.main.messages[0]["content"] == "carry the plan out"
    assert session.threads[1].messages[0]["content"] == "plan it"
    assert not any(thread.sidechain for thread in session.threads)
    assert notes(session) == [
        "session.jsonl: 1 more conversations (the context was cleared, or the user began anew); each is a thread."
    ]


def test_the_main_conversation_is_one_with_a_reply(script: Script) -> None:
    script.user("hello")
    script.assistant("yes")
    script.user("/exit", parentUuid=None)
    assert script.read().main.messages[0]["content"] == "hello"


def test_in_a_subagents_own_file_the_longest_thread_is_the_main_one(script: Script) -> None:
    agent: dict[str, Any] = {"isSidechain": True, "agentId": "x7"}
    script.user("search", **agent)
    script.assistant("found", **agent)
    script.user("warm up", parentUuid=None, **agent)
    session = script.read()
    assert [(thread.id, len(thread.steps)) for thread in session.threads] == [("user-1", 2), ("x7", 1)]
    assert session.main.sidechain
    assert notes(session) == []
