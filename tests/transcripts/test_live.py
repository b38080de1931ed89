from __future__ import annotations

import datetime
from typing import Any

import msgspec
import pytest

from ctxwindow import Policy
from ctxwindow.catalog import resolve
from ctxwindow.errors import HistoryError, UnknownModel, WindowOverflow
from ctxwindow.transcripts import Incoming, Session
from ctxwindow.transcripts.live import RESERVE, Exchange, Feed
from tests.transcripts.scenes import (
    OPUS,
    SONNET,
    START,
    call,
    lines,
    reply,
    result,
    session,
    thinking,
    user,
)

PLAIN = Policy(methods=())


def feed(found: Session, **settings: Any) -> Feed:
    return Feed(found, found.main, policy=settings.pop("policy", PLAIN), **settings)


def run(found: Session, **settings: Any) -> tuple[Feed, list[Exchange]]:
    opened = feed(found, **settings)
    return opened, list(opened)


def assert_lossless(opened: Feed, found: Session) -> None:
    """Every message but the refused ones is in the record, in order, as it was recorded."""
    refused = {number for number, _ in opened.refused}
    kept = [step.message for number, step in enumerate(found.main.steps) if number not in refused]
    assert list(opened.conversation.messages) == kept == opened.fed


LONG = session(
    user("Fix the failing test.", at=0),
    reply(call("t1"), prompt=20_000, at=5),
    result("t1", lines(20), at=6),
    reply(call("t2"), prompt=21_000, at=9),
    result("t2", lines(30), at=10),
    reply(text="Done.", prompt=22_000, at=15),
    user("Thanks. Now the docs.", at=300),
    reply(text="Done too.", prompt=22_100, at=310),
)


def test_a_thread_as_if_live() -> None:
    opened, exchanges = run(LONG)
    assert [exchange.send.number for exchange in exchanges] == [1, 2, 3, 4]
    assert [len(exchange.send.request["messages"]) for exchange in exchanges] == [1, 3, 5, 7]
    assert [exchange.turn for exchange in exchanges] == [1, 1, 1, 2]
    assert [exchange.new for exchange in exchanges] == [(0, 1), (1, 3), (3, 5), (5, 7)]
    assert [exchange.at - START for exchange in exchanges] == [5, 9, 15, 310]
    assert [exchange.reply for exchange in exchanges] == list(LONG.main.replies)
    assert opened.turns == 2
    assert_lossless(opened, LONG)


# -- what a session file does not hold ----------------------------------------------------------------------


def test_unseen_tokens_make_the_first_request_weigh_what_it_weighed() -> None:
    opened, exchanges = run(LONG, unseen=True)
    assert opened.unseen > 19_000
    assert exchanges[0].send.window.tokens == 20_000
    assert [exchange.actual for exchange in exchanges] == [20_000, 21_000, 22_000, 22_100]
    assert [exchange.send.window.source for exchange in exchanges] == ["estimated", "anchored", "anchored", "anchored"]
    for exchange, before in zip(exchanges[1:], exchanges, strict=False):
        assert before.actual is not None
        assert before.actual < exchange.send.window.tokens < before.actual + 1_500


def test_without_them_recorded_usage_describes_nothing() -> None:
    opened, exchanges = run(LONG)
    assert opened.unseen > 19_000, "it is known all the same"
    assert all(exchange.actual is None for exchange in exchanges)
    assert all(exchange.send.window.source == "estimated" for exchange in exchanges)
    assert exchanges[0].send.window.tokens < 100
    assert all(exchange.unmanaged for exchange in exchanges)


def test_output_of_a_stream_start_is_not_taken_for_the_output() -> None:
    opened, _ = run(LONG, unseen=True)
    received = [event for event in opened.conversation.events if type(event).__name__ == "Received"]
    assert all("output_tokens" not in (event.usage or {}) for event in received)  # type: ignore[union-attr]
    assert opened.reply_tokens(LONG.main.replies[0]) > 20, "its size, as what was billed is not known"
    assert opened.reply_tokens(reply(text="Done.", prompt=5, output=400)) == 400
    assert opened.reply_tokens(reply(text="Done.", prompt=5, output=400, model=SONNET)) < 20, "another model's bill"


# -- after an edit of ours ----------------------------------------------------------------------------------


