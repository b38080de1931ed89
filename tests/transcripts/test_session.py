from __future__ import annotations

import pytest

from ctxwindow.transcripts import Incoming, Note, Reply, Session, Thread

ASKED = {"role": "user", "content": "hi"}
ANSWERED = {"role": "assistant", "content": [{"type": "text", "text": "yes"}]}


def test_a_session_shows_its_main_thread_and_all_notes() -> None:
    steps = (Incoming(message=ASKED, at=None), Reply(message=ANSWERED), Incoming(message=ASKED, at=1.5))
    here, there = Note(path="s.jsonl:3", text="mended."), Note(path="s.jsonl", text="odd.")
    main = Thread(id="main", steps=steps, notes=(here,))
    other = Thread(id="agent", sidechain=True, steps=steps[:2], notes=(there,))
    session = Session(path="s.jsonl", format="claude_code", threads=(main, other), notes=(there,))
    assert session.main is main
    assert session.all_notes == (there, here, there)
    assert main.replies == (steps[1],)
    assert main.messages == (ASKED, ANSWERED, ASKED)
    assert main.messages[0] is ASKED
    assert str(here) == "s.jsonl:3: mended."


def test_values_are_frozen() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Reply(message=ANSWERED).usage_final = True  # type: ignore[misc]
