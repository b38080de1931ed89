"""Many writers on one file: everybody gets a turn within the timeout, and no update is lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctxwindow import stores
from ctxwindow.errors import CtxwindowError, StoreUnavailable
from ctxwindow.stores import Row, SqliteStore, Text, TextCount
from ctxwindow.stores.database import Database

ROOT = Path(stores.__file__).parents[2]

# One process with many threads on one store. Each thread has a conversation of its own, all processes share one, whose
# next event is written by whoever sees its end first, and one that only its holder may write, without looking again.
WRITER = """
import sys, threading
from ctxwindow.errors import StoreConflict
from ctxwindow.stores import Row, SqliteStore, Text
path, name = sys.argv[1:3]
threads, appends, timeout = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
store = SqliteStore(path, timeout=timeout)
failures = []

def row(seq, who):
    return Row(seq=seq, kind=who, payload=b"{}", at=1.0, texts=(Text(path="p", kind="text", text=f"{who} wrote this"),))

def own(who):
    for seq in range(1, appends + 1):
        store.append(who, [row(seq, who)], expect=seq - 1)

def shared(who):
    while True:
        seen = store.version("shared")
        try:
            return store.append("shared", [row(seen + 1, who)], expect=seen)
        except StoreConflict:
            continue

def held(who):
    while (hold := store.hold("held")) is None:
        pause.wait(0.001)
    with hold:
        store.append("held", [row(store.version("held") + 1, who)], expect=store.version("held"))

def work(who, first):
    try:
        own(who)
        if first:
            shared(who)
            held(who)
    except BaseException as error:
        failures.append(f"{type(error).__name__}: {error}")

pause = threading.Event()
workers = [threading.Thread(target=work, args=(f"{name}{n}", n < 10)) for n in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
store.close()
print("\\n".join(failures), end="")
"""


def contend(path: Path, *, processes: int, threads: int, appends: int, timeout: float) -> None:
    names = "abcdefgh"[:processes]
    writers = [
        subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-c", WRITER, str(path), name, str(threads), str(appends), str(timeout)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in names
    ]
    try:
        assert [writer.communicate(timeout=300)[0] for writer in writers] == [""] * processes
    finally:
        for writer in writers:
            writer.kill()
    everyone = sorted(f"{name}{n}" for name in names for n in range(threads))
    firsts = sorted(f"{name}{n}" for name in names for n in range(min(threads, 10)))
    with SqliteStore(path) as store:
        for who in everyone:
            assert [(row.seq, row.kind) for row in store.read(who)] == [(n, who) for n in range(1, appends + 1)]
        for name in ("shared", "held"):
            assert sorted(row.kind for row in store.read(name)) == firsts
            assert len(store.search(name, "wrote", k=1_000)) == len(firsts)
        assert store._db is not None
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("threads", [14, pytest.param(50, marks=pytest.mark.long)])
def test_four_processes_of_many_threads(tmp_path: Path, threads: int) -> None:
    contend(tmp_path / "log.db", processes=4, threads=threads, appends=4, timeout=5)


@pytest.mark.slow
def test_four_processes_of_two_hundred_threads(tmp_path: Path) -> None:
    contend(tmp_path / "log.db", processes=4, threads=200, appends=25, timeout=5)


@pytest.mark.slow
def test_nobody_starves(tmp_path: Path) -> None:
    """With SQLite's own pauses some of these did, while thousands of others had their turn."""
    contend(tmp_path / "log.db", processes=4, threads=200, appends=10, timeout=0.5)


def test_opening_and_closing_amid_writers(tmp_path: Path) -> None:
    """The last one to close folds the log into the file, and needs the file alone for it."""
    path, failures = tmp_path / "log.db", list[CtxwindowError]()

    def work(name: str) -> None:
        try:
            for seq in range(1, 31):
                with SqliteStore(path, timeout=5) as store:
                    row = Row(seq=seq, kind="k", payload=b"{}", at=1.0, texts=(Text(path="p", kind="t", text=name),))
                    assert store.version(name) == seq - 1
                    store.append(name, [row], expect=seq - 1)
        except CtxwindowError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"name{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with SqliteStore(path) as store:
        assert [info.events for info in store.conversations()] == [30] * 6


def test_a_waiting_writer_sees_a_short_gap(tmp_path: Path) -> None:
    """Another connection writes all the time but for moments, too short for looks that are 100 milliseconds apart."""
    path = tmp_path / "log.db"
    busy, quiet = SqliteStore(path), SqliteStore(path, timeout=1)
    occupied, stop = threading.Event(), threading.Event()

    def occupy() -> None:
        assert busy._db is not None
        while not stop.is_set():
            busy._db.patiently("BEGIN IMMEDIATE")
            occupied.set()
            stop.wait(0.112)
            occupied.clear()
            busy._db.execute("ROLLBACK")
            stop.wait(0.008)

    occupier = threading.Thread(target=occupy)
    occupier.start()
    try:
        for seq in range(1, 16):
            assert occupied.wait(10)
            quiet.append("a", [Row(seq=seq, kind="k", payload=b"{}", at=1.0)], expect=seq - 1)
    finally:
        stop.set()
        occupier.join()
        busy.close()
        quiet.close()


READS: list[Callable[[SqliteStore], object]] = [
    lambda store: store.version("a"),
    lambda store: list(store.read("a")),
    lambda store: store.counts("a"),
    lambda store: store.conversations(),
    lambda store: store.search("a", "hello"),
    lambda store: store.contains("a", "hello"),
    lambda store: store.append("a", [], expect=1),
]


@pytest.mark.parametrize("read", READS)
def test_readers_wait_too(tmp_path: Path, read: Callable[[SqliteStore], object]) -> None:
    """In WAL few moments shut readers out, such as recovery after a crash: then the first statement that reads is refused."""
    with SqliteStore(tmp_path / "log.db", timeout=5) as store:
        text = Text(path="p", kind="text", text="hello")
        row = Row(seq=1, kind="k", payload=b"{}", at=1.0, texts=(text,))
        store.append("a", [row], expect=0, counts=[TextCount("v3 x", b"hash", 7)])
        assert (known := read(store))
        refuse(store, times=3)
        assert read(store) == known
        refuse(store, times=1_000_000)
        assert store._db is not None
        store._db.patience = 0.01
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            read(store)


def refuse(store: SqliteStore, times: int) -> None:
    """Have SQLite refuse what needs a lock, so many times."""
    db = store._db
    assert db is not None
    left = [times]

    def execute(statement: str, *parameters: Any) -> sqlite3.Cursor:
        if left[0] and statement not in ("BEGIN DEFERRED", "ROLLBACK"):
            left[0] -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return Database.execute(db, statement, *parameters)

    db.execute = execute  # type: ignore[method-assign]
