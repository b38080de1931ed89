"""Runs the code of docs/planner.md and writes what it prints below each block: python docs/generate_planner.py [--check].

The README shows the first of its tables.

The numbers of the page are those of exact counts. Where the package ctok is missing (Python 3.11) the blocks run all the same,
and what they print is not compared.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import re
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("planner.md")
README = Path(__file__).parents[1] / "README.md"

_BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n.*?```\n)?", re.DOTALL)


_TABLE = re.compile(r"(?<=```text\n)send \d[^`]*?leave alone[^`]*")


def tables(text: str) -> list[str]:
    """The tables of a page, each with the lines of its send."""
    return _TABLE.findall(text)


def page(text: str) -> str:
    """The page with what its blocks print; they share their names."""
    names: dict[str, Any] = {"__name__": "planner"}

    def ran(found: re.Match[str]) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(found[1], PAGE.name, "exec"), names)  # noqa: S102 - our own page
        told = printed.getvalue()
        return f"```python\n{found[1]}```\n" + (f"\n```text\n{told}```\n" if told else "")

    return _BLOCK.sub(ran, text)


def main() -> int:
    """Write the page, or with --check tell whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    shown = PAGE.read_text(encoding="utf-8"), README.read_text(encoding="utf-8")
    text = page(shown[0])
    written = text, _TABLE.sub(lambda _: tables(text)[0], shown[1])
    if importlib.util.find_spec("ctok") is None:
        sys.stderr.write("ctok is not installed: sizes are estimates, and the page was left alone\n")
        return 0 if check else 1
    if check:
        return int(written != shown)
    PAGE.write_text(written[0], encoding="utf-8")
    README.write_text(written[1], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
