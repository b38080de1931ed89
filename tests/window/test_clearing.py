from __future__ import annotations

import sys
from typing import Any, get_args

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.record.blocks import blocks_of
from ctxwindow.testing import requests
from ctxwindow.window import Disposition, Ledger, entry_for, open_ledger
from ctxwindow.window.clearing import Clearing, Held
from tests.window.scenes import (
    HAIKU,
    OPUS,
    Message,
    assistant,
    body,
    call,
    clear_uses,
    keep,
    result,
    rounds,
    text,
    thinking,
    user,
)

CLEAR_THINKING = {"type": "clear_thinking_20251015", "keep": keep(1, "thinking_turns")}


def _ledger(request: dict[str, Any], messages: list[Message]) -> Ledger:
    ledger = open_ledger(resolve(request["model"]), request)
    for message in messages:
        ledger.add(entry_for(message, ledger.profile, before=ledger.before))
    return ledger


def test_nothing_is_followed_unless_it_is_asked_for() -> None:
    profile = resolve(OPUS)
    assert not Clearing({}, profile)
    assert not Clearing({"context_management": {"edits": [{"type": "compact_20260112"}]}}, profile)
    both = Clearing({"context_management": {"edits": [CLEAR_THINKING, clear_uses()]}}, profile)
    assert both
    assert both.rules_thinking


def test_malformed_edits_clear_nothing() -> None:
    """What an edit makes of nonsense the API answers with an error (EDIT-02); counting goes on."""
    for management in ("x", {"edits": "x"}, {"edits": [1, {"type": 2}]}, {"edits": [clear_uses(keep="x", trigger=3)]}):
        request = {**body(rounds(2)), "context_management": management}
        assert _ledger(request, request["messages"]).window().not_counted == {}


def test_thinking_goes_first_and_the_trigger_sees_what_it_left() -> None:
    """EDIT-07: thinking is listed first; the trigger of the other is judged on what is left (the safe reading)."""
    messages = [
        user("One."),
        assistant(thinking("a", 300), text("1")),
        user("Two."),
        assistant(thinking("b"), text("2")),
    ]
    messages += rounds(5)
    whole = _ledger(body(messages), messages).total.tokens
    uses = clear_uses(trigger=keep(whole - 1, "input_tokens"))
    alone = body(messages, uses)
    both = body(messages, CLEAR_THINKING, uses)
    assert [edit.type for edit in _ledger(alone, messages).cleared] == ["clear_tool_uses_20250919"]
    assert [edit.type for edit in _ledger(both, messages).cleared] == ["clear_thinking_20251015"]


def test_what_was_cleared_comes_back_when_the_prompt_is_small_again() -> None:
    """EDIT-01, RET-02: the server edits each request anew; stripped thinking may bring it under the trigger."""
    loop = rounds(2)
    loop[1]["content"].insert(0, thinking("a", 400))
    after = [assistant(text("Read.")), user("Thanks.")]
    whole, rest = (_ledger(body(loop, model=HAIKU), said).total.tokens for said in (loop, [*loop, *after]))
    assert rest < whole
    edit = clear_uses(keep=keep(1), trigger=keep(whole - 1, "input_tokens"))
    ledger = _ledger(body(loop, edit, model=HAIKU), loop)
    assert ledger.cleared
    ledger.anchor(ledger.total.tokens)
    for message in after:
        ledger.add(entry_for(message, ledger.profile, before=ledger.before))
    assert not ledger.cleared
    assert ledger.total.tokens == rest
    assert ledger.window().tokens == sum(ledger.window().by.values())


