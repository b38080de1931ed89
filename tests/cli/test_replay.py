from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import ctxwindow
from ctxwindow.rules import Violation
from tests.cli.scenes import BOUND, body, long_messages, run, session, two_policies, write

if TYPE_CHECKING:
    import pytest

_SMALL = ("--window", "14000")


def test_a_session_is_managed_in_a_small_window(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl")
    told = run("replay", file, *_SMALL, "--json")
    assert (told.code, told.err) == (0, "")
    form = told.json
    totals = form["totals"]
    assert totals["sends"] == len(form["sends"]) == 24
    assert totals["compactions"] > 0
    assert totals["epochs"] == totals["compactions"] + 1
    assert totals["peak_window"] <= 6_000 < totals["unmanaged_peak"]
    assert (totals["violations"], totals["overflows"], form["overflow"]) == (0, 0, None)
    assert totals["cost_ratio"] == totals["cost"] / totals["unmanaged_cost"]
    assert all(row["valid"] for row in form["sends"])
    assert all(totals["laws"].values())


def test_people_read_the_same_numbers(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl")
    form, told = run("replay", file, *_SMALL, "--json").json, run("replay", file, *_SMALL)
    assert (told.code, told.err) == (0, "")
    assert f"{form['totals']['peak_window']:,}" in told.out
    assert f"{form['totals']['unmanaged_peak']:,}" in told.out
    edits = form["totals"]["edits"]
    assert edits
    assert {method: told.out.count(f"  {method} ") for method in edits} == edits
    assert "0 rules broken, 0 overflows" in told.out
    assert ": held" in told.out
    assert "BROKEN" not in told.out


def test_the_same_input_gives_the_same_output(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl")
    assert run("replay", file, *_SMALL, "--json").out == run("replay", file, *_SMALL, "--json").out


def test_wires_are_requests_that_can_be_checked_and_counted(tmp_path: Path) -> None:
    file, out = session(tmp_path / "s.jsonl"), tmp_path / "out"
    form = run("replay", file, *_SMALL, "--model", BOUND, "--wires", out, "--json").json
    names = sorted(path.name for path in out.iterdir())
    assert names == [f"{row['number']:04d}.json" for row in form["sends"]]
    for row in form["sends"]:
        request = json.loads((out / f"{row['number']:04d}.json").read_text(encoding="ascii"))
        assert request["model"] == BOUND
        assert ctxwindow.check(request).violations == ()
    assert run("check", out / names[-1], "--previous", out / names[-2]).code == 0


def test_a_policy_and_the_window_that_overrules_it(tmp_path: Path) -> None:
    file, policy = session(tmp_path / "s.jsonl"), tmp_path / "p.toml"
    policy.write_text('budget = 14_000\nmethods = ["summarize_all"]\n', encoding="utf-8")
    form = run("replay", file, "--policy", policy, "--json").json
    methods = {edit["method"] for row in form["sends"] for edit in row["edits"]}
    assert methods == {"summarize_all"}
    assert run("replay", file, "--policy", policy, "--window", "100000", "--json").json["totals"]["compactions"] == 0


def test_a_window_that_is_too_small_ends_it_with_one_line(tmp_path: Path) -> None:
    file, out = write(tmp_path / "a.json", body(max_tokens=100, system="word " * 400)), tmp_path / "out"
    told = run("replay", file, "--window", "300", "--wires", out)
    assert told.code == 1
    assert len(told.err.splitlines()) == 1
    assert told.err.startswith(f"ctxwindow: {file}: ")
    assert "[CTX-08]" in told.err
    assert "system" in told.err
    assert list(out.iterdir()) == []
    form = run("replay", file, "--window", "300", "--json").json
    assert form["sends"] == []
    assert form["totals"]["overflows"] == 1
    assert form["overflow"]["need"] > form["overflow"]["limit"]
    survival = ("reference_survival", "reference_survival_recallable")
    assert [form["totals"][key] for key in survival] == [None, None], "of nothing there is no share"
    tiny, large = (write(tmp_path / name, {"budget": budget}) for name, budget in (("t.json", 300), ("l.json", 40_000)))
    both = ("replay", file, "--policy", tiny, "--policy", large)
    column = next(column for column in run(*both, "--json").json["columns"] if column["name"] == str(tiny))
    assert [column[key] for key in survival] == [None, None]
    cells = [line.split()[-3] for line in run(*both).out.splitlines() if "identifiers in window" in line]
    assert cells == ["-"]


def test_what_was_sent_before_an_overflow_is_whole(tmp_path: Path) -> None:
    messages = [*long_messages(3, chars=300), {"role": "user", "content": "word " * 6_000}]
    messages.append({"role": "assistant", "content": "So long."})
    file, out = write(tmp_path / "a.json", body(messages=messages, max_tokens=500)), tmp_path / "out"
    told = run("replay", file, "--window", "4000", "--wires", out)
    assert told.code == 1
    assert f"{file}: after request 6: the smallest request needs" in told.err
    assert sorted(path.name for path in out.iterdir()) == [f"{number:04d}.json" for number in range(1, 7)]
    for path in out.iterdir():
        json.loads(path.read_text(encoding="ascii"))


def test_a_broken_rule_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Violation(rule="MSG-99", path="messages.0", message="m", remedy="r", severity="error")
    monkeypatch.setattr("ctxwindow.transcripts.checks.find_violations", lambda *_, **__: [broken])
    file = write(tmp_path / "a.json", body())
    told, form = run("replay", file), run("replay", file, "--json").json
    assert told.code == 1
    assert form["totals"]["violations"] == len(form["sends"]) == 2
    assert form["sends"][0]["violations"] == ["MSG-99 at messages.0"]
    assert not form["sends"][0]["valid"]
    assert "broken at request 1: MSG-99 at messages.0" in told.out
    assert "BROKEN: every request is valid" in told.out


def test_settings_that_the_api_refuses_are_refused_with_their_file(tmp_path: Path) -> None:
    settings = {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "tool_choice": {"type": "any"}}
    file = write(tmp_path / "a.json", body(max_tokens=4_000, **settings))
    told = run("replay", file)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"ctxwindow: {file}: tool_choice")
    assert len(told.err.splitlines()) == 1


def test_without_a_reply_there_is_nothing_to_replay(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", body(messages=[{"role": "user", "content": "Hello."}]))
    told = run("replay", file)
    assert told.code == 0
    assert "there is nothing to replay" in told.out
    assert run("replay", file, "--json").json["sends"] == []


def test_what_is_not_in_a_session_can_be_counted_in(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 2, usage={"input_tokens": 9_000, "output_tokens": 5})
    without, with_it = (run("replay", file, "--json", *more).json for more in ((), ("--unseen",)))
    assert without["sends"][0]["window"] < 100
    assert 8_900 < with_it["sends"][0]["window"] < 9_100
    assert any("about 8,9" in note for note in without["notes"])


# -- several policies ----------------------------------------------------------------------------------------


def test_two_policies_give_one_table(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl")
    policies = two_policies(tmp_path)
    told = run("replay", file, *_SMALL, *policies)
    form = run("replay", file, *_SMALL, *policies, "--json").json
    assert (told.code, told.err) == (0, "")
    names = [column["name"] for column in form["columns"]]
    assert names == ["unmanaged", "threshold", "sliding", str(policies[1]), str(policies[3])]
    lines = told.out.splitlines()
    assert lines[0].split() == names
    cells = {line[:24].strip(): line[24:].split() for line in lines}
    assert cells["overflows"] == ["0"] * 5
    assert cells["epochs"] == [str(column["epochs"]) for column in form["columns"]]
    assert cells["to unmanaged"] == [f"{column['cost_ratio']:.2f}" for column in form["columns"]]
    unmanaged, _, sliding, keep, whole = form["columns"]
    assert unmanaged["window_peak"] > 6_000 >= max(sliding["window_peak"], keep["window_peak"], whole["window_peak"])
    assert unmanaged["edits"] == {}
    assert set(sliding["edits"]) == {"slide"}
    assert set(whole["edits"]) == {"summarize_all"}
    assert sum(keep["edits"].values()) > 0


def test_a_column_says_what_the_policy_alone_says(tmp_path: Path) -> None:
    """Compared or alone, a policy is replayed in the same way."""
    file = session(tmp_path / "s.jsonl")
    policies = two_policies(tmp_path)
    columns = run("replay", file, *_SMALL, *policies, "--json").json["columns"]
    for column, policy in zip(columns[3:], policies[1::2], strict=True):
        totals = run("replay", file, *_SMALL, "--policy", policy, "--json").json["totals"]
        assert totals["unmanaged_cost"] == columns[0]["cost"]
        shared = totals.keys() & column.keys()
        assert {"cost", "cost_ratio", "edits", "thinking_kept", "window_mean", "reference_survival"} <= shared
        assert {key: totals[key] for key in shared} == {key: column[key] for key in shared}


def test_what_cannot_be_compared_is_one_line(tmp_path: Path) -> None:
    file = session(tmp_path / "s.jsonl", 2)
    policies = two_policies(tmp_path)
    twice = run("replay", file, *policies, *policies)
    assert twice.code == 2
    assert "a policy is named twice" in twice.err
    wires = run("replay", file, *policies, "--wires", tmp_path / "out")
    assert wires.code == 2
    assert "--wires writes the requests of one policy" in wires.err
    assert not (tmp_path / "out").exists()
    missing = run("replay", file, *policies, "--policy", tmp_path / "none.toml")
    assert missing.code == 2
    assert "none.toml" in missing.err


def test_a_policy_that_does_not_go_through_is_named(tmp_path: Path) -> None:
    """Each budget has its own sliding window; one that is too small for a message ends that replay alone."""
    messages = [*long_messages(3, chars=300), {"role": "user", "content": "word " * 6_000}]
    file = write(
        tmp_path / "a.json", body(messages=[*messages, {"role": "assistant", "content": "So long."}], max_tokens=500)
    )
    small, large = tmp_path / "small.toml", tmp_path / "large.toml"
    small.write_text("budget = 4_000\n", encoding="utf-8")
    large.write_text("budget = 40_000\n", encoding="utf-8")
    told = run("replay", file, "--policy", small, "--policy", large, "--json")
    assert told.code == 1
    assert told.err.startswith(f"ctxwindow: {file}: {small}: after request 6: ")
    columns = {column["name"]: column for column in told.json["columns"]}
    assert {"sliding 4,000", "sliding 40,000"} <= columns.keys()
    assert (columns[str(small)]["sends"], columns[str(large)]["sends"]) == (6, 7)
    assert columns[str(small)]["cost_ratio"] is None, "it did less, so its cost says nothing"
    assert columns[str(large)]["cost_ratio"] == 1.0
    assert (columns["sliding 4,000"]["overflows"], columns["sliding 40,000"]["overflows"]) == (1, 0)
