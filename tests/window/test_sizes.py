from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.record.blocks import known_types
from ctxwindow.window import size_message
from ctxwindow.window.block_sizes import size_block
from ctxwindow.window.fixed import fixed_sizes

OPUS = resolve("claude-opus-4-6")


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
