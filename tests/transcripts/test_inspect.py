from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ctxwindow.errors import HistoryError, UnknownModel
from ctxwindow.transcripts import Note, Session
from ctxwindow.transcripts.inspect import RequestRow, accuracy, inspect
from tests.transcripts.scenes import OPUS, SONNET, call, lines, reply, result, session, user


def cached(read: int, written: int) -> dict[str, Any]:
    return {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}


FOUND = session(
    user("Fix the failing test.", at=0),
    reply(call("t1"), prompt=1_000, at=5, **cached(0, 20_000)),
    result("t1", lines(20), at=6),
    reply(call("t2"), prompt=10, output=70, at=9, **cached(21_000, 400)),
    result("t2", lines(30), at=10),
    reply(text="Done.", prompt=10, at=15, **cached(21_400, 600)),
    user("Summary: a test was fixed.", at=20, kind="compact_summary"),
    reply(text="I see.", prompt=18_000, at=25),
    user("And the docs?", at=30),
    reply(text="Done too.", prompt=18_030, at=35, model=SONNET),
)


def test_what_a_session_is_made_of() -> None:
    found = inspect(FOUND)
    assert (found.path, found.format, found.thread) == ("session.jsonl", "claude_code", "main")
    assert found.models == {OPUS: 4, SONNET: 1}
    assert (found.messages, found.turns, found.rounds, found.compactions, found.sidechains) == (10, 3, 2, 1, 0)
    assert found.peak == 22_010
    assert found.notes == ()
    assert sum(found.by.values()) == found.requests[-1].forecast


def test_each_request_with_its_forecast() -> None:
    rows = inspect(FOUND).requests
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert [row.turn for row in rows] == [1, 1, 1, 2, 3]
    assert [row.actual for row in rows] == [21_000, 21_410, 22_010, 18_000, 18_030]
    assert [row.after_compaction for row in rows] == [False, False, False, True, False]
    assert [(row.read, row.written, row.uncached) for row in rows][:3] == [
        (0, 20_000, 1_000),
        (21_000, 400, 10),
        (21_400, 600, 10),
    ]
    assert [row.output for row in rows] == [None, 70, None, None, None], "only the final number"
    # Forecasts that had an anchor: not the first request, not the one after a compaction, not one on a new model.
    assert [row.error is None for row in rows] == [True, False, False, True, True]
    for row in rows[1:3]:
        assert row.error == (row.forecast - (row.actual or 0)) / (row.actual or 1)
        assert row.source == "anchored"


def test_cost_by_recorded_usage_by_hand() -> None:
    """Opus 4.6: 5 dollars per million in, 25 out, cache write 6.25, read 0.5; Sonnet 4.5: 3 in."""
    rows = inspect(FOUND).requests
    by_hand = [
        1_000 * 5 + 20_000 * 6.25,
        10 * 5 + 400 * 6.25 + 21_000 * 0.5 + 70 * 25,
        10 * 5 + 600 * 6.25 + 21_400 * 0.5,
        18_000 * 5,
        18_030 * 3,
    ]
    assert [row.cost for row in rows] == pytest.approx([dollars / 1_000_000 for dollars in by_hand])
    assert inspect(FOUND).cost == pytest.approx(sum(by_hand) / 1_000_000)
    assert inspect(FOUND).cache_hit_ratio == pytest.approx(42_400 / (21_000 + 21_410 + 22_010 + 18_000 + 18_030))


def test_the_money_is_shared_out_among_the_blocks() -> None:
    """Whatever the client compacted in between: paths are those of the thread."""
    found = inspect(FOUND)
    costs = {block.path: block for block in found.spending.blocks}
    assert sum(block.dollars for block in costs.values()) == pytest.approx(found.cost)
    assert costs["messages.2.content.0"].tool == "Read"
    assert costs["messages.2.content.0"].sends == 2
    assert costs["messages.6.content.0"].sends == 2, "the summary, in both requests after it"
    assert costs["messages.1.content.0"].output == 0, "its output is not known"
    assert costs["messages.3.content.0"].output > 0
    assert found.spending.unknown == {"output_tokens": 4}
    (edit,) = found.spending.edits
    assert (edit.send, edit.before, edit.after, edit.sent) == (4, 22_010, 18_000, 2)


def test_the_forecast_of_the_cost_is_judged_too() -> None:
    """Law 12: what was read is what was forecast, and 10 tokens were paid in full that were expected to be written."""
    row = inspect(FOUND).requests[2]
    assert row.cost_forecast is not None
    actual = 10 * 5 + 600 * 6.25 + 21_400 * 0.5
    assert row.cost_error == pytest.approx(row.cost_forecast * 1_000_000 / actual - 1)
    assert inspect(FOUND).spending.forecast_error is not None


def test_a_client_that_caches_for_an_hour_is_forecast_so() -> None:
    hourly = {"cache_creation_input_tokens": 20_000, "cache_creation": {"ephemeral_1h_input_tokens": 20_000}}
    first, answer = user("Hi", at=0), reply(text="a", prompt=5, at=1)
    plain = inspect(session(first, answer)).requests[0].cost_forecast
    answer = msgspec.structs.replace(answer, usage={**(answer.usage or {}), **hourly})
    found = inspect(session(first, answer)).requests[0]
    assert plain is not None
    assert found.cost_forecast == pytest.approx(found.forecast * 10 / 1_000_000, rel=0.01)


