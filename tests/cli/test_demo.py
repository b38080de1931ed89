from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests.cli.scenes import Result, run
from tests.conftest import ROOT


def test_all_three_tiers_are_used_and_the_laws_hold(demo: Result) -> None:
    assert (demo.code, demo.err) == (0, "")
    totals = demo.json["totals"]
    assert totals["spills"] > 0
    assert totals["compactions"] > 0
    assert totals["peak_window"] < 32_000 < totals["unmanaged_peak"]
    assert totals["cost"] < totals["unmanaged_cost"]
    assert (totals["violations"], totals["overflows"]) == (0, 0)
    assert all(totals["laws"].values())
    assert demo.json["reopened_equal"] is True


def test_something_cold_is_recalled(demo: Result) -> None:
    found = demo.json["recall"]
    assert any(found["query"] in line for line in found["lines"])
    assert found["message"] < 100
    assert len(found["query"]) > 10
    assert not re.fullmatch(r"[0-9a-f-]+", found["query"])  # a hash says nothing to a reader


def test_people_see_one_screen_that_explains_itself(demo: Result, demo_text: Result) -> None:
    told = demo_text
    assert (told.code, told.err) == (0, "")
    totals, lines = demo.json["totals"], told.out.splitlines()
    assert len(lines) <= 35
    assert max(len(line) for line in lines) <= 110
    assert told.out.count("become a summary") == totals["compactions"]
    assert told.out.count("a preview stays") == totals["spills"]
    for number in (totals["peak_window"], totals["unmanaged_peak"]):
        assert f"{number:,}" in told.out
    for word in ("hot", "warm", "cold", "laws checked", "recall", "with ctxwindow"):
        assert word in told.out
    assert demo.json["recall"]["query"] in told.out
    assert "equal to what came in" in told.out
    assert f"{len(totals['laws'])} of {len(totals['laws'])} held" in told.out


def test_a_window_too_small_is_a_finding_and_not_a_traceback() -> None:
    for window in ("1", "8100"):
        told = run("demo", "--window", window)
        assert told.code == 1
        assert len(told.err.splitlines()) == 1
        assert "[CTX-08] Give --window more tokens." in told.err
    form = run("demo", "--window", "1", "--json").json
    assert (form["sends"], form["recall"], form["reopened_equal"]) == ([], None, None)


def test_no_temporary_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    told = run("demo")
    assert told.code == 2
    assert told.err.startswith(
        "ctxwindow: TMPDIR: no temporary folder can be made: no usable temporary directory found."
    )
    assert len(told.err.splitlines()) == 1


@pytest.mark.skipif(importlib.util.find_spec("ctok") is None, reason="the README shows the exact counts")
def test_the_readme_shows_what_it_prints(demo_text: Result) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"ctxwindow demo\n```\n\n```text\n(.*?)\n```\n", readme, re.DOTALL)
    assert shown is not None
    assert shown[1] == demo_text.out.rstrip()
