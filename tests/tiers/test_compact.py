from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from ctxwindow import Compact, Send, check
from ctxwindow.record.blocks import blocks_of, is_thinking, texts_of
from ctxwindow.record.events import Compacted
from ctxwindow.tiers import compact
from ctxwindow.tiers.tails import place_of
from tests.tiers.scenes import HAIKU, OPUS_5, OPUS_46, OPUS_55, Session, blocks

WARM = {"share": 0.3, "tokens": 600}
LITTLE: dict[str, Any] = {"budget": 9_000, "high": 0.9, "cold": None, "methods": ("compact",), "warm": WARM}
ABLE = [OPUS_46, OPUS_5, OPUS_55]
"""Of those that keep thinking: bound never, perhaps, always."""


def _agent(session: Session, rounds: int, *, think: int = 4, lines: int = 20) -> None:
    session.user("Read every file. Never touch vendor/.")
    for _ in range(rounds):
        session.round(lines, think=think)


# -- when it cannot -----------------------------------------------------------------------------------------


def test_what_rules_it_out_names_its_rule() -> None:
    session = Session(OPUS_55, **LITTLE)
    _agent(session, 6)
    now = session.situation
    assert compact.unable(now()) is None
    assert compact.unable(now(policy={"platform": "bedrock"})) == "Bedrock has no on-demand compaction [CMP-16]"
    assert "[CMP-16]" in str(compact.unable(Session(HAIKU, methods=("drop",)).situation()))
    assert "[CMP-27]" in str(compact.unable(now(declined=frozenset({"compact"}))))
    assert "[CMP-18, CMP-32]" in str(compact.unable(now(own_edits=True)))
    for budget, able in (({"total": 90_000}, True), ({"total": 90_000, "remaining": 100}, False)):
        task = {"type": "tokens", **budget}
        other = Session(
            OPUS_55, settings={"output_config": {"task_budget": task}, "betas": ["task-budgets-2026-03-13"]}
        )
        assert (compact.unable(other.situation()) is None) is able


def test_no_cut_brings_it_down() -> None:
    session = Session(OPUS_55, **LITTLE)
    session.user("word " * 2_000)
    offer = compact.offer(session.situation(), 1_500)
    assert not offer.able
    assert offer.why == "no cut between rounds brings it down to 1,500"


