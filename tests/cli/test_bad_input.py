"""Bad input, through the whole command line: one clear line, the right exit code, and nothing of the content."""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scenes import (
    BOUND,
    CONTENT,
    OPUS,
    Result,
    body,
    call,
    long_messages,
    result,
    rows,
    run,
    session,
    spawn,
    text,
    write,
)

_ROW = json.loads(rows([{"role": "user", "content": CONTENT}]))
_DEEP: Any = CONTENT
for _ in range(300):
    _DEEP = [_DEEP]

FILES: dict[str, tuple[bytes, str, str]] = {
    # name: content, where in the message the fault is said to be, and what is said
    "empty": (b"", "", "the file is empty"),
    "blank": (b"\n \n", "", "the file is empty"),
    "text": (CONTENT.encode(), ":1", "neither a JSON object nor a list"),
    "number": (b"5", ":1", "neither a JSON object nor a list"),
    "null": (b"null", ":1", "neither a JSON object nor a list"),
    "cut off": (f'{{"messages": [{{"role": "user", "content": "{CONTENT}'.encode(), ":1", "ends in the middle"),
    "trailing comma": (b'{"messages": [\n{"role": "user",}]}', ":2", "not JSON"),
    "two bodies": (b'{"model": "x"\n, "messages": []}\n{"messages": []}', ":3", "more after the end"),
    "a key twice": (b'{"messages": [], "messages": []}', "", "the same key twice"),
    "NaN": (b'{"messages": [], "x": NaN}', "", "NaN is not JSON"),
    "no messages": (b'{"model": "claude-opus-4-6"}', ":1", 'no "messages"'),
    "one message": (b'{"role": "user", "content": "x"}', ":1", "one message alone"),
    "empty conversation": (b'{"messages": []}', "", "the conversation is empty"),
    "empty list": (b"[]", "", "the conversation is empty"),
    "messages of a wrong type": (b'{"messages": 5}', ": messages", "a number, not a list"),
    "a message of a wrong type": (b'{"messages": ["x"]}', ": messages.0", "a message must be an object"),
    "no role": (json.dumps([{"content": CONTENT}]).encode(), ": messages.0", "no role"),
    "an unknown role": (json.dumps([{"role": CONTENT, "content": ""}]).encode(), ": messages.0", "the role is unknown"),
    "no content": (b'[{"role": "user"}]', ": messages.0", "no content"),
    "content of a wrong type": (b'[{"role": "user", "content": 7}]', ": messages.0.content", "the content is a number"),
    "a block of a wrong type": (b'[{"role": "user", "content": [7]}]', ": messages.0.content.0", "a content block"),
    "a block without a type": (b'[{"role": "user", "content": [{}]}]', ": messages.0.content.0", "no type"),
    "no model": (b'[{"role": "user", "content": "x"}]', "", "no model is named"),
    "an unknown model": (json.dumps(body(model="claude-opus-6")).encode(), ": model", "unknown model 'claude-opus-6'"),
    "a model of a wrong type": (json.dumps(body(model=5)).encode(), "", "no model is named"),
    "binary": (b"\x00\x01\x02", ":1", "binary data"),
    "a database": (b"SQLite format 3\0\x10\0", ":1", "binary data"),
    "UTF-16": (json.dumps(body()).encode("utf-16"), ":1", "UTF-16"),
    "latin-1": ('{"messages": "\xe9"}'.encode("latin-1"), ":1", "not UTF-8"),
    "truncated gzip": (gzip.compress(json.dumps(body()).encode())[:60], ":1", "ends too early"),
    "damaged gzip": (b"\x1f\x8b" + b"x" * 40, ":1", "damaged"),
    "deep nesting": (b'{"messages": ' + b"[" * 100_000, "", "nested too deeply"),
    "a broken line": (f"{json.dumps(_ROW)}\n{{{CONTENT}\n{json.dumps(_ROW)}\n".encode(), ":2", "not JSON"),
    "a row without a role": (
        rows([{"role": "user", "content": CONTENT}]).replace('"role": "user", ', "").encode(),
        ":1: message",
        "role",
    ),
    "an empty session": (b'{"type": "summary", "summary": "x", "leafUuid": "1"}\n', "", "the conversation is empty"),
    "a session of an unknown model": (
        rows([{"role": "user", "content": CONTENT}, {"role": "assistant", "content": "x"}], model="gpt-9").encode(),
        ": model",
        "unknown model 'gpt-9'",
    ),
}