def test_after_an_edit_no_recorded_number_describes_the_request() -> None:
    steps: list[Any] = [user("Read all files.", at=0)]
    for number in range(12):
        steps += [reply(call(f"t{number}"), prompt=1_000 + 900 * number, at=number), result(f"t{number}", lines(25))]
    found = session(*steps, reply(text="Done.", prompt=12_000))
    opened, exchanges = run(found, policy=Policy(budget=9_000), unseen=True, reserve=500)
    edited = next(at for at, exchange in enumerate(exchanges) if exchange.send.epoch > 0)
    assert 2 < edited < len(exchanges) - 2
    assert all(exchange.actual is not None and exchange.unmanaged for exchange in exchanges[:edited])
    assert all(exchange.actual is None and not exchange.unmanaged for exchange in exchanges[edited:])
    assert_lossless(opened, found)


def test_a_spilled_result_ends_it_too() -> None:
    found = session(
        user("Read it."),
        reply(call("t1"), prompt=1_000),
        result("t1", lines(800)),
        reply(text="Done.", prompt=20_000),
    )
    opened, exchanges = run(found, policy=Policy(budget=12_000), unseen=True, reserve=500)
    assert list(opened.conversation.spilled) == ["m2.0"]
    assert [exchange.unmanaged for exchange in exchanges] == [True, False]
    assert [exchange.actual for exchange in exchanges] == [1_000, None]


def test_what_cannot_fit_ends_the_feed_with_the_numbers() -> None:
    found = session(user(lines(2_000)), reply(text="Done."))
    with pytest.raises(WindowOverflow) as caught:
        run(found, policy=Policy(budget=10_000))
    assert caught.value.limit == 10_000
    small = msgspec.structs.replace(resolve(OPUS), window=10_000, max_output=1_000)
    with pytest.raises(WindowOverflow):
        run(found, model=small)
    _, (exchange,) = run(found, model=small, unlimited=True)
    assert exchange.send.window.tokens > small.window


# -- the recorded client's own compactions ------------------------------------------------------------------

COMPACTED = session(
    user("Fix the failing test.", at=0),
    reply(call("t1"), prompt=20_000, at=5),
    result("t1", lines(20), at=6),
    reply(text="Done.", prompt=24_000, at=9),
    user("The summary so far: one test was fixed.", at=20, kind="compact_summary"),
    reply(text="I see.", prompt=23_000, at=25),
    user("Go on.", at=30),
    reply(text="Done.", prompt=23_020, at=35),
)


def test_a_recorded_compaction_is_followed() -> None:
    opened, exchanges = run(COMPACTED, as_recorded=True, unseen=True)
    assert opened.restarts == 1
    assert [len(exchange.send.request["messages"]) for exchange in exchanges] == [1, 3, 1, 3]
    assert [exchange.new for exchange in exchanges] == [(0, 1), (1, 3), (0, 1), (1, 3)]
    assert [exchange.actual for exchange in exchanges] == [20_000, 24_000, 23_000, 23_020]
    assert all(exchange.unmanaged for exchange in exchanges)
    assert list(opened.conversation.messages) == [step.message for step in COMPACTED.main.steps[4:]]
    assert opened.fed == [step.message for step in COMPACTED.main.steps]
    assert exchanges[2].send.window.source == "estimated"
    assert exchanges[3].send.window.source == "anchored"


def test_what_requests_weighed_beyond_their_parts_is_expected_again() -> None:
    learned, _ = run(COMPACTED, as_recorded=True, unseen=True)
    at_first, _ = run(session(*COMPACTED.main.steps[:4]), unseen=True)
    excess = at_first.conversation.window.overheads["unexplained"]
    assert excess > 2_000
    assert learned.unseen == at_first.unseen + excess


def test_history_outside_the_file_does_not_come_back() -> None:
    found = session(*COMPACTED.main.steps, complete=False)
    opened, exchanges = run(found, as_recorded=True, unseen=True)
    assert opened.unseen == 0
    assert exchanges[2].send.window.tokens < 100
    assert exchanges[3].send.window.source == "anchored"


def test_otherwise_the_whole_record_goes_on() -> None:
    opened, exchanges = run(COMPACTED, unseen=True)
    assert opened.restarts == 0
    assert [len(exchange.send.request["messages"]) for exchange in exchanges] == [1, 3, 5, 7]
    assert [exchange.unmanaged for exchange in exchanges] == [True, True, False, False]
    assert [exchange.actual for exchange in exchanges] == [20_000, 24_000, None, None]
    assert_lossless(opened, COMPACTED)


# -- models -------------------------------------------------------------------------------------------------

SWITCHED = session(
    user("Hi"),
    reply(text="Hello.", prompt=5_000),
    user("Fix the failing test."),
    reply(text="Done.", prompt=5_100, model=SONNET),
    user("Go on."),
    reply(text="Done.", prompt=5_200, model=SONNET),
)


