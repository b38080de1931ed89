from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.emulator import Reply
from ctxwindow.emulator.generation import Generated, generate, shown
from ctxwindow.window import size_message
from ctxwindow.window.block_sizes import size_block

PROFILE = resolve("claude-opus-5-5")
WORDS = {"type": "text", "text": "one two three four five six seven eight nine ten " * 4}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a" * 200}}
THOUGHT = {"type": "thinking", "thinking": "First this, then that, and after all of it the rest. " * 4}


def made(content: list[dict[str, Any]], *, max_tokens: int = 1_000, prompt: int = 10, **fields: Any) -> Generated:
    return generate(Reply(content=content), {"max_tokens": max_tokens, **fields}, PROFILE, prompt)


def test_all_of_it() -> None:
    found = made([THOUGHT, WORDS, CALL])
    assert (found.content, found.stop_reason) == ([THOUGHT, WORDS, CALL], "tool_use")
    assert 0 < found.thinking < found.output
    assert made([WORDS]).stop_reason == "end_turn"


def test_ctx_16_the_output_is_what_the_reply_adds_to_the_next_prompt() -> None:
    found = made([THOUGHT, WORDS])
    whole = size_message({"role": "assistant", "content": [THOUGHT, WORDS]}, PROFILE)
    assert found.thinking == size_block(THOUGHT, PROFILE).count.tokens
    assert whole.count.low <= found.output <= whole.count.high


def test_stop_sequences() -> None:
    """MSG-12: the text ends before the first that is generated."""
    found = made([WORDS, CALL], stop_sequences=["seven", "five", "never"])
    assert found.content == [{"type": "text", "text": "one two three four "}]
    assert (found.stop_reason, found.stop_sequence) == ("stop_sequence", "five")
    assert made([WORDS], stop_sequences=["one"]).content == []
    assert made([CALL], stop_sequences=["a"]).content == [CALL]


def test_a_cut_comes_before_a_later_stop_sequence() -> None:
    found = made([WORDS], stop_sequences=["ten"], max_tokens=3)
    assert (found.stop_reason, found.stop_sequence) == ("max_tokens", None)


def test_ctx_09_at_the_edge_of_the_window() -> None:
    found = made([WORDS], prompt=PROFILE.window - 5)
    assert found.stop_reason == "model_context_window_exceeded"
    assert found.output <= 5


def test_msg_14_a_call_that_is_cut_has_no_input() -> None:
    size = made([WORDS]).output
    found = made([WORDS, CALL], max_tokens=size + 5)
    assert found.content == [WORDS, {**CALL, "input": {}}]
    assert (found.stop_reason, found.output) == ("max_tokens", size + 5)


def test_msg_17_nothing_for_max_tokens_0() -> None:
    assert made([WORDS], max_tokens=0) == Generated(content=[], stop_reason="max_tokens")


@given(st.permutations([WORDS, CALL, THOUGHT]), st.integers(1, 200))
def test_a_reply_never_has_more_than_max_tokens(content: list[dict[str, Any]], limit: int) -> None:
    """`max_tokens` is the hard ceiling, thinking included (THINK-05)."""
    whole, found = made(content), made(content, max_tokens=limit)
    assert found.output <= limit
    assert (found.stop_reason == "max_tokens") == (whole.output > limit)
    if whole.output <= limit:
        assert found == whole
    for kept, block in zip(found.content, content, strict=False):
        for field in ("text", "thinking"):
            assert str(block.get(field, "")).startswith(str(kept.get(field, "")))


def test_think_11_what_is_shown_of_thinking() -> None:
    content = [{**THOUGHT, "signature": "s"}, WORDS]
    assert shown(content, {}, PROFILE) == [{**THOUGHT, "thinking": "", "signature": "s"}, WORDS]
    assert shown(content, {"thinking": {"type": "adaptive", "display": "summarized"}}, PROFILE) == content
    assert shown(content, {}, resolve("claude-haiku-4-5")) == content
