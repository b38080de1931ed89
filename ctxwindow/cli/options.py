"""Options that several commands share, and reading the files they name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from ctxwindow.cli.output import few
from ctxwindow.errors import HistoryError, InvalidRequest, MisuseError, PolicyError, ProtocolError, UnknownModel
from ctxwindow.rules import find_violations
from ctxwindow.tiers import Policy
from ctxwindow.tiers.presets import PRESETS
from ctxwindow.tiers.written import json_table, toml_table
from ctxwindow.transcripts import read
from ctxwindow.transcripts.live import session_model
from ctxwindow.transcripts.session import Session, Thread

__all__ = [
    "file_argument",
    "json_option",
    "load",
    "model_option",
    "naming",
    "pick_thread",
    "read_policy",
    "thread_option",
]

F = TypeVar("F", bound=Callable[..., Any])

_STDIN = "/dev/stdin"


def file_argument(function: F) -> F:
    """`FILE`."""
    return click.argument("file", metavar="FILE", type=click.Path())(function)


def json_option(function: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def model_option(help_text: str) -> Callable[[F], F]:
    """`--model M`."""
    return click.option("--model", metavar="M", help=help_text)


def thread_option(function: F) -> F:
    """`--thread ID`."""
    text = "A conversation of the session by its id, as `inspect` lists them. Default: the main one."
    return click.option("--thread", "thread_id", metavar="ID", help=text)(function)


def load(file: str, thread_id: str | None, model: str | None, *, shaped: bool = True) -> tuple[Session, Thread]:
    """Read a FILE (`-` is standard input), choose its thread, and see that a model is known for it.

    Args:
        file: its path.
        thread_id: the thread, or None for the main one.
        model: as given with --model.
        shaped: also see that system and tools of a request body are what they must be to be counted.

    Raises:
        HistoryError: the file cannot be read, has no such thread, or names no model and none is given.
        UnknownModel: the model, or the one that the file names, is not in the catalog.
        InvalidRequest: system or tools are not.
        MisuseError: the model is named by something that is no string.
    """
    session = read(_path(file))
    if shaped and session.request is not None:
        _check_shape(session.request, session.path)
    thread = pick_thread(session, thread_id)
    try:
        session_model(session, thread, model)
    except UnknownModel as error:
        raise _unknown(error, "--model" if model is not None else f"{session.path}: model") from None
    return session, thread


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Let errors about a request name the file it stands in."""
    try:
        yield
    except (InvalidRequest, ProtocolError) as error:
        error.path = f"{file}: {error.path}" if error.path else file
        raise


def _path(file: str) -> str:
    if file != "-":
        return file
    if os.name != "posix":
        raise MisuseError("standard input is not read on this system.", path="-", remedy="Name a file.")
    return _STDIN


def _check_shape(request: Mapping[str, Any], path: str) -> None:
    for violation in find_violations({**request, "messages": []}):
        if violation.rule == "SHAPE-09" and violation.path.startswith(("system", "tools")):
            reason = violation.message.removeprefix(f"{violation.path}: ")
            raise InvalidRequest(
                f"{reason}.", rule=violation.rule, path=f"{path}: {violation.path}", remedy=violation.remedy
            )


def _unknown(error: UnknownModel, path: str) -> UnknownModel:
    """The same for somebody at a command line: which option or file said it, and what helps there."""
    near = f"Did you mean {' or '.join(error.near)}?" if error.near else "Ids look like claude-opus-5-5."
    told = UnknownModel(few(error.model, 80), error.near)
    told.path = path
    told.remedy = near if path == "--model" else f"{near} Another model can be named with --model."
    return told


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
    more = f" and {len(session.threads) - 8} more" if len(session.threads) > 8 else ""  # noqa: PLR2004
    raise HistoryError(f"no thread {few(thread_id, 80)!r} in it.", path=session.path, remedy=f"It has: {known}{more}.")


def read_policy(named: Path | None, window: int | None) -> Policy:
    """The policy in a TOML or JSON file, or the preset of that name, with `--window` as its budget.

    Raises:
        PolicyError: the file cannot be read, or a key in it is wrong; `path` names the file and the key.
    """
    budget = {"budget": window} if window is not None else {}
    try:
        if named is None:
            return Policy.parse(budget)
        if str(named) in PRESETS and not named.exists():
            return Policy.preset(str(named), **budget)
        return Policy.parse({**_policy_table(named), **budget})
    except PolicyError as error:
        if window is not None and error.path == "budget":
            error.path = "--window"
        elif named is not None:
            error.path = f"{named}: {error.path}" if error.path != "policy" else str(named)
        raise


def _policy_table(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = (error.strerror or "it is no file").lower()
        remedy = f"Check the path, or name a preset: {', '.join(PRESETS)}."
        raise PolicyError(f"the policy cannot be read: {reason}.", path="policy", remedy=remedy) from None
    except UnicodeDecodeError:
        raise PolicyError(
            "a policy is UTF-8 text, this is not.", path="policy", remedy="Write TOML such as `high = 0.8`."
        ) from None
    # No TOML begins with a brace.
    return json_table(text) if path.suffix == ".json" or text[:1] == "{" else toml_table(text)
