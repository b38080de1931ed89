"""Compactions by the server in a replay: what the block says, what it costs, and what the engine makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Compact, Conversation, Policy, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.summarize import Extractive
from ctxwindow.transcripts import Session
from ctxwindow.transcripts.live import Exchange, Feed
from ctxwindow.transcripts.replay import replay
from ctxwindow.transcripts.session import Step
from ctxwindow.transcripts.simulated import SUMMARY_TOKENS, Server, compaction_reply
from ctxwindow.window import count, count_text
from tests.transcripts.scenes import call, lines, reply, result, session, thinking, user

BOUND = "claude-opus-5-5"
PROFILE = resolve(BOUND)

# Dollars per million tokens of Claude Opus 5.5 on the day it appeared (PRICE-01).
PRICE = PROFILE.prices[0]


def dollars(read: int, written: int, output: int) -> float:
    rates = PRICE.cache_read, PRICE.cache_write_5m, PRICE.output
    return sum(tokens * (rate or 0.0) for tokens, rate in zip((read, written, output), rates, strict=True)) / 1_000_000


def long_session(rounds: int = 24, *, gap: float = 10) -> Session:
    steps: list[Step] = [user("Read every file, then tell what entry_round3_7 is.", at=0)]
    for number in range(rounds):
        steps += [reply(thinking(f"{number}."), call(f"t{number}", path=f"src/file_{number}.py"), at=gap * number)]
        steps += [result(f"t{number}", lines(60, f"round{number}"), at=gap * number + gap / 2)]
    return session(*steps, reply(text="entry_round3_7 is in src/file_3.py.", at=gap * rounds))


def chat(turns: int = 24) -> Session:
    """Questions and answers."""
    steps: list[Step] = []
    for number in range(turns):
        steps += [user(lines(60, f"turn{number}"), at=10 * number)]
        steps += [reply(thinking(f"{number}."), text=f"Noted in note_{number}.txt.", at=10 * number + 5)]
    return session(*steps)


def feed(found: Session, method: str, budget: int, **settings: Any) -> tuple[Feed, list[Exchange]]:
    policy = Policy(budget=budget, methods=(method,), **settings)
    opened = Feed(found, found.main, policy=policy, model=BOUND)
    return opened, list(opened)


# -- on demand -----------------------------------------------------------------------------------------------


def test_a_compaction_on_demand_is_carried_out_and_adopted() -> None:
    opened, exchanges = feed(long_session(), "compact", 30_000)
    conversation = opened.conversation
    edits = conversation.compactions
    assert len(edits) >= 1
    for edit in edits:
        assert edit.method == "compact"
        assert edit.by == BOUND
        assert edit.block is not None
        assert edit.block["content"] == edit.summary
        assert count_text(edit.summary, PROFILE.tokenizer).tokens <= SUMMARY_TOKENS
    assert len({str(edit.block) for edit in edits}) == len(edits), "each is signed for its own text"
    assert list(conversation.messages) == opened.fed
    first = next(exchange for exchange in exchanges if exchange.send.epoch == 1)
    assert first.send.request["messages"][0]["content"][0] == edits[0].block


def compact_decision(conversation: Conversation, server: Server, at: float) -> Compact:
    """Rounds, sent and answered, until the server is asked to compact."""
    conversation.append({"role": "user", "content": "Read every file."}, now=at)
    for number in range(100):
        decision = conversation.plan(max_tokens=1_000, now=at + number)
        if isinstance(decision, Compact):
            return decision
        assert isinstance(decision, Send)
        server.sent(decision, at + number)
        conversation.receive({"content": [call(f"t{number}")], "stop_reason": "tool_use"}, now=at + number)
        found = [{"type": "tool_result", "tool_use_id": f"t{number}", "content": lines(60, f"n{number}")}]
        conversation.append({"role": "user", "content": found}, now=at + number)
    raise AssertionError("it never came to that")


@pytest.mark.parametrize("late", [0, 301])
def test_its_price_by_hand(late: int) -> None:
    """The newest request that the range begins with is read while it lives (CACHE-05), the rest written, the summary paid."""
    at = 1_795_000_000.0
    conversation = Conversation.start(model=BOUND, policy=Policy(budget=20_000, methods=("compact",)))
    server = Server(Extractive(), 0)
    decision = compact_decision(conversation, server, at)
    last = conversation.events[-2].at or at
    answer = server.compact(decision, conversation, PROFILE, last + late)
    length = len(decision.request["messages"])
    whole = count(decision.request, PROFILE).tokens
    # Requests have an odd number of messages; the newest that the range begins with is one reply shorter, or the range itself.
    held = length if length % 2 else length - 1
    read = (
        count({**decision.request, "messages": decision.request["messages"][:held]}, PROFILE).tokens if not late else 0
    )
    (entry,) = answer["usage"]["iterations"]
    assert entry["type"] == "compaction"
    assert entry["cache_read_input_tokens"] == pytest.approx(read, abs=30)
    assert entry["cache_read_input_tokens"] + entry["cache_creation_input_tokens"] == whole
    assert (entry["input_tokens"], entry["output_tokens"]) == (0, SUMMARY_TOKENS)
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (0, 0), "CMP-16"
    assert conversation.compacted(answer, now=last + late)
    read = entry["cache_read_input_tokens"]
    assert conversation.compactions[-1].cost == pytest.approx(dollars(read, whole - read, SUMMARY_TOKENS))


def test_its_price_is_in_the_cost_of_a_replay() -> None:
    policy = Policy(budget=30_000, methods=("compact",))
    found = replay(long_session(), policy=policy, model=BOUND)
    assert found.totals.edits == {"compact": found.totals.compactions}
    assert found.totals.violations == 0
    assert found.totals.summaries_cost is not None
    assert found.totals.summaries_cost >= found.totals.compactions * SUMMARY_TOKENS * (PRICE.output or 0) / 1_000_000
    assert found.totals.cost == pytest.approx(sum(row.cost or 0.0 for row in found.sends) + found.totals.summaries_cost)
    assert all(found.totals.laws.values())


def test_a_summariser_with_nothing_to_say_brings_no_block() -> None:
    """CMP-27."""

    class Mute(Extractive):
        def summarize(self, segment: Any, count: Any) -> str:
            return " "

    conversation = Conversation.start(model=BOUND, policy=Policy(budget=20_000, methods=("compact",)))
    decision = compact_decision(conversation, Server(Extractive(), 0), 1_795_000_000.0)
    answer = compaction_reply(decision, conversation, Mute(), len)
    assert (answer["content"], answer["stop_reason"]) == ([], "end_turn")
    assert conversation.compacted(answer) is False
    assert conversation.epoch == 0


# -- in the background ---------------------------------------------------------------------------------------


def test_what_may_be_prepared_beside_a_reply_is() -> None:
    """CMP-34: what came in meanwhile stays behind the block."""
    opened, exchanges = feed(chat(), "compact", 30_000, background=0.7)
    assert any(exchange.send.aside is not None for exchange in exchanges)
    conversation = opened.conversation
    assert [edit.method for edit in conversation.compactions]
    assert list(conversation.messages) == opened.fed
    assert all(edit.cost > 0 for edit in conversation.compactions)


# -- at the server's trigger ---------------------------------------------------------------------------------


def test_a_compaction_inside_a_reply() -> None:
    """CMP-01, CMP-02: the reply goes on from the summary, and later requests begin with it."""
    opened, exchanges = feed(long_session(70), "compact_threshold", 80_000, prefer="order", high=0.85)
    resumed = [exchange for exchange in exchanges if exchange.resumed is not None]
    assert len(resumed) >= 1
    conversation = opened.conversation
    assert [edit.method for edit in conversation.compactions] == ["compact_threshold"] * len(resumed)
    assert list(conversation.messages) == opened.fed
    at = resumed[0]
    assert at.resumed is not None
    assert at.send.window.tokens >= 50_000, "the least trigger there is"
    assert opened.fed[at.new[1]]["content"][0] == at.resumed.block
    following = exchanges[exchanges.index(at) + 1]
    assert following.send.epoch == at.send.epoch + 1
    assert following.send.request["messages"][0]["content"][0] == at.resumed.block
    assert following.send.window.tokens < 20_000


def test_its_price_is_that_of_both_iterations() -> None:
    """CMP-10: the prompt is read for the summary, then the reply is made from system prompt and summary."""
    found = replay(
        long_session(70),
        policy=Policy(budget=80_000, methods=("compact_threshold",), prefer="order", high=0.85),
        model=BOUND,
    )
    totals = found.totals
    assert (totals.violations, totals.overflows, totals.compactions) == (0, 0, 1)
    number = next(number for number, row in enumerate(found.sends) if row.epoch == 1) - 1
    before, row = found.sends[number - 1], found.sends[number]
    fixed = row.read
    output = row.cost or 0.0
    assert totals.summaries_cost == pytest.approx(dollars(before.window, row.window - before.window, SUMMARY_TOKENS))
    assert output == pytest.approx(dollars(fixed, SUMMARY_TOKENS, 0), rel=0.2), "and a reply of some dozens of tokens"
    assert fixed < 100, "no system prompt, no tools"


# -- summaries by the client ---------------------------------------------------------------------------------


def test_summaries_are_free_unless_they_are_priced() -> None:
    policy = Policy(budget=14_000, methods=("summarize_all",))
    free, priced = (replay(long_session(), policy=policy, model=BOUND, priced=priced) for priced in (False, True))
    assert free.totals.summaries_cost == 0.0
    assert priced.totals.summaries_cost is not None
    assert priced.totals.summaries_cost > 0.0
    assert [row.cost for row in priced.sends] == [row.cost for row in free.sends]
    assert priced.totals.cost == pytest.approx((free.totals.cost or 0.0) + priced.totals.summaries_cost)


def test_the_price_of_a_summary_by_hand() -> None:
    at = 1_795_000_000.0
    conversation = Conversation.start(model=BOUND, policy=Policy(budget=14_000, methods=("summarize_all",), high=0.8))
    server = Server(Extractive(), 0)
    conversation.append({"role": "user", "content": lines(200)}, now=at)
    first = conversation.plan(max_tokens=1_000, now=at)
    assert isinstance(first, Send)
    server.sent(first, at)
    conversation.receive({"content": "Noted.", "stop_reason": "end_turn"}, now=at)
    conversation.append({"role": "user", "content": lines(420, "more")}, now=at)
    decision = conversation.plan(max_tokens=1_000, now=at)
    assert isinstance(decision, Summarize)
    whole = count(decision.prefix, PROFILE).tokens
    output = count_text("About line 7.", PROFILE.tokenizer).tokens
    by_hand = dollars(first.window.tokens, whole - first.window.tokens, output)
    assert server.price(decision.prefix, "About line 7.", conversation, PROFILE, at) == pytest.approx(by_hand)
