"""How fast are exact counts? Ours against ctok's own, by kind of text; and what reopening a conversation costs.

    python -m benchmarks.tokens [--characters N] [--messages N]

The first table is in millions of characters a second of processor time. *Cold*: nothing remembered but the vocabulary,
as at the first text of a process. *Warm*: the same text again, which the parts of later texts come close to. ctok keeps
nothing, and is given the first tenth of each text. Both must come to the same count. The texts: docstrings and sources
of the standard library, its lines as search results in JSON, random bytes as base64, random ideographs with their
punctuation, and all texts of the recorded sessions in `tests/data`.

The second table is what the first count of a process costs: seconds of processor time until the vocabulary is loaded.

The third one keeps a conversation in a file and opens it in new processes, with the counts that were kept with it and
without. Compare columns, not digits: machines differ, ratios less so.
"""

from __future__ import annotations

import argparse
import ast
import base64
import gzip
import json
import random
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ctok

from benchmarks.planning import build
from ctxwindow import Policy
from ctxwindow.stores import SqliteStore, keep, load
from ctxwindow.window.tiling import Tiling, tiling

_ROOT = Path(__file__).parents[1]
_VERSIONS = {"v3": "3.0", "v4.7": "4.7"}
_LOAD = "import time; a = time.process_time(); {0}; print(time.process_time() - a)"


def _sources() -> Iterator[str]:
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        yield path.read_text(encoding="utf-8")


def _docstrings(source: str) -> str:
    named = (ast.Module, ast.ClassDef, ast.FunctionDef)
    found = [ast.get_docstring(node) for node in ast.walk(ast.parse(source)) if isinstance(node, named)]
    return "\n\n".join(text for text in found if text)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _sessions() -> Iterator[str]:
    for path in sorted((_ROOT / "tests" / "data" / "sessions").rglob("*.jsonl*")):
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for line in lines:
                yield from _strings(json.loads(line))


def texts(characters: int) -> dict[str, list[str]]:
    """Kind -> texts, of about that many characters together."""
    chance = random.Random(1)  # noqa: S311
    sources = list(_sources())
    hits = [{"line": number, "text": line} for number, line in enumerate("".join(sources).splitlines()) if line.strip()]
    ideographs = "".join(
        chance.choice("\uff0c\u3002\u3001\n") if chance.random() < 0.1 else chr(chance.randrange(0x4E00, 0x9FA5))
        for _ in range(characters)
    )
    return {
        "prose": ["\n\n".join(map(_docstrings, sources))[:characters]],
        "code": ["".join(sources)[:characters]],
        "JSON": [json.dumps(hits)[:characters]],
        "base64": [base64.b64encode(chance.randbytes(characters)).decode()[:characters]],
        "ideographs": [ideographs],
        "sessions": list(dict.fromkeys(text for text in _sessions() if text)),
    }


def _timed(call: Callable[[str], int], given: list[str]) -> tuple[float, int]:
    """Characters a second of processor time, and tokens."""
    start = time.process_time()
    tokens = sum(map(call, given))
    return sum(map(len, given)) / (time.process_time() - start), tokens


def speeds(characters: int) -> None:
    """Print the first table."""
    print(f"{'million characters/s':28}{'characters':>12}{'ctok':>8}{'cold':>8}{'ratio':>8}{'warm':>8}{'ratio':>8}")
    for kind, given in texts(characters).items():
        part = given[: max(1, len(given) // 10)] if len(given) > 1 else [given[0][: characters // 10]]
        for vocabulary, version in _VERSIONS.items():
            ours = Tiling(tiling(vocabulary)._model)  # noqa: SLF001 - remembers nothing yet

            def count(text: str, ours: Tiling = ours) -> int:
                return ours.count(text, bow=True)

            cold, tokens = _timed(count, given)
            warm, again = _timed(count, given)
            frame = len(ctok.tokenize("", version)) - 1
            slow, wanted = _timed(lambda text, v=version, f=frame: ctok.token_count(text, v) - f, part)  # type: ignore[misc]
            assert tokens == again
            assert sum(map(count, part)) == wanted
            row = (slow / 1e6, cold / 1e6, cold / slow, warm / 1e6, warm / slow)
            print(f"{kind + ', ' + vocabulary:28}{sum(map(len, given)):12,}" + "".join(f"{cell:8.2f}" for cell in row))


def _elsewhere(code: str) -> float:
    """Seconds of processor time that a new process says something took; the best of three."""
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True, cwd=_ROOT) for _ in range(3)]  # noqa: S603
    return min(float(run.stdout) for run in runs)


def loading() -> None:
    """Print the second table."""
    print("\nseconds until the vocabulary is loaded, in a new process")
    for vocabulary, version in _VERSIONS.items():
        theirs = _elsewhere("import ctok; " + _LOAD.format(f"ctok.token_count('', '{version}')"))
        ours = _elsewhere("import ctok, ctxwindow.window.tiling as t; " + _LOAD.format(f"t.tiling('{vocabulary}')"))
        print(f"{vocabulary:28}{'ctok':>12}{theirs:8.3f}{'ours':>8}{ours:8.3f}")


def reopening(messages: int) -> None:
    """Print the third table."""
    print(f"\nseconds to open a conversation of {messages:,} messages, in a new process")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        with SqliteStore(path) as store:
            keep(store, "it", build(messages, Policy()))
            kept = len(store.counts("it"))
        code = f"from ctxwindow.stores import SqliteStore, load; s = SqliteStore({str(path)!r}); " + _LOAD.format(
            "load(s, 'it')"
        )
        with_counts = _elsewhere(code)
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM counts")
        without = _elsewhere(code)
        with SqliteStore(path) as store:
            start = time.process_time()
            load(store, "it")
            known = time.process_time() - start
    print(f"{f'{kept:,} counts kept':28}{with_counts:8.3f}")
    print(f"{'none kept':28}{without:8.3f}")
    print(f"{'none kept, same process':28}{known:8.3f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--characters", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=2_000)
    options = parser.parse_args()
    speeds(options.characters)
    loading()
    reopening(options.messages)


if __name__ == "__main__":
    main()
