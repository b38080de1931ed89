"""What goes wrong on our side is told in the log, and never raised into the caller's code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from ctxwindow.client.incidents import log
from ctxwindow.errors import CtxwindowError

__all__ = ["explain", "sheltered"]


def explain(error: Exception, done: str) -> None:
    """Say in the log why something was not managed. A mistake of ours is told by its place: its text may hold content."""
    if isinstance(error, CtxwindowError):
        log.warning("%s: %s", done, error)
        return
    frames = extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    log.error("%s, for a mistake of ctxwindow or of the store: %s%s", done, type(error).__name__, place)


@contextmanager
def sheltered(done: str) -> Iterator[None]:
    """Around what is ours where the caller has something of his own to get: a response, a part of it, or an error.

    Args:
        done: what becomes of it when it fails, for the log.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the caller is served whatever is wrong here
        explain(error, done)
