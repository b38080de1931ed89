from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from ctxwindow import Policy, Send, Violation
from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import HistoryError, InvalidRequest, UnknownModel
from ctxwindow.transcripts import Note, Session
from ctxwindow.transcripts.live import Feed
from ctxwindow.transcripts.replay import Replay, SendRow, as_json, replay
from ctxwindow.transcripts.session import Step
from tests.transcripts.scenes import OPUS, SONNET, START, call, lines, reply, result, session, user


def three_sends(*, second: float, third: float) -> Session:
    """Three requests of 10,000, some 12,000 and some 13,000 tokens; the first at second 0."""
    return session(
        user("Fix the failing test.", at=0),
        reply(text="First.", prompt=10_000, output=100, at=0),
        user(lines(110, "a"), at=1),
        reply(text="Second.", prompt=12_000, output=200, at=second),
        user(lines(55, "b"), at=second + 1),
        reply(text="Third.", prompt=13_000, output=300, at=third),
    )


# Dollars per million tokens of Claude Opus 4.6 (PRICE-01): input, output, cache write 5 minutes and 1 hour, cache read.
INPUT, OUTPUT, WRITE_5M, WRITE_1H, READ = 5.0, 25.0, 6.25, 10.0, 0.5


def windows(rows: tuple[SendRow, ...]) -> tuple[int, int, int]:
    first, second, third = (row.window for row in rows)
    assert first == 10_000
    assert 11_500 < second < 14_000
    assert 12_500 < third < 14_500
    return first, second, third


def dollars(*parts: tuple[float, float]) -> float:
    return sum(tokens * price for tokens, price in parts) / 1_000_000


def test_cost_by_hand_with_a_warm_cache() -> None:
    """Each send writes at its end, and the next one within 5 minutes reads up to there (CACHE-05)."""
    found = replay(three_sends(second=60, third=359), unseen=True)
    a, b, c = windows(found.sends)
    assert [row.read for row in found.sends] == [0, a, b]
    by_hand = [
        dollars((a, WRITE_5M), (100, OUTPUT)),
        dollars((a, READ), (b - a, WRITE_5M), (200, OUTPUT)),
        dollars((b, READ), (c - b, WRITE_5M), (300, OUTPUT)),
    ]
    assert [row.cost for row in found.sends] == pytest.approx(by_hand)
    assert [row.unmanaged_cost for row in found.sends] == pytest.approx(by_hand)
    assert found.totals.cost == pytest.approx(sum(by_hand))
    assert found.totals.cost_ratio == pytest.approx(1.0)
    assert found.totals.cache_hit_ratio == pytest.approx((a + b) / (a + b + c))


def test_cost_by_hand_when_the_cache_has_gone_cold() -> None:
    found = replay(three_sends(second=60, third=361), unseen=True)
    a, b, c = windows(found.sends)
    assert [row.read for row in found.sends] == [0, a, 0]
    assert found.sends[2].cost == pytest.approx(dollars((c, WRITE_5M), (300, OUTPUT)))
    assert found.totals.cache_hit_ratio == pytest.approx(a / (a + b + c))


def test_cost_by_hand_with_the_policys_own_cache() -> None:
    hourly = replay(three_sends(second=60, third=361), unseen=True, policy=Policy(cache="1h"))
    a, b, c = windows(hourly.sends)
    assert [row.read for row in hourly.sends] == [0, a, b]
    assert hourly.sends[0].cost == pytest.approx(dollars((a, WRITE_1H), (100, OUTPUT)))
    assert hourly.sends[2].cost == pytest.approx(dollars((b, READ), (c - b, WRITE_1H), (300, OUTPUT)))
    none = replay(three_sends(second=60, third=361), unseen=True, policy=Policy(cache=None))
    assert [row.read for row in none.sends] == [0, 0, 0]
    assert none.sends[2].cost == pytest.approx(dollars((c, INPUT), (300, OUTPUT)))
    for found in (hourly, none):
        assert found.totals.cost_ratio == pytest.approx(1.0), "the unmanaged conversation is cached in the same way"


