from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctxwindow import Policy
from ctxwindow.cli.options import load, pick_thread, read_policy
from ctxwindow.errors import HistoryError, InvalidRequest, PolicyError, UnknownModel
from ctxwindow.transcripts import read
from tests.cli.scenes import body, run, session, spawn, write


def test_a_file_may_be_standard_input(tmp_path: Path) -> None:
    file = write(tmp_path / "request.json", body())
    piped = spawn("count", "-", "--json", stdin=file.read_bytes())
    assert piped.code == 0
    assert piped.json == run("count", file, "--json").json


def test_a_broken_standard_input_is_named() -> None:
    told = spawn("count", "-", stdin=b"{")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("ctxwindow: /dev/stdin:1: ")


def test_a_thread_is_found_by_its_id(tmp_path: Path) -> None:
    found = read(session(tmp_path / "session.jsonl", 2))
    assert pick_thread(found, None) is found.main
    assert pick_thread(found, found.main.id) is found.main
    with pytest.raises(HistoryError, match=f"It has: {found.main.id}"):
        pick_thread(found, "other")


def test_an_unknown_model_names_file_or_option_and_near_ones(tmp_path: Path) -> None:
    file = write(tmp_path / "request.json", body(model="claude-opus-5-6"))
    with pytest.raises(UnknownModel) as caught:
        load(str(file), None, None)
    assert caught.value.path == f"{file}: model"
    assert "claude-opus-5-5" in str(caught.value)
    with pytest.raises(UnknownModel, match="--model: unknown model 'x'") as caught:
        load(str(file), None, "x")
    assert "ModelProfile" not in str(caught.value)


def test_a_given_model_stands_in_for_an_unknown_one(tmp_path: Path) -> None:
    file = write(tmp_path / "request.json", body(model="claude-next"))
    found, thread = load(str(file), None, "claude-opus-5-5")
    assert thread is found.main


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [("system", 5, "system"), ("tools", {}, "tools"), ("tools", [1], "tools.0")],
)
def test_what_cannot_be_counted_is_refused_with_its_path(tmp_path: Path, field: str, value: object, path: str) -> None:
    file = write(tmp_path / "request.json", body(**{field: value}))
    with pytest.raises(InvalidRequest) as caught:
        load(str(file), None, None)
    assert caught.value.path == f"{file}: {path}"
    load(str(file), None, None, shaped=False)


def test_a_policy_is_toml_or_json(tmp_path: Path) -> None:
    toml, plain, other = tmp_path / "p.toml", tmp_path / "p.json", tmp_path / "policy"
    toml.write_text("budget = 9_000\n[spill]\ntokens = 50\n", encoding="utf-8")
    plain.write_text('{"budget": 9000, "spill": {"tokens": 50}}', encoding="utf-8")
    other.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes())
    found = [read_policy(path, None) for path in (toml, plain, other)]
    assert found[0] == found[1] == found[2]
    assert found[0].budget == 9_000
    assert read_policy(toml, 5_000).budget == 5_000
    assert read_policy(toml, 5_000).spill.tokens == 50
    assert read_policy(None, None).budget is None


@pytest.mark.parametrize(
    ("written", "path", "told"),
    [
        ('{"high": 2}', "high", "the default is 1.0"),
        ('{"hihg": 0.5}', "hihg", "there is no such key. Did you mean high?"),
        ('{"zzz": 1}', "zzz", "The keys here: budget, reserve, high"),
        ('{"spill": {"tokens": -1}}', "spill.tokens", "the default is none"),
        ('{"spill": {"head": 1}}', "spill.head", "Did you mean head_chars?"),
        ('{"methods": ["x"]}', "methods.0", "leave it out for its default"),
        ('{"budget": "much"}', "budget", "or a share of the window"),
        ('{"low": 0.9, "high": 0.5}', "low", "must be below the high one, 0.5"),
        ('{"spill": 5}', "spill", "The keys here: share, tokens"),
    ],
)
def test_a_wrong_key_of_a_policy_is_named(tmp_path: Path, written: str, path: str, told: str) -> None:
    file = tmp_path / "p.json"
    file.write_text(written, encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        read_policy(file, None)
    assert caught.value.path == f"{file}: {path}"
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.toml", b"budget = = 3", "this is not TOML: Invalid value (at line 1, column 10)"),
        ("p.json", b'{"budget": 3', "this is not JSON: Expecting ',' delimiter: line 1 column 13"),
        ("p.json", b"[1]", "a policy is a table of keys"),
        ("p.toml", b"\xff\xfeb\x00", "a policy is UTF-8 text"),
        ("p.json", b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_policy(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(PolicyError) as caught:
        read_policy(file, None)
    assert caught.value.path == str(file)
    assert told in str(caught.value)


def test_a_preset_is_named_like_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_policy(Path("chat"), None) == Policy.preset("chat")
    assert read_policy(Path("coding-agent"), 7_000) == Policy.preset("coding-agent", budget=7_000)
    Path("chat").write_text("high = 0.9\n", encoding="utf-8")
    assert read_policy(Path("chat"), None) == Policy(high=0.9)
    with pytest.raises(PolicyError, match="name a preset: chat, coding-agent"):
        read_policy(Path("chatt"), None)


def test_a_budget_that_is_none_names_its_option() -> None:
    with pytest.raises(PolicyError, match=r"^--window: a budget is"):
        read_policy(None, 0)


def test_a_policy_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no such file or directory"):
        read_policy(tmp_path / "none.toml", None)
    with pytest.raises(PolicyError, match="is a directory"):
        read_policy(tmp_path, None)
    assert (
        json.loads(run("replay", tmp_path, "--policy", tmp_path / "none.toml", "--json").out)["error"] == "PolicyError"
    )
