from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.summarize.passages import LONGEST, SAMPLED, Passage, passages
from ctxwindow.summarize.source import pieces


def read(content: Any, role: str = "user") -> list[tuple[str, str]]:
    return [(passage.kind, passage.text) for passage in passages([{"role": role, "content": content}], 0)]


def result(text: str, *, is_error: bool = False) -> list[tuple[str, str]]:
    return read([{"type": "tool_result", "tool_use_id": "t", "content": text, "is_error": is_error}])


def test_sentences_of_the_user_are_instructions() -> None:
    assert read("Fix the test. Then commit!\n\nUse 3.12, e.g. the new one.") == [
        ("instruction", "Fix the test."),
        ("instruction", "Then commit!"),
        ("instruction", "Use 3.12, e.g. the new one."),
    ]


def test_list_items_keep_their_number_and_lose_their_bullet() -> None:
    assert read("- one\n* two\n1. Run it. Then stop.\n## Title") == [
        ("instruction", "one"),
        ("instruction", "two"),
        ("instruction", "1. Run it."),
        ("instruction", "Then stop."),
        ("instruction", "Title"),
    ]


def test_what_the_model_decided_is_told_from_what_it_announces() -> None:
    assert read("The cache was stale because of X.\nLet me fix it now:\nHello there.\n- an item", "assistant") == [
        ("decision", "The cache was stale because of X."),
        ("sentence", "Let me fix it now:"),
        ("sentence", "Hello there."),
        ("list_item", "an item"),
    ]


def test_code_keeps_its_lines_and_its_indentation() -> None:
    text = "Like this:\n```python\ndef f():\n    return 1\n```\nDone."
    assert read(text, "assistant") == [
        ("sentence", "Like this:"),
        ("code", "def f():"),
        ("code", "    return 1"),
        ("decision", "Done."),
    ]


def test_table_rows_stay_whole_and_rules_are_left_out() -> None:
    assert read("| a | b |\n|---|---|\n| 1 | 2. Two |", "assistant") == [
        ("table_row", "| a | b |"),
        ("table_row", "| 1 | 2. Two |"),
    ]


def test_a_system_message_is_the_operators() -> None:
    assert read("Answer in French.", "system") == [("operator", "Answer in French.")]


def test_a_reminder_is_not_the_users_word() -> None:
    """SYS-02, SYS-09: harnesses put reminders into the user's turn."""
    assert read("Go on.\n<system-reminder>\nBe brief.\n</system-reminder>\nThanks.") == [
        ("instruction", "Go on."),
        ("reminder", "Be brief."),
        ("instruction", "Thanks."),
    ]


def test_lines_of_a_result() -> None:
    found = result("  12\u2192def f():\n| a | b |\nok  pkg 0.1s\n\nmain.go:3: error: no such thing\n---- ----")
    assert found == [
        ("code", "def f():"),
        ("table_row", "| a | b |"),
        ("result", "ok  pkg 0.1s"),
        ("error", "main.go:3: error: no such thing"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "ValueError: bad",
        "--- FAIL: TestX (0.00s)",
        "FAILED tests/a.py::test_b",
        "E       assert 1 == 2",
        "Traceback (most recent call last):",
        "fatal: not a git repository",
        "error[E0308]: mismatched types",
        "bash: foo: command not found",
        "\u2717 it broke",
    ],
)
def test_error_lines(line: str) -> None:
    assert result(f"before\n{line}\nafter")[1] == ("error", line)


def test_the_first_lines_of_a_failed_answer_are_its_error() -> None:
    assert [kind for kind, _ in result("a\nb\nc\nd", is_error=True)] == ["error", "error", "error", "result"]


def test_a_call_quotes_its_tool_and_one_literal() -> None:
    call = {
        "type": "tool_use",
        "id": "t",
        "name": "Bash",
        "input": {"command": "ls -l\ncd /tmp", "description": "List"},
    }
    (first, *_) = passages([{"role": "assistant", "content": [call]}], 0)
    assert (first.kind, first.text, first.label, first.literal) == ("call", "Bash: ls -l", "Bash", "ls -l")
    assert read([{"type": "tool_use", "id": "t", "name": "Stop", "input": {}}], "assistant") == [("call", "Stop")]


def test_data_is_not_words() -> None:
    assert read("QUJD" * 500) == []
    assert result('{"a":"' + "QUJD" * 500 + '"}')[0][0] == "result"


def test_a_long_sentence_is_cut_at_blanks() -> None:
    sentence = "word " * 400
    parts = [text for _, text in read(sentence)]
    assert " ".join(parts) == sentence.strip()
    assert max(map(len, parts)) <= LONGEST["user"]


def test_a_very_long_result_is_sampled() -> None:
    middle = "middle line\n" * 30_000
    text = f"first line\n{middle}E: none\nfatal: disk full\n{middle}last line"
    found = result(text)
    assert len(text) > SAMPLED
    assert found[0] == ("result", "first line")
    assert found[-1] == ("result", "last line")
    assert ("error", "fatal: disk full") in found
    assert len(found) < 8_000


@pytest.mark.parametrize(
    "unit", ["x", "error: y ", "ERROR\n", " ", "\n", "| ", "```\n", "a. B", "<system-reminder>", "1) "]
)
def test_time_is_linear_and_output_bounded(unit: str) -> None:
    """Very long inputs stay linear and bounded: quadratic work over 4 MB would take hours."""
    text = unit * (4_000_000 // len(unit))
    began = time.process_time()
    for content in (text, [{"type": "tool_result", "tool_use_id": "t", "content": text}]):
        assert sum(len(passage.text) for passage in passages([{"role": "user", "content": content}], 0)) <= SAMPLED
    assert time.process_time() - began < 20


PROSE = st.text(st.sampled_from(list("aB1 .!?\n\r\t|-*`#<>/:\u2028\u3002\u4e2d")), max_size=300)


@given(PROSE, st.sampled_from(["user", "assistant", "system", "tool"]))
def test_property_every_passage_stands_in_its_message_on_one_line(text: str, role: str) -> None:
    """Its text stands in the source literally, on one line."""
    content: Any = [{"type": "tool_result", "tool_use_id": "t", "content": text}] if role == "tool" else text
    found = list(passages([{"role": role, "content": content}], 5))
    assert [passage.order for passage in found] == list(range(len(found)))
    for passage in found:
        assert passage.text in text
        assert passage.text.strip()
        assert passage.text == passage.text.rstrip()
        assert passage.text.splitlines() == [passage.text]
        assert len(passage.text) <= max(LONGEST.values())
        assert passage.message == 5


@given(PROSE, PROSE)
def test_property_a_rendered_passage_is_label_and_literal(name: str, argument: str) -> None:
    """A call is rendered as `NAME: literal`, where both parts stand in the source."""
    message = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t", "name": name, "input": {"x": argument}}],
    }
    for passage in passages([message], 0):
        assert isinstance(passage, Passage)
        assert passage.literal in argument
        assert passage.label in ("", name)
        assert passage.text.splitlines() == [passage.text]
    assert [piece.text for piece in pieces([message], 0) if piece.text.strip()] == [argument][: bool(argument.strip())]
