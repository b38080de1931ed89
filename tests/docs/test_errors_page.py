"""docs/errors.md has every text of the API that is known, and what it says of rules is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from ctxwindow.rules import find_violations, rules
from tests.conformance.refused import DOCUMENTED, NOT_OURS, RECORDED, Refused

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
KNOWN = {row.id for row in rules()}


class Entry(NamedTuple):
    """One section of the page: its texts as patterns, and the rules that it names in bold."""

    heading: str
    texts: list[re.Pattern[str]]
    rules: set[str]
    prose: str


def pattern(text: str) -> re.Pattern[str]:
    """`N`: a number, or the N of whoever quoted it. `ID`: ids. `…`: anything. Quoting loses backticks."""
    escaped = re.escape(text.replace("`", ""))
    escaped = re.sub(r"\bN\b", r"(?:\\d+|N)", escaped)
    return re.compile(re.sub(r"\bID\b", ".+", escaped).replace("…", ".*"))


def entries() -> list[Entry]:
    found = []
    for section in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, rest = section.partition("\n")
        block = re.search(r"```text\n(.*?)\n```\n(.*)", rest, re.DOTALL)
        if block:
            named = set(re.findall(r"\*\*([A-Z]+-\d\d)\*\*", block[2]))
            found.append(Entry(heading, [pattern(line) for line in block[1].splitlines()], named, block[2]))
    return found


ENTRIES = entries()


def entries_for(said: str) -> list[Entry]:
    said = re.sub(r" Please consult our documentation at \S+$", "", said.replace("`", ""))
    return [entry for entry in ENTRIES if any(text.fullmatch(said) for text in entry.texts)]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.heading))
def test_an_entry_names_its_rules_and_the_way_out(entry: Entry) -> None:
    assert entry.rules
    assert entry.rules <= KNOWN
    if entry.heading != "Texts of the past":
        for part in ("*Cause.*", "*Way out.*", "*ctxwindow.*"):
            assert part in entry.prose


RECORDED_TEXTS = sorted(
    {
        json.loads(line)["message"]
        for line in (ROOT / "tests" / "data" / "errors.jsonl").read_text(encoding="utf-8").splitlines()
    }
)


@pytest.mark.parametrize("said", [*RECORDED_TEXTS, *DOCUMENTED], ids=lambda said: said[:50])
def test_every_known_text_stands_on_the_page(said: str) -> None:
    assert entries_for(said), said


def _refused() -> list[tuple[str, Refused]]:
    return [*RECORDED.items(), *DOCUMENTED.items()]


@pytest.mark.parametrize(
    ("said", "refused"), _refused(), ids=lambda value: value[:40] if isinstance(value, str) else ""
)
def test_the_rule_that_the_page_names_says_that_text(said: str, refused: Refused) -> None:
    """The message of the violation stands on the page, in an entry that names the rule."""
    told = [
        violation.message
        for violation in find_violations(refused.request, **refused.options)
        if violation.rule == refused.rule
    ]
    assert told
    assert any(refused.rule in entry.rules for message in told for entry in entries_for(message)), (said, told)


CODES = [line.split(":")[0] for line in PAGE.splitlines() if re.fullmatch(r"compaction_\w+: …", line)]


@pytest.mark.parametrize("code", CODES)
def test_codes_are_those_of_the_sdk(code: str) -> None:
    types = pytest.importorskip("anthropic.types")
    name = "".join(part.capitalize() for part in code.split("_")) + "Error"
    assert hasattr(types, name)


def test_texts_that_are_not_ours_are_explained_too() -> None:
    for start in NOT_OURS:
        assert any(said.startswith(start) and entries_for(said) for said in RECORDED_TEXTS), start
