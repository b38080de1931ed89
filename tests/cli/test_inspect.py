from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scenes import body, long_messages, rows, run, session, write

_USAGE = {"input_tokens": 500, "cache_read_input_tokens": 1_500, "output_tokens": 9}


def test_a_session_is_told_in_numbers(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 3, usage=_USAGE)
    form = run("inspect", file, "--json").json
    assert form["format"] == "claude_code"
    assert (form["messages"], form["turns"], form["rounds"]) == (12, 3, 3)
    assert form["window"] == [2_000] * 6
    assert form["peak"] == 2_000
    assert form["cache_hit_ratio"] == 0.75
    assert form["cost"] > 0
    assert form["compactions"] == 0
    assert form["models"] == {"claude-opus-4-6": 6}
    assert "requests" not in form
    told = run("inspect", file)
    assert (told.code, told.err) == (0, "")
    assert "12 in 3 turns, with 3 rounds of tool calls" in told.out
    assert "75.0 % of the prompt tokens were read from it" in told.out
    assert "forecast" not in told.out


def test_forecasts_are_compared_with_what_was_reported(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 3, usage=_USAGE)
    form = run("inspect", file, "--forecast", "--json").json
    assert [row["number"] for row in form["requests"]] == [1, 2, 3, 4, 5, 6]
    assert form["accuracy"]["compared"] == 5
    told = run("inspect", file, "--forecast").out
    assert "median absolute error" in told
    assert "95th percentile" in told
    assert told.count("2,000") >= 6


def test_what_is_not_recorded_is_said_to_be_unknown(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body())
    told = run("inspect", file, "--forecast").out
    assert "cost         not known" in told
    assert "cache        not known" in told
    assert "nothing to compare" in told


def test_doubted_usage_is_not_said_to_be_missing(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 1, usage={**_USAGE, "cache_read_input_tokens": 10**11})
    told = run("inspect", file, "--forecast").out
    assert "the usage of 2 of them is doubted" in told
    assert "cache        not known: the recorded usage is doubted" in told
    assert "nothing to compare, as the usage is doubted" in told
    empty = run("inspect", session(tmp_path / "e.jsonl", 1, usage={})).out
    assert "cost         not known: no usage that is believed" in empty
    assert "$" not in empty


def test_a_conversation_without_a_reply(tmp_path: Path) -> None:
    told = run("inspect", write(tmp_path / "a.json", body(messages=[{"role": "user", "content": "Hello."}])))
    assert told.code == 0
    assert "no request was sent" in told.out


def test_the_threads_of_a_session_can_be_chosen(tmp_path: Path) -> None:
    messages = long_messages(2)
    main = rows(messages[:4])
    other = (
        rows(messages[:2]).replace('"row-', '"side-').replace('"type"', '"isSidechain": true, "agentId": "a1", "type"')
    )
    file = tmp_path / "s.jsonl"
    file.write_text(main + other, encoding="utf-8")
    form = run("inspect", file, "--json").json
    assert [(thread["sidechain"], thread["steps"]) for thread in form["threads"]] == [(False, 4), (True, 2)]
    told = run("inspect", file).out
    side = form["threads"][1]["id"]
    assert "threads (for --thread)" in told
    assert f"{side}" in told
    assert run("inspect", file, "--thread", side, "--json").json["messages"] == 2


def test_a_model_is_needed_where_none_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "m.json", long_messages(1))
    assert "Name one with --model." in run("inspect", file).err
    assert run("inspect", file, "--model", "claude-opus-5-5").code == 0


def test_what_the_money_was_spent_on(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 3, usage=_USAGE)
    form = run("inspect", file, "--cost", "--json").json
    spending = form["spending"]
    assert spending["dollars"] == form["cost"] == pytest.approx(sum(spending["by"].values()))
    assert spending["by"] == pytest.approx(
        {"uncached": 6 * 500 * 5e-6, "read": 6 * 1_500 * 0.5e-6, "output": 6 * 9 * 25e-6}
    )
    assert [turn["items"] for turn in spending["turns"]] == [2, 2, 2]
    assert [tool["name"] for tool in spending["tools"]] == ["read"]
    for name in ("turns", "kinds"):
        assert sum(group["dollars"] for group in spending[name]) == pytest.approx(form["cost"])
    assert "blocks" not in form
    told = run("inspect", file, "--cost").out
    assert "prompt, read from the cache" in told
    assert "kind of block" in told
    assert "thinking" not in told
    thought = session(tmp_path / "t.jsonl", 3, usage={**_USAGE, "output_tokens_details": {"thinking_tokens": 4}})
    (line,) = [line for line in run("inspect", thought, "--cost").out.splitlines() if "of these, thinking" in line]
    assert line.split()[3:5] == ["24", "$0.0006"]
    assert run("inspect", thought, "--cost", "--json").json["spending"]["thinking"] == pytest.approx(24 * 25e-6)


