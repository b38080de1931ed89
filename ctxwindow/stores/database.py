"""Opening an SQLite file that is ours, and saying in one line what is wrong with one that is not.

A file is written to only after its `application_id` says that it is ours (or it is empty). It is
read through SQLite alone: a process that opens and closes a database file by itself loses all
POSIX locks that its connections hold on it (https://www.sqlite.org/howtocorrupt.html section 2.2).
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from ctxwindow.errors import StoreError, StoreUnavailable
from ctxwindow.stores.schema import APPLICATION_ID, MIGRATIONS

__all__ = ["MEMORY", "Database", "check_schema", "open_database", "shown", "sqlite_errors", "transaction"]

MEMORY = ":memory:"
_OWNER_ONLY = 0o600
_SMALLEST_FILE = 512  # bytes, one page of the smallest size
_LOOK_AGAIN = 0.002  # seconds between two looks at a lock
_CREATING = threading.Lock()

_SETTINGS = (
    "synchronous = FULL",  # a commit is on the disk when it returns (law 10)
    "secure_delete = ON",  # on every connection: index merges free pages too, and a purge cannot reach those later
    "temp_store = MEMORY",  # no content in temporary files
    "trusted_schema = OFF",  # a file may come from elsewhere: what its schema calls must be harmless
    "journal_size_limit = 16777216",  # one large append does not leave a large log behind
    "cache_size = -16000",  # 16 MB; SQLite's 2 MB re-reads the index on every search
)

# Primary result codes (https://www.sqlite.org/rescode.html) -> what is wrong, what to do.
_UNAVAILABLE: dict[int | None, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: ("the database is locked by another process.", "Try again, or raise `timeout`."),
    sqlite3.SQLITE_LOCKED: ("the database is locked by another connection.", "Try again, or raise `timeout`."),
    sqlite3.SQLITE_READONLY: ("the database is read-only.", "Make the file and its folder writable, or use another."),
    sqlite3.SQLITE_PERM: ("access to the database was denied.", "Check the owner and the mode of the file."),
    sqlite3.SQLITE_AUTH: ("access to the database was denied.", "Check the owner and the mode of the file."),
    sqlite3.SQLITE_FULL: ("the disk is full.", "Free some space and try again."),
    sqlite3.SQLITE_IOERR: ("reading or writing the disk failed.", "Check the disk, its free space and quota."),
    sqlite3.SQLITE_CANTOPEN: ("the database cannot be opened.", "Check that the file and its folder are accessible."),
    sqlite3.SQLITE_PROTOCOL: ("the database is locked by another process.", "Try again; avoid network file systems."),
    sqlite3.SQLITE_NOLFS: ("the file system cannot hold files of this size.", "Use another file system."),
    sqlite3.SQLITE_CORRUPT: (
        "the database is damaged.",
        "Restore a backup, or salvage it with `sqlite3 FILE .recover`.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "the file is not an SQLite database.",
        "Give the path of a ctxwindow database, or a new one.",
    ),
    sqlite3.SQLITE_NOMEM: ("memory ran out.", "Free memory, or append in smaller parts."),
}


class Database(sqlite3.Connection):
    """A connection to a database of ours, which waits for the locks of others by itself.

    SQLite's own waiting looks ten times a second in the end, and so may find the lock taken each time while others
    write without a pause: of four processes with 200 threads, two ran out of half a second in a queue that moved 2,000
    times a second. And some statements do not wait at all. It is off once the file is open, so that not every
    transaction has to turn it off and on, which costs as much as its other statements.

    Attributes:
        patience: seconds to wait.
    """

    patience = 0.0

    def __del__(self) -> None:
        """Close what nobody has closed, as a connection does by itself, but without a warning: a middleware ends with its client."""
        with suppress(Exception):
            self.close()

    def patiently(self, statement: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run a statement that may need a lock, as soon as others let go of it.

        In WAL that is what begins a transaction: `BEGIN IMMEDIATE`, or the first one that reads.
        """
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return self.execute(statement, parameters)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise
            time.sleep(_LOOK_AGAIN)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Have SQLite wait, for statements that take locks in their middle."""
        self.execute(f"PRAGMA busy_timeout = {round(self.patience * 1_000)}")
        try:
            yield
        finally:
            self.execute("PRAGMA busy_timeout = 0")


def open_database(path: str, *, timeout: float, create: bool) -> Database:
    """A connection, in autocommit mode, to a database of ours with the newest schema; created where allowed.

    Args:
        path: a file, or `:memory:`.
        timeout: seconds to wait for other processes' locks, now and in every later statement.
        create: make the file when it is missing or empty.

    Raises:
        StoreUnavailable: the file cannot be opened, is not ours, or was written by a newer version.
    """
    real = None if path == MEMORY else _find(path, create=create)
    uri = "file::memory:" if real is None else Path(real).as_uri() + "?mode=rw"
    with sqlite_errors(path):
        db = sqlite3.connect(
            uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False, factory=Database
        )
        db.patience = timeout
        try:
            if real is not None:
                _check_ours(db, path, create=create)
            for setting in _SETTINGS:
                db.execute(f"PRAGMA {setting}")
            if real is not None:
                _keep_to_owner(path, real)
            # The first migration goes through a rollback journal, so that it leaves a whole file or an empty one.
            _migrate(db, path)
            if real is not None:
                _use_write_ahead_log(db, path)
            db.execute("PRAGMA busy_timeout = 0")
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def sqlite_errors(path: str) -> Iterator[None]:
    """Turns every error of SQLite into one of ours. SQLite's own text is left out: it may quote content."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        primary = None if code is None else code & 0xFF
        if known := _UNAVAILABLE.get(primary):
            raise _refused(path, f"{known[0]} ({name})", known[1]) from None
        if primary == sqlite3.SQLITE_TOOBIG or isinstance(error, sqlite3.DataError):
            raise StoreError(
                "an event or text is larger than SQLite can hold (1 GB).", path=shown(path), remedy="Split it."
            ) from None
        raise StoreError(
            f"SQLite refused a statement ({name}).",
            path=shown(path),
            remedy="Was the database changed by other means? Restore a backup, or report this.",
        ) from None


