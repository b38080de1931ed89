"""Lines that were mended, rows that were not read, and what is kept of the others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ctxwindow.errors import HistoryError
from ctxwindow.transcripts import Session, read

if TYPE_CHECKING:
    from tests.transcripts.conftest import Script


def notes(session: Session) -> list[str]:
    return [str(note).rpartition("/")[2] for note in session.notes]


def test_two_objects_on_one_line_are_both_read_aloud(script: Script) -> None:
    script.user("one")
    script.user("two")
    script.user("three")
    script.lines[0:2] = ["".join(script.lines[0:2])]
    session = script.read()
    assert [message["content"] for message in session.main.messages] == ["one", "two", "three"]
    assert notes(session) == ["session.jsonl:1: two objects on one line, all read."]


def test_something_else_behind_an_object_is_an_error(script: Script) -> None:
    script.user("one")
    script.user("two")
    script.lines[0] += "oops"
    with pytest.raises(HistoryError, match=r"session\.jsonl:1: not JSON"):
        script.read()


@pytest.mark.parametrize("cut", [1, 30, 110, 150, -3, -2])
def test_a_session_still_being_written_is_read_up_to_its_last_whole_row(script: Script, cut: int) -> None:
    script.user("one")
    script.user("café")
    path = script.write()
    whole, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(whole + last[:cut])
    session = read(path)
    assert [message["content"] for message in session.main.messages] == ["one"]
    assert notes(session) == ["session.jsonl:2: the last line breaks off and was left out; is it still being written?"]


def test_a_last_row_that_only_lacks_its_line_end_is_read(script: Script) -> None:
    script.user("one")
    script.user("two")
    path = script.write()
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    session = read(path)
    assert len(session.main.messages) == 2
    assert session.all_notes == ()


def test_a_line_that_breaks_off_before_the_last_is_an_error(script: Script) -> None:
    script.user("one")
    script.user("two")
    script.lines.insert(1, script.lines[1][:50])
    with pytest.raises(HistoryError, match=r"session\.jsonl:2: not JSON"):
        script.read()


def test_a_repeated_row_is_read_once_aloud(script: Script) -> None:
    script.user("one")
    script.user("two")
    script.lines.append(script.lines[0])
    session = script.read()
    assert [message["content"] for message in session.main.messages] == ["one", "two"]
    assert notes(session) == ["session.jsonl: 1 rows repeat an earlier row's uuid; each was read once."]


def test_rows_of_an_unknown_type_are_counted(script: Script) -> None:
    script.user("one")
    script.row("attachment", attachment={"type": "queued_command", "prompt": "private"})
    script.row("attachment", attachment={"type": "todo"})
    script.row("system", subtype="microcompact_boundary")
    script.lines.append(json.dumps({"type": "of the future" * 9}))
    script.user("two")
    session = script.read()
    assert len(session.main.messages) == 2
    texts = [note.rpartition(": ")[2] for note in notes(session)]
    assert texts == [
        "2 rows of type 'attachment' were not read; what they added to requests is unknown.",
        "1 rows of type 'microcompact_boundary' were not read; what they added to requests is unknown.",
        f"1 rows of type {('of the future' * 9)[:40]!r} were not read; what they added to requests is unknown.",
    ]
    assert "private" not in str(session.all_notes)


def test_blocks_are_kept_as_they_came(script: Script) -> None:
    block = {"type": "of_the_future", "caller": {"type": "direct"}, "text": "\ud800", "n": 10**30, "f": 1.0}
    script.user([block])
    script.assistant({**block, "type": "thinking"})
    first, second = script.read().main.messages
    assert first["content"] == [block]
    assert second["content"] == [{**block, "type": "thinking"}]
    assert list(first["content"][0]) == list(block)


def test_a_text_of_the_assistant_is_one_text_block(script: Script) -> None:
    """MSG-08: `content` as a string equals one text block."""
    script.assistant("plain")
    assert script.read().main.replies[0].message["content"] == [{"type": "text", "text": "plain"}]


@pytest.mark.parametrize("usage", [None, [], "x"])
def test_usage_that_is_no_object_is_unknown(script: Script, usage: object) -> None:
    script.assistant("hi", usage=usage, stop_reason="end_turn")
    reply = script.read().main.replies[0]
    assert (reply.usage, reply.usage_final) == (None, False)
