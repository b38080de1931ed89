from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Conversation, Policy, Send, Summarize
from ctxwindow.record.events import Appended, Compacted, Edited, Received
from ctxwindow.tiers.offers import Offer
from ctxwindow.tiers.planner import _rank, in_background, judge
from ctxwindow.tiers.situation import Situation
from tests.driver import plan
from tests.tiers.scenes import OPUS_55, Session

LINE = "a line of text that a tool returned, number {}\n"


METHODS = ("spill", "summarize_keep_tail", "summarize_all")


def _filled(tokens: int, model: str = "claude-opus-5", **policy: Any) -> Conversation:
    """A conversation whose window holds about that many tokens, in finished turns."""
    conversation = Conversation.start(model=model, policy=Policy(methods=()))
    number = 0
    while conversation.window.tokens < tokens:
        conversation.append({"role": "user", "content": LINE.format(number) * 10})
        plan(conversation)
        conversation.receive({"content": LINE.format(number) * 5})
        number += 1
    conversation.append({"role": "user", "content": "Go on."})
    conversation._state.policy = Policy.parse({"high": 0.85, "methods": METHODS, **policy})
    return conversation


def test_under_the_mark_nothing_is_done() -> None:
    assert isinstance(_filled(5_000, budget=8_000).plan(max_tokens=1_000), Send)


def test_above_the_mark_the_history_is_shrunk_to_the_low_mark() -> None:
    conversation = _filled(6_200, budget=8_000)
    decision = conversation.plan(max_tokens=1_000)
    assert isinstance(decision, Summarize)
    low = decision.target
    assert 4_100 < low < 4_300
    conversation.summarized("They spoke of lines.", by="test")
    send = conversation.plan(max_tokens=1_000)
    assert isinstance(send, Send)
    assert send.window.tokens <= low
    assert send.edits[0].freed >= decision.freed > 0


def test_an_edit_that_frees_too_little_is_not_made() -> None:
    """Law 7: an edit frees at least what the policy asks for or is not made."""
    assert isinstance(_filled(5_960, budget=8_000, min_gain=0.9).plan(max_tokens=1_000), Send)


def test_unless_the_request_would_not_fit_without_it() -> None:
    assert isinstance(_filled(7_500, budget=8_000, min_gain=1.0).plan(max_tokens=1_000), Summarize)


def test_a_cut_at_the_start_of_a_turn_is_preferred() -> None:
    decision = _filled(6_200, budget=8_000).plan(max_tokens=1_000)
    assert isinstance(decision, Summarize)
    assert "from the start of a turn" in decision.why


@pytest.mark.parametrize(
    "methods", [("summarize_keep_tail",), ("summarize_all",), ("summarize_all", "summarize_keep_tail")]
)
def test_only_the_policys_methods_in_its_order(methods: tuple[str, ...]) -> None:
    decision = _filled(6_200, budget=8_000, methods=methods, prefer="order", horizon=40).plan(max_tokens=1_000)
    assert isinstance(decision, Summarize)
    assert decision.method == methods[0]


def test_the_target_moves_up_when_the_newest_message_is_large() -> None:
    conversation = Conversation.start(model="claude-opus-4-6", policy=Policy(budget=8_000))
    for number in range(4):
        conversation.append({"role": "user", "content": LINE.format(number) * 40})
        plan(conversation)
        conversation.receive({"content": LINE.format(number) * 40})
    conversation.append({"role": "user", "content": LINE.format(9) * 330})
    decision = conversation.plan(max_tokens=1_000)
    assert isinstance(decision, Summarize)
    assert 3_500 < decision.target <= 7_000
    send = plan(conversation, max_tokens=1_000)
    assert send.window.high + 1_000 <= 8_000


