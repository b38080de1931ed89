"""What five recorded sessions cost, summed up here by hand from the rows of their files, and by `inspect`.

The sum by hand knows nothing of the library: it reads lines, takes each API message once (Claude Code writes a row for each
block of a reply, each with the usage so far), and multiplies by prices that are written out below as published. Input,
cache writes of either lifetime and cache reads are in both sums. Output is in both only where a row of the message has its
stop reason: before that the number is the one from the start of the stream, which is no bill.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctxwindow.transcripts import read
from ctxwindow.transcripts.inspect import inspect

PRICES = {
    #                              input  output  write 5m  write 1h  read, dollars per million tokens
    "claude-opus-4-6": (5.0, 25.0, 6.25, 10.0, 0.5),
    "claude-opus-4-5-20251101": (5.0, 25.0, 6.25, 10.0, 0.5),
    "claude-sonnet-4-6": (3.0, 15.0, 3.75, 6.0, 0.3),
    "claude-sonnet-4-5-20250929": (3.0, 15.0, 3.75, 6.0, 0.3),
    "claude-sonnet-4-20250514": (3.0, 15.0, 3.75, 6.0, 0.3),
    "claude-haiku-4-5-20251001": (1.0, 5.0, 1.25, 2.0, 0.1),
}

SUBAGENTS = "randlee+claude-history/docs/examples/claude-history-subagents/export/source/agents"
SESSIONS = {
    "PackmindHub+context-evaluator/4a/3f7ea6273b/0/full.jsonl.gz": {"claude-sonnet-4-6": 86},
    "PackmindHub+context-evaluator/c8/946606a339/0/full.jsonl.gz": {"claude-opus-4-6": 101},
    "entireio+cli/7d/66f047ac98/0/full.jsonl.gz": {"claude-opus-4-5-20251101": 47, "claude-sonnet-4-5-20250929": 75},
    f"{SUBAGENTS}/agent-abae753.jsonl.gz": {"claude-haiku-4-5-20251001": 64},
    "d-kimuson+claude-code-viewer/mock-global-claude-dir/projects/sample-project/"
    "fe5e1c67-53e7-4862-81ae-d0e013e3270b.jsonl.gz": {"claude-sonnet-4-20250514": 170},
}
"""File -> requests by model, counted in the rows as well. The last has subagents, in threads of their own."""


def messages_of(path: Path) -> dict[str, dict[str, Any]]:
    """Message id -> the message of its last row, with `final` where any of its rows has a stop reason."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows_of(path):
        message = row.get("message")
        if row.get("type") == "assistant" and isinstance(message, dict):
            final = message.get("stop_reason") is not None or found.get(message["id"], {}).get("final", False)
            found[message["id"]] = {**message, "final": final}
    return found


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file: one a line, except where two were written into one."""
    decoder = json.JSONDecoder()
    for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines():
        rest = line.strip()
        while rest:
            value, end = decoder.raw_decode(rest)
            yield value
            rest = rest[end:].strip()


def dollars(message: dict[str, Any]) -> float:
    usage = message["usage"]
    price_in, price_out, price_5m, price_1h, price_read = PRICES[message["model"]]
    total = usage["input_tokens"] * price_in + usage["cache_read_input_tokens"] * price_read
    total += usage["cache_creation"]["ephemeral_5m_input_tokens"] * price_5m
    total += usage["cache_creation"]["ephemeral_1h_input_tokens"] * price_1h
    total += usage["output_tokens"] * price_out if message["final"] else 0
    return float(total / 1_000_000)


@pytest.mark.recorded
@pytest.mark.parametrize("name", SESSIONS, ids=lambda name: str(name).split(".jsonl")[0][-20:])
def test_the_cost_of_a_session_is_the_sum_by_hand_to_the_cent(recordings: Path, name: str) -> None:
    messages = messages_of(recordings / "sessions" / name)
    models = [message["model"] for message in messages.values()]
    assert {model: models.count(model) for model in models} == SESSIONS[name]
    session = read(recordings / "sessions" / name)
    inspections = [inspect(session, thread=thread) for thread in session.threads]
    told = sum(inspection.cost or 0.0 for inspection in inspections)
    by_hand = sum(dollars(message) for message in messages.values())
    assert round(told, 2) == round(by_hand, 2) > 0
    assert told == pytest.approx(by_hand)
    without_output = sum(inspection.spending.unknown.get("output_tokens", 0) for inspection in inspections)
    assert without_output == sum(not message["final"] for message in messages.values())
    for inspection in inspections:
        parts = sum(block.dollars for block in inspection.spending.blocks)
        assert parts == pytest.approx(inspection.cost)


@pytest.mark.recorded
def test_so_is_that_of_every_session(recordings: Path) -> None:
    paths = sorted((recordings / "sessions").rglob("*.jsonl.gz"))
    assert len(paths) >= 70
    for path in paths:
        session = read(path)
        told = sum(inspect(session, thread=thread).cost or 0.0 for thread in session.threads)
        # A message of the client's own, such as an error it shows, names no model.
        replies = [message for message in messages_of(path).values() if message["model"] != "<synthetic>"]
        assert told == pytest.approx(sum(dollars(message) for message in replies)), path.name
