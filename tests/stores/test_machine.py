"""The SQLite store against the store in memory: whatever is done to both, both say the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ctxwindow.errors import CtxwindowError
from ctxwindow.stores import MemoryStore, Row, SqliteStore, Store, Text
from ctxwindow.window.memo import TextCount

NAMES = st.sampled_from(["a", "b", "c\0'é"])
WORDS = [
    "parser",
    "parse_json",
    "src/app.py",
    "getURL",
    "the",
    "the the",
    "fails",
    "4711",
    "错误",
    "é",
    "\ud800",
    "\0",
    '"',
]
TEXTS = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
    st.text(max_size=20),
    st.tuples(st.sampled_from(WORDS), st.integers(1, 2_000)).map(lambda pair: f"{pair[0]} " * pair[1]),
)
KINDS = st.sampled_from(["text", "tool_result", "summary"])
CONTENTS = st.tuples(st.binary(max_size=50), st.lists(st.tuples(KINDS, TEXTS), max_size=3))


def outcome(call: Callable[[], Any]) -> object:
    """A result, or the kind and text of an error."""
    try:
        return call()
    except CtxwindowError as error:
        return type(error), str(error)


class Stores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.memory = MemoryStore()
        self.sqlite = self.open()

    def open(self) -> SqliteStore:
        store = SqliteStore(self.folder / "log.db")
        assert store._db is not None
        store._db.execute("PRAGMA synchronous = OFF")  # this test is not about crashes
        return store

    def both(self, call: Callable[[Store], Any]) -> object:
        expected = outcome(lambda: call(self.memory))
        assert outcome(lambda: call(self.sqlite)) == expected
        return expected

    @rule(name=NAMES, contents=st.lists(CONTENTS, max_size=4), behind=st.sampled_from([0, 0, 0, 0, 1, -1]))
    def append(self, name: str, contents: list[tuple[bytes, list[tuple[str, str]]]], behind: int) -> None:
        expect = max(self.memory.version(name) - behind, 0)
        rows = [
            Row(
                seq=seq,
                kind=f"k{seq}",
                payload=payload,
                at=seq / 7,
                texts=tuple(Text(path=f"{seq}.{n}", kind=kind, text=text) for n, (kind, text) in enumerate(texts)),
            )
            for seq, (payload, texts) in enumerate(contents, expect + 1)
        ]
        counts = [TextCount("v3 x", payload[:16], len(payload)) for payload, _ in contents]
        self.both(lambda store: store.append(name, rows, expect=expect, counts=counts))

    @rule(name=NAMES)
    def counts(self, name: str) -> None:
        self.both(lambda store: store.counts(name))

    @rule(name=NAMES, after=st.integers(-1, 20))
    def read(self, name: str, after: int) -> None:
        self.both(lambda store: list(store.read(name, after=after)))

    @rule(name=NAMES, query=TEXTS, k=st.integers(0, 12), kinds=st.none() | st.sets(KINDS))
    def search(self, name: str, query: str, k: int, kinds: set[str] | None) -> None:
        self.both(lambda store: store.search(name, query, k=k, kinds=kinds))

    @rule(name=NAMES, needle=st.one_of(st.sampled_from(WORDS), st.text(max_size=3)))
    def contains(self, name: str, needle: str) -> None:
        self.both(lambda store: store.contains(name, needle))

    @rule(name=NAMES)
    def purge(self, name: str) -> None:
        self.both(lambda store: store.purge(name))

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = self.open()

    @invariant()
    def same_conversations(self) -> None:
        self.both(lambda store: store.conversations())

    def teardown(self) -> None:
        db = self.sqlite._db
        assert db is not None
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.execute("INSERT INTO postings (postings) VALUES ('integrity-check')")
        self.sqlite.close()
        shutil.rmtree(self.folder)


TestStores = Stores.TestCase
TestStores.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