def test_the_dearest_blocks_come_first(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 8, usage={"input_tokens": 9_000, "output_tokens": 9})
    form = run("inspect", file, "--blocks", "--json").json
    assert "spending" not in form
    assert sum(block["dollars"] for block in form["blocks"]) == pytest.approx(form["cost"])
    told = run("inspect", file, "--blocks").out.split("block ")[1].splitlines()[1:]
    costs = [float(line.split("$")[1]) for line in told if "$" in line]
    assert costs == sorted(costs, reverse=True)
    assert len(costs) == 20
    assert told[-1].startswith("... and ")
    results = [block for block in form["blocks"] if block["kind"] == "tool_result"]
    assert {block["tool"] for block in results} == {"read"}
    assert results[0]["path"] == "messages.2.content.0"
    assert results[0]["sends"] == 15


def test_what_is_not_in_the_cost_is_said(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 2, usage={"input_tokens": 500, "output_tokens": None})
    told = run("inspect", file, "--cost")
    assert "not in the cost: output_tokens, of 4 of 4 requests" in told.out
    bare = run("inspect", session(tmp_path / "t.jsonl", 2), "--cost", "--blocks")
    assert (bare.code, bare.err) == (0, "")
    assert bare.out.count("not known, as no usage or no price is recorded") == 2


def test_the_next_request_and_an_edit_that_would_pay_back(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 8)
    form = run("inspect", file, "--forecast", "--json").json
    assert form["next"]["tokens"] > form["window"][-1]
    assert 0 < form["next"]["warm"] < form["next"]["cold"]
    assert form["next"]["halving"]["sends"] > 1
    told = run("inspect", file, "--forecast").out
    assert "with the cache warm" in told
    assert f"pay back in {form['next']['halving']['sends']} requests" in told
    assert "next" not in run("inspect", file, "--json").json
    large = session(tmp_path / "t.jsonl", 8, usage={"input_tokens": 90_000, "output_tokens": 9})
    assert run("inspect", large, "--forecast", "--json").json["next"]["halving"] is None, (
        "most of it cannot be compacted"
    )
    assert "pay back" not in run("inspect", large, "--forecast").out
    empty = write(tmp_path / "a.json", body(messages=[{"role": "user", "content": "Hello."}]))
    assert run("inspect", empty, "--forecast", "--json").json["next"] is None


def test_a_compaction_that_was_recorded_is_judged(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 6, usage={"input_tokens": 9_000, "output_tokens": 9})
    lines = file.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[12])
    row |= {"isCompactSummary": True, "message": {"role": "user", "content": "A summary."}}
    file.write_text("\n".join([*lines[:12], json.dumps(row), *lines[13:]]) + "\n", encoding="utf-8")
    (edit,) = run("inspect", file, "--cost", "--json").json["spending"]["edits"]
    assert (edit["send"], edit["before"], edit["after"], edit["sent"]) == (7, 9_000, 9_000, 6)
    assert edit["payback"]["sends"] is None, "it freed nothing"
    assert "compaction before request" in run("inspect", file, "--cost").out


@pytest.mark.parametrize(
    "value", [None, -1, "many", 10**400, 1.5, True, [1], {"a": []}], ids=lambda value: str(value)[:9]
)
@pytest.mark.parametrize("field", ["input_tokens", "cache_creation", "iterations", "server_tool_use", "service_tier"])
def test_a_damaged_usage_is_named_and_ends_nothing(tmp_path: Path, field: str, value: Any) -> None:
    usage = {"input_tokens": 500, "output_tokens": 9, field: value}
    told = run("inspect", session(tmp_path / "s.jsonl", 1, usage=usage), "--cost", "--blocks", "--forecast", "--json")
    assert (told.code, told.err) == (0, "")
    spending = told.json["spending"]
    assert (spending["dollars"] is None) == (spending["unpriced"] == 2)
    if field == "input_tokens":
        assert spending["unknown"] == {f"input_tokens{' (too large)' if value == 10**400 else ''}": 2}
        assert spending["dollars"] == pytest.approx(2 * 9 * 25e-6)