def test_a_prompt_under_the_models_minimum_is_not_cached() -> None:
    """CACHE-08: 4,096 tokens for Claude Opus 4.6."""
    found = replay(session(user("Hi", at=0), reply(text="a", at=0), user("b", at=1), reply(text="c", at=2)))
    assert all(row.window < 100 and row.read == 0 for row in found.sends)
    size = sum(row.window for row in found.sends)
    assert found.totals.cost is not None
    assert found.totals.cost > dollars((size, INPUT))
    assert found.totals.cost < dollars((size, INPUT), (40, OUTPUT)), "replies of one letter"


def test_a_session_older_than_the_model_is_priced_at_its_first_day() -> None:
    found = replay(three_sends(second=60, third=120), model="claude-opus-5-5")
    first_price = resolve("claude-opus-5-5").prices[0].since
    assert datetime.datetime.fromtimestamp(START, tz=datetime.UTC).date() < first_price
    assert found.totals.cost is not None
    assert found.totals.cost > 0


def test_what_has_no_price_has_no_cost() -> None:
    free = msgspec.structs.replace(resolve(OPUS), id="our-model", prices=())
    found = replay(three_sends(second=60, third=120), model=free)
    assert [row.cost for row in found.sends] == [None, None, None]
    assert (found.totals.cost, found.totals.unmanaged_cost, found.totals.cost_ratio) == (None, None, None)


# -- a small window ------------------------------------------------------------------------------------------


def long_session(rounds: int = 14, size: int = 40) -> Session:
    steps: list[Step] = [user("Read every file, then tell what entry_round3_7 is.", at=0)]
    for number in range(rounds):
        steps += [reply(call(f"t{number}", path=f"src/file_{number}.py"), at=10 * number)]
        steps += [result(f"t{number}", lines(size, f"round{number}"), at=10 * number + 5)]
    return session(*steps, reply(text="entry_round3_7 is in src/file_3.py.", at=10 * rounds))


def managed(found: Session, **settings: Any) -> Replay:
    # 8,000 tokens are reserved for the output, so 6,000 are left for the input.
    return replay(found, policy=Policy(budget=14_000, **settings))


def test_a_managed_session_beside_the_unmanaged_one() -> None:
    found = managed(long_session())
    totals = found.totals
    assert totals.sends == len(found.sends) == 15
    assert (totals.turns, totals.refused, totals.overflows, totals.violations) == (1, 0, 0, 0)
    assert totals.messages == 30
    assert totals.compactions >= 2
    assert totals.epochs == totals.compactions + 1
    assert totals.laws == dict.fromkeys(
        ("1 nothing is lost", "2 every wire is valid", "3 every wire fits", "7 progress"), True
    )
    assert totals.lossless
    assert totals.peak_window == max(row.window for row in found.sends) <= 6_000
    assert totals.unmanaged_peak == max(row.unmanaged_window for row in found.sends) > 9_000
    assert sum(len(row.edits) for row in found.sends) == totals.compactions
    assert totals.cost == pytest.approx(sum(row.cost or 0 for row in found.sends))
    assert totals.unmanaged_cost == pytest.approx(sum(row.unmanaged_cost or 0 for row in found.sends))
    assert totals.cost_ratio == pytest.approx((totals.cost or 0) / (totals.unmanaged_cost or 1))
    assert totals.cache_hit_ratio == sum(row.read for row in found.sends) / sum(row.window for row in found.sends)
    # Only the last reply uses names again: both were read, one of them long ago.
    last = found.sends[-1].survival
    assert last.used >= 2
    used = sum(row.survival.used for row in found.sends)
    assert totals.reference_survival == sum(row.survival.on_wire for row in found.sends) / used
    assert totals.reference_survival_recallable == 1.0


def test_a_spilled_result_is_counted() -> None:
    steps = (user("Read it.", at=0), reply(call("t1"), at=1), result("t1", lines(400), at=2), reply(text="Read.", at=3))
    found = managed(session(*steps))
    assert (found.totals.spills, found.totals.compactions) == (1, 0)
    assert found.sends[1].window < found.sends[1].unmanaged_window


