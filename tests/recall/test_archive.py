from __future__ import annotations

import pytest

from ctxwindow.errors import ProtocolError
from ctxwindow.recall import Archive
from ctxwindow.record.events import Appended
from tests.recall.scenes import opened, use, working
from tests.recall.test_entries import compacted


def test_it_goes_on_where_it_was() -> None:
    conversation = opened("One.", "Two.")
    whole, parts = Archive(), Archive()
    whole.follow(conversation.events)
    for event in conversation.events:
        parts.follow([event])
    assert parts.entries == whole.entries
    parts.follow([Appended(message={"role": "user", "content": "Three."})])
    assert (parts.entries[-1].handle, parts.messages) == ("m4.0", 5)


def test_handles() -> None:
    archive = Archive()
    archive.follow(working(budget=40_000).events)
    assert [archive.entries[number].handle for number in archive.at("m1")] == ["m1.1"]
    assert [archive.entries[number].path for number in archive.at("m2.0")] == ["messages.2.content.0"]
    for handle in ("m1.0", "m99", "s0-3", ""):
        assert not archive.knows(handle)
        with pytest.raises(ProtocolError):
            archive.at(handle)


def test_of_two_summaries_of_one_range_the_last_one_stands() -> None:
    archive = Archive()
    archive.follow([compacted("first"), compacted("second")])
    assert [archive.entries[number].text for number in archive.at("s0-12")] == ["second"]
    assert archive.entries[archive.numbers["summaries.0-12"]].text == "second"


def test_what_the_recall_tool_said_is_an_echo() -> None:
    conversation = opened("zebra")
    conversation.append({"role": "user", "content": "What did I say?"})
    use(conversation, "recall", {"action": "search", "query": "zebra"}, "You said zebra.")
    archive = Archive(echo="recall")
    archive.follow(conversation.events)
    assert {archive.entries[number].handle for number in archive.echoes} == {"m3.1", "m4.0"}
    plain = Archive()
    plain.follow(conversation.events)
    assert plain.echoes == set()


def test_passages_cover_every_text_once() -> None:
    conversation = working(budget=40_000)
    archive = Archive()
    archive.follow(conversation.events)
    for number, entry in enumerate(archive.entries):
        parts = [entry.text[part.start : part.stop] for part in archive.passages() if part.entry == number]
        assert "".join(parts) == entry.text
    assert len(archive.passages()) == len(archive.passages())
