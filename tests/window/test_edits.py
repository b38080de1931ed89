from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.window import Served, count, entry_for, serve
from ctxwindow.window.edits import PLACEHOLDER
from ctxwindow.window.request import ledger_of
from tests.window.scenes import (
    HAIKU,
    OPUS,
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

CLEAR_THINKING = "clear_thinking_20251015"


def _serve(messages: list[dict[str, Any]], *edits: dict[str, Any], model: str = OPUS) -> Served:
    return serve(body(messages, *edits, model=model), resolve(model))


def _cleared(served: Served) -> list[str]:
    return [block.path for block in served.window.blocks if block.disposition == "cleared"]


def test_the_oldest_results_are_cleared_and_three_are_kept() -> None:
    """EDIT-02: clear oldest tool results, keep the last `keep` (default 3) pairs; the trigger is 100,000 tokens."""
    messages = rounds(5)
    served = _serve(messages, clear_uses())
    assert _cleared(served) == ["messages.2.content.0", "messages.4.content.0"]
    assert served.request["messages"][2] == user([result("toolu_0", PLACEHOLDER)])
    assert served.request["messages"][1] is messages[1], "calls stay by default"
    assert _cleared(_serve(messages, {"type": "clear_tool_uses_20250919"})) == [], "far from 100,000 tokens"
    long = rounds(5, words=15_000)
    assert _cleared(_serve(long, {"type": "clear_tool_uses_20250919"})) == _cleared(served)


def test_the_trigger_is_exceeded_not_reached() -> None:
    """EDIT-02: when the prompt exceeds the trigger, in input tokens or in tool uses."""
    messages = rounds(5)
    size = _serve(messages).window.tokens
    for unit, value in (("input_tokens", size), ("tool_uses", 5)):
        assert _cleared(_serve(messages, clear_uses(trigger=keep(value, unit)))) == []
        assert len(_cleared(_serve(messages, clear_uses(trigger=keep(value - 1, unit))))) == 2


def test_clear_at_least() -> None:
    """EDIT-03: if that many tokens cannot be cleared, nothing is cleared."""
    messages = rounds(5)
    (edit,) = _serve(messages, clear_uses()).applied_edits
    freed = edit["cleared_input_tokens"]
    enough = _serve(messages, clear_uses(clear_at_least=keep(freed, "input_tokens")))
    assert enough.applied_edits == (edit,)
    assert _serve(messages, clear_uses(clear_at_least=keep(freed + 1, "input_tokens"))).applied_edits == ()


def test_excluded_tools_are_never_cleared_and_take_no_place() -> None:
    """EDIT-03: exclude_tools names tools that are never cleared; the last 3 others are kept (the safe reading)."""
    messages = [user("Go.")]
    for index, name in enumerate(["a", "a", "b", "a", "b", "a"]):
        messages += [assistant(call(f"t{index}", name)), user([result(f"t{index}", "row " * 90)])]
    assert _cleared(_serve(messages, clear_uses(exclude_tools=["b"]))) == ["messages.2.content.0"]
    assert _cleared(_serve(messages, clear_uses(exclude_tools=["a"], keep=keep(1)))) == ["messages.6.content.0"]


@pytest.mark.parametrize(("inputs", "number"), [(False, 0), (True, 2), (["read_file"], 2), (["other"], 0)])
def test_inputs_of_calls_are_cleared_when_asked_for(inputs: Any, number: int) -> None:
    """EDIT-03: clear_tool_inputs is false, true, or a list of tool names."""
    messages = rounds(5)
    served = _serve(messages, clear_uses(clear_tool_inputs=inputs))
    calls = [path for path in _cleared(served) if path.split(".")[1] in "13"]
    assert len(calls) == number
    if number:
        assert served.request["messages"][1] == assistant(call("toolu_0"))
    assert served.applied_edits[0]["cleared_tool_uses"] == 2


def test_a_call_that_is_answered_twice_is_cleared_once() -> None:
    """EDIT-03: what is gone with the first result is not freed again, nor after a rollback forgotten."""
    request = body(
        [
            user("Go."),
            assistant(call("t0", path="src/part.py " * 40)),
            user([result("t0", "row " * 90), result("t0", "line " * 90)]),
        ],
        clear_uses(keep=keep(0), clear_tool_inputs=True),
    )
    window = count(request)
    assert all(tokens >= 0 for tokens in window.by.values())
    assert sum(block.disposition == "cleared" for block in window.blocks) == 3
    counted = sum(block.tokens for block in window.blocks if block.disposition == "counted")
    assert counted + window.by["overhead"] == window.tokens
    ledger = ledger_of({**request, "messages": request["messages"][:2]}, resolve(OPUS))
    mark = ledger.mark()
    for _ in range(2):
        ledger.rollback(mark)
        ledger.add(entry_for(request["messages"][2], resolve(OPUS), before=ledger.before))
        assert ledger.window() == window


def test_small_results_stay() -> None:
    """A result no larger than the placeholder is left: served is never more than sent."""
    messages = rounds(2, words=0)
    assert _serve(messages, clear_uses(keep=keep(0))).applied_edits == ()


def test_older_turns_lose_their_thinking() -> None:
    """EDIT-06: older assistant turns lose thinking; a turn is all of a tool loop (TOOL-07), and all may be kept."""
    messages = [
        user("One."),
        assistant(thinking("a"), call("t1")),
        user([result("t1", "done")]),
        assistant(thinking("b"), text("Yes.")),
        user("Two."),
        assistant(text("No thought.")),
        user("Three."),
        assistant(thinking("c"), text("Yes.")),
        user("Four."),
    ]
    one = _serve(messages, {"type": CLEAR_THINKING, "keep": keep(1, "thinking_turns")})
    assert _cleared(one) == ["messages.1.content.0", "messages.3.content.0"]
    assert one.applied_edits[0]["cleared_thinking_turns"] == 1
    for everything in (keep(2, "thinking_turns"), "all", {"type": "all"}):
        assert _serve(messages, {"type": CLEAR_THINKING, "keep": everything}).applied_edits == ()


def test_what_thinking_is_kept_by_default() -> None:
    """RET-09: the default of clear_thinking is one turn on last-turn-only models and all on keep-all models."""
    messages = [user("One."), assistant(thinking("a"), text("1")), user("Two."), assistant(thinking("b"), text("2")),
                user("Three.")]  # fmt: skip
    assert _cleared(_serve(messages, {"type": CLEAR_THINKING})) == []
    assert _cleared(_serve(messages, {"type": CLEAR_THINKING}, model=HAIKU)) == ["messages.1.content.0"]
    kept = _serve(messages, {"type": CLEAR_THINKING, "keep": "all"}, model=HAIKU)
    assert kept.window.not_counted == {}, "the edit overrides the model's own retention (RET-02)"


def test_the_open_turn_keeps_its_thinking() -> None:
    """RET-06: inside an open tool loop all models keep the current turn's thinking, whatever is cleared."""
    loop = [user("Go."), assistant(thinking("a"), call("t1")), user([result("t1", "done")])]
    for model in (OPUS, HAIKU):
        served = _serve(loop, {"type": CLEAR_THINKING, "keep": keep(1, "thinking_turns")}, model=model)
        assert served.request["messages"] == loop


@given(st.integers(0, 9), st.integers(0, 6), st.integers(0, 6))
def test_uses_are_cleared_from_the_front(number: int, kept: int, excluded: int) -> None:
    """Exactly the results before the last `keep` are cleared."""
    messages = rounds(number, words=20)
    served = _serve(messages, clear_uses(keep=keep(kept), exclude_tools=["x"] * excluded))
    assert _cleared(served) == [f"messages.{2 * index + 2}.content.0" for index in range(max(0, number - kept))]