def test_a_budget_below_system_and_tools_is_an_overflow_of_its_session() -> None:
    """It ends the replay of one session of many, before its first request."""
    steps = (user("Hi", at=0), reply(text="Hello.", at=1, prompt=5_000))
    found = replay(session(*steps), policy=Policy(budget=2_000), unseen=True)
    assert (found.totals.overflows, found.totals.sends) == (1, 0)
    assert found.overflow is not None
    assert found.overflow["floor"]


def test_an_overflow_is_reported_not_raised() -> None:
    steps = (
        user("Hi", at=0),
        reply(text="Hello.", at=1),
        user("Say it. " * 9_000, at=2),
        reply(text="Too long.", at=3),
    )
    found = managed(session(*steps))
    assert found.totals.overflows == 1
    assert found.totals.sends == 1
    assert found.overflow is not None
    assert found.overflow["error"] == "WindowOverflow"
    assert found.overflow["limit"] == 14_000
    assert "messages.2" in found.overflow["floor"]  # type: ignore[operator]
    assert not found.totals.laws["3 every wire fits"]
    assert found.totals.lossless, "what was fed until then"
    assert found.notes[-1] == "request 2 of 2 does not fit; the replay ends before it"


def test_a_body_that_the_model_refuses_is_not_replayed_on_it() -> None:
    """TOOL-15: the newest models refuse a forced tool choice."""
    steps = (user("Hi"), reply(text="Hello.", model=None))
    tool = {"name": "Read", "description": "Reads.", "input_schema": {"type": "object", "properties": {}}}
    request = {
        "model": "claude-haiku-4-5",
        "messages": [step.message for step in steps],
        "tools": [tool],
        "tool_choice": {"type": "any"},
    }
    assert replay(session(*steps, request=request)).totals.violations == 0
    with pytest.raises(InvalidRequest) as caught:
        replay(session(*steps, request=request), model="claude-opus-5-5")
    assert caught.value.rule == "TOOL-15"