def test_calls_that_code_made_and_loaded_tools_are_rolled_back() -> None:
    """TOK-20, TOOL-20."""
    tool = {"name": "deploy", "input_schema": {"type": "object"}, "defer_loading": True}
    request = body([], tools=[{"name": "find", "input_schema": {"type": "object"}}, tool])
    found = result("t0", [{"type": "tool_reference", "tool_name": name} for name in ("deploy", "find", "deploy")])
    messages = [user("Go."), assistant({**call("t0"), "caller": {"type": "code_execution_20250825"}}), user([found])]
    ledger = _ledger(request, messages[:1])
    mark, before = ledger.mark(), ledger.window()
    for _ in range(2):
        for message in messages[1:]:
            ledger.add(entry_for(message, ledger.profile, before=ledger.before))
        assert ledger.window().not_counted.keys() == {"TOK-20"}
        assert ledger.window().by["tools"] == before.by["tools"], "what never enters names nothing"
        ledger.rollback(mark)
        assert ledger.window() == before
    ledger.add(entry_for(assistant(call("t0")), ledger.profile))
    ledger.add(entry_for(user([found]), ledger.profile))
    assert ledger.window().not_counted == {}
    assert ledger.window().by["tools"] > before.by["tools"]


_EDITS = st.sampled_from(
    [
        [clear_uses(keep=keep(1))],
        [CLEAR_THINKING],
        [CLEAR_THINKING, clear_uses(trigger=keep(1), clear_tool_inputs=True)],
    ]
)


@given(requests(), _EDITS, st.data())
def test_rollback_returns_to_the_mark(request: dict[str, Any], edits: list[Message], data: st.DataObject) -> None:
    """After a rollback everything is as it was at the mark, and adding the same again gives the same again."""
    request = {**request, "context_management": {"edits": edits}}
    messages = request["messages"]
    at = data.draw(st.integers(0, len(messages)))
    ledger = _ledger(request, messages[:at])
    mark, before = ledger.mark(), ledger.window()
    listed = before.blocks
    for _ in range(2):
        for message in messages[at:]:
            ledger.add(entry_for(message, ledger.profile, before=ledger.before))
        assert ledger.window() == _ledger(request, messages).window()
        ledger.rollback(mark)
        assert (ledger.window(), ledger.window().blocks) == (before, listed)


@given(requests(), _EDITS, st.data())
def test_the_books_balance_with_context_management(
    request: dict[str, Any], edits: list[Message], data: st.DataObject
) -> None:
    """window = the sum over counted blocks + named overheads, before and after an exact size is known (law 9)."""
    request = {**request, "context_management": {"edits": edits}}
    messages = request["messages"]
    at = data.draw(st.integers(0, len(messages)))
    ledger = _ledger(request, messages[:at])
    ledger.anchor(5_000)
    pinned = ledger.window()
    assert pinned.tokens == 5_000
    assert pinned.source == "exact"
    for message in messages[at:]:
        ledger.add(entry_for(message, ledger.profile, before=ledger.before))
    for window in (pinned, ledger.window()):
        assert window.tokens == sum(window.by.values())
        assert window.low <= window.tokens <= window.high
        assert window.by["overhead"] == sum(window.overheads.values())
    counted = [block for block in ledger.window().blocks if block.disposition == "counted"]
    assert ledger.window().tokens == sum(block.tokens for block in counted) + ledger.window().by["overhead"]


@given(requests(), _EDITS)
def test_every_block_that_does_not_count_is_listed_under_its_rule(
    request: dict[str, Any], edits: list[Message]
) -> None:
    """Every block has exactly one disposition, with the id of the rule behind it; not_counted is their sum."""
    request = {**request, "context_management": {"edits": edits}}
    window = _ledger(request, request["messages"]).window()
    expected = [f"system.{place}" for place in range(len(blocks_of({"content": request.get("system")})))]
    expected += [f"tools.{place}" for place in range(len(request.get("tools", ())))]
    for index, message in enumerate(request["messages"]):
        expected += [f"messages.{index}.content.{place}" for place in range(len(blocks_of(message)))]
    assert [block.path for block in window.blocks] == expected
    found: dict[str, int] = {}
    for block in window.blocks:
        assert block.disposition in get_args(Disposition)
        if block.disposition not in ("counted", "deferred") and block.tokens:
            found[block.rule] = found.get(block.rule, 0) + block.tokens
    # Before a compaction block the frames of messages are left out too.
    frames = window.not_counted.get("CMP-02", 0) - found.get("CMP-02", 0)
    assert frames >= 0
    assert {**window.not_counted, "CMP-02": found.get("CMP-02")} == {**found, "CMP-02": found.get("CMP-02")}


