"""Does a check cost the message or the history? Time for requests of 100, 1,000 and 10,000 messages, side by side.

    python -m benchmarks.checking [--rounds N]

Measured: a whole request; a whole request with the exchange before it, which compares every message; and one more
message by itself (`check_message`), which is what a growing conversation pays. Compare the columns of a row, not the
digits: machines differ, ratios less so.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

from ctxwindow.catalog import resolve
from ctxwindow.record import Outline
from ctxwindow.rules import check, check_message

SIZES = (100, 1_000, 10_000)
MODEL = "claude-opus-5-5"

_LINE = "def test_parser_{0}(): assert parse('a={0}') == {{'a': {0}}}\n"


def _round(number: int) -> list[dict[str, Any]]:
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "read", "input": {"path": f"tests/test_{number}.py"}}
    thinking = {"type": "thinking", "thinking": "", "signature": f"{number}".ljust(80, "s")}
    text = "".join(_LINE.format(number + line) for line in range(2))
    result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": text}
    return [{"role": "assistant", "content": [thinking, call]}, {"role": "user", "content": [result]}]


def build(messages: int) -> dict[str, Any]:
    """A request of that many messages: one instruction, then rounds."""
    history: list[dict[str, Any]] = [{"role": "user", "content": "Fix every failing test."}]
    while len(history) < messages:
        history += _round(len(history))
    return {
        "model": MODEL,
        "max_tokens": 1_000,
        "system": "You are a coding agent.",
        "tools": [{"name": "read", "input_schema": {"type": "object"}}],
        "messages": history,
    }


def median(work: Callable[[], object], rounds: int) -> float:
    """Seconds, in the middle of so many runs."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def whole(request: dict[str, Any]) -> None:
    """One check of everything."""
    assert check(request).ok


def compared(request: dict[str, Any], previous: dict[str, Any]) -> None:
    """One check against the request before."""
    report = check(request, previous=previous)
    assert report.ok
    assert all(state.valid for state in report.thinking)


def one_more(request: dict[str, Any], rounds: int) -> float:
    """Seconds for one appended message."""
    messages, outline = request["messages"], Outline()
    for message in messages:
        outline.add(message)
    profile = resolve(MODEL)
    message = _round(len(messages))[0]

    def work() -> None:
        found = check_message(
            message,
            index=len(messages),
            previous=messages[-1],
            outline=outline,
            profile=profile,
            tools=request["tools"],
        )
        assert found == []

    return median(work, rounds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rows: dict[str, list[float]] = {"whole request": [], "with the request before": [], "one more message": []}
    for size in SIZES:
        request = build(size)
        previous = copy.deepcopy({**request, "messages": request["messages"][:-2]})
        rows["whole request"].append(median(lambda: whole(request), rounds))  # noqa: B023 - called at once
        rows["with the request before"].append(median(lambda: compared(request, previous), rounds))  # noqa: B023
        rows["one more message"].append(one_more(request, rounds * 100))
    head = "".join(f"{f'{size:,} messages':>18}" for size in SIZES)
    print(f"{'':26}{head}   ratio last/first")
    for name, row in rows.items():
        cells = "".join(f"{value * 1_000:>15.3f} ms" for value in row)
        print(f"{name:26}{cells}   {row[-1] / row[0]:.1f}")


if __name__ == "__main__":
    main()
