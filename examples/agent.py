"""A small agent in a terminal: it reads files, and runs commands that you allow. Needs ANTHROPIC_API_KEY and network access.

python examples/agent.py [DATABASE]

Stop it at any moment, with Ctrl-C or with the power switch, and start it again: it goes on where it was.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anthropic
import httpx2

from ctxwindow import CtxwindowError, Limits, Policy, Reply, Session

MODEL = "claude-opus-5-5"
SYSTEM = "You help with the files of this folder. Be brief."


def read_file(path: str) -> str:
    """Read a text file.

    Args:
        path: of the file, relative to the folder that the agent works in.
    """
    return Path(path).read_text(encoding="utf-8")


def run_command(command: str) -> str:
    """Run a command in the shell, and get its output. The user is asked first.

    Args:
        command: for `sh`.
    """
    done = subprocess.run(  # noqa: S602 - what a user has allowed, word for word
        command, shell=True, capture_output=True, text=True, check=False, timeout=60
    )
    return f"exit code {done.returncode}\n{done.stdout}{done.stderr}"


def approve(call: Mapping[str, Any]) -> bool | str:
    """Whether a call may run; a string is what the model is told instead."""
    if call["name"] == "read_file":
        return True
    return input(f"\nRun `{call['input'].get('command')}`? [y/N] ").strip() == "y" or "The user does not want that."


def open_session(client: anthropic.Anthropic, database: str) -> Session:
    """The conversation in this database; a new one where there is none."""
    return Session.open(
        database,
        client=client,
        model=MODEL,
        system=SYSTEM,
        tools=[read_file, run_command],
        policy=Policy.preset("coding-agent", budget=200_000),
        limits=Limits(rounds=50, dollars=5.0),
        approve=approve,
    )


def ask(session: Session, text: str) -> Reply:
    """One turn, printed as it comes: the model's words, and the rounds of its tools."""
    with session.stream(text, run=True) as stream:
        for event in stream:
            if event.type == "text":
                print(event.text, end="", flush=True)
            elif event.type == "content_block_start" and event.content_block.type == "tool_use":
                print(f"\n[{event.content_block.name}]", flush=True)
        print()
        return stream.reply


def go_on(session: Session) -> None:
    """Finish what was left open, if anything was."""
    reply = session.resume()
    if reply is not None:
        print(reply.text)


def main() -> None:
    """Talk until the end of the input."""
    database = sys.argv[1] if len(sys.argv) > 1 else "agent.db"
    with open_session(anthropic.Anthropic(), database) as session:
        left_open = session.report().open is not None
        while True:
            try:
                if left_open:
                    print("Going on where it stopped.")
                    go_on(session)
                elif text := input("> ").strip():
                    reply = ask(session, text)
                    if reply.stopped != "reply":
                        print(f"Stopped at the limit of {reply.stopped}; press Ctrl-D, and start again to go on.")
            except EOFError:
                break
            except KeyboardInterrupt:
                print("\nStopped. Say something else, or start again to go on.")
            except (anthropic.APIError, httpx2.HTTPError, CtxwindowError) as error:
                print(f"{error}\nWhat you said is kept: start again to go on.", file=sys.stderr)
            left_open = False
        print(session.report())


if __name__ == "__main__":
    main()
