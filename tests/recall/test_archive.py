from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ctxwindow.errors import ProtocolError
from ctxwindow.recall import Archive
from ctxwindow.record import Event
from ctxwindow.record.events import Appended
from tests.recall.scenes import opened, use, working
from tests.recall.test_entries import compacted


class Watched(Sequence[Any]):
    """Events that remember which of them were looked at."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.seen: list[int] = []

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, index: Any) -> Any:
        self.seen.append(index)
        return self.events[index]

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("the whole history")


def test_only_new_events_are_looked_at() -> None:
    conversation = opened("One.", "Two.")
    archive, watched = Archive(), Watched(conversation.events)
    archive.follow(watched)
    assert watched.seen == list(range(len(watched)))
    more = Watched([*conversation.events, Appended(message={"role": "user", "content": "Three."})])
    archive.follow(more)
    archive.follow(more)
    assert more.seen == [len(watched)]
    assert archive.entries[-1].handle == "m4.0"


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
