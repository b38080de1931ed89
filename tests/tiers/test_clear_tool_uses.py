from __future__ import annotations

import itertools
from typing import Any

import pytest

from ctxwindow import count
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Edited
from ctxwindow.tiers import clear_tool_uses
from tests.driver import TOOLS
from tests.tiers.scenes import FAMILIES, HAIKU, OPUS_55, Session, blocks

CLEARING: dict[str, Any] = {"budget": 9_000, "high": 0.9, "low": 0.5, "cold": None, "methods": ("clear_tool_uses",)}


def _cleared(send: Any) -> set[str]:
    """The calls whose results the server clears of a request, by the window that is forecast."""
    messages = send.request["messages"]
    paths = [block.path.split(".") for block in send.window.blocks if block.disposition == "cleared"]
    return {blocks_of(messages[int(path[1])])[int(path[3])]["tool_use_id"] for path in paths}


def test_what_rules_it_out_names_its_rule() -> None:
    session = Session(OPUS_55, **CLEARING)
    assert clear_tool_uses.unable(session.situation()) is None
    assert clear_tool_uses.unable(session.situation(policy={"platform": "bedrock"})) is None
    assert "caller's own" in str(clear_tool_uses.unable(session.situation(own_edits=True)))
    old = Session("claude-3-haiku-20240307", methods=("drop",), settings={}, max_tokens=500)
    assert str(clear_tool_uses.unable(old.situation())).endswith("[EDIT-01]")
    advisor = {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-4-6"}
    session.conversation._state.wire.base["tools"] = [*TOOLS, advisor]
    assert str(clear_tool_uses.unable(session.situation())).endswith("[EDIT-10]")


def test_no_result_to_clear() -> None:
    session = Session(OPUS_55, **CLEARING)
    session.user("word " * 2_000)
    offer = clear_tool_uses.offer(session.situation(), 1_000)
    assert offer.why == "all old results together do not bring it down to 1,000"


def test_what_the_model_has_not_seen_is_never_cleared() -> None:
    """Also when nothing else brings it down."""
    session = Session(OPUS_55, **CLEARING)
    session.user()
    session.round(5)
    session.round(200)
    now = session.situation()
    assert not clear_tool_uses.offer(now, 1_000).able
    seen = clear_tool_uses.offer(session.situation(unsent=len(now)), 1_000)
    assert seen.plan is not None
    assert seen.plan.uses == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("model", FAMILIES)
def test_the_server_and_the_window_agree_on_what_is_cleared(model: str) -> None:
    """The API accepts the request, its usage and a count of the request are the window; what it says it cleared is what we told."""
    session = Session(model, **CLEARING)
    session.user("Read every file.")
    for number in range(36):
        session.round(*(12, 3)[: 1 + number % 2], think=2)
    edits = [event for event in session.conversation.events if isinstance(event, Edited)]
    assert len(edits) >= 2
    for send, told in zip(session.sends, session.usage, strict=True):
        assert send.window.low <= told <= send.window.high
    tokens = [send.window.tokens for send in session.sends]
    assert any(later < earlier for earlier, later in itertools.pairwise(tokens))
    assert session.conversation.epoch == 0, "the prefix of the wire stays as it is (EDIT-08)"


@pytest.mark.parametrize("model", FAMILIES)
def test_a_count_of_the_request_is_the_window(model: str) -> None:
    """Whoever counts the request finds the same cleared (without thinking, of which only usage tells the size)."""
    session = Session(model, settings={}, max_tokens=500, **CLEARING)
    session.user("Read every file.")
    for number in range(30):
        session.round(*(12, 3, 5)[: 1 + number % 3])
    assert any(_cleared(send) for send in session.sends)
    for send in session.sends:
        assert count(send.request).tokens == pytest.approx(send.window.tokens, abs=1)


def test_what_is_cleared_stays_the_same_until_the_next_edit() -> None:
    """The prefix that the server reads only grows at its end, so that the cache holds (EDIT-04)."""
    session = Session(OPUS_55, **CLEARING)
    session.user("Read every file.")
    for _ in range(24):
        session.round(20, think=2)
    seen = [_cleared(send) for send in session.sends]
    moved = [place for place, (old, new) in enumerate(itertools.pairwise(seen), start=1) if old != new]
    assert 2 <= len(moved) <= 6, "the edge moves rarely"
    assert all(seen[place - 1] < seen[place] for place in moved), "what was cleared comes back"
    edited = [
        place
        for place, send in enumerate(session.sends)
        if any(edit.method == "clear_tool_uses" for edit in send.edits)
    ]
    assert edited == moved
    for send in session.sends:
        assert ("context-management-2025-06-27" in send.request.get("betas", ())) is bool(_cleared(send))
        for edit in (send.request.get("context_management") or {}).get("edits", ()):
            results = len(blocks(send.request, "tool_result"))
            assert edit["keep"]["value"] == results - len(_cleared(send))


def test_the_window_sends_what_is_needed_and_only_that() -> None:
    """As many of the oldest as bring it down to the low mark."""
    session = Session(OPUS_55, **CLEARING)
    session.user()
    for _ in range(10):
        session.round(20)
    now = session.situation()
    uses = [clear_tool_uses.offer(now, target).plan.uses for target in (4_500, 4_000, 3_500)]  # type: ignore[union-attr]
    assert uses == sorted(set(uses))
    for number, target in zip(uses, (4_500, 4_000, 3_500), strict=True):
        offer = clear_tool_uses.offer(now, target)
        per = (now.total - offer.after) / number
        assert offer.after <= target < offer.after + per * 1.2


def test_tools_that_are_kept_are_never_cleared() -> None:
    session = Session(OPUS_55, **{**CLEARING, "keep_tools": ("search",)})
    session.user()
    for number in range(24):
        session.round(16, name="search" if number % 4 == 0 else "read_file")
    searches = {
        block["id"] for message in session.conversation.messages for block in blocks_of(message)
        if block.get("type") == "tool_use" and block["name"] == "search"
    }  # fmt: skip
    assert any(_cleared(send) for send in session.sends)
    for send in session.sends:
        assert not _cleared(send) & searches
        for edit in (send.request.get("context_management") or {}).get("edits", ()):
            assert edit["exclude_tools"] == ["search"]


def test_what_it_keeps_in_the_cache() -> None:
    """EDIT-04: up to the first cleared result."""
    session = Session(OPUS_55, **CLEARING)
    session.user()
    for _ in range(8):
        session.round(20)
    now = session.situation()
    offer = clear_tool_uses.offer(now, now.total * 3 // 4)
    expected = now.fixed + sum(entry.size.count.tokens for entry in now.wire.ledger.entries[:2])
    assert (offer.kept, offer.breaks, offer.thinking) == (expected, "cache", 0)
    assert clear_tool_uses.offer(session.situation(cached=None), now.total * 3 // 4).kept == 0


def test_it_reaches_for_the_limit_where_the_low_mark_is_out_of_reach() -> None:
    """As long as clearing lets the request fit there is no overflow."""
    session = Session(HAIKU, budget=12_000, methods=("clear_tool_uses",))
    session.user("Read them all.")
    for _ in range(25):
        session.round(20, 10, think=5)
    assert all(send.window.tokens <= 12_000 - session.max_tokens for send in session.sends)


def test_an_exact_size_outlives_the_edit() -> None:
    """What stands unseen in a prompt is known from the API's usage; to clear results must not forget it."""
    session = Session(OPUS_55, **CLEARING)
    session.world.share = 1.2
    session.user()
    while not any(isinstance(event, Edited) for event in session.conversation.events):
        session.round(20)
    send = session.ready()
    assert send.window.source == "anchored"
    plain = count(send.request).tokens
    assert send.window.tokens > plain * 1.1