@contextmanager
def transaction(db: Database, mode: Literal["IMMEDIATE", "DEFERRED"] = "IMMEDIATE") -> Iterator[None]:
    """All or nothing: commits at the end, rolls back on any error, an interrupt included.

    A deferred one takes its lock with its first statement: run that `patiently`.
    """
    try:
        db.patiently(f"BEGIN {mode}")
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite has already rolled back by itself after some errors
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
        raise


def _find(path: str, *, create: bool) -> str:
    """The real path of a file that can be read and written, made (empty) where allowed."""
    try:
        real = os.path.realpath(path)  # SQLite puts its side files next to the real file
        if create:
            # Before SQLite does: it would use the umask. The -wal and -shm files take the mode of this one.
            # The lock: no thread may connect between this open and close (see above).
            with _CREATING, suppress(FileExistsError):
                os.close(os.open(real, os.O_CREAT | os.O_EXCL | os.O_RDWR, _OWNER_ONLY))
        found = Path(real).stat()
        if not stat.S_ISREG(found.st_mode):
            raise _refused(path, "this is not a file.", "Give the path of a database file.")
        if (
            0 < found.st_size < _SMALLEST_FILE
        ):  # SQLite takes a file of one byte for an empty one, and would write over it
            raise _refused(path, *_UNAVAILABLE[sqlite3.SQLITE_NOTADB])
        effective = os.access in os.supports_effective_ids
        for name, need in ((real, os.R_OK | os.W_OK), (str(Path(real).parent), os.W_OK | os.X_OK)):
            if not os.access(name, need, effective_ids=effective):
                raise _refused(path, *_UNAVAILABLE[sqlite3.SQLITE_READONLY])
    except FileNotFoundError:
        missing = "the database does not exist." if Path(path).parent.is_dir() else "its folder does not exist."
        raise _refused(path, missing, "Create it first, or give another path.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL or a lone surrogate in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise _refused(path, f"the file cannot be opened: {reason}.", "Check the path and its permissions.") from None
    return real


def _check_ours(db: Database, path: str, *, create: bool) -> None:
    with transaction(db, "DEFERRED"):  # another process may be making the file between the two
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
    if pages and application != APPLICATION_ID:
        raise _refused(
            path, "this is another program's database.", "Give the path of a ctxwindow database, or a new one."
        )
    if not pages and not create:
        raise _refused(path, "the file is empty.", "Open it with create=True to start a database in it.")


def _keep_to_owner(path: str, real: str) -> None:
    """Take away what group and others may do: conversations are private. Windows has no such modes."""
    for file in (real, f"{real}-wal", f"{real}-shm"):
        try:
            mode = Path(file).stat().st_mode
            if os.name == "posix" and mode & 0o077:
                Path(file).chmod(_OWNER_ONLY)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _refused(
                path, f"others can read the file, and it stays so: {error.strerror}.", "Set its mode to 0600."
            ) from None


def _migrate(db: Database, path: str) -> None:
    """Run the migrations that the file has not had; another process may be doing the same."""
    while (version := check_schema(db, path)) != len(MIGRATIONS):
        with transaction(db):
            if _schema_version(db) == version:
                MIGRATIONS[version](db)
                db.execute("INSERT INTO migrations (name) VALUES (?)", (MIGRATIONS[version].__name__,))
                db.execute(f"PRAGMA user_version = {version + 1}")


def check_schema(db: Database, path: str) -> int:
    """The schema's version; refuses a newer one, which another process may bring in at any time before a write."""
    version = _schema_version(db)
    if version > len(MIGRATIONS):
        raise _refused(
            path,
            f"a newer version of ctxwindow wrote this database (schema {version}, known: {len(MIGRATIONS)}).",
            "Update ctxwindow.",
        )
    return version


def _schema_version(db: Database) -> int:
    version: int = db.patiently("PRAGMA user_version").fetchone()[0]
    return version


def _use_write_ahead_log(db: Database, path: str) -> None:
    # The switch needs the file alone, and does not wait by itself for a process that is opening it too.
    (mode,) = db.patiently("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise _refused(path, "the file system has no shared memory, which WAL needs.", "Use a local disk.")


def shown(path: str) -> str:
    """A path for error texts: file names need not be Unicode, and what cannot be printed is escaped."""
    return path.encode("utf-8", "backslashreplace").decode()


def _refused(path: str, reason: str, remedy: str) -> StoreUnavailable:
    return StoreUnavailable(reason, path=shown(path), remedy=remedy)
