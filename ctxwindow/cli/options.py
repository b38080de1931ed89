"""Options that several commands share, and reading their FILE."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ctxwindow.errors import HistoryError, PolicyError
from ctxwindow.tiers import Policy
from ctxwindow.transcripts.session import Session, Thread

__all__ = ["json_option", "model_option", "pick_thread", "read_policy", "thread_option"]

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def model_option(help_text: str) -> Callable[[F], F]:
    """`--model M`."""
    return click.option("--model", metavar="M", help=help_text)


def thread_option(function: F) -> F:
    """`--thread ID`."""
    text = "A thread of the session by its id (see `inspect`); the main one by default."
    return click.option("--thread", "thread_id", metavar="ID", help=text)(function)


def pick_thread(session: Session, thread_id: str | None) -> Thread:
    """The thread of that id, or the main one.

    Raises:
        HistoryError: the session has no such thread.
    """
    if thread_id is None:
        return session.main
    for thread in session.threads:
        if thread.id == thread_id:
            return thread
    known = ", ".join(thread.id for thread in session.threads[:8])
    raise HistoryError(f"no thread {thread_id[:60]!r} in it.", path=session.path, remedy=f"It has: {known}.")


def read_policy(path: Path | None, window: int | None) -> Policy:
    """The policy in a TOML or JSON file, with `--window` as its budget.

    Raises:
        PolicyError: the file cannot be read, or a key in it is wrong.
    """
    settings: Any = {}
    if path is not None:
        import json  # noqa: PLC0415
        import tomllib  # noqa: PLC0415

        try:
            text = path.read_text(encoding="utf-8")
            settings = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise PolicyError(
                f"not a policy: {type(error).__name__}.", path=str(path), remedy="Write TOML or JSON."
            ) from None
        if not isinstance(settings, dict):
            raise PolicyError("a policy is a table of keys.", path=str(path), remedy="See `ctxwindow.Policy`.")
    if window is not None:
        settings = {**settings, "budget": window}
    return Policy.parse(settings)
