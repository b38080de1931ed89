from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.repairs import repair
from ctxwindow.rules import check
from tests.repairs.broken import BOUND, PREFILL, request

GO = {"role": "user", "content": "Go."}


def thought(signature: str | None) -> dict[str, Any]:
    return {"type": "thinking", "thinking": "x", **({} if signature is None else {"signature": signature})}


def reply(*blocks: Any) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks],
    }


def mended(*messages: Any, model: str = BOUND, **settings: Any) -> tuple[list[Any], list[tuple[str, str]]]:
    """The messages afterwards, and what was left out: rule, path."""
    repaired, done = repair({**request([*messages, GO], model), **settings})
    assert check(repaired).ok
    return repaired["messages"][:-1], [(one.rule, one.path) for one in done]


def conversation(*signatures: str | None) -> list[Any]:
    return [message for signature in signatures for message in (GO, reply(thought(signature), "Done."))]


def signatures(messages: list[Any]) -> list[str]:
    return [
        block["signature"]
        for message in messages
        for block in message["content"]
        if isinstance(block, dict) and "signature" in block
    ]


def test_unsigned_thinking_is_left_out() -> None:
    """REPLAY-04."""
    assert mended(GO, reply(thought(None), "Done.")) == (
        [GO, reply("Done.")],
        [("REPLAY-04", "messages.1.content.0")],
    )


def test_what_stays_on_a_bound_model_is_one_run() -> None:
    """BIND-10: the longest, and of two the later."""
    messages, done = mended(*conversation("a", None, "b", "c"))
    assert signatures(messages) == ["b", "c"]
    assert done == [("BIND-10", "messages.1.content.0"), ("REPLAY-04", "messages.3.content.0")]
    assert signatures(mended(*conversation("a", "b", None, "c"))[0]) == ["a", "b"]
    assert signatures(mended(*conversation("a", None, "b"))[0]) == ["b"]
    assert signatures(mended(*conversation(None, "a", "b", None))[0]) == ["a", "b"]


def open_loop(*marks: str | None) -> list[Any]:
    """A turn that is still open: a call and its result for each mark."""
    messages: list[Any] = [GO]
    for number, mark in enumerate(marks):
        call = {"type": "tool_use", "id": f"call_{number}", "name": "search", "input": {}}
        result = {"type": "tool_result", "tool_use_id": f"call_{number}", "content": "x"}
        messages += [reply(thought(mark), call), dict[str, Any](role="user", content=[result])]
    return messages


def left(messages: list[Any]) -> list[str]:
    """Signatures of the thinking that stays in a request that ends in these messages."""
    repaired, _ = repair(request(messages))
    assert check(repaired).ok
    return signatures(repaired["messages"])


def test_the_run_of_the_open_turn_stays_however_short_it_is() -> None:
    """REPLAY-01 and REPLAY-02: what the API asks back of an open tool loop goes back."""
    assert left([*conversation("a", "b", "c", None), *open_loop("d")]) == ["d"]
    assert left([*conversation("a", None, "b"), *open_loop("c", "d")]) == ["b", "c", "d"]
    assert left([*conversation("a", "b", "c"), *open_loop(None, "d")]) == ["d"]
    assert left([*conversation("a"), *open_loop("b", None)]) == ["a", "b"]
    assert left([*conversation("a", "b", None, "c"), *open_loop(None)]) == ["a", "b"]


@given(st.lists(st.booleans(), max_size=6), st.integers(1, 4))
def test_no_signed_thinking_of_an_open_turn_is_left_out(signed: list[bool], calls: int) -> None:
    earlier = [f"earlier {number}" if is_signed else None for number, is_signed in enumerate(signed)]
    loop = [f"open {number}" for number in range(calls)]
    assert left([*conversation(*earlier), *open_loop(*loop)])[-calls:] == loop


def test_thinking_before_a_compaction_block_is_not_part_of_the_run() -> None:
    """BIND-15: it is not read."""
    block = {"type": "compaction", "content": "So far."}
    first = conversation("a", None)
    messages, done = mended(*first, GO, reply(block, thought("b"), "Done."), *conversation("c"))
    assert signatures(messages) == ["a", "b", "c"]
    assert [rule for rule, _ in done] == ["REPLAY-04"]


def test_other_models_lose_only_what_must_go() -> None:
    messages, done = mended(*conversation("a", None, "b"), model=PREFILL)
    assert signatures(messages) == ["a", "b"]
    assert done == [("REPLAY-04", "messages.3.content.0")]


def test_an_assistant_message_does_not_end_in_thinking() -> None:
    """MSG-09."""
    assert mended(GO, reply("Done.", thought("a"), thought("b"))) == (
        [GO, reply("Done.")],
        [("MSG-09", "messages.1.content.1"), ("MSG-09", "messages.1.content.2")],
    )
    assert mended(GO, reply(thought("a"))) == ([GO], [("MSG-09", "messages.1.content.0"), ("MSG-07", "messages.1")])


def test_thinking_of_the_user_is_left_out() -> None:
    said = {"role": "user", "content": [thought("a"), {"type": "text", "text": "Go."}]}
    assert mended(said)[1] == [("SHAPE-07", "messages.0.content.0")]


def test_manual_thinking_stands_first_or_not_at_all() -> None:
    """MSG-10."""
    manual = {"thinking": {"type": "enabled", "budget_tokens": 1_024}, "max_tokens": 2_000}
    messages, done = mended(GO, reply("Well.", thought("a"), "Done."), model=PREFILL, **manual)
    assert messages == [GO, reply("Well.", "Done.")]
    assert done == [("MSG-10", "messages.1.content.1")]


def test_thinking_is_turned_off_where_the_open_turn_lost_its_own() -> None:
    """THINK-07: the API's own way out; nothing can put the thinking back."""
    call = {"type": "tool_use", "id": "a", "name": "search", "input": {}}
    results = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]}
    body = {
        **request([GO, reply(call), results], PREFILL),
        "thinking": {"type": "enabled", "budget_tokens": 1_024},
        "max_tokens": 2_000,
    }
    repaired, done = repair(body)
    assert check(repaired).ok
    assert repaired["messages"] is body["messages"]
    assert repaired["thinking"] == {"type": "disabled"}
    assert [(one.rule, one.path) for one in done] == [("THINK-07", "thinking")]


def test_prefill_holds_no_thinking_when_thinking_is_off() -> None:
    """THINK-08."""
    repaired, done = repair(request([GO, reply(thought("a"), "As far as")], PREFILL))
    assert repaired["messages"] == [GO, reply("As far as")]
    assert [one.rule for one in done] == ["THINK-08"]