def test_what_must_be_repeated_needs_a_new_message_to_stand_in() -> None:
    """CMP-30: nothing may stand between the block and what is kept, and what was sent may not change (law 4)."""
    session = Session(OPUS_55, **{**LITTLE, "pins": {"messages": [0]}})
    _agent(session, 8)
    now = session.situation()
    assert compact.offer(now, now.total * 2 // 3).able
    sent = session.situation(unsent=len(now))
    assert compact.offer(sent, now.total * 2 // 3).why == "what must be repeated has no new user message to stand in"


# -- what it offers -----------------------------------------------------------------------------------------


def test_the_more_may_stay_the_more_does() -> None:
    session = Session(OPUS_55, **LITTLE)
    _agent(session, 8)
    now = session.situation()
    offers = [compact.offer(now, target) for target in range(1_200, now.total, 200)]
    starts = [offer.plan.end for offer in offers if offer.able and offer.plan is not None]
    assert len(set(starts)) > 3
    assert starts == sorted(starts, reverse=True)


def test_between_turns_all_but_the_new_message_may_go() -> None:
    session = Session(OPUS_55, **LITTLE)
    for _ in range(6):
        session.user("word " * 200)
        session.say("word " * 200)
    session.user()
    now = session.situation()
    offer = compact.offer(now, now.fixed + 900)
    assert offer.plan is not None
    assert offer.plan.end == len(now) - 1
    assert offer.why == "the server summarises all but the newest messages"


def test_it_costs_a_prompt_that_rides_on_the_cache_and_the_block() -> None:
    """Opus 5.5: $0.20 read, $5 written, $20 of output, each for a million tokens."""
    session = Session(OPUS_55, **LITTLE)
    _agent(session, 8)
    now = session.situation()
    offer = compact.offer(now, now.total * 3 // 4)
    assert isinstance(offer.plan, Compacted)
    place = place_of(now, offer.plan.end)
    sent = now.fixed + sum(entry.size.count.tokens for entry in now.wire.ledger.entries[:place])
    entry = compact.nearest_entry(now, place)
    assert entry is not None
    assert entry.messages <= place
    assert sent - entry.tokens < sent / 3, "the nearest entry of the cache was not taken"
    expected = (entry.tokens * 0.2 + (sent - entry.tokens) * 5 + offer.plan.tokens * 20) / 1e6
    assert offer.paid == pytest.approx(expected, rel=1e-3)
    cold = session.situation(at=session.world.now + 301)
    assert compact.offer(cold, now.total * 3 // 4).paid == pytest.approx(
        (sent * 5 + offer.plan.tokens * 20) / 1e6, rel=1e-3
    )


def test_only_the_thinking_of_what_is_summarised_is_lost() -> None:
    """CMP-30: what follows the block keeps its thinking."""
    session = Session(OPUS_55, **LITTLE)
    _agent(session, 8)
    now = session.situation()
    offer = compact.offer(now, now.total * 3 // 4)
    assert offer.plan is not None
    before = [entry.size.thinking.tokens for entry in now.wire.ledger.entries[: offer.plan.end]]
    assert 0 < offer.thinking < now.wire.ledger.thinking
    assert offer.thinking == pytest.approx(sum(before), abs=10)


# -- the API, for many rounds -------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ABLE)
def test_inside_one_long_turn(model: str) -> None:
    """Compacted again and again between rounds; every request is accepted, with all the thinking on it (see `Session`)."""
    session = Session(model, **LITTLE)
    _agent(session, 40)
    assert session.conversation.epoch >= 3
    assert {edit.method for edit in session.conversation.compactions} == {"compact"}
    for edit in session.conversation.compactions:
        assert (edit.first, edit.end) == (0, edit.tail)
        assert edit.cost > 0
        assert not edit.strip_thinking
    for send in session.sends:
        assert [str(found) for found in check(send.request).violations if found.severity == "error"] == []
        if send.epoch:
            first = send.request["messages"][0]
            assert [block["type"] for block in first["content"]] == ["compaction"], "CMP-21"
            assert len(blocks(send.request, "compaction")) == 1, "CMP-20"
            assert "compact-2026-09-04" in send.request["betas"], "CMP-16"
            assert "Never touch vendor/." in str(send.request["messages"]), "the request in progress is gone"
    kept = [is_thinking(block) for message in session.conversation.wire for block in blocks_of(message)]
    assert any(kept)
    for send, told in zip(session.sends, session.usage, strict=True):
        assert send.window.low <= told <= send.window.high


@pytest.mark.parametrize("model", ABLE)
def test_between_turns(model: str) -> None:
    session = Session(model, **LITTLE)
    for _ in range(30):
        session.user("Look at this: " + "word " * 150)
        session.round(4, think=3)
        session.say("word " * 100, think=3)
    assert session.conversation.epoch >= 2
    assert any(not one.whole for one in session.compacts)


def test_the_request_that_compacts() -> None:
    """CMP-18, CMP-19: nothing beside it that cannot be, and it ends where a round does."""
    settings = {"tool_choice": {"type": "any"}, "stop_sequences": ["END"], "thinking": {"type": "disabled"}}
    session = Session(OPUS_5, **{**LITTLE, "settings": settings})
    _agent(session, 0)
    decision = None
    while not isinstance(decision := session.decide(), Compact):
        session.receive(
            decision,
            [{"type": "tool_use", "id": f"toolu_x{session.world.asked['messages']}", "name": "search", "input": {}}],
        )
        session.conversation.append(
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": f"toolu_x{session.world.asked['messages'] - 1}",
                        "content": "word " * 400,
                    }
                ],
            }
        )
    request = decision.request
    assert request["compaction"] == {"type": "summarize"}
    assert not {"context_management", "stop_sequences", "stream", "tool_choice"} & request.keys()
    assert request["messages"] == [
        {**message, "content": request["messages"][place]["content"]}
        for place, message in enumerate(session.conversation.wire[: len(request["messages"])])
    ]
    assert decision.end == len(request["messages"])
    assert session.compact(decision)
    assert isinstance(session.decide(), Send)


def test_what_is_pinned_and_in_progress_stands_in_the_newest_message() -> None:
    """CMP-29, CMP-30: restated word for word behind the newest content, never between block and kept messages."""
    session = Session(OPUS_55, **{**LITTLE, "pins": {"messages": [0]}})
    session.user("Remember the number 4711.")
    session.say("I do.")
    session.user("Now read every file. Never touch vendor/.")
    while not session.conversation.epoch:
        session.round(20, think=3)
    edit = session.conversation.compactions[0]
    assert edit.pinned == (0,)
    assert edit.instruction == 2
    send = next(send for send in session.sends if send.epoch == 1)
    *kept, newest = send.request["messages"]
    texts = [text for block in blocks_of(newest) for text in texts_of(block)]
    assert "Remember the number 4711." in texts
    assert texts[texts.index("[The request in progress, word for word:]") + 1].startswith("Now read every file.")
    assert newest["content"][0]["type"] == "tool_result", "TOOL-03: results come first"
    assert "4711" not in str(kept)


# -- what can go wrong --------------------------------------------------------------------------------------


def _asked(session: Session) -> Compact:
    while not isinstance(decision := session.decide(), Compact):
        session.round(20, think=3)
    return decision


def _started(**policy: Any) -> Session:
    session = Session(OPUS_55, **{**LITTLE, **policy})
    session.user("Read every file.")
    return session


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "tool_use", "refusal", "end_turn"])
def test_a_compaction_that_brings_no_summary_changes_nothing(reason: str) -> None:
    """CMP-27: recorded with what it cost; the history stays as it is, and another method is taken."""
    session = _started(methods=("compact", "summarize_all"), prefer="order")
    _asked(session)
    wire, window, record = session.conversation.wire, session.conversation.window, session.conversation.messages
    usage = {
        "input_tokens": 0,
        "output_tokens": 0,
        "iterations": [{"type": "compaction", "input_tokens": 1_000, "output_tokens": 500}],
    }
    assert not session.conversation.compacted(
        {"content": [], "stop_reason": reason, "usage": usage}, now=session.world.now
    )
    assert (session.conversation.wire, session.conversation.window) == (wire, window)
    assert session.conversation.messages == record
    (declined,) = session.declined
    assert declined.method == "compact"
    assert reason in declined.why
    assert declined.cost == pytest.approx((1_000 * 4 + 500 * 20) / 1e6)
    assert session.conversation.spending.summaries == pytest.approx(declined.cost)
    assert session.ready().edits[-1].method == "summarize_all"