def test_a_reply_to_nothing_was_paid_for_all_the_same() -> None:
    found = inspect(session(user("Hi", at=0), reply(text="a", prompt=900, at=1), reply(text="b", prompt=950, at=2)))
    assert len(found.requests) == 1
    assert found.cost == pytest.approx((900 + 950) * 5 / 1_000_000)
    assert [send.send for send in found.spending.sends] == [1, 2]
    rest = {block.path: block.dollars for block in found.spending.blocks}["prompts that were not followed"]
    assert rest == pytest.approx(950 * 5 / 1_000_000)


def test_doubted_usage_is_told_and_no_size_is_taken_from_it() -> None:
    """TOK-02, CTX-02"""
    found = inspect(
        session(
            user("Hi", at=0),
            reply(text="a", prompt=900, output=5, at=1, **cached(10**11, 0)),
            user("b", at=2),
            reply(text="c", prompt=900, output=5, at=3, **cached(3 * 10**8, 0)),
            user("d", at=4),
            reply(text="e", prompt=950, output=10**6, at=5),
        )
    )
    assert [row.actual for row in found.requests] == [None, None, 950]
    assert [row.read for row in found.requests] == [0, 0, 0]
    assert [row.output for row in found.requests] == [5, 5, None]
    assert found.cost == pytest.approx((900 + 900 + 950) * 5e-6 + 10 * 25e-6)
    assert found.cache_hit_ratio == 0
    assert found.peak < 2_000
    whole, model = [note for note in found.notes if "doubted" in note]
    assert "1 of 3 requests" in whole
    assert "too large" in whole
    assert "its model cannot have read" in model
    assert found.spending.unknown == {
        "cache_read_input_tokens (too large)": 2,
        "output_tokens (too large)": 1,
    }


def test_the_next_request() -> None:
    following = inspect(FOUND).next
    assert following is not None
    assert following.tokens > 18_030
    assert 0 < (following.warm or 0) < (following.cold or 0)
    assert inspect(session(user("Hi")), model=OPUS).next is None


def test_what_is_not_known_is_said() -> None:
    found = inspect(session(user("Hi"), reply(text="Hello."), user("Bye"), reply(text="Bye.")))
    assert (found.cost, found.cache_hit_ratio) == (None, None)
    assert [row.actual for row in found.requests] == [None, None]
    assert found.accuracy.compared == 0
    assert found.peak == found.requests[-1].forecast > 0
    mixed = session(
        user("Hi", at=0), reply(text="a", prompt=900, at=1), user("b"), reply(text="c", prompt=950, model="new-9")
    )
    found = inspect(mixed)
    assert found.cost == found.requests[0].cost
    assert found.requests[1].actual == 950, "it was reported all the same"
    assert found.requests[1].error is None
    assert found.notes == ("the price of 1 of 2 requests is not known; they are not in the cost",)


def test_a_thread_without_requests() -> None:
    found = inspect(session(user("Hi")), model=OPUS)
    assert (found.requests, found.peak, found.cost, found.by) == ((), 0, None, {})


def test_the_model_is_asked_for_where_none_is_known() -> None:
    nameless = session(user("Hi"), reply(text="Hello.", model=None))
    with pytest.raises(HistoryError, match="no model is named"):
        inspect(nameless)
    assert inspect(nameless, model=OPUS).requests[0].model == OPUS
    assert inspect(nameless, model=OPUS).models == {"unknown": 1}
    unheard = session(user("Hi"), reply(text="Hello.", model="claude-of-2031", prompt=500))
    with pytest.raises(UnknownModel):
        inspect(unheard)
    assert inspect(unheard, model=OPUS).requests[0].model == OPUS
    assert inspect(FOUND, model="claude-opus-5-5").requests[0].model == OPUS, "the session's own comes first"


def test_notes_of_the_reader_and_of_the_engine() -> None:
    found = session(user("Hi"), reply(text="a"), result("t9", "of no call"), user("b"), reply(text="c"))
    thread = msgspec.structs.replace(found.main, notes=(Note(path="s:2", text="of the thread."),))
    found = msgspec.structs.replace(found, notes=(Note(path="s", text="of the file."),), threads=(thread,))
    first, second, third = inspect(found).notes
    assert (first, second) == ("s: of the file.", "s:2: of the thread.")
    assert third.startswith("step 2 was refused: ")


def test_sidechains_are_counted_and_looked_at_on_their_own() -> None:
    side = msgspec.structs.replace(session(user("Aside"), reply(text="ok")).main, id="side", sidechain=True)
    found: Session = msgspec.structs.replace(FOUND, threads=(*FOUND.threads, side))
    assert inspect(found).sidechains == 1
    assert inspect(found, thread=side).messages == 2
    assert inspect(found, thread=side).sidechains == 0


def row(forecast: int, actual: int | None, *, spread: int = 0, compared: bool = True) -> RequestRow:
    template = inspect(FOUND).requests[1]
    error = (forecast - actual) / actual if compared and actual else None
    return msgspec.structs.replace(
        template, forecast=forecast, low=forecast - spread, high=forecast + spread, actual=actual, error=error
    )


def test_accuracy_by_hand() -> None:
    rows = [row(1_000 + off, 1_000, spread=10) for off in (0, 5, -10, 20, -40)] + [row(5_000, 1_000, compared=False)]
    found = accuracy(rows)
    assert found.compared == 5
    assert found.median == pytest.approx(0.01)
    assert found.p95 == pytest.approx(0.04)
    assert found.within_bounds == pytest.approx(3 / 5)
    many = [row(1_000 + off, 1_000) for off in range(100)]
    assert accuracy(many).p95 == pytest.approx(0.095)
    assert accuracy([]).median is None
