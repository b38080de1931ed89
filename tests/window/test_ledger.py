from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.record.blocks import is_thinking
from ctxwindow.testing import Step, conversations
from ctxwindow.window import Billed, Ledger, count, entry_for, open_ledger

OPUS = resolve("claude-opus-4-6")
HAIKU = resolve("claude-haiku-4-5")


def _ledger(messages: list[dict[str, Any]], profile: Any = OPUS) -> Ledger:
    ledger = open_ledger(profile, {})
    for message in messages:
        ledger.add(entry_for(message, profile, before=ledger.before))
    return ledger


def _thinking(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": "s" * 80}


TURN: list[dict[str, Any]] = [
    {"role": "user", "content": "Why is the sky blue?"},
    {
        "role": "assistant",
        "content": [_thinking("Rayleigh scattering, I think. " * 20), {"type": "text", "text": "Scattering."}],
    },
]
NEXT = {"role": "user", "content": "And the sea?"}


def test_keep_all_models_count_earlier_thinking() -> None:
    """RET-01: keep-all models keep every previous turn's thinking in context (V-RET-1)."""
    before = _ledger(TURN).total.tokens
    after = _ledger([*TURN, NEXT])
    assert after.total.tokens > before
    assert after.window().by["thinking"] > 100
    assert after.window().not_counted == {}


def test_last_turn_only_models_strip_it() -> None:
    """RET-02: thinking is kept only for the last assistant turn; older blocks are stripped and unbilled (V-RET-1)."""
    open_turn, next_turn = _ledger(TURN, HAIKU).window(), _ledger([*TURN, NEXT], HAIKU).window()
    thinking = open_turn.by["thinking"]
    assert thinking > 100
    assert next_turn.by["thinking"] == 0
    assert next_turn.not_counted == {"RET-02": thinking}
    stripped = [block for block in next_turn.blocks if block.disposition == "stripped"]
    assert [(block.path, block.rule, block.tokens) for block in stripped] == [
        ("messages.1.content.0", "RET-02", thinking)
    ]


def test_tool_results_start_no_turn() -> None:
    """RET-06: inside an open tool loop all models keep the current turn's thinking."""
    call = {"type": "tool_use", "id": "t", "name": "read", "input": {}}
    loop: list[dict[str, Any]] = [TURN[0], {"role": "assistant", "content": [_thinking("Look first."), call]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "blue"}]}]  # fmt: skip
    assert _ledger(loop, HAIKU).window().by["thinking"] > 0


def test_turn_scoped_reminders_expire() -> None:
    """SYS-07: renders only until a later user message exists; then it costs 0 tokens (V-SYS-2)."""
    reminder = {"role": "system", "content": "Remember the tests.", "clear_at": "next_user_message"}
    reply = {"role": "assistant", "content": "Yes."}
    profile = resolve("claude-opus-5-5")
    with_reminder = _ledger([TURN[0], reminder, reply, NEXT], profile)
    without = _ledger([TURN[0], reply, NEXT], profile)
    assert with_reminder.total.tokens == without.total.tokens
    assert with_reminder.window().not_counted["SYS-07"] > 0
    assert {block.disposition for block in with_reminder.window().blocks if block.path.startswith("messages.1.")} == {
        "expired"
    }


def test_an_anchor_is_exact_and_later_sizes_build_on_it() -> None:
    ledger = _ledger(TURN[:1])
    ledger.anchor(5_000)
    assert ledger.window().source == "exact"
    assert ledger.window().overheads["unexplained"] == 5_000 - _ledger(TURN[:1]).total.tokens
    ledger.add(entry_for(TURN[1], OPUS))
    window = ledger.window()
    assert window.source == "anchored"
    assert window.tokens == 5_000 + _ledger(TURN).total.tokens - _ledger(TURN[:1]).total.tokens
    assert window.tokens == sum(window.by.values())


def test_rollback_returns_to_the_mark() -> None:
    ledger = _ledger(TURN)
    ledger.anchor(900)
    mark, before = ledger.mark(), ledger.window()
    ledger.add(entry_for(NEXT, OPUS))
    ledger.rollback(mark)
    assert ledger.window() == before
    assert len(ledger.entries) == 2