def one_line(told: Result, code: int = 2) -> str:
    """The one line on standard error."""
    first, *more = told.err.splitlines()
    assert told.code == code
    assert all(line.startswith("  also: ") for line in more)
    assert first.startswith("ctxwindow: ")
    assert first.endswith((".", "?"))
    assert "Traceback" not in told.err
    assert "fault of ctxwindow" not in told.err
    assert CONTENT not in told.err.replace("/swordfish", "")
    return first.removeprefix("ctxwindow: ")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["count", "check", "inspect", "replay"])
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, command: str, name: str) -> None:
    content, where, what = FILES[name]
    file = tmp_path / "file"
    file.write_bytes(content)
    told = run(command, file)
    assert told.out == ""
    line = one_line(told)
    assert line.startswith(f"{file}{where}: ")
    assert what in line
    form = run(command, file, "--json")
    assert one_line(form) == line
    assert what in form.json["message"]
    assert form.json["path"] == f"{file}{where}"
    assert form.json["remedy"]


@pytest.mark.parametrize("command", ["count", "check", "inspect", "replay"])
def test_what_is_no_file(tmp_path: Path, command: str) -> None:
    assert "there is no such file. Check the path." in one_line(run(command, tmp_path / "none"))
    assert "this is a directory, not a file." in one_line(run(command, tmp_path))
    assert "file name too long" in one_line(run(command, "x" * 5_000))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body())
    file.chmod(0)
    assert "permission denied" in one_line(run("count", file))


@pytest.mark.parametrize("command", ["count", "check", "inspect", "replay"])
def test_an_unknown_model_on_the_command_line_names_near_ones(tmp_path: Path, command: str) -> None:
    file = write(tmp_path / "a.json", body())
    line = one_line(run(command, file, "--model", "claude-opus-5.5"))
    assert line.startswith("--model: unknown model 'claude-opus-5.5'. Did you mean claude-opus-5-5")
    assert len(one_line(run(command, file, "--model", "x" * 10_000))) < 400


def test_a_result_without_its_call(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": [result(CONTENT)]}, {"role": "assistant", "content": "x"}]
    file = write(tmp_path / "a.json", body(messages=messages))
    told = run("check", file)
    assert told.code == 1
    assert "error TOOL-02 at messages.0.content.0\n" in told.out
    assert CONTENT not in told.out
    line = one_line(run("replay", file), code=1)
    assert line.startswith(f"{file}: 1 message of the recording left out, as the API refuses it: step 0 was refused")
    assert "[TOOL-02]" in line


@pytest.mark.parametrize("field", ["system", "tools", "thinking", "tool_choice", "metadata", "stop_sequences", "betas"])
@pytest.mark.parametrize("value", [5, "x", [5], {}, [{}], [[]], None, True, "\ud800"], ids=repr)
def test_no_field_of_a_wrong_type_is_a_traceback(tmp_path: Path, field: str, value: Any) -> None:
    file = write(tmp_path / "a.json", body(**{field: value}))
    for command in ("count", "check", "inspect", "replay"):
        told = run(command, file)
        assert told.code in (0, 1, 2)
        if told.err:
            one_line(told, told.code)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": 5},
        {"type": "tool_result", "tool_use_id": ["x"], "content": [None]},
        {"type": "tool_use", "id": {}, "name": 5, "input": "x"},
        {"type": "text", "text": {"a": CONTENT}},
        {"type": "text"},
        {"type": "image", "source": 5},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "!"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": 7}},
        {"type": "thinking", "thinking": 5, "signature": []},
        {"type": "\ud800\x1b[31m", "x": _DEEP},
        {"type": "compaction", "content": 5},
    ],
    ids=lambda block: repr(block)[:40],
)
def test_no_block_of_a_wrong_type_is_a_traceback(tmp_path: Path, block: dict[str, Any]) -> None:
    messages = body()["messages"]
    messages[2] = {"role": "user", "content": [block, result("x")]}
    file = write(tmp_path / "a.json", body(messages=messages))
    for command, *options in (("count", "--blocks"), ("check", "--previous", file), ("inspect",), ("replay",)):
        told = run(command, file, *options)
        assert told.code in (0, 1, 2)
        assert "\x1b" not in told.out + told.err
        if told.err:
            one_line(told, told.code)


