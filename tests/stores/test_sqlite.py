from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ctxwindow import stores
from ctxwindow.errors import HistoryError, MisuseError, StoreUnavailable
from ctxwindow.stores import Row, SqliteStore, Text

ROOT = Path(stores.__file__).parents[2]


def row(seq: int, text: str = "hello", payload: bytes = b"{}", path: str = "p") -> Row:
    return Row(seq=seq, kind="k", payload=payload, at=1.0, texts=(Text(path=path, kind="text", text=text),))


def test_survives_reopening(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path) as store:
        store.append("a", [row(1), row(2, "another parser")], expect=0)
        hits = store.search("a", "parser")
        listed = store.conversations()
    assert [file.name for file in tmp_path.iterdir()] == ["log.db"]  # the log was folded in
    with SqliteStore(path, create=False) as store:
        assert store.version("a") == 2
        assert store.search("a", "parser") == hits
        assert store.conversations() == listed
        assert store.append("a", [row(3)], expect=2) == 3


def test_settings_that_durability_and_privacy_rest_on(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "log.db") as store:
        assert store._db is not None
        for setting, value in {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "temp_store": 2}.items():
            assert store._db.execute(f"PRAGMA {setting}").fetchone() == (value,), setting


def test_two_stores_on_one_file_see_each_other(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "log.db") as one, SqliteStore(tmp_path / "log.db") as two:
        one.append("a", [row(1, "parser")], expect=0)
        assert two.version("a") == 1
        assert len(two.search("a", "parser")) == 1
        two.purge("a")
        assert list(one.read("a")) == []


WRITER = """
import sys
from ctxwindow.errors import StoreConflict
from ctxwindow.stores import Row, SqliteStore, Text
path, name = sys.argv[1:]
with SqliteStore(path, timeout=30) as store:
    for n in range(1, 16):
        texts = (Text(path="p", kind="text", text=f"{name} wrote this"),)
        store.append(name, [Row(seq=n, kind="k", payload=b"{}", at=1.0, texts=texts)], expect=n - 1)
        while True:
            seen = store.version("shared")
            try:
                store.append("shared", [Row(seq=seen + 1, kind=name, payload=b"%d" % n, at=1.0, texts=texts)], expect=seen)
                break
            except StoreConflict:
                continue
"""


def test_four_processes_append_to_one_file(tmp_path: Path) -> None:
    """Also when all of them make it at the same moment."""
    path = tmp_path / "log.db"
    names = ["alpha", "beta", "gamma", "delta"]
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [
        subprocess.Popen([*command, name], cwd=ROOT, stderr=subprocess.PIPE, text=True)  # noqa: S603 - ours
        for name in names
    ]
    assert [writer.communicate()[1] for writer in writers] == [""] * 4
    with SqliteStore(path) as store:
        shared = list(store.read("shared"))
        assert [r.seq for r in shared] == list(range(1, 61))
        for name in names:
            assert [int(r.payload) for r in shared if r.kind == name] == list(range(1, 16))
            assert store.version(name) == 15
            assert len(store.search("shared", name, k=100)) == 15
        assert store._db is not None
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