@given(conversations())
def test_the_running_totals_are_those_of_a_recount(steps: list[Step]) -> None:
    messages = [step.message for step in steps]
    for profile in (OPUS, HAIKU):
        running = _ledger(messages, profile).window()
        recounted = count({"messages": messages}, profile)
        assert running == recounted
        counted = [block for block in running.blocks if block.disposition == "counted"]
        assert running.tokens == sum(block.tokens for block in counted) + running.by["overhead"]


@given(conversations(long=False))
def test_stripped_blocks_are_thinking_before_the_last_turn(steps: list[Step]) -> None:
    """RET-03: strip(thinking in assistant turns t < last user-text message)."""
    messages = [step.message for step in steps]
    last = max(index for index, step in enumerate(steps) if step.kind == "append" and _starts(step.message))
    expected = {
        f"messages.{index}.content.{place}"
        for index in range(last)
        if isinstance(messages[index]["content"], list)
        for place, block in enumerate(messages[index]["content"])
        if is_thinking(block)
    }
    window = count({"messages": messages}, HAIKU)
    assert {block.path for block in window.blocks if block.disposition == "stripped"} == expected


def _starts(message: dict[str, Any]) -> bool:
    content = message["content"]
    return isinstance(content, str) or any(block["type"] != "tool_result" for block in content)


@pytest.mark.parametrize(
    ("profile", "places", "gone"),
    [
        (OPUS, {1: {0: "BIND-08"}}, True),
        (OPUS, {1: {1: "BIND-08", 7: "BIND-08"}, 9: {0: "BIND-08"}}, False),  # a text, and what is not there
        (HAIKU, {1: {0: "BIND-08"}}, False),  # it has left with its turn
    ],
)
def test_thinking_that_the_server_dropped_is_taken_out(
    profile: ModelProfile, places: dict[int, dict[int, str]], gone: bool
) -> None:
    """TOK-23: dropped thinking blocks are neither billed nor in input_tokens."""
    ledger = _ledger([*TURN, NEXT], profile)
    before = ledger.window()
    ledger.drop(places)
    ledger.drop(places)
    after = ledger.window()
    assert (before.tokens - after.tokens == before.by["thinking"] > 0) == gone
    assert after.not_counted.get("BIND-08", 0) == (before.by["thinking"] if gone else 0)
    assert after.tokens == sum(after.by.values())


def test_what_the_last_sampling_read_is_exact_and_the_rest_is_what_it_wrote() -> None:
    """CTX-17."""
    ledger = _ledger(TURN)
    ledger.anchor_before(5_000, 1, Billed())
    text = _ledger([TURN[0], {"role": "assistant", "content": TURN[1]["content"][1:]}]).total.tokens
    assert ledger.source == "anchored"
    assert ledger.total.tokens == 5_000 + text - _ledger(TURN[:1]).total.tokens


def test_a_doubtful_size_is_a_bound_and_a_remark() -> None:
    ledger = _ledger(TURN)
    before = ledger.total
    ledger.doubt("it cannot be", before.tokens + 9_000)
    assert (ledger.believed, ledger.total.tokens) == (before, before.tokens)
    assert ledger.window().doubt == "it cannot be"
    assert ledger.window().high == before.high + 9_000
    ledger.anchor(before.tokens + 1)
    assert ledger.window().doubt is None


def test_a_correction_is_an_overhead_of_its_own() -> None:
    """Law 9: what was learnt moves the total, and the books say by how much."""
    image = {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://example.org/x"}}]}
    size = entry_for(image, OPUS).size.count
    ledger = _ledger(TURN)
    ledger.anchor(5_000)
    for step in range(1, 11):
        ledger.add(entry_for(image, OPUS))
        ledger.anchor(5_000 + size.high * step)
    ledger.add(entry_for(image, OPUS))
    window = ledger.window()
    assert window.overheads["correction"] == size.high - size.tokens
    assert window.tokens == 5_000 + size.high * 11 == sum(window.by.values())
    fresh = Ledger(OPUS, ledger.fixed, learning=ledger.learning)
    fresh.add(entry_for(image, OPUS))
    assert fresh.source == "estimated"
    assert fresh.unexplained == 0
    assert fresh.window().overheads["correction"] == size.high - size.tokens
