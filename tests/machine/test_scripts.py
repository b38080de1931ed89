"""Each kind of edit, of failure and of recovery once, by a script: what the machine must not go blind for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ctxwindow import Compact, Count, Policy, Send, Summarize
from ctxwindow.emulator.faults import Fault
from ctxwindow.stores import MemoryStore
from tests.driver import MANUAL, TOOLS
from tests.machine.driven import COMPACTIONS, SUMMARIES, Driven
from tests.machine.laws import Laws
from tests.machine.scenes import ADAPTIVE, PLAIN, SHOWN, SPOKEN, Scene, Shape, user
from tests.machine.world import Refused, World

BOUND = Scene("claude-opus-5-5", {"thinking": SHOWN, **SPOKEN})
LOOSE = Scene("claude-opus-4-6", {"thinking": ADAPTIVE, **PLAIN})
CALLS = Shape(thoughts=("long",), calls=2)
THOUGHTS = Shape(thoughts=("long", "short"))
ANSWER = Shape(thoughts=("short",), words=10)


def begun(scene: Scene, *, share: float = 1.0, **policy: Any) -> Driven:
    """A conversation with little room, and laws that count."""
    keys = {
        "budget": 7_000,
        "warm": {"tokens": 300},
        "high": 0.85,
        "low": 0.4,
        "prefer": "order",
        "assume_binding": scene.new_account,
        **policy,
    }
    laws = Laws(Counter(), enforced=scene.new_account)
    world = World(new_account=scene.new_account, share=share)
    driven = Driven(scene, Policy(**keys), TOOLS, world=world, store=MemoryStore(), laws=laws)
    driven.start("one")
    return driven


def exchange(
    driven: Driven, shape: Shape = ANSWER, *, words: str = "middling", kinds: tuple[str, ...] = ("long",)
) -> None:
    """Something is said or answered, and the model replies."""
    calls = driven.known.calls
    assert driven.take(driven.answers(calls, list(kinds)) if calls else user(words))
    assert driven.until_send()
    driven.send(driven.say(shape))
    driven.check()


def until(driven: Driven, kind: type, *shapes: Shape) -> None:
    """Go on until the engine asks for something of a kind."""
    for number in range(40):
        calls = driven.known.calls
        assert driven.take(driven.answers(calls, ["long"]) if calls else user("middling"))
        driven.decide()
        if isinstance(driven.known.due, kind):
            return
        assert driven.until_send()
        driven.send(driven.say(shapes[number % len(shapes)] if shapes else ANSWER))
        driven.check()
    raise AssertionError(f"the engine never asks for {kind.__name__}")


EDITS: list[tuple[Scene, tuple[str, ...], Shape, str]] = [
    (BOUND, ("compact",), CALLS, "compact"),
    (LOOSE, ("compact",), CALLS, "compact"),
    (BOUND, ("summarize_keep_tail", "summarize_all"), ANSWER, "summarize_keep_tail"),
    (LOOSE, ("summarize_keep_tail",), CALLS, "summarize_keep_tail"),
    (BOUND, ("summarize_all",), CALLS, "summarize_all"),
    (LOOSE, ("drop", "summarize_all"), ANSWER, "drop"),
    (BOUND, ("drop", "summarize_all"), ANSWER, "drop"),
    (BOUND, ("clear_tool_uses", "summarize_all"), CALLS, "clear_tool_uses"),
    (LOOSE, ("clear_thinking", "summarize_all"), THOUGHTS, "clear_thinking"),
    (
        Scene("claude-haiku-4-5", {**MANUAL, **PLAIN}, max_tokens=1_100),
        ("summarize_keep_tail",),
        CALLS,
        "summarize_keep_tail",
    ),
    (
        Scene("claude-opus-5-5", SPOKEN, new_account=False),
        ("summarize_keep_tail", "summarize_all"),
        ANSWER,
        "summarize_keep_tail",
    ),
]


MARKS: dict[str, dict[str, Any]] = {
    "clear_thinking": {"low": 0.75},
    "clear_tool_uses": {"low": 0.7},
}
"""What a policy needs beside its method: thinking or old results alone are not half of a window."""


@pytest.mark.parametrize(("scene", "methods", "shape", "method"), EDITS)
def test_every_method_is_used_and_keeps_the_laws(
    scene: Scene, methods: tuple[str, ...], shape: Shape, method: str
) -> None:
    driven = begun(
        scene, methods=methods, budget=scene.max_tokens + (6_500 if shape is CALLS else 3_100), **MARKS.get(method, {})
    )
    for number in range(60):
        exchange(driven, ANSWER if number % 5 == 4 and shape is CALLS else shape)
        if driven.laws.tally[method] > 1:
            break
    assert driven.laws.tally[method] > 1
    assert driven.laws.tally["law 5, thinking kept"]


def test_a_large_result_is_spilled() -> None:
    driven = begun(BOUND, methods=("spill", "summarize_all"))
    exchange(driven, CALLS)
    exchange(driven, kinds=("huge",))
    assert driven.laws.tally["spill"]
    assert driven.conversation.spilled


def test_the_server_compacts_at_its_trigger() -> None:
    """CMP-01 to CMP-08: the reply begins with the block, and what was before it leaves the wire."""
    scene = Scene("claude-opus-5", {"thinking": SHOWN, **SPOKEN})
    driven = begun(scene, methods=("compact_threshold", "summarize_all"), budget=75_000, high=0.7, horizon=500)
    for _ in range(12):
        exchange(driven, Shape(thoughts=("long",), calls=1), kinds=("vast",))
    assert driven.laws.tally["compact_threshold"] >= 2


@pytest.mark.parametrize("kind", COMPACTIONS)
def test_a_compaction_that_comes_to_nothing(kind: str) -> None:
    """CMP-26, CMP-27: the history stays, what was paid is known, and another method is taken."""
    driven = begun(BOUND, methods=("compact", "summarize_all"))
    until(driven, Compact, CALLS)
    driven.compact(kind)
    driven.check()
    assert driven.laws.tally["declined, compact"] == 1
    assert driven.until_send()
    assert driven.laws.tally["summarize_all"] == 1
    assert (driven.money.summaries > 0.01) == (kind in ("null", "call", "long"))


@pytest.mark.parametrize("kind", SUMMARIES)
def test_a_summary_that_is_none(kind: str) -> None:
    driven = begun(BOUND, methods=("summarize_keep_tail", "summarize_all"))
    until(driven, Summarize)
    driven.summarize(kind)
    driven.check()
    assert driven.until_send()
    driven.check()


@pytest.mark.parametrize("late", ["at once", "later", "after a crash"])
@pytest.mark.parametrize("methods", [("compact", "summarize_all"), ("summarize_keep_tail", "summarize_all")])
def test_what_is_prepared_in_the_background(methods: tuple[str, ...], late: str) -> None:
    """CMP-34: what came meanwhile stays behind the block."""
    scene = BOUND if methods[0] == "compact" else LOOSE  # a tail without its thinking cannot be prepared (REPLAY-01)
    driven = begun(scene, methods=methods, background=0.5)
    for _ in range(40):
        exchange(driven)
        if driven.known.aside is not None:
            break
    aside = driven.known.aside
    assert aside is not None
    if late == "later":
        exchange(driven, ANSWER)
    if late == "after a crash":
        driven.crash(remembers=True)
        assert driven.known.aside is None
        return
    if isinstance(aside, Compact):
        driven.compact("good", aside=True)
    else:
        driven.summarize("good", aside=True)
    driven.check()
    for _ in range(3):
        exchange(driven)
    assert driven.laws.tally[f"{methods[0]}, in the background"] or driven.conversation.epoch


def test_summaries_stand_side_by_side_and_are_put_together() -> None:
    driven = begun(
        LOOSE, methods=("summarize_keep_tail", "summarize_all"), budget=4_500, warm={"share": 0.4, "tokens": 500}
    )
    for _ in range(60):
        exchange(driven)
    assert driven.laws.tally["beside another summary"]
    assert driven.laws.tally["a higher level"]


@pytest.mark.parametrize("kind", ["exact", "none"])
def test_an_exact_count_is_asked_for(kind: str) -> None:
    """The prompt that its tools add is not known of this model, so that bounds straddle the budget."""
    scene = Scene("claude-fable-5-2", SPOKEN)
    first = begun(scene)
    first.take(user("long"))
    window = first.conversation.window
    budget = scene.max_tokens + (window.tokens + window.high) // 2
    driven = begun(scene, methods=("summarize_all",), exact_counts=True, high=1.0, budget=budget)
    driven.take(user("long"))
    driven.decide()
    assert isinstance(driven.known.due, Count)
    driven.count(kind)
    assert driven.until_send()
    driven.check()


@pytest.mark.parametrize(
    ("scene", "recovery"),
    [
        (BOUND, "thinking dropped"),
        (Scene("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}, **SPOKEN}), "thinking stripped"),
    ],
)
def test_thinking_that_the_api_finds_bound_elsewhere(scene: Scene, recovery: str) -> None:
    """BIND-26: once with drop_block, or all of it stripped for good; a second time nothing helps."""
    said = (
        "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation."
    )
    error = Refused(400, {"type": "error", "error": {"type": "invalid_request_error", "message": said}})
    driven = begun(scene, methods=("summarize_all",))
    assert driven.take(user("short"))
    assert driven.until_send()
    driven.send([{"type": "thinking", "thinking": "Progress."}, {"type": "text", "text": "Done."}])
    for tried in ("plan_again", "give_up"):
        driven.take(user("short"))
        assert driven.until_send()
        driven.save(must=True)
        driven.fail(error)
        assert driven.laws.tally[f"recovery, {tried}"] == 1
        driven.check()
    assert driven.laws.tally[f"recovery, {recovery}"] == 1
    assert driven.until_send()
    driven.send(driven.say(ANSWER))
    exchange(driven)


@pytest.mark.parametrize("kind", ["529", "429", "500", "401", "html", "timeout", "cut-stream"])
def test_a_request_that_fails(kind: str) -> None:
    driven = begun(BOUND, methods=("summarize_all",))
    exchange(driven)
    driven.take(user("short"))
    assert driven.until_send()
    driven.send(Fault.parse(kind))
    driven.check()
    assert driven.laws.tally["recovery, give_up" if kind == "401" else "recovery, send_again"] == 1
    assert driven.until_send()
    driven.send(driven.say(ANSWER))
    driven.check()


def test_a_window_that_is_smaller_than_anybody_knew() -> None:
    """CTX-08: the error tells the exact size, and the next request fits."""
    driven = begun(BOUND, methods=("summarize_keep_tail", "summarize_all"))
    for _ in range(6):
        exchange(driven)
    driven.take(user("short"))
    assert driven.until_send()
    size = driven.too_long(over=100)
    assert driven.until_send()
    due = driven.known.due
    assert isinstance(due, Send)
    assert due.request["max_tokens"] + due.window.tokens <= size - 100
    driven.send(driven.say(ANSWER))
    driven.check()


def test_a_floor_above_the_window_is_an_overflow_at_once() -> None:
    driven = begun(BOUND, methods=("spill", "summarize_all"), budget=1_400)
    driven.take(user("long"))
    driven.decide()
    assert driven.overflowed
    assert driven.money.sends == 0
    driven.check()


def test_a_platform_that_does_not_take_the_block() -> None:
    """CMP-16: Bedrock has no on-demand compaction; the block's text stands in its place."""
    driven = begun(BOUND, methods=("compact", "summarize_all"))
    until(driven, Compact, CALLS)
    driven.compact("good")
    assert driven.until_send()
    driven.send(driven.say(ANSWER))
    assert driven.configure(platform="bedrock")
    assert driven.laws.tally["restart"] == 1
    for _ in range(12):
        exchange(driven)
    assert driven.laws.tally["compact"] == 1