def test_a_wire_that_breaks_a_rule_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine plans none, so the rules are made stricter than it knows."""

    def strict(request: Mapping[str, Any], *, previous: Any, profile: ModelProfile) -> list[Violation]:
        assert request["model"] == profile.id
        if previous is not None:
            before, reply = previous
            assert len(before["messages"]) < len(request["messages"]), "the request before is given"
            assert reply["content"] == request["messages"][len(before["messages"])]["content"], "and its reply"
        found = [("MSG-01", "messages.0", "error"), ("MSG-02", "messages.1", "warning")]
        few = found if len(request["messages"]) > 1 else []
        return [
            Violation(rule=rule, path=path, message="no.", remedy="none.", severity=severity)  # type: ignore[arg-type]
            for rule, path, severity in few
        ]

    monkeypatch.setattr("ctxwindow.transcripts.checks.find_violations", strict)
    found = replay(three_sends(second=1, third=2))
    assert [row.violations for row in found.sends] == [(), ("MSG-01 at messages.0",), ("MSG-01 at messages.0",)]
    assert [row.valid for row in found.sends] == [True, False, False]
    assert found.totals.violations == 2
    assert found.totals.laws["2 every wire is valid"] is False


def test_a_request_that_may_not_fit_is_said_to() -> None:
    """Nothing tells the size of a PDF behind a URL: its upper bound is larger than the window (MEDIA-11)."""
    pdf = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
    found = replay(session(user([pdf, {"type": "text", "text": "Read it."}]), reply(text="Read."), user("Thanks.")))
    assert found.totals.sends == 1
    assert found.sends[0].high > 1_000_000
    assert found.totals.laws["3 every wire fits"], "as estimated"
    assert found.notes == ("1 of 1 requests may not fit: the window passes the budget at its upper bound",)


def test_no_wire_is_larger_than_the_window_of_the_model_in_use() -> None:
    """Opus 4.6 has a window of 1,000,000 tokens, Sonnet 4.5 of 200,000: law 3 is judged by the one in use."""
    steps = (
        user("Hi", at=0),
        reply(text="Hello.", at=1),
        user("Read on.", at=2),
        reply(text="Read.", at=3, model=SONNET),
    )
    seen: list[int] = []
    result_ = replay(session(*steps), on_send=lambda row, send, feed: seen.append(feed.current.window))
    assert seen == [1_000_000, 200_000]
    assert result_.totals.laws["3 every wire fits"]


# -- what is said beside the numbers -------------------------------------------------------------------------


def test_notes_say_what_was_mended_refused_and_not_counted() -> None:
    found = session(
        user("Read it.", at=0),
        reply(text="Hello.", prompt=20_000, at=1),
        result("t9", "of no call", at=2),
        user("Go on.", at=3),
        reply(text="Bye.", at=4),
    )
    note = Note(path="session.jsonl:3", text="mended.")
    found = msgspec.structs.replace(found, notes=(note,))
    result_ = replay(found)
    assert result_.notes[0] == "session.jsonl:3: mended."
    assert "not counted in" in result_.notes[1]
    assert result_.notes[2].startswith("step 2 was refused and is not in the record: messages.2.content.0")
    assert "TOOL-02" in result_.notes[2]
    assert result_.totals.refused == 1
    assert result_.totals.lossless
    counted = replay(found, unseen=True)
    assert counted.notes[1].endswith("a request, counted in")
    assert counted.sends[0].window - result_.sends[0].window == pytest.approx(20_000, abs=60)


def test_usage_is_shown_where_it_is_that_of_this_request() -> None:
    found = replay(three_sends(second=60, third=120), unseen=True)
    assert [row.actual for row in found.sends] == [10_000, 12_000, 13_000]
    assert [row.source for row in found.sends] == ["estimated", "anchored", "anchored"]
    assert all(row.low <= row.window <= row.high for row in found.sends)
    assert [row.actual for row in replay(three_sends(second=60, third=120)).sends] == [None, None, None]


def test_each_send_is_shown_as_it_happens() -> None:
    seen: list[tuple[int, int, int]] = []

    def on_send(row: SendRow, send: Send, feed: Feed) -> None:
        seen.append((row.number, send.number, len(feed.conversation.messages)))

    replay(three_sends(second=1, third=2), on_send=on_send)
    assert seen == [(1, 1, 1), (2, 2, 3), (3, 3, 5)]


def test_a_session_without_replies_has_nothing_to_send() -> None:
    found = replay(session(user("Hi")), model=OPUS)
    assert found.sends == ()
    assert found.totals.sends == found.totals.turns == 0
    assert found.totals.cost == found.totals.cache_hit_ratio == 0.0
    assert found.totals.cost_ratio is None
    assert found.totals.lossless


def test_another_thread_is_replayed_when_it_is_asked_for() -> None:
    found = three_sends(second=1, third=2)
    other = msgspec.structs.replace(session(user("Aside"), reply(text="ok")).main, id="side", sidechain=True)
    found = msgspec.structs.replace(found, threads=(*found.threads, other))
    assert replay(found).totals.sends == 3
    assert replay(found, thread=other).thread == "side"
    assert replay(found, thread=other).totals.sends == 1


def test_the_json_form_is_the_documented_one() -> None:
    found = managed(long_session(4))
    form = as_json(found)
    assert set(form) == {"path", "thread", "sends", "totals", "notes", "overflow"}
    assert set(form["sends"][0]) >= {"turn", "window", "source", "edits", "cost", "valid"}
    assert set(form["totals"]) >= {
        "sends",
        "cost",
        "unmanaged_cost",
        "cost_ratio",
        "overflows",
        "violations",
        "epochs",
        "cache_hit_ratio",
        "reference_survival",
    }
    assert json.loads(json.dumps(form)) == msgspec.json.decode(msgspec.json.encode(found))


def test_what_cannot_begin_is_refused_kindly() -> None:
    with pytest.raises(HistoryError):
        replay(session(user("Hi"), reply(text="Hello.", model=None)))
    with pytest.raises(UnknownModel):
        replay(session(user("Hi"), reply(text="Hello.")), model="claude-of-2031")


def test_the_same_session_gives_the_same_replay() -> None:
    """Law 8."""
    assert managed(long_session()) == managed(long_session())
