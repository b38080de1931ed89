"""Every file that cannot be used gets one line with its path and what to do, and is left as it was."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ctxwindow import stores
from ctxwindow.errors import MisuseError, StoreError, StoreUnavailable
from ctxwindow.stores import Row, SqliteStore, Text

ROOT = Path(stores.__file__).parents[2]
NOBODY = 65_534


def row(seq: int, text: str = "hello", payload: bytes = b"{}") -> Row:
    return Row(seq=seq, kind="k", payload=payload, at=1.0, texts=(Text(path="p", kind="text", text=text),))


def mode(path: Path | str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def refused(path: str | Path, reason: str, *, create: bool = True, timeout: float = 0.05) -> None:
    with pytest.raises(StoreUnavailable, match=reason) as caught:
        SqliteStore(path, create=create, timeout=timeout)
    assert caught.value.path is not None
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    str(caught.value).encode()


@contextmanager
def not_root() -> Iterator[None]:
    """Root may write to read-only files: become somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that somebody else can reach too (pytest's own are closed to others)."""
    made = Path(tempfile.mkdtemp(prefix="ctxwindow-"))
    made.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(made, NOBODY, NOBODY)
    yield made
    made.chmod(0o700)
    shutil.rmtree(made)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_files_are_for_the_owner_alone(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "log.db"
    before = os.umask(umask)
    try:
        with SqliteStore(path) as store:
            store.append("a", [row(1)], expect=0)
            modes = {file.name: mode(file) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    if umask == 0o777:
        assert all(found & 0o077 == 0 for found in modes.values())
    else:
        assert modes == {"log.db": 0o600, "log.db-wal": 0o600, "log.db-shm": 0o600}


def test_an_open_mode_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.touch(0o666)
    path.chmod(0o666)
    with SqliteStore(path) as store:
        store.append("a", [row(1)], expect=0)
        assert {mode(file) for file in tmp_path.iterdir()} == {0o600}
        path.chmod(0o644)
        with SqliteStore(path) as second:
            assert second.version("a") == 1
            assert mode(path) == 0o600


def test_a_mode_that_cannot_be_closed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.db"
    SqliteStore(path).close()
    path.chmod(0o644)

    def deny(self: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", deny)
    refused(path, "others can read the file")


NOISE = random.Random(1).randbytes(8_192)  # noqa: S311 - not for secrets
BAD_FILES = {
    "a word": b"x",
    "a text": b"hello world, this is no database",
    "a long text": b"hello world\n" * 1_000,
    "only the magic": b"SQLite format 3\0",
    "noise": NOISE,
    "magic and noise": b"SQLite format 3\0" + NOISE,
}


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes, create: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    path.chmod(0o644)
    refused(path, "not an SQLite database|another program|damaged", create=create)
    assert path.read_bytes() == content
    assert mode(path) == 0o644
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode = {journal}")
        db.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    refused(path, "another program's database")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["other.db"]


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    refused(tmp_path / "no" / "log.db", "its folder does not exist")
    refused(tmp_path / "log.db", "does not exist", create=False)
    refused(tmp_path / "file", "is empty", create=False)
    refused(tmp_path, "not a file")
    refused(tmp_path / "fifo", "not a file")
    refused(tmp_path / "file" / "log.db", "cannot be opened")
    refused(tmp_path / ("x" * 300), "cannot be opened")
    refused(str(tmp_path / "a\0b"), "not a path")
    refused(str(tmp_path / "a\ud800b"), "not a path")
    refused("", "not a file")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["fifo", "file"]


def test_names_that_look_like_a_url(tmp_path: Path) -> None:
    for name in ("what?mode=memory", "a#b", "100%41", "é ü", "a&b='c'", os.fsdecode(b"not \xff utf-8")):
        path = tmp_path / name
        with SqliteStore(path) as store:
            store.append("a", [row(1)], expect=0)
        assert path.stat().st_size > 0
        with SqliteStore(path, create=False) as store:
            assert store.version("a") == 1


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with SqliteStore(tmp_path / "link") as store:
        store.append("a", [row(1)], expect=0)
        assert mode(tmp_path / "real-wal") == 0o600
    with SqliteStore(tmp_path / "real", create=False) as store:
        assert store.version("a") == 1


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), 1e9])
def test_a_timeout_must_make_sense(timeout: float) -> None:
    with pytest.raises(MisuseError) as caught:
        SqliteStore(":memory:", timeout=timeout)
    assert caught.value.path == "timeout"


def test_memory_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SqliteStore(":memory:", create=False) as store:
        assert store.append("a", [row(1)], expect=0) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_read_only_file_or_folder(folder: Path, place: str) -> None:
    path = folder / "log.db"
    with not_root():
        with SqliteStore(path) as store:
            store.append("a", [row(1)], expect=0)
        (path if place == "file" else folder).chmod(0o400 if place == "file" else 0o500)
        refused(path, "is read-only")
        if place == "folder":
            refused(folder / "new.db", "Permission denied")


def locked(path: Path) -> closing[sqlite3.Connection]:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    return closing(db)


def failing_calls(store: SqliteStore) -> list[Callable[[], object]]:
    return [lambda: store.append("a", [row(2)], expect=1), lambda: store.purge("a")]


def test_a_locked_database(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path, timeout=0.02) as store:
        store.append("a", [row(1)], expect=0)
        with locked(path):
            for call in failing_calls(store):
                with pytest.raises(StoreUnavailable, match="locked") as caught:
                    call()
                assert str(path) in str(caught.value)
            assert store.version("a") == 1  # reading goes on
            with SqliteStore(path, timeout=0.02) as second:
                assert len(second.search("a", "hello")) == 1
        assert store.append("a", [row(2)], expect=1) == 2


def test_a_lock_while_the_file_is_made(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.touch()
    with locked(path):
        refused(path, "locked")
    SqliteStore(path).close()


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    SqliteStore(path).close()
    blocker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.1, lambda: blocker.execute("COMMIT"))
    timer.start()
    with SqliteStore(path, timeout=30) as store:
        assert store.append("a", [row(1)], expect=0) == 1
    timer.join()
    blocker.close()


def test_a_full_disk_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path) as store:
        store.append("a", [row(1)], expect=0)
        assert store._db is not None
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages + 20}")
        with pytest.raises(StoreUnavailable, match="disk is full"):
            store.append("a", [row(2), row(3, "y " * 40_000, b"x" * 200_000)], expect=1)
        assert store.version("a") == 1
        assert len(list(store.read("a"))) == 1
        assert store.search("a", "y") == []
        assert store.append("a", [row(2)], expect=1) == 2
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


