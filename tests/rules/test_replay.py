from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.rules import View, find_violations, may_cut
from ctxwindow.window.compare import compare

HI = {"role": "user", "content": "hi"}
BOUND, KEEPS, MANUAL = "claude-opus-5-5", "claude-opus-4-8", "claude-sonnet-4-5"
TEXT: dict[str, Any] = {"type": "text", "text": "a"}


def thought(signature: str, text: str = "") -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def call(identity: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": "f", "input": {}}


def result(identity: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": identity, "content": "x"}]}


LOOP = [
    HI,
    assistant(thought("one"), call("a")),
    result("a"),
    assistant(thought("two"), thought("three"), call("b")),
    result("b"),
]


def found(
    messages: list[Any], previous: list[Any] | None, model: str = KEEPS, **settings: Any
) -> list[tuple[str, str]]:
    before = None if previous is None else {"model": model, "messages": previous, **settings}
    violations = find_violations({"model": model, "messages": messages, **settings}, previous=before)
    return [(violation.rule, violation.path) for violation in violations]


def without(index: int, *places: int) -> list[Any]:
    """LOOP with blocks of one message left out."""
    message = LOOP[index]
    content = [block for place, block in enumerate(message["content"]) if place not in places]
    return [*LOOP[:index], {**message, "content": content}, *LOOP[index + 1 :]]


def test_replay_01() -> None:
    """While a tool loop is open its assistant messages go back with all their thinking, unchanged and in order."""
    assert found(LOOP, LOOP) == []
    assert found(without(1, 0), LOOP) == [("REPLAY-01", "messages.1.content.0")]
    finished = [assistant(TEXT), HI]
    assert found([*without(1, 0), *finished], [*LOOP, *finished]) == []


def test_replay_01_leaves_bound_models_to_the_prefix_check() -> None:
    assert found(without(1, 0), LOOP, BOUND) == []


def test_replay_02() -> None:
    """The thinking blocks of the latest assistant message equal the original exactly."""
    reordered = [*LOOP[:3], assistant(thought("three"), thought("two"), call("b")), LOOP[4]]
    more = [*LOOP[:3], assistant(thought("two"), thought("three"), thought("four"), call("b")), LOOP[4]]
    assert found(LOOP, LOOP) == []
    assert found(without(3, 0, 1), LOOP) == [("REPLAY-02", "messages.3.content.0")]  # V-REPLAY-1
    assert found(without(3, 1), LOOP) == [("REPLAY-02", "messages.3.content.1")]
    assert found(reordered, LOOP) == [("REPLAY-02", "messages.3.content.0")]
    assert found(more, LOOP) == [("REPLAY-02", "messages.3.content.2")]


ONE, TWO = thought("one"), thought("two")
APART = [HI, assistant(ONE, TEXT, TWO, call("a")), result("a")]


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ([ONE, TWO, TEXT, call("a")], "messages.1.content.1"),
        ([TEXT, ONE, TWO, call("a")], "messages.1.content.2"),
        ([ONE, TWO, call("a")], "messages.1.content.1"),  # the text between them left out
    ],
)
@pytest.mark.parametrize("model", [KEEPS, BOUND])
def test_replay_02_sees_blocks_that_were_made_adjacent(sent: list[dict[str, Any]], path: str, model: str) -> None:
    """BIND-31: what stood between two runs of the original stands between them again."""
    assert ("REPLAY-02", path) in found([HI, assistant(*sent), result("a")], APART, model)


@pytest.mark.parametrize("model", [KEEPS, BOUND])
def test_replay_02_sees_a_run_that_was_parted(model: str) -> None:
    parted = [*LOOP[:3], assistant(thought("two"), TEXT, thought("three"), call("b")), LOOP[4]]
    assert ("REPLAY-02", "messages.3.content.0") in found(parted, LOOP, model)


def test_replay_02_sees_two_replies_merged_into_one() -> None:
    """E2 V1."""
    turns = [HI, assistant(ONE, TEXT), HI, assistant(TWO, {**TEXT, "text": "b"}), HI]
    merged = [HI, assistant(ONE, TWO, TEXT, {**TEXT, "text": "b"}), HI]
    assert found(merged, turns) == [("REPLAY-02", "messages.1.content.1")]
    one_behind_the_other = [HI, assistant(ONE, TEXT, TWO, {**TEXT, "text": "b"}), HI]
    assert found(one_behind_the_other, turns) == []


@pytest.mark.parametrize("model", [KEEPS, BOUND])
def test_replay_02_takes_neither_blank_text_nor_what_is_appended_for_a_move(model: str) -> None:
    blank = {"type": "text", "text": " \n"}
    came = [HI, assistant(blank, ONE, blank, TWO, {**TEXT, "text": "a\n"}), HI]
    assert found([HI, assistant(ONE, TWO, TEXT), HI], came, model) == []
    assert found([HI, assistant(ONE, TWO, TEXT, {**TEXT, "text": "more"}), HI], came, model) == []


def test_replay_02_does_not_judge_by_seals_that_stand_in_two_runs() -> None:
    """As in fixtures, where every signature is the same."""
    same = [HI, assistant(ONE, TEXT, ONE, ONE, call("a")), result("a")]
    assert found(same, same) == []


def test_replay_02_in_manual_mode_is_think_07_even_without_the_request_before() -> None:
    """V-REPLAY-1 in manual mode: one request shows it."""
    messages = [HI, assistant(call("a")), result("a")]
    assert found(messages, None, MANUAL, thinking={"type": "enabled", "budget_tokens": 2_000}) == [
        ("THINK-07", "messages.1.content.0")
    ]


