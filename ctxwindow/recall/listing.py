"""What is out of the window: summaries, shortened results, and turn by turn what was said."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from ctxwindow.recall.archive import Archive
from ctxwindow.recall.entries import Entry, handle_of
from ctxwindow.recall.naming import shown_name, where
from ctxwindow.recall.questions import Standing

__all__ = ["listing"]

_OPENING_CHARS = 100


def listing(archive: Archive, now: Standing) -> Iterator[str]:
    """One line for each thing that was put away, and headings between."""
    out = archive.messages - sum(1 for message in now.hot if message < archive.messages)
    yield (
        f"This conversation has {archive.messages:,} messages in {len(now.turns):,} turns; "
        f"{out:,} of them are out of your window."
    )
    summaries = [entry for entry in archive.entries if entry.message is None]
    if summaries:
        yield "Summaries:"
        for entry in summaries:
            place = "in your window" if now.on_wire(entry) else "no longer in your window"
            yield f"- {entry.handle}: {where(entry, now)}, {len(entry.text):,} characters, {place}"
    if now.spills:
        yield "Results and texts of which your window shows a part at most:"
        for (message, block), spill in now.spills.items():
            for entry in _entries(archive, handle_of(message, block)):
                lines = entry.text.count("\n") + 1
                yield f"- {entry.handle}: {where(entry, now)}, about {spill.tokens:,} tokens, {lines:,} lines"
    turns = list(_turns(archive, now))
    if turns:
        yield "Turns that are out of your window, whole or in part:"
        yield from turns


def _turns(archive: Archive, now: Standing) -> Iterator[str]:
    """A line for each turn with a message that is not on the wire."""
    starts = [*now.turns, archive.messages]
    if starts[0] > 0:
        starts.insert(0, 0)
    number = len(now.turns) - len(starts) + 2  # 0 where something stands before the first turn
    for first, end in itertools.pairwise(starts):
        gone = [message for message in range(first, end) if message not in now.hot]
        if gone:
            entries = [entry for message in gone for entry in _entries(archive, f"m{message}")]
            span = f"m{gone[0]}" if len(gone) == 1 else f"m{gone[0]} to m{gone[-1]}"
            yield f"- turn {number}, {span}{_described(entries)}"
        number += 1


def _entries(archive: Archive, handle: str) -> list[Entry]:
    return [archive.entries[number] for number in archive.at(handle)] if archive.knows(handle) else []


def _described(entries: list[Entry]) -> str:
    """What the user said, and which tools were called how often."""
    asked = next((entry.text for entry in entries if entry.role == "user" and entry.kind == "text"), "")
    opening = " ".join(asked[: 4 * _OPENING_CHARS].split())
    quoted = f': "{opening[:_OPENING_CHARS]}{"…" if len(opening) > _OPENING_CHARS else ""}"' if opening else ""
    calls = Counter(shown_name(entry.tool) for entry in entries if entry.tool and entry.role == "assistant")
    used = ", ".join(f"{name} {times}" for name, times in calls.most_common(8))
    return quoted + (f" (tools: {used})" if used else "")
