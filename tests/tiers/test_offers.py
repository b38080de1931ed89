from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, assume, event, given, settings
from hypothesis import strategies as st

from ctxwindow import Conversation, Policy
from ctxwindow.catalog import resolve
from ctxwindow.record.events import Compacted, Edited
from ctxwindow.testing import Step, conversations
from ctxwindow.tiers import planner
from ctxwindow.tiers.caching import LastSend
from ctxwindow.tiers.offers import Offer, cannot, leave_alone, offered, prompt_dollars
from ctxwindow.tiers.policy import Method
from ctxwindow.tiers.situation import Situation
from ctxwindow.window import count_text
from tests.driver import MANUAL, _parts, plan, reply_of
from tests.tiers.scenes import FAMILIES, HAIKU, OPUS_55, situation

METHODS: tuple[Method, ...] = (
    "clear_tool_uses", "clear_thinking", "compact", "summarize_keep_tail", "summarize_all", "drop",
)  # fmt: skip
"""All whose effect can be seen at once; `compact_threshold` needs a reply."""

NOVEMBER = dt.datetime(2026, 11, 20, tzinfo=dt.UTC).timestamp()
"""A day on which every model has a price."""


# -- what is offered is what comes of it, for any conversation ----------------------------------------------


@st.composite
def moments(draw: st.DrawFn, factors: tuple[float | None, ...] = (None, 1.0, 0.9, 1.2)) -> tuple[Conversation, int]:
    """A conversation at a moment in which a request could be planned, and its `max_tokens`."""
    model = draw(st.sampled_from(sorted(FAMILIES)))
    manual = model == HAIKU
    steps = draw(conversations(max_turns=5, max_rounds=4, manual=manual, several=True, usage=True))
    ends = [number for number, step in enumerate(steps) if step.kind == "receive"]
    upto = draw(st.sampled_from(ends[len(ends) // 2 :])) if ends else 0
    pins = {"first_user_message": draw(st.booleans()), "share": 0.5}
    conversation = Conversation.start(
        model=model, system="Be brief.", settings=MANUAL if manual else {}, policy=Policy(methods=(), pins=pins)
    )
    factor = draw(st.sampled_from(factors))
    for number, step in enumerate(steps[:upto]):
        _feed(conversation, step, float(number), factor)
    return conversation, 1_100


def _feed(conversation: Conversation, step: Step, now: float, factor: float | None) -> None:
    if step.kind == "append":
        conversation.append(step.message, now=now)
        return
    window = plan(conversation, now=now, max_tokens=1_100).window
    usage = {"input_tokens": int(_parts(window) * factor), "output_tokens": 20} if factor is not None else None
    conversation.receive(reply_of(step, usage), now=now)


def _take(conversation: Conversation, offer: Offer) -> Conversation:
    """Another conversation with the same events, and what is offered carried out with as long a summary as there may be."""
    found = Conversation.fold(conversation.events)
    edit = offer.plan
    assert edit is not None
    if isinstance(edit, Edited) or edit.method == "drop":
        found._record(edit)
        return found
    found._due = edit
    text = _words(edit.tokens, found.model)
    if edit.method == "compact":
        block = {"type": "compaction", "content": text, "signature": "signed"}
        assert found.compacted({"content": [block], "stop_reason": "compaction"})
    else:
        found.summarized(text, by="test")
    return found


def _words(tokens: int, model: str) -> str:
    tokenizer = resolve(model).tokenizer
    text = "word " * tokens
    while count_text(text, tokenizer).tokens > tokens:
        text = text[: len(text) * 19 // 20]
    return text


@settings(phases=[Phase.explicit, Phase.generate])
@given(moments(), st.booleans(), st.floats(0.3, 1.0), st.floats(0.0, 1.0))
def test_an_offer_is_kept(moment: tuple[Conversation, int], cautious: bool, share: float, hot: float) -> None:
    """The window after an edit is at most what was offered, by its upper bound where the offer was cautious; what breaks, what
    thinking goes and whether the hot minimum stays is as it was told.
    """
    conversation, max_tokens = moment
    assume(conversation.wire)
    before = situation(conversation, max_tokens, 100.0)
    total = before.wire.ledger.total.high if cautious else before.wire.ledger.total.tokens
    policy = {"hot": {"tokens": max(1, int(total * hot))}, "warm": {"tokens": 300, "share": 0.5}}
    now = situation(conversation, max_tokens, 100.0, policy=policy, cautious=cautious, limit=max(1, total))
    for method in METHODS:
        offer = planner._METHODS[method](now, int(total * share))
        if not offer.able:
            continue
        event(method)
        assert offer.after <= int(total * share), method
        assert offer.frees == total - offer.after
        after = _take(conversation, offer)
        window = after.window
        found = window.high if cautious else window.tokens
        assert found <= offer.after, f"{method}: {found} tokens, and {offer.after} were offered"
        _broke_what_it_told(now, conversation, after, offer)


def _broke_what_it_told(now: Situation, before: Conversation, after: Conversation, offer: Offer) -> None:
    if offer.breaks == "cache":
        assert after.wire == before.wire
        assert after.epoch == before.epoch
    else:
        assert offer.breaks == "epoch"
        assert after.epoch == before.epoch + 1
    if offer.hot:
        hidden = {
            int(block.path.split(".")[1])
            for block in after.window.blocks
            if block.disposition == "cleared" and block.kind not in ("thinking", "redacted_thinking")
        }
        sources = after._state.wire.sources
        standing = {source for place, source in enumerate(sources) if source is not None and place not in hidden}
        expected = {index for index in before._state.forms if index >= now.hot_cut}
        edit = offer.plan
        if isinstance(edit, Compacted) and edit.method == "summarize_all" and edit.carried is not None:
            standing |= set(range(*edit.carried))  # written out
        assert expected <= standing, offer.method


# -- what it costs, worked out by hand with the prices of Opus 5.5 -------------------------------------------
# Dollars per million tokens: 4 for input, 5 to write to the cache, 0.20 to read from it, 20 for output.


def _priced(total: int = 20_000, *, cached: int = 20_000, model: str = OPUS_55, **policy: Any) -> Situation:
    """A window of so many tokens, of which so many are in the cache."""
    conversation = Conversation.start(model=model, policy=Policy())
    conversation.append({"role": "user", "content": "Go."})
    conversation._state.wire.ledger.anchor(total)
    last = LastSend(tokens=cached, messages=1, at=NOVEMBER)
    return situation(conversation, 100, NOVEMBER, cached=last if cached else None, policy=policy)


EDIT = Edited(method="clear_tool_uses", before=20_000, target=12_000)


def _offer(now: Situation, **fields: Any) -> Offer:
    given: dict[str, Any] = {"after": 10_000, "plan": EDIT, "breaks": "cache", "kept": 2_000, "thinking": 1_000}
    return offered(now, "drop", "it can", **{**given, "paid": 0.01, **fields})


def test_leaving_alone_reads_the_prefix_at_every_send() -> None:
    row = leave_alone(_priced())
    assert (row.after, row.kept, row.frees, row.breaks, row.able) == (20_000, 20_000, 0, "nothing", True)
    assert row.first == row.then == pytest.approx(0.004)
    assert row.costs == pytest.approx(0.08)
    assert row.pays_back is None
    assert row.why == "it fits, the cache is warm"


def test_leaving_alone_with_a_cold_cache_writes_it_once() -> None:
    row = leave_alone(_priced(cached=0, horizon=3))
    assert row.first == pytest.approx(0.1)
    assert row.then == pytest.approx(0.004)
    assert row.costs == pytest.approx(0.108)
    assert row.why == "it fits, the cache is cold"


def test_leaving_alone_is_not_able_above_the_limit() -> None:
    row = leave_alone(dataclasses.replace(_priced(), limit=19_500))
    assert not row.able
    assert row.why == "500 tokens too many, the cache is warm"


def test_an_edit_pays_for_itself_what_it_writes_anew_and_the_thinking_it_loses() -> None:
    """2,000 read and 8,000 written are $0.0404, later sends $0.002; 20 sends with the $0.01 paid are $0.0884. 1,000 tokens of
    thinking are $0.02 of output. Each later send saves $0.002, so 25 sends make up for the $0.0464 more of the first.
    """
    row = _offer(_priced())
    assert row.frees == 10_000
    assert row.first == pytest.approx(0.0404)
    assert row.then == pytest.approx(0.002)
    assert row.over == pytest.approx(0.0884)
    assert row.lost == pytest.approx(0.02)
    assert row.costs == pytest.approx(0.1084)
    assert row.pays_back == 25


def test_with_a_cold_cache_an_edit_pays_back_at_once() -> None:
    """Leaving alone would write 20,000 tokens: $0.1. The edit: $0.01 and 10,000 written, $0.05."""
    row = _offer(_priced(cached=0), kept=0)
    assert row.pays_back == 1
    assert row.first == pytest.approx(0.05)


def test_without_a_cache_every_token_is_paid_in_full_each_time() -> None:
    row = _offer(_priced(cache=None, horizon=5), paid=0.0, thinking=0)
    assert row.first == row.then == pytest.approx(0.04)
    assert row.costs == pytest.approx(0.2)
    assert leave_alone(_priced(cache=None, horizon=5)).costs == pytest.approx(0.4)


def test_what_is_kept_is_never_more_than_what_there_is() -> None:
    assert _offer(_priced(), kept=50_000).kept == 10_000


def test_a_prompt_below_the_minimum_of_the_cache_is_not_cached() -> None:
    """CACHE-08: 512 tokens on Opus 5.5."""
    now = _priced()
    assert prompt_dollars(now, 511, 511) == pytest.approx(511 * 4e-6)
    assert prompt_dollars(now, 512, 512) == pytest.approx(512 * 0.2e-6)


def test_without_prices_nothing_is_known_of_costs() -> None:
    now = _priced()
    now = dataclasses.replace(now, profile=msgspec.structs.replace(now.profile, prices=()))
    row = _offer(now)
    assert (row.first, row.over, row.lost, row.costs, row.pays_back) == (None, None, None, None, None)
    assert leave_alone(now).costs is None


def test_before_the_first_price_the_latest_one_is_taken() -> None:
    """Without a clock the day is the first of all, on which no model had a price."""
    assert leave_alone(dataclasses.replace(_priced(), at=None)).first is not None


@given(
    paid=st.floats(0, 0.1), after=st.integers(600, 19_999), kept=st.integers(0, 20_000), cached=st.integers(0, 20_000)
)
def test_pays_back_by_brute_force(paid: float, after: int, kept: int, cached: int) -> None:
    """The first number of sends after which it has cost no more than leaving alone, at what one such send costs."""
    now = _priced(cached=cached)
    row, without = _offer(now, after=after, kept=kept, paid=paid), prompt_dollars(now, 20_000, cached)
    assert row.first is not None
    assert row.then is not None
    assert without is not None
    sums = ((n, paid + row.first + (n - 1) * row.then - n * without) for n in range(1, 3_000))
    found = next((n for n, more in sums if more <= 1e-12), None)
    assert row.pays_back == found or (found is None and (row.pays_back or 3_000) >= 3_000)


def test_what_cannot_be_says_why_and_costs_nothing() -> None:
    row = cannot("compact", "Bedrock has no on-demand compaction [CMP-16]")
    assert not row.able
    assert row.costs is None
    assert row.why.endswith("[CMP-16]")
