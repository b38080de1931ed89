from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import WindowOverflow
from ctxwindow.record.events import Sent, Spilled
from ctxwindow.tiers.pressure import longest_result
from ctxwindow.tiers.spill import is_paste
from tests.tiers.scenes import OPUS_55, Session, lines

SPILLING: dict[str, Any] = {
    "budget": 20_000,
    "high": 0.8,
    "cold": None,
    "methods": ("spill", "summarize_all"),
    "warm": {"tokens": 500},
}


def _session(**policy: Any) -> Session:
    session = Session(OPUS_55, **{**SPILLING, **policy})
    session.user("Read it.")
    return session


def test_where_there_is_room_enough_a_result_stays_whole() -> None:
    """Its share of the room is passed, and the high mark is not."""
    session = _session()
    session.round(300)
    session.ready()
    assert session.conversation.spilled == {}


def test_under_pressure_what_is_above_its_share_is_spilled() -> None:
    session = _session()
    for _ in range(3):
        session.round(250)
    session.ready()
    assert len(session.conversation.spilled) == 1
    (tokens,) = session.conversation.spilled.values()
    assert tokens > session.situation().room * 0.15


def test_above_its_tokens_it_is_always_spilled() -> None:
    session = _session(spill={"tokens": 1_000})
    session.round(100)
    assert session.ready().edits[0].method == "spill"


def test_tools_that_are_kept_are_not_spilled() -> None:
    session = _session(spill={"tokens": 1_000}, keep_tools=("search",))
    session.round(100, name="search")
    assert session.ready().edits == ()


@pytest.mark.parametrize("recall", [True, False])
def test_what_the_model_has_looked_up_reaches_it(recall: bool) -> None:
    """A spilled answer of the recall tool would have to be looked up again. A tool of that name that is not ours is any other."""
    session = _session(spill={"tokens": 1_000}, recall=recall)
    session.round(100, name="recall")
    assert [edit.method for edit in session.ready().edits] == ([] if recall else ["spill"])


def test_the_longest_result_that_stays_whole() -> None:
    """As `oversized` takes it: the least of the share of the room and the tokens of the policy."""
    for given, share in (({"share": 0.1}, 0.1), ({"share": 0.1, "tokens": 100}, None), ({"tokens": 10**6}, 0.15)):
        session = _session(spill=given)
        room = session.situation().room
        most = longest_result(session.conversation._state, session.situation().limit)
        assert most == (int(room * share) if share is not None else 100)
    session = _session(methods=("summarize_all",))
    assert longest_result(session.conversation._state, 20_000) is None


def test_a_paste_is_shortened_only_where_the_request_would_not_fit() -> None:
    """What the user says in his own words never is."""
    for text, paste in ((lines(1_500), True), ("word " * 30_000, False)):
        session = Session(OPUS_55, **SPILLING)
        session.user("A question.")
        session.say()
        session.user(text)
        assert is_paste({"type": "text", "text": text}) is paste
        if paste:
            send = session.ready()
            assert [edit.method for edit in send.edits] == ["spill"]
            assert session.conversation.open("m2.0")["text"] == text
            session.receive(send, "Good.")
        else:
            with pytest.raises(WindowOverflow):
                session.ready()
    fits = Session(OPUS_55, **SPILLING)
    fits.user(lines(400))
    assert fits.ready().edits == ()


@pytest.mark.parametrize(
    ("text", "found"), [("a\n" * 100, True), ("a\n" * 99, False), ("a" * 100_000, False)]
)  # fmt: skip
def test_what_a_paste_is(text: str, found: bool) -> None:
    assert is_paste({"type": "text", "text": text}) is found
    assert not is_paste({"type": "tool_result", "content": text})


def test_an_overflow_comes_at_once_and_names_what_cannot_shrink() -> None:
    """Nothing is sent, and nothing but spills is recorded."""
    session = Session(OPUS_55, **SPILLING)
    session.user("word " * 30_000)
    events = session.conversation.events
    with pytest.raises(WindowOverflow) as caught:
        session.decide()
    overflow = caught.value
    assert all(isinstance(event, Spilled) for event in session.conversation.events[len(events) :])
    assert not any(isinstance(event, Sent) for event in session.conversation.events)
    assert session.world.asked.total() == 0
    assert overflow.need > overflow.limit == 20_000
    assert sum(overflow.floor.values()) == overflow.need
    assert overflow.floor["max_tokens"] == session.max_tokens
    assert overflow.floor["messages.0"] > 20_000


def test_a_head_is_named_apart_from_the_message_that_it_is_joined_to() -> None:
    session = Session(OPUS_55, budget=4_000, low=0.5, cold=None, methods=("summarize_keep_tail",))
    while not session.conversation.epoch:
        session.user("word " * 100)
        session.say("word " * 100)
    (first, *_) = session.conversation.hot()
    assert session.conversation.messages[first]["role"] == "user"
    session.user("word " * 5_000)
    with pytest.raises(WindowOverflow) as caught:
        session.ready()
    floor = caught.value.floor
    assert floor["summary"] > 100
    assert floor[f"messages.{first}"] < 150
    assert sum(floor.values()) == caught.value.need


def test_of_cleared_results_what_is_left_is_named() -> None:
    """EDIT-02: a placeholder stands for each."""
    session = Session(OPUS_55, budget=12_000, high=0.8, low=0.4, cold=None, methods=("clear_tool_uses",))
    session.user("Read them.")
    for _ in range(8):
        session.round(100)
    assert session.conversation._state.held is not None
    session.user("word " * 15_000)
    with pytest.raises(WindowOverflow) as caught:
        session.ready()
    floor = caught.value.floor
    assert floor["messages.2"] < 200, "it had 2,000 tokens"
    assert floor["placeholders"] > 10
    assert abs(floor.get("unexplained", 0)) < 300
    assert sum(floor.values()) == caught.value.need
