"""The tree that events make."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.errors import HistoryError
from ctxwindow.record import Event
from ctxwindow.record.events import Appended, Counted, Received, Rewound, Sent, Started
from ctxwindow.record.log import Branch, Log

STARTED = Started(model="claude-opus-4-6")


def said(text: str, at: float | None = None) -> Appended:
    return Appended(message={"role": "user", "content": text}, at=at)


def sent(number: int) -> Sent:
    return Sent(
        send=number,
        model="claude-opus-4-6",
        epoch=0,
        messages=1,
        fingerprint="",
        tokens=1,
        low=1,
        high=1,
        source="exact",
        max_tokens=1,
    )


def log_of(*events: Event | str | int) -> Log:
    """A log: a text is a message, a number goes back to that event."""
    log = Log(STARTED)
    for event in events:
        if isinstance(event, str):
            log.add(said(event))
        elif isinstance(event, int):
            log.add(Rewound(to=event, sends=len(log.sends)))
        else:
            log.add(event)
    return log


def texts(log: Log, tip: int | None = None) -> str:
    """The messages on the way to an event."""
    found = log.path(len(log) if tip is None else tip)
    return "".join(event.message["content"] for event in found if isinstance(event, Appended))


def tips(log: Log) -> list[tuple[int, str, int, bool]]:
    return [(branch.tip, texts(log, branch.tip), branch.shared, branch.current) for branch in log.branches]


def test_a_log_without_a_rewind_is_one_branch() -> None:
    log = log_of("a", "b")
    assert (texts(log), log.line, log.recorded(2), log.recorded(3)) == ("ab", [0, 1], 1, 2)
    assert tips(log) == [(3, "ab", 2, True)]
    assert [log.before(message) for message in range(3)] == [1, 2, 3]


def test_a_rewind_leaves_a_branch() -> None:
    log = log_of("a", "b", "c", 2, "d", "e")
    assert (texts(log), texts(log, 4)) == ("ade", "abc")
    assert (log.line, len(log.messages)) == ([0, 3, 4], 5)
    assert tips(log) == [(4, "abc", 1, False), (7, "ade", 3, True)]
    assert [log.before(message) for message in range(4)] == [1, 5, 6, 7]
    assert [log.names()(message) for message in range(5)] == [
        "messages.0",
        "events.3",
        "events.4",
        "messages.1",
        "messages.2",
    ]


def test_names_are_those_of_their_time() -> None:
    log = log_of("a", "b")
    before = log.names()
    log.add(Rewound(to=2, sends=0))
    assert (before(1), log.names()(1)) == ("messages.1", "events.3")


def test_going_back_and_doing_nothing_makes_no_branch() -> None:
    log = log_of("a", "b", 2, 1, 2)
    assert tips(log) == [(2, "a", 1, True), (3, "ab", 1, False)]
    assert tips(log_of("a", "b", 3)) == [(3, "ab", 2, True)]
    assert tips(log_of("a", "b", 3, "c")) == [(5, "abc", 3, True)], "gone on from its own end"


def test_a_branch_that_is_gone_on_with_is_the_same_branch() -> None:
    log = log_of("a", "b", 2, "c", 3, "d")
    assert tips(log) == [(5, "ac", 1, False), (7, "abd", 3, True)]


def test_a_branch_of_a_branch() -> None:
    log = log_of("a", "b", "c", 3, "d", "e", 6, "f", 1, "g")
    assert tips(log) == [(4, "abc", 0, False), (7, "abde", 0, False), (9, "abdf", 0, False), (11, "g", 1, True)]


def test_where_an_event_stands() -> None:
    log = log_of("a", "b", 2, "c", sent(1), Counted(fingerprint="", tokens=1))
    found = [log.place(seq) for seq in range(1, len(log) + 1)]
    assert [(place.branch.tip, place.message) for place in found if place] == [
        (7, None),
        (7, 0),
        (3, 1),
        (7, None),
        (7, 1),
        (7, None),
        (7, None),
    ]
    assert log.place(0) is log.place(len(log) + 1) is log.place(-1) is None
    assert log.sends == {1: 6}


def test_when_a_branch_ended() -> None:
    log = log_of(said("a", 5.0), said("b"), 2)
    assert [branch.at for branch in log.branches] == [5.0, None]


@pytest.mark.parametrize("to", [0, -1, 3, 99])
def test_an_event_that_is_not_there_is_no_place_to_go_back_to(to: int) -> None:
    log = log_of("a")
    with pytest.raises(HistoryError, match=f"event 3 goes back to event {to}, and there are 2"):
        log.add(Rewound(to=to, sends=0))
    assert len(log) == 2


@given(st.lists(st.one_of(st.just(0), st.integers(1, 30)), max_size=30))
def test_paths_are_as_a_chain_of_parents_tells(moves: list[int]) -> None:
    """Against the plain meaning: every event knows its parent, and a path is the way up."""
    log, parents = Log(STARTED), {1: 0}
    for number, move in enumerate(moves):
        seq = len(log) + 1
        if move and move < seq:
            log.add(Rewound(to=move, sends=0))
            parents[seq] = move
        else:
            message: dict[str, Any] = {"role": "assistant", "content": str(number)}
            log.add(Received(send=1, message=message) if number % 2 else Appended(message=message))
            parents[seq] = seq - 1
    ways: dict[int, list[int]] = {0: []}
    for seq, parent in parents.items():
        ways[seq] = [*ways[parent], seq]
    brought = [isinstance(event, (Appended, Received)) for event in log.events]
    for seq, way in ways.items():
        if not seq:
            continue
        assert list(log.path(seq)) == [log.events[one - 1] for one in way]
        assert log.recorded(seq) == sum(brought[one - 1] for one in way)
    now = ways[len(log)]
    assert [log.messages[place] for place in log.line] == [
        event.message for one in now if isinstance(event := log.events[one - 1], (Appended, Received))
    ]
    _check_branches(log, parents, ways)


def _check_branches(log: Log, parents: dict[int, int], ways: dict[int, list[int]]) -> None:
    solid = [seq for seq in parents if not isinstance(log.events[seq - 1], Rewound)]
    inner = {next((one for one in reversed(ways[parents[seq]]) if one in solid), 0) for seq in solid}
    now = next(one for one in reversed(ways[len(log)]) if one in solid)
    branches: dict[int, Branch] = {branch.tip: branch for branch in log.branches}
    assert sorted(branches) == sorted({seq for seq in solid if seq not in inner} | {now})
    assert [branch.tip for branch in branches.values() if branch.current] == [now]
    for tip, branch in branches.items():
        common = [one for one in ways[tip] if one in ways[now]]
        assert branch.shared == log.recorded(common[-1])
        assert branch.messages == log.recorded(tip)
    for seq in parents:
        place = log.place(seq)
        assert place is not None
        holding = next((one for one in reversed(ways[seq]) if one in solid), 0)
        assert holding in ways[place.branch.tip]
        assert place.branch.current or holding not in ways[now]
