"""The rulebook against the registry: every rule has one row, one fate, and code and tests that stand for it."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from ctxwindow.rules import registry, rules

TESTS = Path(__file__).resolve().parents[1]
IDS = (TESTS / "data" / "rulebook_ids.txt").read_text(encoding="utf-8").split()
OWN = "SHAPE-"
"""The prefix of our own rules, about what is a request at all."""
PLANNED = ("RATE-", "ERR-", "SDK-", "PRICE-")
"""Sections 16 and later; of these only what bears on a plan is followed."""
UNSEEN = {"CTX-14", "EDIT-09"}
"""Texts that the server adds and that nobody published: there is nothing to follow but the usage."""
ROWS = {row.id: row for row in rules()}


def resolved(name: str) -> object:
    """What a dotted name relative to the package stands for."""
    module, _, attribute = name.rpartition(".")
    try:
        owner = importlib.import_module(f"ctxwindow.{module}")
    except ModuleNotFoundError:
        return getattr(resolved(module), attribute)
    return getattr(owner, attribute)


@cache
def cited() -> frozenset[str]:
    """Every id that a test names: in its words, or as `test_tool_01`."""
    found: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        text = file.read_text(encoding="utf-8")
        found.update(re.findall(r"\b[A-Z]+-\d\d\b", text))
        found.update(
            name.upper().replace("_", "-")
            for name in re.findall(r"def test_([a-z]+_\d\d)[_(]", text)
            if "v_" not in name
        )
    return frozenset(found)


def test_the_list_of_ids_is_whole() -> None:
    assert len(IDS) == len(set(IDS)) == 300


def test_every_rule_of_the_rulebook_has_exactly_one_row() -> None:
    rows = [row.id for family in registry._FAMILIES for row in family.RULES]
    assert sorted(identity for identity in rows if not identity.startswith(OWN)) == sorted(IDS)


@pytest.mark.parametrize("identity", IDS)
def test_every_rule_has_exactly_one_fate(identity: str) -> None:
    row = ROWS[identity]
    enforced = any((row.check, row.check_message, row.check_end, row.may_cut))
    assert [enforced, bool(row.modelled), bool(row.out_of_scope)].count(True) == 1
    assert row.fate == ("enforced" if enforced else "modelled" if row.modelled else "out of scope")


def test_what_bears_on_a_request_is_enforced_or_modelled() -> None:
    """Sections 1 to 15 of the rulebook are, whole but for two."""
    out = {identity for identity in IDS if ROWS[identity].out_of_scope and not identity.startswith(PLANNED)}
    assert out == UNSEEN


@pytest.mark.parametrize("identity", [identity for identity in IDS if ROWS[identity].modelled])
def test_what_follows_a_rule_is_there(identity: str) -> None:
    """A function or class of a module, or a field or method of a class."""
    assert resolved(ROWS[identity].modelled) is not None


def test_every_rule_that_is_followed_has_a_test_that_names_it() -> None:
    followed = {identity for identity in IDS if not ROWS[identity].out_of_scope}
    assert sorted(followed - cited()) == []


def test_sides_taken_are_sentences() -> None:
    for row in rules():
        for sentence in (row.conflict, row.out_of_scope):
            assert not sentence or sentence.endswith(".")
