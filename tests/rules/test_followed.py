"""Rules that other code follows, and that are not about counting: turns, tools, thinking, replies and streams."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.emulator.stream import events_of
from ctxwindow.record.turns import is_turn_start
from ctxwindow.rules import View, cuts, find_violations
from ctxwindow.tiers.state import usable
from ctxwindow.window import Ledger, count, entry_for, open_ledger
from ctxwindow.window.compare import compare
from ctxwindow.window.usage import latest

BOUND, KEEPS, STRIPS = "claude-opus-5-5", "claude-opus-4-6", "claude-haiku-4-5"
HI: dict[str, Any] = {"role": "user", "content": "hi"}
TEXT: dict[str, Any] = {"type": "text", "text": "a"}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "t", "content": "x"}
F: dict[str, Any] = {"name": "f", "description": "Looks. " * 400, "input_schema": {"type": "object"}}


def thought(signature: str = "s") -> dict[str, Any]:
    return {"type": "thinking", "thinking": "Why? " * 200, "signature": signature}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def found(*messages: Any, model: str = BOUND, **more: Any) -> list[tuple[str, str, str]]:
    violations = find_violations({"model": model, "messages": list(messages), **more})
    return [(violation.rule, violation.path, violation.severity) for violation in violations]


def tokens(*messages: Any, model: str = KEEPS, **more: Any) -> int:
    return count({"model": model, "messages": list(messages), **more}).tokens


# ---- replies


def test_a_reply_that_claude_never_wrote_carries_no_thinking() -> None:
    """MSG-11."""
    assert found(HI, assistant(TEXT), HI) == []
    made_up = {"type": "thinking", "thinking": "I would say a.", "signature": ""}
    assert found(HI, assistant(made_up, TEXT), HI) == [("REPLAY-04", "messages.1.content.0", "error")]


@pytest.mark.parametrize(
    ("stop_reason", "kept"),
    [
        ("end_turn", True),
        ("max_tokens", False),
        ("stop_sequence", True),
        ("tool_use", True),
        ("pause_turn", True),
        ("compaction", True),
        ("refusal", False),
        ("model_context_window_exceeded", False),
    ],
)
def test_what_a_stop_reason_makes_of_a_reply_with_a_call(stop_reason: str, kept: bool) -> None:
    """MSG-12."""
    assert usable(assistant(TEXT, CALL), stop_reason) == kept


def test_an_empty_reply_is_not_sent_back() -> None:
    """MSG-15."""
    assert not usable({"role": "assistant", "content": []}, "end_turn")


def test_a_cut_reply_goes_on_by_prefill_or_by_a_message() -> None:
    """MSG-16: up to Claude 4.5 the partial text ends the request; later it is quoted to the model."""
    assert found(HI, assistant(TEXT), model="claude-sonnet-4-5") == []
    assert [rule for rule, _, _ in found(HI, assistant(TEXT))] == ["MSG-04"]
    assert found(HI, assistant(TEXT), {"role": "user", "content": "You had got to: a. Go on."}) == []


# ---- streams


def test_the_usage_of_a_stream_is_cumulative() -> None:
    """TOK-06."""
    usage = {"input_tokens": 25, "cache_read_input_tokens": 7, "output_tokens": 1}
    for output in (15, 40):
        usage = latest(usage, {"input_tokens": None, "output_tokens": output})
    assert usage == {"input_tokens": 25, "cache_read_input_tokens": 7, "output_tokens": 40}


@pytest.mark.parametrize(
    ("block", "started", "deltas"),
    [
        ({"content": "so far", "encrypted_content": "e"}, None, ["so far"]),  # CMP-12
        ({"content": "so far", "signature": "c"}, "so far", []),  # CMP-33
    ],
    ids=["threshold", "signed"],
)
def test_a_summary_comes_whole(block: dict[str, Any], started: str | None, deltas: list[str]) -> None:
    """CMP-12: in one delta. CMP-33: in the start of its block."""
    message = {"content": [{"type": "compaction", **block}], "usage": {"output_tokens": 9}, "stop_reason": "compaction"}
    events = {event.name: event.data for event in events_of(message)}
    assert events["content_block_start"]["content_block"]["content"] == started
    assert [d["delta"]["content"] for name, d in events.items() if name == "content_block_delta"] == deltas


def test_the_runner_has_no_compaction_control() -> None:
    """CMP-35: sent on as a field of the body, it would be refused."""
    assert found(HI, compaction_control={"enabled": True}) == [("VER-08", "compaction_control", "error")]


# ---- turns and tools


def test_a_loop_of_calls_is_one_turn() -> None:
    """TOOL-07."""
    loop = [HI, assistant(CALL), user(RESULT), assistant(TEXT), user(RESULT, TEXT)]
    assert [is_turn_start(message) for message in loop] == [True, False, False, False, True]


def test_one_cuts_where_no_call_is_open() -> None:
    """TOOL-22."""
    view = View([HI, assistant(CALL), user(RESULT), assistant(TEXT), HI])
    assert cuts(view) == [1, 3, 4, 5]


def test_tools_are_turned_off_by_tool_choice() -> None:
    """TOOL-16: their definitions taken out cost thinking and cache, `tool_choice` none does not."""
    before = {"model": BOUND, "system": [{**TEXT, "text": "Be brief. " * 600, "cache_control": {"type": "ephemeral"}}]}
    before |= {"tools": [F], "messages": [HI, assistant(thought(), TEXT), HI]}
    off = compare(before, {**before, "tool_choice": {"type": "none"}})
    gone = compare(before, {key: value for key, value in before.items() if key != "tools"})
    assert (off.rejected, off.thinking_lost) == (False, ())
    assert off.warm.read > 0
    assert gone.rejected
    assert gone.thinking_lost == ("messages.1.content.0",)
    assert gone.warm.read == 0


def test_a_reference_costs_the_definition() -> None:
    """TOOL-20: as long as it is in the prompt."""
    search = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
    tools = [{**F, "defer_loading": True}, search]
    asked = {"type": "server_tool_use", "id": "s", "name": "tool_search_tool_bm25", "input": {}}
    hit = {"type": "tool_search_tool_search_result", "tool_references": [{"type": "tool_reference", "tool_name": "f"}]}
    miss = {**hit, "tool_references": []}
    with_it, without = (
        tokens(
            HI,
            assistant(asked, {"type": "tool_search_tool_result", "tool_use_id": "s", "content": content}),
            HI,
            tools=tools,
        )
        for content in (hit, miss)
    )
    assert with_it > without + 300


def test_tool_21() -> None:
    """A history with advisor results needs the advisor's beta header, even without the advisor tool."""
    asked = {"type": "server_tool_use", "id": "s", "name": "advisor", "input": {}}
    advice = {"type": "advisor_tool_result", "tool_use_id": "s", "content": {"type": "advisor_result", "text": "a"}}
    history = [HI, assistant(asked, advice, TEXT), HI]
    path = "messages.1.content.1"
    assert found(*history) == [("TOOL-21", path, "warning")]
    assert found(*history, betas=[]) == [("TOOL-21", path, "error")]
    assert found(*history, betas=["advisor-tool-2026-03-01"]) == []