def test_where_the_upper_bound_cannot_be_met_the_estimate_shrinks() -> None:
    """A built-in tool is bounded at thousands of tokens; what can be sent by the estimate is sent, and says so."""
    tools = [{"type": "web_fetch_20250910", "name": "web_fetch"}]
    conversation = Conversation.start(model="claude-haiku-4-5", tools=tools, policy=Policy(budget=8_000))
    for number in range(40):
        conversation.append({"role": "user", "content": LINE.format(number) * 20})
        send = plan(conversation, max_tokens=1_000)
        assert send.window.tokens + 1_000 <= 8_000
        assert not send.sure
        conversation.receive({"content": LINE.format(number) * 5})
    assert conversation.compactions


# -- the marks, one situation at a time --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def talked() -> Session:
    """Some 5,000 tokens in finished turns, on a model with every method."""
    session = Session(OPUS_55, budget=200_000)
    for _ in range(20):
        session.user("word " * 120)
        session.say("word " * 120, think=1)
    session.user()
    return session


def _now(session: Session, share: float, **changes: Any) -> Situation:
    """The moment, with so much room that the window takes this share of it."""
    now = session.situation()
    room = int((now.total - now.fixed) / share)
    policy = {"methods": ("summarize_keep_tail", "summarize_all"), "warm": {"tokens": 300}, **changes.pop("policy", {})}
    return session.situation(limit=now.fixed + room, policy=policy, **changes)


def test_the_marks(talked: Session) -> None:
    """High 0.85: below it nothing is weighed; above it the table is there whatever comes of it."""
    policy = {"high": 0.85, "cold": None, "horizon": 1_000}
    below, above = judge(_now(talked, 0.84, policy=policy)), judge(_now(talked, 0.87, policy=policy))
    assert (below.action, below.table) == ("send", ())
    assert above.action == "shrink"
    assert [row.method for row in above.table] == ["leave alone", "summarize_keep_tail", "summarize_all"]


def test_the_cold_mark_counts_when_the_cache_has_expired(talked: Session) -> None:
    policy = {"high": 1.0, "cold": 0.7}
    late = talked.world.now + 301
    assert judge(_now(talked, 0.8, policy=policy)).action == "send"
    verdict = judge(_now(talked, 0.8, policy=policy, at=late))
    assert verdict.action == "shrink"
    assert "would be written to the cache anew" in verdict.why
    assert judge(_now(talked, 0.69, policy=policy, at=late)).table == ()
    assert judge(_now(talked, 0.8, policy={**policy, "cold": None}, at=late)).table == ()


def test_an_edit_that_the_window_does_not_demand_pays_within_the_horizon(talked: Session) -> None:
    """It costs less than leaving alone over that many sends, or it is not made; what must fit is shrunk at any price."""
    policy = {"high": 0.7, "low": 0.5, "cold": None, "prefer": "order"}
    verdicts = {}
    for horizon in (1, 3, 10, 30, 100, 300):
        verdict = judge(_now(talked, 0.9, policy={**policy, "horizon": horizon}))
        alone = verdict.table[0]
        for row in verdict.table[1:]:
            assert row.costs is not None
            assert alone.costs is not None
        worth = [row for row in verdict.table[1:] if row.able and (row.costs or 0) < (alone.costs or 0)]
        assert (verdict.offer is not None) is bool(worth)
        verdicts[horizon] = verdict.action
    assert verdicts[1] == "send"
    assert verdicts[300] == "shrink"
    assert judge(_now(talked, 1.2, policy={**policy, "horizon": 1})).action == "shrink"


def test_the_least_gain(talked: Session) -> None:
    policy = {"high": 0.7, "low": 0.5, "cold": None, "horizon": 1_000}
    gains = [judge(_now(talked, 0.75, policy={**policy, "min_gain": gain})).action for gain in (0.1, 0.2, 0.9)]
    assert gains == ["shrink", "shrink", "send"]
    assert judge(_now(talked, 1.1, policy={**policy, "min_gain": 1.0})).action == "shrink"


