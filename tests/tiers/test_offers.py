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
