from __future__ import annotations

from pathlib import Path

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
