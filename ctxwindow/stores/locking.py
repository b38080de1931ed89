"""Holds that other processes see: record locks on single bytes of a file beside the database.

The operating system drops such a lock when its process ends, by `kill -9` too; so nothing is ever left locked, and
nothing needs to expire. Each conversation has its byte, at a place given by a hash of its name; the file itself stays
empty, and is never deleted (a process could still be locking the deleted one).

POSIX record locks belong to the process: they do not exclude its own threads, and closing *any* descriptor of the file
drops them all (fcntl(2)). Hence one descriptor of a file in a process (`_LockFile`), which knows its claims, and is
closed only when no store uses it. A child has no locks of its parent's after a fork: it starts anew (`_forget`).

A hold may be collected, and so released, in the middle of any line of any thread, also in here: the guard is
re-entrant, and a release changes nothing but the claim that it gives back.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import threading
from functools import partial
from pathlib import Path

from ctxwindow.errors import StoreUnavailable
from ctxwindow.stores.database import shown
from ctxwindow.stores.holds import Hold, closed

__all__ = ["FileHolds", "place_of"]

_OWNER_ONLY = 0o600
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # EDEADLK: what Windows answers
_REASONS: dict[int | None, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full.", "Free some space and try again."),
    errno.EDQUOT: ("the disk quota is used up.", "Free some space and try again."),
    errno.ENOENT: ("its folder does not exist any more.", "Put the folder back, or open a store elsewhere."),
    errno.ENOTDIR: ("its folder does not exist any more.", "Put the folder back, or open a store elsewhere."),
    errno.ELOOP: ("the lock file is a symbolic link.", "Remove it; a lock file is made beside the database."),
    errno.EACCES: ("access to the lock file was denied.", "Check the owner and the mode of the file and its folder."),
    errno.EPERM: ("access to the lock file was denied.", "Check the owner and the mode of the file and its folder."),
    errno.EROFS: ("the file system is read-only.", "Make it writable, or use another folder."),
    errno.EMFILE: ("the process has too many open files.", "Close some, or raise its limit."),
    errno.ENFILE: ("the machine has too many open files.", "Close some, or raise its limit."),
    errno.ENOLCK: ("the file system gives no lock.", "Use a local disk."),
    errno.ENOSYS: ("the file system has no locks.", "Use a local disk."),
    errno.EOPNOTSUPP: ("the file system has no locks.", "Use a local disk."),
}

if sys.platform == "win32":
    import msvcrt

    _PLACES = 1 << 31  # the C library locks at the descriptor's position, a C long

    def _lock(descriptor: int, place: int) -> None:
        os.lseek(descriptor, place, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int, place: int) -> None:
        os.lseek(descriptor, place, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def _keep_to_owner(descriptor: int, database: str) -> None:
        """Windows has no such modes."""

else:
    import fcntl

    _PLACES = 1 << 62  # within a signed 64-bit offset

    def _lock(descriptor: int, place: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)

    def _unlock(descriptor: int, place: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, place)

    def _keep_to_owner(descriptor: int, database: str) -> None:
        found = os.fstat(descriptor)
        if found.st_mode & 0o077:
            os.fchmod(descriptor, _OWNER_ONLY)
        if os.geteuid() == 0:  # a visit of root must not lock the owner out; SQLite does the same for its side files
            owner = Path(database).stat()
            if (owner.st_uid, owner.st_gid) != (found.st_uid, found.st_gid):
                os.fchown(descriptor, owner.st_uid, owner.st_gid)


class FileHolds:
    """The holds of one store on a database file.

    Args:
        database: real path of the database; the lock file stands beside it.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._held: dict[int, _LockFile] = {}
        self._joined: list[_LockFile] = []
        self._closed = False

    def take(self, conversation: str) -> Hold | None:
        """See `Store.hold`."""
        place = place_of(conversation)
        with _GUARD:
            if self._closed:
                raise closed()
            try:
                file = self._join()
                if not file.claim(place):
                    return None
            except OSError as error:
                raise self._unavailable(error) from None
            self._held[place] = file
        return Hold(partial(self._release, place))

    def close(self) -> None:
        """Release all, and let go of the file; closing twice is no error."""
        with _GUARD:
            self._closed = True
            for place in list(self._held):
                self._release(place)
            while self._joined:
                self._joined.pop().leave()

    def _release(self, place: int) -> None:
        with _GUARD:
            if file := self._held.pop(place, None):
                file.free(place)

    def _join(self) -> _LockFile:
        """The lock file at the path, as it is now: somebody may have deleted the one that older holds are in."""
        try:
            # By name: to open the file a second time, and to close that descriptor, would drop all locks.
            found = os.lstat(_lock_file(self._database))  # a Path takes as long as the rest
            if not stat.S_ISREG(found.st_mode) and not stat.S_ISLNK(found.st_mode):  # a link is told by opening
                raise OSError(errno.EINVAL, "it is no file")
            file = _FILES.get((found.st_dev, found.st_ino))
        except FileNotFoundError:
            file = None
        if file is None:
            file = _open(self._database)
        if file not in self._joined:
            self._joined.append(file)
            file.users += 1
        return file

    def _unavailable(self, error: OSError) -> StoreUnavailable:
        other = (f"the lock file cannot be used: {error.strerror}.", "Check the file and its folder.")
        reason, remedy = _REASONS.get(error.errno, other)
        return StoreUnavailable(reason, path=shown(_lock_file(self._database)), remedy=remedy)


class _LockFile:
    """The one descriptor of a lock file in this process, and the places that are claimed through it."""

    def __init__(self, descriptor: int, identity: tuple[int, int]) -> None:
        self.users = 0  # stores that have joined
        self._descriptor = descriptor
        self._identity = identity
        self._claimed: set[int] = set()

    def claim(self, place: int) -> bool:
        """Whether the place was free and is claimed now.

        Raises:
            OSError: the file system cannot lock.
        """
        if place in self._claimed:
            return False
        try:
            _lock(self._descriptor, place)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
        self._claimed.add(place)
        return True

    def free(self, place: int) -> None:
        """Give a place back, if it is claimed (after a fork it is not: the locks were the parent's)."""
        if place in self._claimed:
            _unlock(self._descriptor, place)
            self._claimed.remove(place)

    def leave(self) -> None:
        """One store fewer; the last one closes the file."""
        self.users -= 1
        if not self.users:
            _FILES.pop(self._identity, None)
            self.abandon()

    def abandon(self) -> None:
        """Close the file; what was claimed in it is nobody's."""
        self._claimed.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


_GUARD = threading.RLock()
_FILES: dict[tuple[int, int], _LockFile] = {}  # by device and inode


def place_of(conversation: str) -> int:
    """The byte of a conversation. Where two names share one, they wait for each other, no more."""
    digest = hashlib.blake2b(conversation.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _PLACES


def _open(database: str) -> _LockFile:
    """Open or make the lock file, for the owner alone from the first moment on; a link there is not followed.

    Raises:
        OSError: it cannot be.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(_lock_file(database), flags, _OWNER_ONLY)
    try:
        _keep_to_owner(descriptor, database)
        found = os.fstat(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    identity = found.st_dev, found.st_ino
    return _FILES.setdefault(identity, _LockFile(descriptor, identity))


def _lock_file(database: str) -> str:
    return f"{database}-lock"


def _forget() -> None:
    """In the child of a fork: the locks are the parent's, and another thread of it may have had the guard."""
    global _GUARD  # noqa: PLW0603 - there is no other way to leave a lock that is not ours to release
    _GUARD = threading.RLock()
    for file in _FILES.values():
        file.abandon()
    _FILES.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
