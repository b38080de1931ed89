"""Does `plan()` rescan the conversation? Time per call for conversations of 100, 1,000 and 10,000 messages, side by side.

    python -m benchmarks.planning [--rounds N]

Measured: one message appended, one plan, in a conversation that is far from its marks (nothing is shrunk), and the
decision to shrink at all, in one that has passed its mark. Compare the columns of a row, not the digits: machines
differ, ratios less so.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from ctxwindow import Conversation, Policy, Send, Summarize

SIZES = (100, 1_000, 10_000)

_LINE = "def test_parser_{0}(): assert parse('a={0}') == {{'a': {0}}}\n"


def _round(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "read", "input": {"path": f"tests/test_{number}.py"}}
    thinking = {"type": "thinking", "thinking": "Read it first.", "signature": "s" * 80}
    text = "".join(_LINE.format(number + line) for line in range(2))
    result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": text}
    return {"content": [thinking, call], "stop_reason": "tool_use"}, {"role": "user", "content": [result]}


def build(messages: int, policy: Policy) -> Conversation:
    """A conversation of that many messages: one instruction, then rounds, every one of them sent."""
    conversation = Conversation.start(model="claude-opus-4-6", system="You are a coding agent.", policy=policy)
    conversation.append({"role": "user", "content": "Fix every failing test."})
    number = 0
    while conversation.recorded < messages:
        assert isinstance(conversation.plan(max_tokens=1_000), Send)
        reply, results = _round(number)
        conversation.receive(reply)
        conversation.append(results)
        number += 1
    return conversation


def next_plan(conversation: Conversation, rounds: int) -> list[float]:
    """Seconds for one appended message and one plan, several times over."""
    times = []
    for number in range(rounds):
        assert isinstance(conversation.plan(max_tokens=1_000), Send)
        reply, results = _round(1_000_000 + number)
        conversation.receive(reply)
        start = time.perf_counter()
        conversation.append(results)
        conversation.plan(max_tokens=1_000)
        times.append(time.perf_counter() - start)
        conversation.receive({"content": "Noted.", "stop_reason": "end_turn"})
        conversation.append({"role": "user", "content": "Go on."})
    return times


def first_shrink(messages: int) -> float:
    """Seconds for the decision to shrink, in a conversation that has passed its mark."""
    conversation = build(messages, Policy(budget=900_000))
    conversation.plan(max_tokens=1_000)
    # Half of what it takes now, output included: the next plan must shrink.
    folded = conversation.window.tokens
    shrunk = Conversation.fold(conversation.events)
    shrunk._state.policy = Policy(budget=folded // 2 + 1_000)  # noqa: SLF001 - the policy is fixed at the start
    start = time.perf_counter()
    decision = shrunk.plan(max_tokens=1_000)
    assert isinstance(decision, Summarize)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    medians, worst, shrinks = [], [], []
    for size in SIZES:
        times = next_plan(build(size, Policy()), rounds)
        medians.append(statistics.median(times))
        worst.append(sorted(times)[int(len(times) * 0.95)])
        shrinks.append(first_shrink(size))
    head = "".join(f"{f'{size:,} messages':>18}" for size in SIZES)
    print(f"{'':34}{head}   ratio last/first")
    for name, row in (
        ("append + plan, median", medians),
        ("append + plan, 95th percentile", worst),
        ("decision to shrink", shrinks),
    ):
        cells = "".join(f"{value * 1_000:>15.3f} ms" for value in row)
        print(f"{name:34}{cells}   {row[-1] / row[0]:.1f}")


if __name__ == "__main__":
    main()
