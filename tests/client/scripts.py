"""What children of tests do (`tests.client.child`)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

import anthropic

from ctxwindow import Policy, Session
from ctxwindow.errors import StoreConflict
from tests.client import child
from tests.client.agents import rounds

__all__ = ["ask", "count_up", "fail", "say", "work"]


def ask(*, base_url: str, times: int) -> list[str]:
    """Ask so many times over HTTP; the stop reasons."""
    with anthropic.Anthropic(api_key="k", base_url=base_url, max_retries=0) as client:
        replies = [
            client.messages.create(
                model="claude-opus-5-5", max_tokens=100, messages=[{"role": "user", "content": f"Hello {number}."}]
            )
            for number in range(times)
        ]
    return [reply.stop_reason or "" for reply in replies]


def count_up(*, path: str, stop: int, when: str) -> None:
    """Write a line for each number, and stop for good at one of them."""

    class Writer:
        def write(self, number: int) -> None:
            with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - appends
                file.write(f"{number}\n")

    child.stop_at(Writer, "write", "writing", call=stop, when=when)
    for number in range(1, 100):
        Writer().write(number)


def fail() -> None:
    """Raise."""
    time.sleep(0)
    raise RuntimeError("as it should")


def work(
    *, base_url: str, database: str, journal: str, parts: int, model: str, streaming: bool = True, **agent: Any
) -> str:
    """Let an agent work in a session, from its task on or from where an earlier process was killed; its last words.

    Args:
        base_url: of the API, whose model is an agent of the same settings.
        database: of the session.
        journal: a file that gets a line for each call that is carried out (`Agent`).
        parts: rounds of the agent.
        model: id of it.
        streaming: whether replies are streamed.
        agent: other settings of the agent.
    """
    working = rounds(parts, journal=Path(journal), **agent)
    with (
        anthropic.Anthropic(api_key="k", base_url=base_url) as client,
        Session.open(
            database,
            client=client,
            model=model,
            system=working.system,
            tools=working.tools,
            policy=Policy(budget=40_000),
            max_tokens=2_000,
            streaming=streaming,
            checkpoint=0.0,
        ) as session,
    ):
        reply = session.resume() or session.run(working.task)
    return reply.text


def say(*, base_url: str, database: str, name: str, who: str, turns: int, busy: Literal["wait", "raise"]) -> int:
    """Say something so many times in one conversation, with a tool round each time; how often somebody else was at it.

    Args:
        base_url: of the API.
        database: of the conversation.
        name: of the conversation.
        who: stands in what is said.
        turns: how often.
        busy: as for `Session.open`. What is refused is said again.
    """

    def note(text: str) -> str:
        """Note a text."""
        return f"Noted: {text}"

    refused = 0
    with (
        anthropic.Anthropic(api_key="k", base_url=base_url, max_retries=0) as client,
        Session.open(
            database,
            client=client,
            model="claude-opus-5-5",
            name=name,
            tools=[note],
            policy=Policy(budget=40_000),
            max_tokens=2_000,
            busy=busy,
        ) as session,
    ):
        for turn in range(1, turns + 1):
            while True:
                before = session.conversation.events
                try:
                    reply = session.run(f"{who} says {turn}.")
                except StoreConflict as conflict:
                    if busy != "raise" or "in use" not in str(conflict) or session.conversation.events != before:
                        raise
                    refused += 1
                    time.sleep(0.002)
                else:
                    assert reply.text == f"Heard {who} {turn}."
                    break
    return refused
