from __future__ import annotations

from ctxwindow.emulator.generation import Generated
from ctxwindow.emulator.usage import compaction_entry, message_entry, usage_of
from ctxwindow.window import Bill, read_usage

BILL = Bill(uncached=5, read=20, written_5m=148, written_1h=100, output=9)


def test_tok_02_the_parts_add_up() -> None:
    """TOK-01, TOK-02: 148 + 100 = 248"""
    usage = usage_of(BILL, Generated(content=[], stop_reason="end_turn", output=9, thinking=4), None)
    assert usage["cache_creation_input_tokens"] == 248
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100}
    assert usage["output_tokens_details"] == {"thinking_tokens": 4}
    assert "iterations" not in usage
    seen = read_usage(usage)
    assert seen is not None
    assert (seen.prompt, seen.uncached, seen.read, seen.written_5m, seen.written_1h) == (273, 5, 20, 148, 100)
    assert (seen.output, seen.thinking) == (9, 4)


def test_tok_08_a_compaction_is_in_the_iterations_alone() -> None:
    """TOK-07, TOK-08, CTX-17"""
    usage = usage_of(
        Bill(uncached=7, output=2), None, [compaction_entry(BILL), message_entry(Bill(uncached=7, output=2))]
    )
    assert [entry["type"] for entry in usage["iterations"]] == ["compaction", "message"]
    seen = read_usage(usage)
    assert seen is not None
    assert seen.prompt == 7
