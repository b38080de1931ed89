"""The shipped recordings: every file has its source and licence written down, and is what that says."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

from benchmarks.accuracy import pairs_of
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.transcripts import Incoming, Session, read

DATA = Path(__file__).parents[1] / "data"
SOURCES = (DATA / "SOURCES.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `?([\w./-]+)`? \|.*$", re.MULTILINE)


def test_every_file_has_its_source_written_down() -> None:
    files = [path for path in DATA.rglob("*") if path.is_file() and path.name != "SOURCES.md"]
    assert all(f"`{path.name}`" in SOURCES for path in files)
    rows = {match[1] for match in ROW.finditer(SOURCES)}
    assert {path.name for path in (DATA / "sessions").iterdir()} <= rows
    assert sum(path.stat().st_size for path in files) < 3_000_000
    assert sum(path.stat().st_size for path in (DATA / "sessions").iterdir()) < 1_500_000


def test_every_exchange_is_from_a_repository_that_is_named_with_its_licence() -> None:
    found = Counter(
        (pair["source"]["repo"], pair["source"]["commit"], pair["source"]["licence"])
        for pair in pairs_of(DATA / "usage_pairs.jsonl.gz")
    )
    for (repository, commit, licence), number in found.items():
        assert f"| {repository} | {commit} | {licence} | {number} |" in SOURCES
        assert licence in ("MIT", "Apache-2.0")


def test_every_mit_repository_has_its_copyright_line() -> None:
    named = set(re.findall(r"\| ([\w-]+/[\w-]+)[^|]*\|[^\n]*\| MIT \|", SOURCES))
    assert len(named) == 8
    for repository in named:
        assert f"- {repository}: Copyright (c) " in SOURCES


def test_gzip_files_are_whole() -> None:
    for path in DATA.rglob("*.gz"):
        with gzip.open(path) as file:
            assert file.read()


def thinking(session: Session) -> int:
    return sum(
        is_thinking(block) for thread in session.threads for message in thread.messages for block in blocks_of(message)
    )


def test_each_session_is_what_it_is_for() -> None:
    found = {path.name.split(".")[0]: read(path) for path in (DATA / "sessions").iterdir()}
    triggers = {
        name: [
            step.compact_trigger for step in session.main.steps if isinstance(step, Incoming) and step.compact_trigger
        ]
        for name, session in found.items()
    }
    assert {name: kinds for name, kinds in triggers.items() if kinds} == {
        "compact-auto": ["auto"],
        "compact-manual": ["manual"],
    }
    assert found["agent"].main.sidechain
    assert [thread.sidechain for thread in found["sidechains-sonnet-4"].threads] == [False, True, True]
    assert {reply.model for reply in found["sidechains-sonnet-4"].main.replies} == {"claude-sonnet-4-20250514"}
    assert thinking(found["thinking"]) == 87
    assert any('"type": "image"' in json.dumps(message) for message in found["image"].main.messages)