def test_a_switch_to_a_model_that_checks_thinking_kept_over_an_edit() -> None:
    """BIND-22: what was kept behind a summary of ours is not sent to a model that checks it."""
    driven = begun(LOOSE, methods=("summarize_keep_tail",), budget=4_500)
    for _ in range(40):
        exchange(driven, Shape(thoughts=("long",)))
        if driven.laws.tally["summarize_keep_tail"]:
            break
    exchange(driven)
    assert driven.configure("claude-opus-5-5", {"thinking": SHOWN, **SPOKEN})
    exchange(driven)
    assert driven.configure("claude-opus-4-6", {"thinking": ADAPTIVE, **PLAIN})
    exchange(driven)


@pytest.mark.parametrize("remembers", [True, False])
def test_a_crash_while_a_request_is_out(remembers: bool) -> None:
    driven = begun(BOUND, methods=("summarize_all",))
    exchange(driven)
    driven.lazy = 1
    driven.take(user("short"))
    driven.crash(remembers=remembers)
    assert driven.laws.tally["crash, with events lost"] == 1
    driven.take(user("short"))
    assert driven.until_send()
    driven.save(must=True)
    driven.crash(remembers=remembers)
    assert isinstance(driven.known.due, Send) == remembers
    assert driven.until_send()
    driven.send(driven.say(ANSWER))
    driven.receive_again()
    driven.check()
