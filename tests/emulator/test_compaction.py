from __future__ import annotations

from ctxwindow.catalog import resolve
from ctxwindow.emulator import Reply
from ctxwindow.emulator.compaction import DefaultSummary, pauses, summary_text

CALL = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}


def test_cmp_09_a_summary_is_text_and_no_call() -> None:
    text = {"type": "text", "text": " All of it. "}
    assert summary_text(Reply(content=[{"type": "thinking", "thinking": "x"}, text])) == "All of it."
    assert summary_text(Reply(content=[text, CALL])) == ""
    assert summary_text(Reply(content=[])) == ""


def test_cmp_06_only_the_edit_that_compacts_pauses() -> None:
    def asked(kind: str, value: object) -> bool:
        return pauses({"context_management": {"edits": [{"type": kind, "pause_after_compaction": value}]}})

    assert asked("compact_20260112", True)
    assert not asked("compact_20260112", "yes")
    assert not asked("clear_thinking_20251015", True)
    assert not pauses({})


def test_the_default_summary_says_how_much_it_stands_for() -> None:
    profile = resolve("claude-opus-5-5")
    messages = [{"role": "user", "content": "x"}] * 3
    assert "3 messages" in DefaultSummary()({"messages": messages}, profile)
    assert "1 message " in DefaultSummary()({"messages": messages[:1]}, profile)