def test_windows_that_hold_nothing(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 2)
    assert "[CTX-08]" in one_line(run("replay", file, "--window", "1"), code=1)
    prompt = write(tmp_path / "a.json", body(system="word " * 3_000, max_tokens=10))
    line = one_line(run("replay", prompt, "--window", "2000"), code=1)
    assert line.startswith(f"{prompt}: ")
    assert "what cannot shrink: system " in line


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.toml", "budget = = 3", "p.toml: this is not TOML: Invalid value (at line 1, column 10)"),
        (
            "p.toml",
            "[spill]\nhaed_chars = 3",
            "p.toml: spill.haed_chars: there is no such key. Did you mean head_chars?",
        ),
        ("p.json", '{"budget": []}', "p.json: budget: a budget is a whole number of tokens"),
    ],
)
def test_a_broken_policy_is_one_line_with_the_path_of_the_key(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    policy, out = tmp_path / name, tmp_path / "out"
    policy.write_text(content, encoding="utf-8")
    file = session(tmp_path / "s.jsonl", 2)
    assert words in one_line(run("replay", file, "--policy", policy, "--wires", out))
    assert not out.exists()


def test_wires_are_not_mixed_with_what_is_there(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 2)
    line = one_line(run("replay", file, "--wires", tmp_path))
    assert line == f"{tmp_path}: the folder is not empty. Name a new or an empty folder."
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]
    line = one_line(run("replay", file, "--wires", file / "below"))
    assert line == f"{file}/below: the folder cannot be written: not a directory. Name another folder."


def test_nothing_is_written_when_the_session_cannot_be_read(tmp_path: Path) -> None:
    out = tmp_path / "out"
    file = tmp_path / "s.jsonl"
    file.write_text(rows(long_messages(1)) + "{broken\n" + rows(long_messages(1)), encoding="utf-8")
    one_line(run("replay", file, "--wires", out))
    assert not out.exists()


def test_a_previous_request_that_cannot_be_read(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body(model=BOUND))
    assert one_line(run("check", file, "--previous", tmp_path / "none")).startswith(
        f"{tmp_path}/none: there is no such file"
    )


def test_a_lone_surrogate_is_content_like_any_other(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "\ud800 x"}, {"role": "assistant", "content": [text("\udfff")]}]
    messages.append({"role": "user", "content": "Go on."})
    file, out = write(tmp_path / "a.json", body(messages=messages)), tmp_path / "out"
    for command, *options in (("count", "--blocks"), ("check",), ("inspect",), ("replay", "--wires", out)):
        assert run(command, file, *options).code == 0
    wire = json.loads((out / "0001.json").read_text(encoding="ascii"))["messages"]
    assert wire[0]["content"][0]["text"].encode() == "\ufffd x".encode(), "no JSON over HTTP holds half a character"


def test_the_shell_sees_the_same(tmp_path: Path) -> None:
    """Exit codes and streams of a real process, for one of each kind."""
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(FILES["a broken line"][0])
    told = spawn("count", broken)
    assert told.out == ""
    assert one_line(told) == one_line(run("count", broken))
    orphan = write(tmp_path / "orphan.json", body(messages=[{"role": "user", "content": [result(CONTENT)]}]))
    told = spawn("check", orphan)
    assert (told.code, told.err) == (1, "")


@pytest.mark.parametrize("megabytes", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_a_huge_result_is_counted_and_replayed_in_time(tmp_path: Path, megabytes: int) -> None:
    huge = "".join(f"{number * 7919 % 1_000_003} the quick brown fox_{number % 977}\n" for number in range(35_000))
    huge *= megabytes
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Read it."},
        {"role": "assistant", "content": [call()]},
        {"role": "user", "content": [result(huge)]},
        {"role": "assistant", "content": [text("It is long.")]},
    ]
    asked = write(tmp_path / "a.json", body(messages=messages))
    recorded = tmp_path / "s.jsonl"
    recorded.write_text(rows(messages), encoding="utf-8")
    for file in (asked, recorded):
        start = time.monotonic()
        counted = run("count", file, "--json")
        replayed = run("replay", file, "--window", "50000", "--json")
        assert time.monotonic() - start < 40
        assert (counted.code, counted.err, replayed.code, replayed.err) == (0, "", 0, "")
        assert counted.json["model"] == replayed.json["totals"]["model"] == OPUS
        assert replayed.json["totals"]["spills"] == 1