def test_the_model_is_switched_where_the_recording_does() -> None:
    opened, exchanges = run(SWITCHED, unseen=True)
    assert [exchange.send.window.model for exchange in exchanges] == [OPUS, *2 * [resolve(SONNET).id]]
    assert [exchange.actual for exchange in exchanges] == [5_000, 5_100, 5_200]
    # CTX-20: what one model counted says nothing of the next.
    assert [exchange.send.window.source for exchange in exchanges] == ["estimated", "estimated", "anchored"]
    assert opened.profile.id == OPUS
    assert opened.current == resolve(SONNET)
    assert_lossless(opened, SWITCHED)


def test_as_if_on_one_model_no_other_models_usage_counts() -> None:
    opened, exchanges = run(SWITCHED, unseen=True, model=OPUS)
    assert {exchange.send.window.model for exchange in exchanges} == {OPUS}
    assert [exchange.actual for exchange in exchanges] == [5_000, None, None]
    assert opened.current is opened.profile
    other, exchanges = run(SWITCHED, unseen=True, model="claude-opus-5-5")
    assert other.current.id == "claude-opus-5-5"
    assert [exchange.actual for exchange in exchanges] == [None, None, None]


def test_a_reply_of_a_model_nobody_knows() -> None:
    """It stays on the model before, and what the other counted is not learnt."""
    found = session(
        user("Hi"), reply(text="Hello.", prompt=5_000), user("Go on."), reply(text="x", prompt=9_000, model="new-9")
    )
    opened, exchanges = run(found, unseen=True)
    assert [exchange.actual for exchange in exchanges] == [5_000, None]
    assert opened.conversation.model == OPUS
    assert_lossless(opened, found)


def test_a_switch_that_the_history_does_not_allow_is_not_followed() -> None:
    """SYS-01: Claude Haiku 4.5 takes no system message inside the conversation."""
    reminder = Incoming(message={"role": "system", "content": "The user is away."}, at=None)
    new, old = "claude-opus-5-5", "claude-haiku-4-5"
    found = session(user("Hi"), reminder, reply(text="a", model=new), user("Go on."), reply(text="b", model=old))
    opened, exchanges = run(found)
    ((number, error),) = opened.unfollowed
    assert (number, error.rule) == (4, "SYS-01")
    assert {exchange.send.window.model for exchange in exchanges} == {new}
    assert_lossless(opened, found)


def test_no_more_output_is_reserved_than_the_model_in_use_can_write() -> None:
    _, exchanges = run(SWITCHED, reserve=100_000)
    assert [exchange.send.request["max_tokens"] for exchange in exchanges] == [100_000, 64_000, 64_000]


def test_a_session_of_an_unknown_model_runs_on_the_one_that_is_given() -> None:
    found = session(user("Hi"), reply(text="Hello.", prompt=5_000, model="claude-of-2031"))
    with pytest.raises(UnknownModel):
        feed(found)
    opened, exchanges = run(found, model=OPUS, unseen=True)
    assert exchanges[0].actual is None
    assert_lossless(opened, found)
    with pytest.raises(HistoryError):
        feed(session(user("Hi"), reply(text="Hello.", model=None)))


def test_a_profile_of_ones_own() -> None:
    """A recording that names no model is taken to have run on the one that is given."""
    own = msgspec.structs.replace(resolve(OPUS), id="our-model", window=150_000)
    found = session(
        user("Hi"), reply(text="Hello.", prompt=5_000, model=None), user("Go on."), reply(text="x", model=None)
    )
    opened, exchanges = run(found, model=own, unseen=True)
    assert [exchange.actual for exchange in exchanges] == [5_000, None]
    assert exchanges[0].send.window.size == 150_000
    assert opened.current == own
    named = session(user("Hi"), reply(text="Hello.", prompt=5_000, model="our-model"))
    assert run(named, model=own, unseen=True)[1][0].actual == 5_000


# -- odd recordings -----------------------------------------------------------------------------------------


def test_a_reply_to_nothing_goes_into_the_record() -> None:
    found = session(reply(text="Hello, how can I help?"), user("Fix it."), reply(text="Done."))
    opened, exchanges = run(found)
    assert [len(exchange.send.request["messages"]) for exchange in exchanges] == [2]
    assert_lossless(opened, found)


def test_a_reply_after_a_reply_goes_into_the_record() -> None:
    found = session(user("Fix it."), reply(text="I will."), reply(text="Done."), user("Thanks."), reply(text="Bye."))
    opened, exchanges = run(found)
    assert [exchange.reply for exchange in exchanges] == [found.main.replies[0], found.main.replies[2]]
    assert len(exchanges[1].send.request["messages"]) == 4
    assert_lossless(opened, found)