FILE_SIZE_LIMIT = """
import resource, sys
from ctxwindow.errors import StoreUnavailable
from ctxwindow.stores import Row, SqliteStore
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    with SqliteStore(sys.argv[1]) as store:
        for seq in range(1, 1000):
            store.append("a", [Row(seq=seq, kind="k", payload=b"x" * 9_000, at=1.0)], expect=seq - 1)
            print(seq)
except StoreUnavailable as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on file sizes")
@pytest.mark.parametrize("limit", [2_000, 30_000, 200_000])
def test_a_disk_that_ends_in_the_middle_of_a_write(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "log.db"
    command = [sys.executable, "-c", FILE_SIZE_LIMIT, str(path), str(limit)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    *acknowledged, error = run.stdout.splitlines()
    assert "disk" in error
    assert str(path) in error
    assert run.stderr == ""
    with SqliteStore(path) as store:
        assert store.version("a") == len(acknowledged)
        assert [r.payload for r in store.read("a")] == [b"x" * 9_000] * len(acknowledged)


PURGE_ON_A_FULL_DISK = """
import resource, signal, sys
from ctxwindow.errors import StoreUnavailable
from ctxwindow.stores import Row, SqliteStore
with SqliteStore(sys.argv[1]) as store:
    for name in ("a", "b"):
        for seq in range(1, 40):
            store.append(name, [Row(seq=seq, kind="k", payload=b"x" * 9_000, at=1.0)], expect=seq - 1)
with SqliteStore(sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
    try:
        store.purge("a")
    except StoreUnavailable as error:
        print(error)
    print(store.version("a"), store.version("b"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on file sizes")
@pytest.mark.parametrize(("limit", "reason", "left"), [(20_000, "disk", 39), (500_000, "deleted, but its bytes", 0)])
def test_a_purge_on_a_full_disk_is_done_or_not_done(tmp_path: Path, limit: int, reason: str, left: int) -> None:
    path = tmp_path / "log.db"
    command = [sys.executable, "-c", PURGE_ON_A_FULL_DISK, str(path), str(limit)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    error, versions = run.stdout.splitlines()
    assert reason in error
    assert versions == f"{left} 39"
    with SqliteStore(path) as store:
        assert (store.version("a"), len(list(store.read("a"))), len(list(store.read("b")))) == (left, left, 39)
        store.purge("a")
        assert store.version("a") == 0
        assert store._db is not None
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_database_that_becomes_read_only(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "log.db") as store:
        store.append("a", [row(1)], expect=0)
        assert store._db is not None
        store._db.execute("PRAGMA query_only = ON")  # what SQLite says on a file system that was remounted
        for call in failing_calls(store):
            with pytest.raises(StoreUnavailable, match="is read-only"):
                call()
        assert store.version("a") == len(list(store.read("a"))) == 1
        store._db.execute("PRAGMA query_only = OFF")
        assert store.append("a", [row(2)], expect=1) == 2


def test_a_newer_version_while_the_file_is_open(tmp_path: Path) -> None:
    """Another process was updated and went first: nothing is written that it would not understand."""
    path = tmp_path / "log.db"
    with SqliteStore(path) as store:
        store.append("a", [row(1)], expect=0)
        with closing(sqlite3.connect(path)) as newer:
            newer.execute("PRAGMA user_version = 999")
        for call in failing_calls(store):
            with pytest.raises(StoreUnavailable, match="newer version"):
                call()
        assert store.version("a") == len(list(store.read("a"))) == 1


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path) as store:
        store.append("a", [row(1, "hello " * 1_000, b"x" * 50_000)], expect=0)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:4_096] + b"\xff" * (len(whole) - 4_096)):
        path.write_bytes(damaged)
        with pytest.raises(StoreUnavailable, match="damaged") as caught:
            use(path)
        assert str(path) in str(caught.value)


def use(path: Path) -> None:
    with SqliteStore(path) as store:
        list(store.read("a"))
        store.search("a", "hello")
        store.append("a", [row(2)], expect=1)


def test_what_sqlite_cannot_hold(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "log.db") as store:
        assert store._db is not None
        store._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)  # instead of a gigabyte
        with pytest.raises(StoreError, match="larger than SQLite can hold"):
            store.append("a", [row(1), row(2, payload=b"x" * 200_000)], expect=0)
        assert store.version("a") == 0


def test_other_errors_of_sqlite_are_ours_too(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "log.db") as store:
        assert store._db is not None
        store._db.execute("DROP TABLE events")
        with pytest.raises(StoreError, match=r"SQLite refused a statement \(SQLITE_ERROR\)") as caught:
            store.append("a", [row(1, "sk-ant-secret")], expect=0)
        assert "sk-ant" not in str(caught.value)
        assert store.version("a") == 0
