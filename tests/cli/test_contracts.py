from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from ctxwindow import tiers
from ctxwindow.cli.app import COMMANDS
from ctxwindow.cli.contracts import ERROR, JSON
from ctxwindow.tiers.policy import Method
from tests.cli.scenes import BOUND, Result, body, result, run, session, text, thinking, two_policies, write
from tests.conftest import ROOT


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Every key of a JSON value, as the contracts write them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from keys(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from keys(inner, f"{path}[]")
    else:
        yield path if value != [] else f"{path}[]"


def test_every_method_of_an_edit_is_named() -> None:
    """By the sources of the engine, which give it as a literal or by the name of the policy's method."""
    sources = "".join(path.read_text("utf-8") for path in sorted(Path(tiers.__file__).parent.glob("*.py")))
    methods = {*get_args(Method), *re.findall(r'\bmethod="(\w+)"', sources)}
    assert {"pin", "restart", "switch"} < methods
    for command in ("replay", "demo"):
        named = set(re.findall(r"`(\w+)`", JSON[command]["sends[].edits[].method"]))
        assert named == methods


def forms(tmp_path: Path) -> dict[str, list[Any]]:
    """What the commands print for inputs that between them show every key."""
    file = session(tmp_path / "s.jsonl", usage={"input_tokens": 900, "output_tokens": 5})
    compacted = write_rows(tmp_path / "c.jsonl", summarized(file))
    thought = [
        {"role": "user", "content": [text("One."), {"type": "image", "source": {"type": "url", "url": "x"}}]},
        {"role": "assistant", "content": [thinking("a"), text("Two.")]},
        {"role": "user", "content": "Three."},
    ]
    old = write(tmp_path / "old.json", body(model="claude-haiku-4-5", messages=thought))
    binding = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    before = write(tmp_path / "before.json", body(model=BOUND, messages=thought, thinking=binding))
    edited = [{"role": "user", "content": "Uno."}, *thought[1:], {"role": "user", "content": [result("x")]}]
    now = write(tmp_path / "now.json", body(model=BOUND, messages=edited, thinking=binding))
    hopeless = write(tmp_path / "hopeless.json", body(messages=edited, temperature=0.5))
    return {
        "count": [run("count", old, "--blocks", "--json").json],
        "check": [
            run("check", now, "--previous", before, "--json").json,
            run("check", file, "--json").json,
            run("check", hopeless, "--fix", tmp_path / "fixed.json", "--json").json,
        ],
        "inspect": [
            run("inspect", file, "--forecast", "--json").json,
            run("inspect", compacted, "--cost", "--blocks", "--json").json,
            run("inspect", session(tmp_path / "t.jsonl"), "--forecast", "--json").json,
        ],
        "replay": [
            run("replay", file, "--window", "14000", "--json").json,
            run("replay", write(tmp_path / "b.json", body()), "--window", "9", "--json").json,
            run("replay", file, "--window", "14000", *two_policies(tmp_path), "--json").json,
        ],
    }


def summarized(file: Path) -> list[dict[str, Any]]:
    """The rows of a session that its client compacted in its middle, with a usage that leaves something out."""
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    half = next(place for place, row in enumerate(found) if place > len(found) // 2 and row["type"] == "user")
    found[half]["isCompactSummary"] = True
    found[half]["message"]["content"] = "A summary."
    found[1]["message"]["usage"] = {"output_tokens": 3}
    return found


def write_rows(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in lines), encoding="utf-8")
    return path


def held(found: list[Any], documented: dict[str, str]) -> None:
    """Every key that is printed is documented, and every documented key is printed."""
    printed = {key for form in found for key in keys(form)}
    patterns = {key: re.compile(re.sub(r"\\\{.*?\\\}", ".+", re.escape(key))) for key in documented}
    for key in printed:
        # An empty object, or null in the place of one, shows none of its keys.
        whole = any(name.startswith((f"{key}.", f"{key.removesuffix('[]')}[].")) for name in documented)
        assert whole or any(pattern.fullmatch(key) for pattern in patterns.values()), key
    for key, pattern in patterns.items():
        assert any(pattern.fullmatch(name) for name in printed), key


def test_commands_print_the_keys_that_are_documented(tmp_path: Path) -> None:
    for name, found in forms(tmp_path).items():
        held(found, JSON[name])


def test_the_demo_prints_the_keys_that_are_documented(demo: Result) -> None:
    found = demo.json
    documented = {key: text for key, text in JSON["demo"].items() if not key.startswith("overflow.")}
    held([found], {**documented, "overflow": "null"})


def test_errors_print_the_keys_that_are_documented(tmp_path: Path) -> None:
    held([run("count", tmp_path, "--json").json], ERROR)


def test_every_command_has_a_contract() -> None:
    assert list(JSON) == list(COMMANDS)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("count", "model input_tokens low high source window max_output free by not_counted blocks"),
        ("check", "ok violations warnings thinking"),
        ("replay", "sends totals"),
    ],
)
def test_the_first_keys_are_those_promised(name: str, wanted: str) -> None:
    first = {re.split(r"[.\[]", key)[0] for key in JSON[name]}
    assert set(wanted.split()) <= first


def test_the_page_is_as_it_would_be_written() -> None:
    script = ROOT / "docs" / "generate_cli.py"
    done = subprocess.run(  # noqa: S603
        [sys.executable, script, "--check"], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_names_every_option_and_key() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name, documented in JSON.items():
        assert f"\n## {name}\n" in page
        assert all(f"| `{key}` |" in page for key in documented)
        for option in re.findall(r"^  (--[a-z]+)", run(name, "--help").out, re.MULTILINE):
            assert f"| `{option}" in page
    assert json.dumps(0.85) in page  # a default of the policy
