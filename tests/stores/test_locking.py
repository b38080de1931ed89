"""Holds on a file: between store objects and processes, after crashes and forks, and where no lock can be had."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ctxwindow import stores
from ctxwindow.errors import MisuseError, StoreUnavailable
from ctxwindow.stores import SqliteStore, locking
from tests.stores.test_holds import taken

ROOT = Path(stores.__file__).parents[2]
NOBODY = 65_534

HOLDER = """
import sys
from ctxwindow.stores import SqliteStore
store = SqliteStore(sys.argv[1])
for line in sys.stdin:
    command, name = line.split()
    if command == "take":
        hold = store.hold(name)
    elif command == "release":
        hold.release()
    else:
        store.close()
    print(command, hold is not None, flush=True)
"""


@contextmanager
def process(path: Path) -> Iterator[tuple[subprocess.Popen[str], Callable[[str], bool]]]:
    """Another process with the store open, and a way to have it do things."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    other = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours

    def ask(line: str) -> bool:
        assert other.stdin
        assert other.stdout
        other.stdin.write(line + "\n")
        other.stdin.flush()
        command, has = other.stdout.readline().split()
        assert line.startswith(command)
        return has == "True"

    try:
        yield other, ask
    finally:
        other.kill()
        other.communicate()


def lock_files() -> int:
    """Open descriptors of this process that are lock files."""
    folder = Path("/proc/self/fd")
    return sum(str(link.readlink()).endswith(".db-lock") for link in folder.iterdir() if link.is_symlink())


def test_processes_keep_each_other_out(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path) as store, process(path) as (_, ask):
        assert ask("take a")
        assert store.hold("a") is None
        mine = store.hold("b")
        assert mine
        assert not ask("take b")
        mine.release()
        assert ask("take b")
        assert taken(store, "b")
        assert ask("release b")
        assert not taken(store, "b")
        assert ask("close -")
        hold = store.hold("a")
        assert hold


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path) as store:
        for _ in range(2):
            with process(path) as (other, ask):
                assert ask("take a")
                assert taken(store, "a")
                other.send_signal(signal.SIGKILL)
                other.wait()
                assert not taken(store, "a")


def test_what_else_the_process_does_with_the_file_drops_no_lock(tmp_path: Path) -> None:
    """POSIX drops all locks of a process that closes any descriptor of the file."""
    path = tmp_path / "log.db"
    (tmp_path / "link.db").symlink_to(path)
    with SqliteStore(path) as store, process(path) as (_, ask):
        hold = store.hold("a")
        assert hold
        for name in ("log.db", "link.db"):
            with SqliteStore(tmp_path / name) as second:
                assert second.hold("a") is None
                other = second.hold("b")
                assert other
                assert not ask("take b")
            assert not ask("take a")
            assert ask("take b")
            assert ask("release b")
        hold.release()
        assert ask("take a")


def test_closing_one_store_releases_its_holds_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path) as stays:
        goes = SqliteStore(path)
        one, other = stays.hold("a"), goes.hold("b")
        assert one
        assert other
        goes.close()
        assert taken(stays, "a")
        again = stays.hold("b")
        assert again
        other.release()  # of a closed store: not what another has now
        assert taken(stays, "b")


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_one_descriptor_per_file_while_it_is_needed(tmp_path: Path) -> None:
    before = lock_files()
    opened = [SqliteStore(tmp_path / f"{n % 2}.db") for n in range(6)]
    assert lock_files() == before  # whoever holds nothing needs none
    for store in opened:
        taken(store, "a")
        taken(store, "b")
    assert lock_files() == before + 2
    for store in opened[:-1]:
        store.close()
    assert lock_files() == before + 1
    opened[-1].close()
    assert lock_files() == before


FORK = """
import os, sys
from ctxwindow.errors import MisuseError
from ctxwindow.stores import SqliteStore
store = SqliteStore(sys.argv[1])
hold, other = store.hold("a"), store.hold("b")
heard, told = os.pipe()
child = os.fork()
if child == 0:
    try:
        store.hold("c")
    except MisuseError as error:
        assert "fork" in str(error)
    hold.release()  # a copy of the parent's: nothing happens
    store.close()
    with SqliteStore(sys.argv[1]) as own:
        assert own.hold("a") is None
        mine = own.hold("c")
        assert mine
        os.write(told, b"x")
        sys.stdin.read()  # until the parent has gone
        if sys.argv[2] == "dies":
            last = own.hold("a")
            print("child has it" if last else "still held", flush=True)
        os._exit(0)
os.close(told)
assert os.read(heard, 1), "the child failed"
assert store.hold("c") is None
assert store.hold("a") is None
with SqliteStore(sys.argv[1]) as second:
    assert second.hold("a") is None
print("parent has it", flush=True)
os.kill(os.getpid(), 9) if sys.argv[2] == "dies" else os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
@pytest.mark.parametrize("parent", ["dies", "ends"])
def test_a_fork_takes_nothing_along(tmp_path: Path, parent: str) -> None:
    """The child has no hold, cannot take the parent's apart, and does not keep them alive."""
    command = [sys.executable, "-c", FORK, str(tmp_path / "log.db"), parent]
    other = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    other.wait(timeout=60)
    output, _ = other.communicate(timeout=60)
    assert output.splitlines() == ["parent has it"] + ["child has it"] * (parent == "dies")


