from __future__ import annotations

from pathlib import Path
from typing import Any

from ctxwindow import count
from tests.cli.scenes import body, call, result, rows, run, text, thinking, write


def test_the_numbers_are_those_of_the_library(tmp_path: Path) -> None:
    told = run("count", write(tmp_path / "a.json", body()), "--json", "--blocks")
    assert (told.code, told.err) == (0, "")
    assert told.json == count(body()).as_dict(blocks=True)
    assert told.json["input_tokens"] == sum(told.json["by"].values())


def test_blocks_are_listed_only_when_asked_for(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body())
    assert "blocks" not in run("count", file, "--json").json
    assert "messages.1.content.1" not in run("count", file).out
    assert "messages.1.content.1  tool_use" in run("count", file, "--blocks").out


def test_people_read_the_same_numbers(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body())
    form, told = run("count", file, "--json").json, run("count", file).out
    assert f"{form['input_tokens']:,} tokens" in told
    assert f"{form['free']:,} free" in told
    assert f"{form['window']:,} tokens" in told


def test_another_model_counts_otherwise(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body())
    assert run("count", file, "--json", "--model", "claude-haiku-4-5").json["model"].startswith("claude-haiku-4-5")


def test_thinking_that_does_not_count_is_shown_with_its_rule(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": [thinking("a long thought " * 20), text("Two.")]},
        {"role": "user", "content": "Three."},
    ]
    file = write(tmp_path / "a.json", body(model="claude-haiku-4-5", messages=messages))
    form = run("count", file, "--json", "--blocks").json
    assert form["not_counted"]["RET-02"] > 20
    assert [(block["disposition"], block["rule"]) for block in form["blocks"] if block["kind"] == "thinking"] == [
        ("stripped", "RET-02")
    ]
    assert "sent, not counted (RET-02)" in run("count", file).out


def test_a_request_larger_than_the_window_says_so(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "word " * 250_000}]
    told = run("count", write(tmp_path / "a.json", body(messages=messages)), "--model", "claude-haiku-4-5")
    assert told.code == 0
    assert "TOO MANY" in told.out


def test_a_session_is_anchored_on_its_own_usage(tmp_path: Path) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Hello."}]
    messages.append({"role": "assistant", "content": [text("Hello.")]})
    file = tmp_path / "s.jsonl"
    file.write_text(rows(messages, usage={"input_tokens": 15_000, "output_tokens": 4}), encoding="utf-8")
    form = run("count", file, "--json").json
    assert form["source"] == "anchored"
    assert 15_000 < form["input_tokens"] < 15_050
    assert "system prompt and tools, not in the file" in run("count", file).out


def test_content_gives_no_orders_to_the_terminal(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": [{"type": "\x1b[31m[bold]\nodd", "x": 1}, text("Hello.")]},
        {"role": "assistant", "content": [call(name="[/red]")]},
        {"role": "user", "content": [result("x")]},
    ]
    told = run("count", write(tmp_path / "a.json", body(messages=messages)), "--blocks")
    assert told.code == 0
    assert "\x1b" not in told.out
    assert " [31m[bold] odd" in told.out
