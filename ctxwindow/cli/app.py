"""The command group. Commands are imported when they are called, so that `--help` stays quick.

Exit codes: 0 done, 1 findings (violations, overflows), 2 misuse or input that cannot be read.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from ctxwindow.cli.output import fail, wants_json
from ctxwindow.errors import CtxwindowError

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS = {
    "count": "Count what a request occupies, by category and block.",
    "check": "Check a request against the documented rules.",
    "inspect": "Show what a recorded session is made of, and what filled its window.",
    "replay": "Run a recorded session through the engine, in a window of your choice.",
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


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ctxwindow")
def cli() -> None:
    """Manage the context window of conversations with Claude.

    FILE is a Messages API request body (JSON), a list of messages, or a Claude Code session (JSONL), plain or gzipped.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = cli.main(args=args, prog_name="ctxwindow", standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except click.Abort:
        click.echo("Interrupted.", err=True)
        code = 130
    except CtxwindowError as error:
        code = fail(error, as_json=wants_json(args))
    except BrokenPipeError:
        # The reader has gone (`| head`): nothing is wrong, and Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
