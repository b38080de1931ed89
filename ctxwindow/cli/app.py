"""The command group. Commands are imported when they are called, so that `--help` stays quick.

Exit codes: 0 done, 1 findings (violations, overflows), 2 misuse or input that cannot be read, 130 interrupted.
Whatever goes wrong is one line on standard error, and with `--json` the same as JSON on standard output.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

import ctxwindow
from ctxwindow.cli.output import fail, soften, wants_json
from ctxwindow.errors import CtxwindowError, MisuseError

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS = {
    "count": "Count what a request occupies, by category and block.",
    "check": "Check a request against the documented rules.",
    "inspect": "Show what a recorded session is made of, and what filled its window.",
    "replay": "Run a recorded session through the engine, in a window of your choice.",
    "emulate": "Serve a Messages API on this machine that enforces the rules.",
    "demo": "Watch a real recorded session being managed. Needs no key and no network.",
}


class _Lazy(click.Group):
    """A group that knows its commands by name and loads each when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ctxwindow.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, from the table: nothing is imported for it."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A reader who has gone (`| head`) ends it quietly: click would end it with code 1."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _stop_writing()
            ctx.exit(0)
        return result


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ctxwindow.__version__, prog_name="ctxwindow")
def cli() -> None:
    """Manage the context window of conversations with Claude.

    FILE is a Messages API request body (JSON), a list of messages, or a Claude Code session (JSONL), plain or gzipped;
    `-` is standard input. Every command takes --json.

    Exit codes: 0 done, 1 findings (broken rules, overflows), 2 misuse or input that cannot be read.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    soften()
    try:
        with _ended_like_ctrl_c():
            code = cli.main(args=args, prog_name="ctxwindow", standalone_mode=False)
    except click.Abort:
        click.echo("Interrupted.", err=True)
        code = 130
    except Exception as error:  # noqa: BLE001 - the last one to see it: a person gets a line, not a traceback
        if type(error).__name__ == "NoArgsIsHelpError":  # from click 8.2 on; 8.1 shows the help itself
            click.echo(str(error), err=True)
            sys.exit(2)
        code = _report(error, as_json=wants_json(args))
    sys.exit(code if isinstance(code, int) else 0)


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Let the signals that end a process unwind it, so that no temporary file is left behind."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no SIGHUP
    if threading.current_thread() is not threading.main_thread():
        names = []  # Python sets handlers there only
    before = {}
    for name in names:
        number = getattr(signal, name)
        if signal.getsignal(number) is signal.SIG_DFL:  # under nohup it is ignored, and stays so
            before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(error: Exception, *, as_json: bool) -> int:
    """Say what ended the command; the exit code."""
    if "CTXWINDOW_DEBUG" in os.environ:
        traceback.print_exception(error)
    try:
        return fail(_told(error), as_json=as_json)
    except OSError:  # neither stream can be written
        _stop_writing()
        return 2


def _told(error: Exception) -> CtxwindowError:
    """An error as ours. A text of Python's own is not repeated: it may quote the content."""
    match error:
        case CtxwindowError():
            return error
        case click.UsageError():
            command = error.ctx.command_path if error.ctx is not None else "ctxwindow"
            return MisuseError(error.format_message(), remedy=f"See `{command} --help`.")
        case click.ClickException():
            return MisuseError(error.format_message())
        case MemoryError():
            return MisuseError("there is not enough memory for this input.", remedy="Give a smaller file.")
        case OSError(errno=errno.ENOSPC):
            return MisuseError("the disk is full.", remedy="Make room, or write somewhere else.")
        case OSError():
            reason = (error.strerror or type(error).__name__).lower()
            return MisuseError(f"the system refused: {reason}.", path=error.filename, remedy="Check the path.")
        case _:
            return CtxwindowError(
                f"a fault of ctxwindow, not of yours: {type(error).__name__} at {_place(error)}.",
                remedy="Please report this line; with CTXWINDOW_DEBUG=1 it comes with a traceback.",
            )


def _place(error: Exception) -> str:
    """The last line of ours that an error went through."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "ctxwindow" in Path(frame.filename).parts]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"


def _stop_writing() -> None:
    """Send what is still buffered nowhere, so that Python does not complain about it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