def test_replay_03() -> None:
    """Outside tool use thinking of earlier turns may be left out or kept, on bound models as an unbroken run."""
    turn = [HI, assistant(thought("one"), thought("two"), TEXT), HI]
    none = [HI, assistant(TEXT), HI]
    some = [HI, assistant(thought("two"), TEXT), HI]
    assert found(none, turn) == []
    assert found(none, turn, BOUND) == []
    assert found(some, turn) == [("REPLAY-02", "messages.1.content.0")]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": "from elsewhere"},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "redacted_thinking"},
        {"type": "redacted_thinking", "data": ""},
    ],
)
def test_replay_04(block: dict[str, Any]) -> None:
    """A forged, empty or corrupted signature is rejected anywhere in the history, on every model."""
    for model in (BOUND, KEEPS, MANUAL):
        messages = [HI, assistant(block, TEXT), HI, assistant(TEXT), HI]
        assert found(messages, None, model) == [("REPLAY-04", "messages.1.content.0")]
        messages[1] = assistant(thought("s"), TEXT)
        assert found(messages, None, model) == []


@pytest.mark.parametrize("model", [BOUND, KEEPS])
def test_replay_04_sees_a_signature_that_is_not_the_original_one(model: str) -> None:
    """BIND-23: always an error, where the exchange before holds the block that stood there."""
    turn = [HI, assistant(thought("one"), thought("two", "Why?"), TEXT), HI, assistant(thought("three"), TEXT), HI]
    for sent in ([thought("one"), thought("twX", "Why?")], [thought("twX", "Why?")], [thought("one"), thought("twX")]):
        now = [HI, assistant(*sent, TEXT), *turn[2:]]
        place = len(sent) - 1
        assert ("REPLAY-04", f"messages.1.content.{place}") in found(now, turn, model)
        assert ("REPLAY-04", f"messages.1.content.{place}") not in found(now, None, model)


@pytest.mark.parametrize("behavior", ["error", "drop_block"])
def test_replay_04_of_the_last_reply_and_of_redacted_thinking(behavior: str) -> None:
    thinking = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": behavior}}
    hidden = {"type": "redacted_thinking", "data": "abc"}
    before = {"model": BOUND, "messages": [HI], "thinking": thinking}
    forged = {**before, "messages": [HI, assistant({**hidden, "data": "abX"}, TEXT), HI]}
    violations = find_violations(
        forged, previous=(before, {"content": [hidden, TEXT]}), betas=["thinking-binding-controls-2026-08-01"]
    )
    (found_04,) = [violation for violation in violations if violation.rule == "REPLAY-04"]
    assert found_04.severity == "error"
    assert found_04.message == "messages.1.content.0: Invalid `data` in `redacted_thinking` block"


def test_replay_04_leaves_alone_what_may_be_another_reply() -> None:
    """To the same question, in the same words; or a block that is known from elsewhere."""
    turn = [HI, assistant(thought("one", "Why?"), TEXT), HI, assistant(thought("two"), TEXT), HI]
    again = [HI, assistant(thought("other", "How?"), TEXT), *turn[2:]]
    restored = [HI, assistant(thought("zero"), thought("one", "Why?"), TEXT), *turn[2:]]
    exchanged = [HI, assistant(thought("two"), TEXT), HI, assistant(TEXT), HI]
    for now in (again, restored, exchanged):
        assert "REPLAY-04" not in [identity for identity, _ in found(now, turn)]


def test_replay_04_says_what_the_api_says() -> None:
    messages = [HI, assistant({"type": "thinking", "thinking": "x"}, TEXT), HI]
    (violation,) = find_violations({"model": BOUND, "messages": messages})
    assert violation.message == "messages.1.content.0: Invalid `signature` in `thinking` block"


def test_replay_05() -> None:
    """The text of a signed block is not edited (the SDK's words; a probe that did so was answered)."""

    def turn(text: str) -> list[Any]:
        return [HI, assistant(thought("one", text), call("a")), result("a")]

    assert found(turn("[cleared]"), turn("First I look.")) == [("REPLAY-05", "messages.1.content.0.thinking")]
    assert found(turn(""), turn("First I look.")) == []
    assert found(turn("First I look."), turn("First I look.")) == []


def test_replay_01_says_where_an_open_turn_of_manual_thinking_may_be_cut() -> None:
    loop = [*LOOP, assistant(call("c")), result("c")]
    enabled = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}
    manual = View(loop, profile=resolve(MANUAL), settings=enabled)
    assert [index for index in range(len(loop) + 1) if may_cut(manual, index)] == [1, 3, 7]
    adaptive = View(loop, profile=resolve(KEEPS))
    assert [index for index in range(len(loop) + 1) if may_cut(adaptive, index)] == [1, 3, 5, 7]


def test_thinking_left_out_costs_the_cache_behind_it() -> None:
    """REPLAY-07."""
    end = {**TEXT, "text": "Go on. " * 400, "cache_control": {"type": "ephemeral"}}
    history = [HI, assistant(thought("one", "Why? " * 200), TEXT), {"role": "user", "content": [end]}]
    before = {"model": KEEPS, "system": "Be brief. " * 2_000, "messages": history}
    kept = [*history, assistant(TEXT), HI]
    assert compare(before, {**before, "messages": kept}).warm.read > 0
    assert compare(before, {**before, "messages": [HI, assistant(TEXT), *kept[2:]]}).warm.read == 0
