from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scenes import BOUND, CONTENT, body, result, rows, run, text, thinking, write

_THOUGHTS: list[dict[str, Any]] = [
    {"role": "user", "content": "One."},
    {"role": "assistant", "content": [thinking("first"), text("Two.")]},
    {"role": "user", "content": "Three."},
]


def test_a_valid_request_is_ok(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body())
    told = run("check", file)
    assert (told.code, told.err) == (0, "")
    assert told.out == "no rule broken: 5 messages for claude-opus-4-6, 0 warnings\n"
    form = run("check", file, "--json").json
    assert (form["ok"], form["violations"], form["thinking"]) == (True, [], [])


def test_a_broken_rule_is_named_with_path_and_remedy(tmp_path: Path) -> None:
    messages = body()["messages"]
    del messages[2]
    told = run("check", write(tmp_path / "a.json", body(messages=messages)), "--json")
    assert (told.code, told.err) == (1, "")
    assert told.json["ok"] is False
    first = told.json["violations"][0]
    assert first["rule"] == "TOOL-01"
    assert first["path"].startswith("messages.")
    assert set(first) == {"rule", "path", "message", "remedy"}
    assert all(first.values())
    shown = run("check", tmp_path / "a.json")
    assert shown.code == 1
    assert f"error {first['rule']} at {first['path']}\n" in shown.out
    assert f"To do: {first['remedy']}" in shown.out
    assert "broken:" in shown.out.splitlines()[-1]


def test_an_edit_before_thinking_is_found_by_the_request_before(tmp_path: Path) -> None:
    before = write(tmp_path / "1.json", body(model=BOUND, messages=_THOUGHTS))
    reply = {"role": "assistant", "content": [text("Four.")]}
    edited = [{"role": "user", "content": "Uno."}, *_THOUGHTS[1:], reply, {"role": "user", "content": "Five."}]
    now = write(tmp_path / "2.json", body(model=BOUND, messages=edited))
    form = run("check", now, "--previous", before, "--json").json
    assert [(state["path"], state["valid"]) for state in form["thinking"]] == [("messages.1.content.0", False)]
    assert form["violations"][0]["rule"] == "BIND-05"
    assert run("check", now, "--previous", before).code == 1
    kept = write(tmp_path / "3.json", body(model=BOUND, messages=[*_THOUGHTS, reply, edited[-1]]))
    shown = run("check", kept, "--previous", before)
    assert shown.code == 0
    assert "thinking: 1 of 1 blocks are valid" in shown.out


def test_of_a_session_the_last_request_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text(
        rows([*_THOUGHTS, {"role": "assistant", "content": [thinking("last"), text("x")]}]), encoding="utf-8"
    )
    form = run("check", file, "--json").json
    assert (form["ok"], form["messages"]) == (True, 3)
    assert any("not in a session file" in note for note in form["notes"])


def test_a_session_that_was_mended_when_it_was_read_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text(rows([*_THOUGHTS, {"role": "user", "content": [result("of no call")]}]), encoding="utf-8")
    told = run("check", file, "--json")
    assert told.code == 1
    assert [(found["rule"], found["path"]) for found in told.json["violations"]] == [("TOOL-02", f"{file}:4")]
    assert not any("without its call" in note for note in told.json["notes"])
    assert run("replay", file, "--window", "20000").code == 0