def test_after_a_failure_it_is_tried_again_later_and_each_time_later() -> None:
    session = _started(
        methods=("compact", "drop"), prefer="order", high=0.6, low=0.55, min_gain=0.01, hot={"tokens": 1}
    )
    lengths: list[int] = []
    session.world.sums_up = ""
    while len(lengths) < 4:
        decision = session.decide()
        if isinstance(decision, Compact):
            lengths.append(len(session.conversation.messages))
            assert not session.compact(decision)
        else:
            assert isinstance(decision, Send)
            session.round(12)
    gaps = [later - earlier for earlier, later in itertools.pairwise(lengths)]
    assert [gap >= least for gap, least in zip(gaps, (8, 16, 32), strict=True)] == [True] * 3, gaps
    session.world.sums_up = "A summary."
    while session.conversation.compactions[-1].method != "compact":
        session.round(12)
    assert session.conversation._state.failing == frozenset(), "a success clears the book"


def test_an_error_in_answer_to_it() -> None:
    session = _started(methods=("compact", "summarize_all"), prefer="order")
    _asked(session)
    wire = session.conversation.wire
    error = {"type": "overloaded_error", "message": "compaction_unavailable: try again."}
    recovery = session.conversation.compaction_failed(error, now=session.world.now)
    assert session.conversation.wire == wire
    assert session.declined[0].why.endswith(recovery.kind)
    assert session.ready().edits[-1].method == "summarize_all"


def test_with_no_other_method_what_fits_is_sent_all_the_same() -> None:
    """Above the mark, below the limit: an edit that failed does not keep the request back."""
    session = _started(high=0.7, horizon=200)
    session.world.sums_up = ""
    assert not session.compact(_asked(session))
    send = session.decide()
    assert isinstance(send, Send)
    (row,) = [row for row in send.table if row.method == "compact"]
    assert "[CMP-27]" in row.why


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "compaction", "content": None, "signature": "s"}],
        [{"type": "compaction", "content": " ", "signature": "s"}],
        [{"type": "compaction", "content": "A summary."}],
        [{"type": "text", "text": "A summary."}],
        [{"type": "compaction", "content": "A.", "signature": "s"}, {"type": "text", "text": "And more."}],
        [{"type": "compaction", "content": "A.", "signature": "s"}] * 2,
        "A summary.",
        None,
    ],
)
def test_only_one_signed_block_with_content_is_adopted(content: Any) -> None:
    """CMP-16: exactly one signed block and nothing else."""
    session = _started()
    _asked(session)
    epoch = session.conversation.epoch
    assert not session.conversation.compacted({"content": content, "stop_reason": "compaction"})
    assert session.conversation.epoch == epoch
    assert re.fullmatch("no summary, stop_reason compaction", session.declined[0].why)


def test_the_block_goes_back_as_it_came() -> None:
    """CMP-05, CMP-23, CMP-25."""
    session = _started()
    block = {"type": "compaction", "content": "A summary.", "signature": "s", "tool_changes": [{"type": "x"}], "new": 1}
    _asked(session)
    assert session.conversation.compacted({"content": [block], "stop_reason": "compaction"})
    assert session.conversation.wire[0] == {"role": "assistant", "content": [block]}
