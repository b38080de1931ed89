"""Writes docs/rules.md from the registry: python docs/generate_rules.py [--check]."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ctxwindow.rules import Rule, rules

PAGE = Path(__file__).with_name("rules.md")

_HEAD = """# Rules

The documented rules of the Messages API that this version knows, by id. *Enforced*: a request or a cut that breaks it is
found, as an error (the API answers with one) or as a warning. *Modelled*: it changes what counts, strips, caches, costs or is
planned, in the code that is named. *Out of scope*: nothing here follows it, for the reason given. This page is generated from
the registry.

| id | rule | models | severity | fate | source | date |
|---|---|---|---|---|---|---|
"""


def fate(row: Rule) -> str:
    """What this version does about a rule, and where."""
    if row.fate == "out of scope":
        return f"out of scope: {row.out_of_scope}"
    if row.fate == "modelled" and row.modelled:
        return f"modelled in `{row.modelled}`"
    return row.fate


def sentence(row: Rule) -> str:
    """The rule, with the side taken where sources disagree."""
    return f"{row.sentence} *Sources disagree: {row.conflict}*" if row.conflict else row.sentence


def page() -> str:
    """The whole page."""
    rows = [
        " | ".join([row.id, sentence(row), row.models, row.severity, fate(row), row.source, row.date]).replace(
            "\n", " "
        )
        for row in rules()
    ]
    return _HEAD + "".join(f"| {row} |\n" for row in rows)


def main() -> int:
    """Write the page, or with --check tell whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = page()
    if parser.parse_args().check:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