def test_many_findings_are_cut_for_people_and_not_for_programs(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": ""}]} for _ in range(60)]
    file = write(tmp_path / "a.json", body(messages=messages))
    number = len(run("check", file, "--json").json["violations"])
    assert number >= 60
    told = run("check", file).out
    assert told.count("To do:") == 40
    assert f"... and {number - 40:,} more: --json lists them all" in told
    assert f"{number:,} rules broken" in told


def test_with_the_reply_its_thinking_is_known(tmp_path: Path) -> None:
    before = write(tmp_path / "1.json", body(model=BOUND, messages=_THOUGHTS))
    reply = write(tmp_path / "reply.json", {"model": BOUND, "content": [thinking("second"), text("Four.")]})
    spoken = {"role": "assistant", "content": [text("Four.")]}
    last = {"role": "assistant", "content": [thinking("third"), text("Six.")]}
    user = {"role": "user", "content": "Five."}
    now = write(tmp_path / "2.json", body(model=BOUND, messages=[*_THOUGHTS, spoken, user, last, user]))
    form = run("check", now, "--previous", before, "--reply", reply, "--json").json
    assert [(state["state"], state["kind"]) for state in form["thinking"]] == [
        ("valid", None),
        ("missing_predecessor", "predecessor_missing"),
    ]
    assert [state["state"] for state in run("check", now, "--previous", before, "--json").json["thinking"]] == [
        "valid",
        "valid",
    ]


def test_what_the_model_cannot_read_is_a_warning(tmp_path: Path) -> None:
    before = write(tmp_path / "1.json", body(model=BOUND, messages=_THOUGHTS))
    form = run("check", before, "--previous", before, "--model", "claude-sonnet-5-5", "--json").json
    assert [state["state"] for state in form["thinking"]] == ["unreadable"]
    assert [row["rule"] for row in form["warnings"]] == ["BIND-02"]


@pytest.mark.parametrize(("enforcement", "code"), [("auto", 1), ("error", 1), ("drop_block", 0), ("off", 0)])
def test_enforcement_decides_whether_stale_thinking_is_an_error(tmp_path: Path, enforcement: str, code: int) -> None:
    before = write(tmp_path / "1.json", body(model=BOUND, messages=_THOUGHTS))
    now = write(tmp_path / "2.json", body(model=BOUND, messages=_THOUGHTS, system="Another."))
    told = run("check", now, "--previous", before, "--enforcement", enforcement, "--json")
    assert (told.code, told.json["ok"]) == (code, code == 0)
    assert told.json["thinking"][0]["pattern"] == "system_rerendered"


def test_a_reply_needs_its_request_and_a_message(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body())
    alone = run("check", file, "--reply", file)
    assert (alone.code, alone.out) == (2, "")
    assert alone.err == "ctxwindow: --reply: a reply is read next to its request. Add --previous FILE.\n"
    wrong = run("check", file, "--previous", file, "--reply", file)
    assert wrong.code == 2
    assert "it is no response of the API." in wrong.err
    missing = run("check", file, "--previous", file, "--reply", tmp_path / "none.json")
    assert missing.code == 2
    assert "none.json" in missing.err


def test_fix_writes_what_the_api_takes_and_says_what_it_did(tmp_path: Path) -> None:
    messages = body()["messages"]
    del messages[2]
    file, out = write(tmp_path / "a.json", body(messages=messages)), tmp_path / "b.json"
    shown = run("check", file, "--fix", out)
    assert (shown.code, shown.err) == (0, "")
    assert "fixed TOOL-01 at messages.1.content.1: result added\n" in shown.out
    assert "1 repair, written to" in shown.out
    assert shown.out.endswith("no rule broken any more\n")
    assert CONTENT not in shown.out
    assert run("check", out).code == 0
    assert json.loads(out.read_text(encoding="ascii"))["messages"][2]["content"][0]["is_error"] is True
    assert [path.name for path in tmp_path.iterdir()] == ["a.json", "b.json"] or len(list(tmp_path.iterdir())) == 2
    again = run("check", out, "--fix", out, "--json").json["fix"]
    assert (again["ok"], again["repairs"], again["violations"]) == (True, [], [])


def test_what_cannot_be_fixed_is_named(tmp_path: Path) -> None:
    file, out = write(tmp_path / "a.json", body(temperature=0.5)), tmp_path / "b.json"
    told = run("check", file, "--fix", out, "--json")
    assert told.code == 1
    assert told.json["fix"]["ok"] is False
    assert [row["rule"] for row in told.json["fix"]["violations"]] == ["VER-04"]
    assert "still broken" in run("check", file, "--fix", out).out


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body())
    for out in (tmp_path / "none" / "b.json", tmp_path, Path("/")):
        told = run("check", file, "--fix", out)
        assert (told.code, told.out) == (2, "")
        assert "the file cannot be written" in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_mended_body_does_not_go_to_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "a.json", body())
    told = run("check", file, "--fix", "-")
    assert told.code == 2
    assert "--fix" in told.err
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]
    assert run("check", file, "--fix", "./-").code == 0
    assert (tmp_path / "-").exists()
