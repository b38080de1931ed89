"""Does `plan()` rescan the conversation? Conversations of 100, 1,000 and 10,000 messages, side by side.

    python -m benchmarks.planning [--rounds N] [--sizes N ...] [--check]

Measured, in CPU time, for the engine waits for nothing:

- going on: one message appended, one plan, in a conversation that is far from its marks (nothing is shrunk);
- the decision to shrink, in one that has just passed its mark, with all of the conversation on the wire;
- building a conversation message by message within 200,000 tokens, with every compaction on the way;
- reading it back from its events, and going back to its middle.

Compare the columns of a row, not the digits: machines differ, ratios less so, and what else a machine does slows all but the
fastest (of three decisions the fastest is told). `--check` fails where the longest
conversation takes 1 ms to go on (median), or 50 ms to decide. `--sizes 100000` takes some minutes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from ctxwindow import Compact, Conversation, Count, Policy, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.record.events import Started

SIZES = (100, 1_000, 10_000)
MAX_TOKENS = 1_000
GOING_ON, DECIDING = "append + plan, median", "decision to shrink"
LIMITS = {GOING_ON: 0.001, DECIDING: 0.05}
"""Seconds."""

WIDE = msgspec.structs.replace(resolve("claude-opus-4-6"), window=20_000_000)
"""A model whose window holds the longest of these conversations whole."""

_LINE = "def test_parser_{0}(): assert parse('a={0}') == {{'a': {0}}}\n"


def _round(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "read", "input": {"path": f"tests/test_{number}.py"}}
    thinking = {"type": "thinking", "thinking": "Read it first.", "signature": "s" * 80}
    text = "".join(_LINE.format(number + line) for line in range(2))
    result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": text}
    return {"content": [thinking, call], "stop_reason": "tool_use"}, {"role": "user", "content": [result]}


def send(conversation: Conversation) -> Send:
    """Plan until there is something to send; what is asked for on the way is made up."""
    while True:
        decision = conversation.plan(max_tokens=MAX_TOKENS)
        match decision:
            case Send():
                return decision
            case Summarize():
                conversation.summarized("Every test so far was read.", by="benchmark")
            case Compact():
                block = {"type": "compaction", "content": "Every test so far was read.", "signature": "c2ln"}
                assert conversation.compacted({"content": [block], "stop_reason": "compaction"})
            case Count():
                conversation.counted(None)


def build(messages: int, policy: Policy) -> Conversation:
    """A conversation of that many messages: one instruction, then rounds, every one of them sent."""
    conversation = Conversation.start(model=WIDE, system="You are a coding agent.", policy=policy)
    conversation.append({"role": "user", "content": "Fix every failing test."})
    number = 0
    while conversation.recorded < messages:
        send(conversation)
        reply, results = _round(number)
        conversation.receive(reply)
        conversation.append(results)
        number += 1
    return conversation


def go_on(conversation: Conversation, rounds: int) -> list[float]:
    """Seconds for one appended message and one plan, several times over."""
    times = []
    for number in range(rounds):
        send(conversation)
        reply, results = _round(1_000_000 + number)
        conversation.receive(reply)
        start = time.process_time()
        conversation.append(results)
        send(conversation)
        times.append(time.process_time() - start)
        conversation.receive({"content": "Noted.", "stop_reason": "end_turn"})
        conversation.append({"role": "user", "content": "Go on."})
    return times


def decide(conversation: Conversation) -> float:
    """Seconds for the decision to shrink: the same conversation, had it been given half of what it takes now."""
    started, *events = conversation.events
    assert isinstance(started, Started)
    policy = Policy(budget=conversation.window.tokens // 2 + MAX_TOKENS).model_dump(mode="json")
    full = Conversation.fold([msgspec.structs.replace(started, policy=policy), *events])
    start = time.process_time()
    decision = full.plan(max_tokens=MAX_TOKENS)
    taken = time.process_time() - start
    assert not isinstance(decision, Send), "nothing was shrunk"
    return taken


def measure(size: int, rounds: int) -> dict[str, float]:
    """Seconds, by what was measured."""
    whole = build(size, Policy())
    assert not whole.compactions
    deciding = min(decide(whole) for _ in range(3))
    times = go_on(whole, rounds)
    del whole
    start = time.process_time()
    kept = build(size, Policy(budget=200_000))
    built = time.process_time() - start
    start = time.process_time()
    Conversation.fold(kept.events)
    folded = time.process_time() - start
    start = time.process_time()
    kept.rewind(to=size // 2)
    went_back = time.process_time() - start
    return {
        GOING_ON: statistics.median(times),
        "append + plan, fastest": min(times),
        "append + plan, 95th percentile": sorted(times)[int(len(times) * 0.95)],
        DECIDING: deciding,
        "built in 200,000 tokens, a message": built / size,
        "read back, a message": folded / size,
        "going back to the middle": went_back,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where `--check` finds the longest conversation too slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="how often going on is measured")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="messages, rising")
    parser.add_argument("--check", action="store_true", help="fail where the longest conversation is too slow")
    options = parser.parse_args(arguments)
    columns = [measure(size, options.rounds) for size in options.sizes]
    head = "".join(f"{f'{size:,} messages':>18}" for size in options.sizes)
    print(f"{'':36}{head}   ratio last/first")
    for name in columns[0]:
        cells = "".join(f"{column[name] * 1_000:>15.3f} ms" for column in columns)
        print(f"{name:36}{cells}   {columns[-1][name] / columns[0][name]:.1f}")
    slow = [name for name, limit in LIMITS.items() if columns[-1][name] >= limit]
    for name in slow if options.check else ():
        print(f"{name}: more than {LIMITS[name] * 1_000:.0f} ms", file=sys.stderr)
    return 1 if options.check and slow else 0


if __name__ == "__main__":
    sys.exit(main())
