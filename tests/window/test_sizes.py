from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.record.blocks import known_types
from ctxwindow.window import count, size_message
from ctxwindow.window.block_sizes import size_block
from ctxwindow.window.fixed import fixed_sizes
from ctxwindow.window.tokens import have_exact

OPUS = resolve("claude-opus-4-6")


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def asked(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def test_a_single_message_costs_its_text_and_seven() -> None:
    """Recorded on v3 models: one user text costs the text + 7; here 4 belong to the request and 3 to the message."""
    size = size_message({"role": "user", "content": "Hello"}, OPUS)
    fixed = fixed_sizes(OPUS, system=None, tools=None, settings={})
    assert fixed.count.tokens + size.frame.tokens == 7


@pytest.mark.parametrize("name", [row.name for row in known_types()])
def test_every_block_type_has_a_size(name: str) -> None:
    block = {
        "type": name,
        "id": "x",
        "tool_use_id": "x",
        "name": "n",
        "input": {"a": [1]},
        "content": "some text",
        "text": "t",
    }
    size = size_block(block, OPUS)
    assert 0 <= size.count.low <= size.count.tokens <= size.count.high
    assert sum(count.tokens for _, count in size.parts) == size.count.tokens


def test_images_in_results_are_images() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    block = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "see"}, image]}
    assert dict(size_block(block, OPUS).parts)["images"].tokens > 0


def test_omitted_thinking_takes_its_size_from_usage() -> None:
    """THINK-11, TOK-03: the text may be empty; the reply's usage tells what the thinking weighs."""
    omitted: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": "s" * 400}
    message = {"role": "assistant", "content": [omitted, omitted, {"type": "text", "text": "Done."}]}
    guessed, known = size_message(message, OPUS), size_message(message, OPUS, thinking=901)
    assert guessed.thinking.low < guessed.thinking.tokens < guessed.thinking.high
    assert known.thinking.tokens == 901
    assert [block.count.tokens for block in known.blocks[:2]] == [451, 450]


@pytest.mark.parametrize(
    "content", [None, 7, [7], [{}], [{"type": None}], [{"type": "tool_use", "input": "no object"}]]
)
def test_odd_shapes_have_a_size(content: Any) -> None:
    assert size_message({"role": "user", "content": content}, OPUS).count.tokens >= 0


def test_text_blocks_of_a_message_are_one_text() -> None:
    """However short they are: their words go on across the seams."""
    if not have_exact():
        return
    prose = "The quick brown fox jumps over the lazy dog, 1234567 times. " * 12
    for model in ("claude-sonnet-4-5", "claude-opus-5-5"):
        for pieces in (["1"] * 100, ["interna", "tional"], ["hel", "lo"], [prose[i : i + 3] for i in range(0, 720, 3)]):
            apart = count(asked(*map(text, pieces)), model)
            assert apart.tokens == count(asked(text("".join(pieces))), model).tokens
            assert all(block.tokens > 0 and block.disposition == "counted" for block in apart.blocks)


@pytest.mark.parametrize("odd", [None, 5, {"a": "a long text " * 99}, ["x"]])
def test_a_text_that_is_none_costs_nothing(odd: Any) -> None:
    plain = count(asked(text("Hello.")), "claude-opus-5-5").tokens
    assert count(asked(text("Hello."), {"type": "text", "text": odd}), "claude-opus-5-5").tokens == plain
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": odd}]}
    assert size_block(result, OPUS).count.tokens < 20
    assert size_block({"type": "search_result", "content": odd}, OPUS).count.tokens < 400


def test_constants_without_evidence_have_bounds() -> None:
    """No recording shows two messages of a role on this generation."""
    twice = count({"messages": [{"role": "user", "content": "Hi."}] * 2}, "claude-opus-5-5")
    assert twice.low < twice.tokens < twice.high
    once = count(asked(text("Hi.")), "claude-opus-5-5")
    assert once.low == once.high or not have_exact()


@pytest.mark.parametrize("content", [["a summary"], {"a": 1}, 7, ""])
def test_a_compaction_that_is_no_text_ends_nothing(content: Any) -> None:
    """CMP-02, CMP-04."""
    block = {"type": "compaction", "content": content}
    history = [*asked(text("word " * 500))["messages"], {"role": "assistant", "content": [block, text("So.")]}]
    assert count({"messages": history}, "claude-opus-5-5").tokens > 400


def test_many_blank_blocks() -> None:
    """Each block looks at its neighbour only, blank ones or not (MSG-06)."""
    blanks = asked(*[text(" ")] * 20_000, text("Hello."))
    assert count(blanks, "claude-opus-5-5").tokens == count(asked(text("Hello.")), "claude-opus-5-5").tokens


def test_thinking_that_another_model_was_billed_for_has_wide_bounds() -> None:
    """CTX-20: counts never transfer between tokenizers."""
    message = {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "s" * 40}]}
    own, other = (size_message(message, OPUS, thinking=100, foreign=foreign).thinking for foreign in (False, True))
    assert own.tokens == other.tokens == 100
    assert other.low <= 65
    assert other.high >= 135
    assert own.high < 110