def _calls(request: dict[str, Any], history: int) -> int:
    """Calls of functions that one more round costs behind so many rounds."""
    messages, calls = rounds(history + 1, words=5), 0
    ledger = _ledger(request, messages[:-2])

    def profiled(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(profiled)
    try:
        for message in messages[-2:]:
            ledger.add(entry_for(message, ledger.profile, before=ledger.before))
            ledger.window()
    finally:
        sys.setprofile(None)
    return calls


def test_a_message_costs_the_message() -> None:
    """What one more message costs does not grow with the history."""
    request = body([], CLEAR_THINKING, clear_uses(clear_tool_inputs=True))
    few, many = ([_calls(request, history) for _ in range(2)][1] for history in (20, 400))  # counts are remembered
    assert few == many


# -- edits held in place -------------------------------------------------------------------------------------------


@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
@given(requests(), st.integers(0, 6), st.integers(0, 3), st.data())
def test_what_is_held_stays_the_same_as_the_conversation_grows(
    request: dict[str, Any], uses: int, turns: int, data: st.DataObject
) -> None:
    """The server, asked anew each time, clears just what is held (EDIT-01): no more, and never less than before."""
    request.pop("context_management", None)
    profile = resolve(OPUS)
    held = Held(uses=uses, turns=turns)
    ledger = open_ledger(profile, request, held=held)
    cleared: set[str] = set()
    for number, message in enumerate(request["messages"], start=1):
        ledger.add(entry_for(message, profile, before=ledger.before))
        now = {block.path for block in ledger.window().blocks if block.disposition == "cleared"}
        assert cleared <= now
        cleared = now
        asked = {**request, "model": OPUS, "messages": request["messages"][:number]}
        if ledger.edits:
            asked["context_management"] = {"edits": ledger.edits}
        assert [edit["type"] for edit in ledger.edits] == sorted(edit["type"] for edit in ledger.edits), "EDIT-07"
        told = _ledger(asked, asked["messages"]).window()
        assert told.tokens == ledger.window().tokens
        assert {block.path for block in told.blocks if block.disposition == "cleared"} == now


@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
@given(requests(), st.integers(0, 6), st.integers(0, 3), st.data())
def test_holding_later_is_holding_from_the_start(
    request: dict[str, Any], uses: int, turns: int, data: st.DataObject
) -> None:
    """What is cleared is the same, and so are rollbacks; an exact size that is known stays known."""
    request.pop("context_management", None)
    messages, profile, held = request["messages"], resolve(OPUS), Held(uses=uses, turns=turns)
    at = data.draw(st.integers(0, len(messages)))
    late, early = open_ledger(profile, request), open_ledger(profile, request, held=held)
    mark = late.mark()
    for number, message in enumerate(messages):
        if number == at:
            mark = late.mark()
        for ledger in (late, early):
            ledger.add(entry_for(message, profile, before=ledger.before))
    if at == len(messages):
        mark = late.mark()
    again = late.hold(held, mark)
    assert again is not None
    assert late.window() == early.window()
    late.rollback(again)
    assert late.window() == _held(request, messages[: again.length], held).window()
    for message in messages[again.length :]:
        late.add(entry_for(message, profile, before=late.before))
    assert late.window() == early.window()
    late.anchor(50_000)
    late.hold(None)
    assert late.total.tokens == 50_000 + sum(edit.tally.freed.tokens for edit in early.cleared)
    late.hold(held)
    assert late.total.tokens == 50_000


def _held(request: dict[str, Any], messages: list[Message], held: Held) -> Ledger:
    ledger = open_ledger(resolve(OPUS), request, held=held)
    for message in messages:
        ledger.add(entry_for(message, ledger.profile, before=ledger.before))
    return ledger