def test_a_reply_that_cannot_be_sent_back_is_answered_again() -> None:
    """MSG-09: one that was cut inside its thinking stays as evidence; the next reply answers the same request."""
    found = session(
        user("Fix it."), reply(thinking(), stop="max_tokens"), reply(text="Done."), user("Go on."), reply(text="x")
    )
    opened, exchanges = run(found)
    assert [len(exchange.send.request["messages"]) for exchange in exchanges] == [1, 1, 3]
    assert_lossless(opened, found)


def test_a_reply_whose_calls_were_answered_was_complete() -> None:
    """Whatever the file says of its end: the call stays on the wire, or its result would stand alone (TOOL-02)."""
    found = session(user("Read it."), reply(call("t1"), stop="max_tokens"), result("t1", "a file"), reply(text="Done."))
    opened, exchanges = run(found)
    assert len(exchanges[1].send.request["messages"]) == 3
    assert opened.refused == []


def test_refused_messages_are_named_and_everything_else_is_there() -> None:
    found = session(
        user("Read it."),
        reply(call("t1"), prompt=5_000),
        result("t1", "a file"),
        reply(text="Done.", prompt=5_100),
        result("t9", "of a call that is not here"),
        user("Go on."),
        reply(text="Done.", prompt=5_200),
    )
    opened, exchanges = run(found, unseen=True)
    ((number, error),) = opened.refused
    assert (number, error.rule) == (4, "TOOL-02")
    assert "not here" not in str(error)
    assert_lossless(opened, found)
    # The recorded client sent what we could not: its numbers are not ours from there on.
    assert [exchange.actual for exchange in exchanges] == [5_000, 5_100, None]
    assert [exchange.unmanaged for exchange in exchanges] == [True, True, False]


def test_a_step_without_a_time_happens_when_the_one_before_did() -> None:
    found = session(
        user("Hi", at=10), reply(text="Hello."), user("Go on."), reply(text="x", at=70), user("And?"), reply(text="y")
    )
    _, exchanges = run(found)
    assert [exchange.at - START for exchange in exchanges] == [10, 70, 70]
    _, exchanges = run(session(user("Hi"), reply(text="Hello.")))
    first = datetime.datetime.fromtimestamp(exchanges[0].at, tz=datetime.UTC).date()
    assert first == resolve(OPUS).prices[0].since, "no time at all: the day from which its model has a price"


def test_a_recording_older_than_its_model_is_moved_to_the_first_day_that_has_a_price() -> None:
    found = session(user("Hi", at=0), reply(text="a", at=5), user("b", at=6), reply(text="c", at=70))
    _, exchanges = run(found, model="claude-opus-5-5")
    first, second = (exchange.at for exchange in exchanges)
    assert datetime.datetime.fromtimestamp(first, tz=datetime.UTC).date() == resolve("claude-opus-5-5").prices[0].since
    assert second - first == 65, "what lies between two steps stays"
    assert exchanges[0].send.forecast.cold is not None


# -- request bodies -----------------------------------------------------------------------------------------


def body(**settings: Any) -> Session:
    steps = (user("Hi"), reply(text="Hello.", model=None))
    request = {"model": OPUS, "messages": [step.message for step in steps], **settings}
    return session(*steps, request=request)


def test_a_bodys_system_tools_and_settings_go_along() -> None:
    tools = [{"name": "Read", "description": "Reads.", "input_schema": {"type": "object", "properties": {}}}]
    settings = {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "metadata": {"user_id": "u1"}}
    opened, (exchange,) = run(body(system="Be brief.", tools=tools, max_tokens=4_000, stream=True, **settings))
    request = exchange.send.request
    assert opened.reserve == request["max_tokens"] == 4_000
    assert (request["thinking"], request["metadata"]) == (settings["thinking"], settings["metadata"])
    assert request["tools"] == tools
    assert "stream" not in request
    assert exchange.send.window.by["tools"] > 0
    assert opened.counts_unseen, "nothing is unseen in it"


@pytest.mark.parametrize(
    ("given", "reserved"), [(None, RESERVE), ("many", RESERVE), (0, RESERVE), (-5, RESERVE), (1, 1), (10**9, 128_000)]
)
def test_output_is_reserved_as_far_as_the_body_makes_sense(given: object, reserved: int) -> None:
    assert feed(body(max_tokens=given)).reserve == reserved
    assert feed(body(max_tokens=given), reserve=77).reserve == 77