VICTIM = """
import sys
from ctxwindow.stores import Row, SqliteStore, Text
store = SqliteStore(sys.argv[1])
seen = store.version("a")
print(seen, flush=True)
while True:
    rows = []
    for seq in range(seen + 1, seen + 4):
        text = f"event number{seq} " * (seq % 50)
        payload = b"%d:" % seq + b"x" * (seq * 37 % 9_000)
        rows.append(Row(seq=seq, kind="k", payload=payload, at=1.0, texts=(Text(path="p", kind="text", text=text),)))
    seen = store.append("a", rows, expect=seen)
    print(seen, flush=True)
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Crash-safe. After `kill -9` at any point, reopening gives the state at the last acknowledged append."""
    path = tmp_path / "log.db"
    chance = random.Random(20_261_122)  # noqa: S311 - not for secrets
    command = [sys.executable, "-c", VICTIM, str(path)]
    version = 0
    for _ in range(4):
        victim = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 - ours
        assert victim.stdout is not None
        assert victim.stderr is not None
        for _ in range(chance.randrange(1, 40)):
            victim.stdout.readline()
        time.sleep(chance.random() / 500)
        victim.send_signal(signal.SIGKILL)
        output, errors = victim.communicate()
        assert errors == b""
        # A last line without its end may have been cut in the middle of a number.
        acknowledged = [int(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]
        with SqliteStore(path) as store:
            version = store.version("a")
            assert version % 3 == 0  # no append is there in part
            assert version >= max(acknowledged, default=0)
            for r in store.read("a"):
                assert r.payload == b"%d:" % r.seq + b"x" * (r.seq * 37 % 9_000)
            for seq in range(max(1, version - 20), version + 1):
                if seq % 50:
                    assert store.search("a", f"number{seq}", k=1)[0].seq == seq
            assert store._db is not None
            assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            store._db.execute("INSERT INTO postings (postings) VALUES ('integrity-check')")
    assert version > 0


def files_with(folder: Path, needle: bytes) -> list[str]:
    return [file.name for file in folder.iterdir() if needle in file.read_bytes()]


@pytest.mark.parametrize("seed", [14, 15])  # 14: secure_delete alone left bytes behind
def test_purge_leaves_no_bytes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    names = ["quixota", "brimvex", "zorplun", "wexfilk"]
    with SqliteStore(tmp_path / "log.db") as store:
        assert store._db is not None
        store._db.execute("PRAGMA synchronous = OFF")  # this test is not about crashes
        for _ in range(80):
            name = chance.choice(names)
            text = " ".join(f"{name}{chance.randrange(1_000)}" for _ in range(chance.choice([1, 5, 30, 200, 1_000])))
            payload = name.encode() * chance.choice([1, 10, 300, 3_000])
            seen = store.version(name)
            store.append(name, [row(seen + 1, text, payload, name)], expect=seen)
        for name in names[:3]:
            hits = store.search("wexfilk", "wexfilk", k=100)
            assert files_with(tmp_path, name.encode())
            store.purge(name)
            assert files_with(tmp_path, name.encode()) == []
            assert store.search("wexfilk", "wexfilk", k=100) == hits
        store._db.execute("INSERT INTO postings (postings) VALUES ('integrity-check')")
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_purge_that_could_not_finish_says_so_and_is_finished_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path, timeout=0.02) as store:
        store.append("a", [row(1, "quixota")], expect=0)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM events").fetchone()
            with pytest.raises(StoreUnavailable, match="deleted, but its bytes"):
                store.purge("a")
            assert store.version("a") == 0
            assert files_with(tmp_path, b"quixota")
        store.purge("another")
        assert files_with(tmp_path, b"quixota") == []


def test_a_hole_in_the_log_is_noticed(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "log.db") as store:
        store.append("a", [row(n) for n in range(1, 6)], expect=0)
        assert store._db is not None
        store._db.execute("DELETE FROM events WHERE seq = 3")
        reader = store.read("a")
        assert [next(reader).seq, next(reader).seq] == [1, 2]
        with pytest.raises(HistoryError, match="event 3 of 5 is missing"):
            next(reader)
        store._db.execute("DELETE FROM events WHERE seq > 3")
        with pytest.raises(HistoryError, match="event 4 of 5 is missing"):
            list(store.read("a", after=3))


def test_a_store_is_not_carried_over_a_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteStore(tmp_path / "log.db") as store:
        store.append("a", [row(1)], expect=0)
        parent = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: parent + 1)
        with pytest.raises(MisuseError, match="fork"):
            store.version("a")
        store.close()  # does nothing in the child
        monkeypatch.undo()
        assert store.version("a") == 1


def test_an_interrupt_rolls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with SqliteStore(tmp_path / "log.db") as store:
        monkeypatch.setattr("ctxwindow.stores.index.insert", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.append("a", [row(1)], expect=0)
        monkeypatch.undo()
        assert store.version("a") == 0
        assert store.append("a", [row(1)], expect=0) == 1


def test_reads_stream(tmp_path: Path) -> None:
    """A few rows are in memory at a time, and a reader does not hold up a writer."""
    payload = b"x" * 1_000_000
    with SqliteStore(tmp_path / "log.db") as store:
        for n in range(4):
            store.append("a", [row(3 * n + m, payload=payload) for m in (1, 2, 3)], expect=3 * n)
        reader = store.read("a")
        next(reader)
        assert len(store._batch("a", store_head(store), 0)) == 4
        store.append("a", [row(13)], expect=12)
        assert sum(1 for _ in reader) == 11


def store_head(store: SqliteStore) -> stores.sqlite._Head:
    assert store._db is not None
    return stores.sqlite._head(store._db, "a")