FORK_WITH_THREADS = """
import os, sys, threading, warnings
warnings.simplefilter("ignore")  # Python warns of exactly this
from ctxwindow.stores import SqliteStore, locking
store = SqliteStore(sys.argv[1])
inside, leave = threading.Event(), threading.Event()
def stay():
    with locking._GUARD:
        inside.set()
        leave.wait()
thread = threading.Thread(target=stay)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    with SqliteStore(sys.argv[1]) as own:
        os._exit(0 if own.hold("a") else 1)
leave.set()
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
def test_a_fork_while_another_thread_is_taking(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORK_WITH_THREADS, str(tmp_path / "log.db")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - ours
    assert run.stdout == "0\n"


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_the_lock_file_is_empty_and_for_the_owner_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with SqliteStore(tmp_path / "log.db") as store:
            assert not taken(store, "quixota")
    finally:
        os.umask(before)
    file = tmp_path / "log.db-lock"
    assert file.read_bytes() == b""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o666)
    with SqliteStore(tmp_path / "log.db") as store:
        assert not taken(store, "a")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can do this")
def test_a_visit_of_root_leaves_the_file_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    SqliteStore(path).close()
    os.chown(path, NOBODY, NOBODY)
    with SqliteStore(path) as store:
        assert not taken(store, "a")
    found = (tmp_path / "log.db-lock").stat()
    assert (found.st_uid, found.st_gid) == (NOBODY, NOBODY)


def refused(store: SqliteStore, reason: str) -> None:
    with pytest.raises(StoreUnavailable, match=reason) as caught:
        store.hold("sk-ant-secret")
    assert caught.value.path is not None
    assert caught.value.path.endswith("log.db-lock")
    assert caught.value.remedy
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
    assert "sk-ant" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_what_is_no_lock_file_is_refused(tmp_path: Path) -> None:
    target, lock = tmp_path / "target", tmp_path / "log.db-lock"
    with SqliteStore(tmp_path / "log.db") as store:
        lock.symlink_to(target)
        refused(store, "is a symbolic link")
        target.write_bytes(b"precious")
        refused(store, "is a symbolic link")
        assert target.read_bytes() == b"precious"
        lock.unlink()
        os.mkfifo(lock)
        refused(store, "it is no file")
        lock.unlink()
        lock.mkdir()
        refused(store, "it is no file")
        lock.rmdir()
        assert not taken(store, "a")
        assert store.version("a") == 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_cannot_be_written_any_more() -> None:
    folder = Path(tempfile.mkdtemp(prefix="ctxwindow-"))  # pytest's own are closed to others
    os.chown(folder, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        with SqliteStore(folder / "log.db") as store:
            folder.chmod(0o500)
            refused(store, "access to the lock file was denied")
            folder.chmod(0o700)
            assert not taken(store, "a")
            (folder / "log.db-lock").chmod(0o000)
            assert not taken(store, "a")  # it is open
        with SqliteStore(folder / "log.db") as store:
            refused(store, "access to the lock file was denied")
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EMFILE, "too many open files"),
        (errno.ENOENT, "folder does not exist"),
        (errno.EIO, "cannot be used"),
    ],
)
def test_a_lock_file_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    def deny(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    with SqliteStore(tmp_path / "log.db") as store:
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", deny)
            refused(store, reason)
        assert not taken(store, "a")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def deny(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locking, "_lock", deny)
    with SqliteStore(tmp_path / "log.db") as store:
        refused(store, "the file system")
        assert store.version("a") == 0  # everything else works


def test_a_deleted_lock_file_is_made_anew(tmp_path: Path) -> None:
    """Who deletes it ends the exclusion of older holds, and of no later one."""
    path = tmp_path / "log.db"
    with SqliteStore(path) as store, process(path) as (_, ask):
        old = store.hold("a")
        assert old
        (tmp_path / "log.db-lock").unlink()
        new = store.hold("b")
        assert new
        assert not ask("take b")
        old.release()
        new.release()
        assert ask("take b")


def test_a_moved_working_folder_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SqliteStore("log.db") as store:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert not taken(store, "a")
    assert (tmp_path / "log.db-lock").exists()


def test_two_names_in_one_place_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "place_of", lambda _: 7)
    with SqliteStore(tmp_path / "log.db") as store:
        hold = store.hold("a")
        assert hold
        assert store.hold("b") is None
        hold.release()
        assert not taken(store, "b")


def test_places_stay_where_they_are() -> None:
    """Versions and processes must agree; hash() would not."""
    if sys.platform != "win32":
        assert locking.place_of("agent") == 2_654_569_345_809_221_695
    places = {locking.place_of(f"conversation {n}") for n in range(10_000)}
    assert len(places) == 10_000
    assert all(0 <= place < 1 << 62 for place in places)


def test_a_store_from_before_a_fork_gives_no_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteStore(tmp_path / "log.db") as store:
        parent = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: parent + 1)
        with pytest.raises(MisuseError, match="fork"):
            store.hold("a")
        monkeypatch.undo()
