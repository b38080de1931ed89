"""`ctxwindow emulate`."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ctxwindow.cli.options import json_option
from ctxwindow.cli.output import print_json
from ctxwindow.emulator import Emulator, Recorded, Scripted
from ctxwindow.errors import HistoryError, MisuseError

__all__ = ["command"]

_SCRIPT = 'Write a JSON list of replies, or {"replies": [...], "summaries": [...]}.'


@click.command(
    "emulate",
    epilog=(
        "\b\nExamples:\n  ctxwindow emulate --port 8765\n  ctxwindow emulate --script replies.json\n"
        "  ctxwindow emulate --session session.jsonl --json"
    ),
)
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65_535),
    default=8765,
    help="The port; 0 takes a free one. Default: 8765.",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    help="The address. Default: 127.0.0.1, which only this machine reaches.",
)
@click.option(
    "--script", metavar="FILE", type=click.Path(path_type=Path), help="What the model says: a JSON list of replies."
)
@click.option(
    "--session", metavar="FILE", type=click.Path(), help="What the model says: the replies of a recorded session."
)
@json_option
def command(port: int, host: str, script: Path | None, session: str | None, *, as_json: bool) -> None:
    """Serve a Messages API on this machine that enforces the rules.

    It refuses what the API refuses, with the same texts, counts and caches, signs thinking and checks it, compacts,
    and fails on request. Without a script it gives short replies of its own. It needs no key: any is accepted.

    With --json one object is printed as soon as it listens.
    """
    if script is not None and session is not None:
        raise MisuseError("--script and --session both say what the model says.", remedy="Give one of them.")
    emulator, serve = _emulator(script, session), _server()
    with _bound(host, port) as listening:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listening.getsockname()[1]}"
        if as_json:
            print_json({"url": url, "host": host, "port": listening.getsockname()[1]})
        else:
            click.echo(f"Listening on {url}. Give a client this as its base_url, and any key. Ctrl-C ends it.")
        serve(emulator, listening)


def _emulator(script: Path | None, session: str | None) -> Emulator:
    """The emulator that the options describe."""
    if session is not None:
        # What a client of that session has kept is signed by somebody else.
        return Emulator(Recorded(session), accept_foreign=True)
    if script is None:
        return Emulator()
    said = _read(script)
    if isinstance(said, list):
        said = {"replies": said}
    if not isinstance(said, dict) or not {"replies", "summaries"} >= said.keys():
        raise HistoryError("this is no script.", path=str(script), remedy=_SCRIPT)
    try:
        spoken = {key: Scripted(value) for key, value in said.items()}
    except (MisuseError, TypeError):
        raise HistoryError("a reply in it is of no form that is known.", path=str(script), remedy=_SCRIPT) from None
    return Emulator(spoken.get("replies"), summaries=spoken.get("summaries"))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = (error.strerror or "it is no file").lower()
        raise HistoryError(f"the script cannot be read: {reason}.", path=str(path), remedy="Check the path.") from None
    except (ValueError, RecursionError):
        raise HistoryError("the script is not JSON.", path=str(path), remedy=_SCRIPT) from None


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens, so that the port is known before the server starts.

    Raises:
        MisuseError: the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "it is taken" if taken else (error.strerror or "there is no such address").lower()
        raise MisuseError(
            f"cannot listen on {host} port {port}: {reason}.",
            path="--port" if taken else "--host",
            remedy="Choose another; --port 0 takes a free one.",
        ) from None


def _server() -> Callable[[Emulator, socket.socket], None]:
    """What answers until it is interrupted.

    Raises:
        MisuseError: the extra `server` is not installed.
    """
    try:
        import uvicorn  # noqa: PLC0415 - of the extra `server`

        from ctxwindow.emulator.asgi import app  # noqa: PLC0415 - imports Starlette, of the same extra
    except ImportError as error:
        raise MisuseError(
            f"the server needs {error.name}, which is not installed.", remedy="Install ctxwindow[server]."
        ) from None

    def serve(emulator: Emulator, listening: socket.socket) -> None:
        settings = uvicorn.Config(app(emulator), log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        uvicorn.Server(settings).run(sockets=[listening])

    return serve
