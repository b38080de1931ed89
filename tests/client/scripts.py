"""What children of tests do (`tests.client.child`)."""

from __future__ import annotations

import time

import anthropic

from tests.client import child

__all__ = ["ask", "count_up", "fail"]


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
