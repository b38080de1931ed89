"""Does recall rescan the conversation? Times for conversations of 100, 1,000 and 10,000 messages, side by side.

    python -m benchmarks.recall [--rounds N]

Measured: the first recall, which indexes the whole record; then one message appended and one recall, for a rare word, for
a word that every message has, for a string that no word tells (found by its letters), and with an embedding model of 384
dimensions (a hash: it costs nothing itself). `take in` is the part that a new message costs: it must not grow with the
conversation. The search itself reads the postings of its words, 10,000 at most. Compare the columns of a row, not the
digits: machines differ, ratios less so.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b

from benchmarks.planning import SIZES, build
from ctxwindow import Conversation, Policy
from ctxwindow.recall import Vectors


class Hashed:
    """Vectors of 384 dimensions out of a hash."""

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """A vector for each text."""
        return [[byte - 127.5 for byte in blake2b(text.encode()).digest() * 6] for text in texts]


def appended(conversation: Conversation, number: int) -> None:
    """One more message, of a word that no other has."""
    assert conversation.plan(max_tokens=1_000) is not None
    conversation.receive({"content": f"Noted as number_{number}_of_all.", "stop_reason": "end_turn"})
    conversation.append({"role": "user", "content": f"Go on with test_{number}."})


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(messages: int, rounds: int) -> dict[str, float]:
    """Seconds by name: medians over the rounds, but for what happens once."""
    conversation = build(messages, Policy())
    vectors = Vectors(Hashed())
    once = {"first recall": timed(lambda: conversation.recall("test_parser_77"))}
    once["first recall with vectors"] = timed(lambda: conversation.recall("test_parser_77", embedder=vectors))
    queries: dict[str, Callable[[int], object]] = {
        "take in one message": lambda _: conversation._recallable(),  # noqa: SLF001 - the part that must not grow
        "recall a rare word": lambda number: conversation.recall(f"number_{number}_of_all", k=5),
        "recall a word of every message": lambda _: conversation.recall("assert parse", k=5),
        "recall by letters": lambda _: conversation.recall("}\ndef", k=5),
        "recall with vectors": lambda number: conversation.recall(f"number_{number}_of_all", k=5, embedder=vectors),
    }
    found: dict[str, list[float]] = {name: [] for name in queries}
    for number in range(rounds):
        for name, query in queries.items():
            appended(conversation, number)
            found[name].append(timed(lambda query=query, number=number: query(number)))  # type: ignore[misc]
    return once | {name: statistics.median(times) for name, times in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    columns = [measure(size, rounds) for size in SIZES]
    head = "".join(f"{f'{size:,} messages':>18}" for size in SIZES)
    print(f"{'':34}{head}   ratio last/first")
    for name in columns[0]:
        cells = "".join(f"{column[name] * 1_000:>15.3f} ms" for column in columns)
        print(f"{name:34}{cells}   {columns[-1][name] / columns[0][name]:.1f}")


if __name__ == "__main__":
    main()
