"""The right to go on with a conversation: what `Store.hold` gives, and how a store without a file keeps it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

from ctxwindow.errors import MisuseError

__all__ = ["Hold", "ProcessHolds", "closed"]


class Hold:
    """The right to go on with one conversation, until it is released.

    It is released by `release`, at the end of a `with`, when its store is closed, when nothing refers to it any more,
    and at the end of the process, however that ends. It belongs to no thread: any thread may release it. It stays
    behind at a fork: the child has none.

    Args:
        let_go: gives the right back; called once at most, by whichever thread collects the hold or releases it. It must
            not refer to the hold.
    """

    def __init__(self, let_go: Callable[[], object]) -> None:
        self._let_go = weakref.finalize(self, let_go)
        self._let_go.atexit = False  # the end of the process releases by itself

    def release(self) -> None:
        """Give the right back; releasing twice is no error."""
        self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class ProcessHolds:
    """The holds of a store that only this process can see.

    There is no lock in here: a hold may be collected, and so released, in the middle of any line of any thread, also
    of one that has the lock. Each step is a single operation on a dict, which is atomic.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[int, str], object] | None = {}

    def take(self, conversation: str) -> Hold | None:
        """See `Store.hold`."""
        if (held := self._held) is None:
            raise closed()
        key, mine = (os.getpid(), conversation), object()  # the process: a child inherits the dict and not the holds
        if held.setdefault(key, mine) is not mine:
            return None
        return Hold(partial(held.pop, key, None))

    def close(self) -> None:
        """Release all."""
        self._held = None


def closed() -> MisuseError:
    """The error for any use of a store after `close`."""
    return MisuseError("the store is closed.", remedy="Open a new one.")