def test_order_or_cost(talked: Session) -> None:
    policy = {"high": 0.7, "low": 0.5, "cold": None, "horizon": 1_000, "hot": {"tokens": 1}}
    for methods in (("summarize_all", "summarize_keep_tail"), ("summarize_keep_tail", "summarize_all")):
        verdict = judge(_now(talked, 0.9, policy={**policy, "methods": methods, "prefer": "order"}))
        assert verdict.offer is not None
        assert verdict.offer.method == methods[0]
        verdict = judge(_now(talked, 0.9, policy={**policy, "methods": methods, "prefer": "cost"}))
        assert verdict.offer is not None
        assert verdict.offer.costs == min(row.costs for row in verdict.table[1:] if row.able and row.costs is not None)


def test_what_keeps_the_hot_minimum_goes_before_what_is_cheaper(talked: Session) -> None:
    """Then what gives an account of what is gone, then the price; with `order` the policy's order is all."""

    def offer(method: str, dollars: float | None, *, hot: bool = True) -> Offer:
        return Offer(method=method, able=True, why="", hot=hot, accounts=method != "drop", over=dollars)

    offers = [
        offer("summarize_all", 0.1, hot=False),
        offer("drop", 0.1),
        offer("summarize_keep_tail", None),
        offer("compact", 0.3),
    ]
    methods = ("drop", "summarize_all", "compact", "summarize_keep_tail")
    for prefer, expected in (
        ("cost", ["compact", "summarize_keep_tail", "drop", "summarize_all"]),
        ("order", list(methods)),
    ):
        now = talked.situation(policy={"methods": methods, "prefer": prefer})
        assert [one.method for one in sorted(offers, key=lambda one: _rank(now, one))] == expected


def test_equal_moments_have_equal_tables(talked: Session) -> None:
    methods = ("clear_tool_uses", "clear_thinking", "compact", "compact_threshold", "summarize_keep_tail", "drop")
    for share in (0.9, 1.2):
        first, second = (
            judge(_now(talked, share, policy={"methods": methods, "high": 0.8, "cold": None})) for _ in range(2)
        )
        assert first == second
        assert [row.method for row in first.table] == ["leave alone", *methods]


def test_where_nothing_helps_it_says_so(talked: Session) -> None:
    verdict = judge(_now(talked, 1.5, policy={"methods": ()}))
    assert (verdict.action, verdict.offer) == ("relieve", None)


def test_in_the_background_only_above_its_mark_and_only_what_takes_time(talked: Session) -> None:
    every = ("compact", "summarize_keep_tail", "summarize_all", "drop", "clear_thinking")
    policy = {"methods": every, "low": 0.5, "background": 0.7}
    assert in_background(_now(talked, 0.69, policy=policy)) is None
    assert in_background(_now(talked, 0.75, policy={**policy, "background": None})) is None
    found = in_background(_now(talked, 0.75, policy=policy))
    assert found is not None
    assert found.method in ("compact", "summarize_keep_tail")
    assert in_background(_now(talked, 0.75, policy={**policy, "methods": ("drop", "summarize_all")})) is None


@pytest.mark.parametrize(
    "methods", [("clear_tool_uses",), ("compact",), ("summarize_all",), ("drop", "clear_thinking")]
)
def test_no_plan_edits_twice(methods: tuple[str, ...]) -> None:
    """Law 7: between two edits there is new content, whatever the methods."""
    session = Session(OPUS_55, settings={}, budget=7_000, high=0.9, cold=None, methods=methods, warm={"tokens": 400})
    session.user("Read them.")
    for number in range(45):
        session.round(12)
        if number % 5 == 4:
            session.say()
            session.user("And these.")
    records, record = [], 0
    for event in session.conversation.events:
        record += isinstance(event, Appended | Received)
        if isinstance(event, Compacted | Edited):
            records.append(record)
    assert len(records) >= 2
    assert records == sorted(set(records))