# ---- thinking


def ledger(model: str, *messages: dict[str, Any]) -> Ledger:
    made = open_ledger(resolve(model), {})
    for message in messages:
        made.add(entry_for(message, resolve(model)))
    return made


@pytest.mark.parametrize(("model", "subtracted"), [(STRIPS, True), (KEEPS, False)])
def test_the_window_is_the_input_and_the_current_turn(model: str, subtracted: bool) -> None:
    """RET-05, RET-08: less what was thought before on last-turn-only models, where a new turn starts; elsewhere it stays."""
    first, second = [HI, assistant(thought(), CALL), user(RESULT)], [HI, assistant(TEXT)]
    followed = ledger(model, *first)
    followed.anchor(1_000)
    thinking = followed.window().by["thinking"]
    after = ledger(model, *first, *second)
    for message in second:
        followed.add(entry_for(message, resolve(model)))
    added = tokens(*second, model=model) - tokens(model=model)
    assert followed.total.tokens == 1_000 + added - (thinking if subtracted else 0)
    assert ("RET-02" in after.window().not_counted) == subtracted


@pytest.mark.parametrize(("model", "kept"), [(STRIPS, 1), (KEEPS, 3)])
def test_thinking_is_cleared_by_an_edit(model: str, kept: int) -> None:
    """RET-07, RET-09: all but one turn's by default on last-turn-only models, none on keep-all models."""
    turns = [message for name in "abc" for message in (HI, assistant(thought(name), TEXT))]
    edits: dict[str, Any] = {"edits": [{"type": "clear_thinking_20251015"}]}
    window = count(
        {"model": model, "messages": [*turns, HI], "context_management": edits, "thinking": {"type": "adaptive"}}
    )
    counted = [block for block in window.blocks if block.kind == "thinking" and block.disposition == "counted"]
    assert len(counted) == kept
    edits["edits"][0]["keep"] = {"type": "thinking_turns", "value": 2}
    window = count({"model": model, "messages": [*turns, HI], "context_management": edits})
    assert sum(block.kind == "thinking" and block.disposition == "counted" for block in window.blocks) == 2


def test_thinking_left_out_costs_the_cache_behind_it() -> None:
    """REPLAY-07."""
    end = {**TEXT, "text": "Go on. " * 400, "cache_control": {"type": "ephemeral"}}
    history = [HI, assistant(thought(), TEXT), user(end)]
    before = {"model": KEEPS, "system": "Be brief. " * 2_000, "messages": history}
    kept = {**before, "messages": [*history, assistant(TEXT), HI]}
    without = {**kept, "messages": [HI, assistant(TEXT), *kept["messages"][2:]]}
    assert compare(before, kept).warm.read > 0
    assert compare(before, without).warm.read == 0


# ---- what the server adds


def test_what_the_server_adds_is_learnt_from_the_usage() -> None:
    """EDIT-09: a warning whose size is not documented counts once a usage has told the whole."""
    followed = ledger(KEEPS, HI)
    followed.anchor(followed.total.tokens + 70)
    assert followed.window().overheads["unexplained"] == 70
