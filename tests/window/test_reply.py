from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.testing import Step, conversations
from ctxwindow.window import Billed, MessageSize, entry_for, size_message
from ctxwindow.window.reply import billed_size, places_read

OPUS = resolve("claude-opus-4-6")
TEXT = {"type": "text", "text": "The parser drops the last line when a file does not end with a line break. " * 4}
CALL = {"type": "tool_use", "id": "t", "name": "read", "input": {"path": "src/parser.py"}}
OMITTED = {"type": "thinking", "thinking": "", "signature": "c2lnbmF0dXJl" * 40}
SHOWN = {"type": "thinking", "thinking": "Look at the parser first.", "signature": "c2lnbmF0dXJl"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ" * 40}


def size(*content: dict[str, Any]) -> MessageSize:
    return size_message({"role": "assistant", "content": list(content)}, OPUS)


def test_omitted_thinking_is_what_the_output_has_beyond_the_rest() -> None:
    """TOK-03: output_tokens includes all thinking at raw length, even when it is omitted or redacted."""
    visible = size(TEXT, CALL).count
    for hidden in (OMITTED, REDACTED):
        sized = billed_size(size(hidden, TEXT, CALL), Billed(output=visible.tokens + 800))
        assert sized.thinking.tokens == 800
        assert sized.count.tokens == visible.tokens + 800
        assert sized.count.low <= sized.count.tokens <= sized.count.high <= sized.count.low + 24
        # What the rest may be off by, the thinking may be off by too.
        assert sized.thinking.low <= 800 - (visible.high - visible.tokens)
        assert sized.thinking.high >= 800 + (visible.tokens - visible.low)


def test_thinking_that_is_shown_may_be_a_summary() -> None:
    sized = billed_size(size(SHOWN, TEXT), Billed(output=size(TEXT).count.tokens + 2_000))
    assert sized.thinking.tokens == 2_000


def test_two_blocks_share_it_by_their_own_sizes() -> None:
    sized = billed_size(size(SHOWN, SHOWN, TEXT), Billed(output=size(TEXT).count.tokens + 900))
    first, second = (block.count.tokens for block in sized.blocks[:2])
    own = [block.count.tokens for block in size(SHOWN, SHOWN, TEXT).blocks[:2]]
    assert first + second == 900
    assert first / second == pytest.approx(own[0] / own[1], abs=0.01)


def test_thinking_that_is_billed_apart_is_known() -> None:
    """TOK-04."""
    message = {"role": "assistant", "content": [OMITTED, TEXT]}
    visible = size(TEXT).count
    entry = entry_for(message, OPUS, billed=Billed(thinking=640))
    assert entry.size.thinking.tokens == 640
    both = entry_for(message, OPUS, billed=Billed(thinking=640, output=visible.tokens + 640))
    assert both.size.count.tokens == visible.tokens + 640


@pytest.mark.parametrize("output", [0, 1, 10])
def test_the_number_of_a_streams_first_event_is_not_heeded(output: int) -> None:
    for content in ((OMITTED, TEXT), (TEXT,), (TEXT, CALL)):
        assert billed_size(size(*content), Billed(output=output)) == size(*content)


def test_a_number_far_beyond_what_is_there_is_not_heeded() -> None:
    assert billed_size(size(TEXT, CALL), Billed(output=90_000)) == size(TEXT, CALL)


def test_output_is_better_than_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctxwindow.window.tokens.EXACT_LIMIT", 1_000)
    long = {"type": "text", "text": "The parser drops the last line, says this log. " * 2_000}  # estimated: it is long
    counted = size(long)
    assert not counted.count.exact
    true = counted.count.tokens + (counted.count.high - counted.count.tokens) // 2
    sized = billed_size(counted, Billed(output=true))
    assert (sized.count.tokens, sized.count.low, sized.count.high) == (true, true - 2, true + 2)
    cut = billed_size(counted, Billed(output=true, cut=True))
    assert cut.count.tokens == true + 3


def test_what_servers_put_in_is_not_output() -> None:
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    sized = size(TEXT, found)
    assert billed_size(sized, Billed(output=50)) == sized


@given(conversations(), st.integers(0, 5_000), st.none() | st.integers(0, 500), st.booleans())
def test_the_books_balance_whatever_is_billed(steps: list[Step], output: int, thinking: int | None, cut: bool) -> None:
    """Law 9: a message is its frame and its blocks, and a block the sum of its categories."""
    for step in steps:
        if step.kind != "append":
            sized = entry_for(step.message, OPUS, billed=Billed(output=output, thinking=thinking, cut=cut)).size
            assert sized.count.tokens == sized.frame.tokens + sum(block.count.tokens for block in sized.blocks)
            assert all(sum(part.tokens for _, part in block.parts) == block.count.tokens for block in sized.blocks)
            assert sized.count.low <= sized.count.tokens <= sized.count.high


def test_the_last_sampling_read_up_to_the_last_result() -> None:
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    summary = {"type": "compaction", "content": "They said hi."}
    assert places_read({"role": "assistant", "content": [TEXT, CALL]}) == 0
    assert places_read({"role": "assistant", "content": [TEXT, found, TEXT, found, TEXT]}) == 4
    assert places_read({"role": "assistant", "content": [summary, TEXT]}) == 1
    assert places_read({"role": "assistant", "content": "Hello."}) == 0
