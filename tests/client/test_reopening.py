"""Claiming a conversation: one operation at a time, whoever has the session."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from ctxwindow import Session, StoreConflict
from ctxwindow.stores import MemoryStore
from ctxwindow.testing import FakeClaude

MODEL = "claude-opus-5-5"


def test_an_operation_of_the_same_session_does_not_take_the_hold_of_another() -> None:
    """While a stream is open nothing else goes on, in this session as in any other; afterwards it does."""
    fake = FakeClaude(["One two three four five six seven eight.", "Then this."])
    session = Session.open(MemoryStore(), client=fake.client(), model=MODEL, patience=0.05)
    with session.stream("Count.") as stream:
        next(stream.text_stream)
        with pytest.raises(StoreConflict, match=r"more than 0\.05 seconds; nothing was sent"):
            session.send("Now?")
        assert stream.get_final_text().endswith("eight.")
    assert session.send("Now?").text == "Then this."
    assert [message["role"] for message in session.conversation.messages] == ["user", "assistant"] * 2


def test_threads_of_one_session_take_turns() -> None:
    def slowly(body: Mapping[str, Any]) -> str:
        time.sleep(0.02)
        return f"Reply to {len(body['messages'])} messages."

    session = Session.open(MemoryStore(), client=FakeClaude(slowly).client(), model=MODEL)
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.append(session.send("Say something.").text), daemon=True)
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(texts) == [f"Reply to {number} messages." for number in (1, 3, 5, 7)]
    assert session.report().open is None
