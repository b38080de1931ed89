"""Policies by name: for chat, for a coding agent, for research over documents, for the least cost, for the least loss.

Plain settings, so that any key can be replaced by one's own. None of them names `platform`, `background` or `recall`: where
requests go, and whether the caller's loop runs work beside a reply or answers the recall tool, only the caller knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True)
class Preset:
    """What it is for, in one sentence, and its keys."""

    what: str
    settings: Mapping[str, Any]


_CHAT = Preset(
    "People talk, with pauses, and come back to what was said a while ago.",
    {
        # Between two messages of a person the cache often expires; then a shorter prompt is cheaper from the next send on.
        "cold": 0.6,
        # A reply depends on the exchanges just before it; further back the gist is enough.
        "low": 0.4,
        "hot": {"turns": 3},
        # Results are seldom what a chat is about.
        "spill": {"share": 0.1},
    },
)

_CODING_AGENT = Preset(
    "One task and hundreds of tool rounds: files are read, edited, tested again.",
    {
        # The task is told once, at the start; the files in work must be seen as they are, or edits go wrong.
        "pins": {"first_user_message": True, "editing_files": True},
        # The loop of edit, test, edit must stand whole, with the reasoning in it.
        "hot": {"rounds": 5},
        # Logs and test runs tell the most at their end, files at their start.
        "spill": {"share": 0.1, "head_chars": 3_000, "tail_chars": 3_000},
        # Sends follow each other within the lifetime of the cache: an edit is dear, so each must free much.
        "low": 0.4,
        "min_gain": 0.2,
        # Hundreds of sends come after an edit.
        "horizon": 50,
        # Old results can be read again from the disk; server-side clearing keeps all thinking (EDIT-08).
        "methods": ["spill", "compact", "clear_tool_uses", "summarize_keep_tail", "summarize_all"],
    },
)

_RESEARCH = Preset(
    "Large documents are read once, and what was found in them must last.",
    {
        # The question is told once, at the start.
        "pins": {"first_user_message": True},
        # A document is read to be understood as a whole: only what would fill the window alone is put away.
        "spill": {"share": 0.4, "head_chars": 8_000, "tail_chars": 2_000},
        # Findings, sources and quotations take more space than the state of a task.
        "warm": {"share": 0.2, "tokens": 16_000},
        # A summary that quotes comes before clearing, which leaves nothing of a document in the window.
        "methods": ["spill", "compact", "summarize_keep_tail", "summarize_all", "clear_tool_uses"],
        "prefer": "order",
    },
)

_COST_FIRST = Preset(
    "As few dollars as possible; what is gone from the window can still be found in the record.",
    {
        # Every send pays for the whole prompt again, read from the cache or not.
        "budget": 200_000,
        # When the cache is gone the prompt is paid in full anyway, so a shorter one costs less at once.
        "high": 0.8,
        "low": 0.25,
        "cold": 0.4,
        # Small results are put away too: what is never sent is never paid.
        "spill": {"share": 0.05, "head_chars": 1_500, "tail_chars": 1_000},
        "warm": {"share": 0.05, "tokens": 3_000},
        # An edit may pay for itself late, and every method may compete for the lowest price.
        "horizon": 40,
        "methods": [
            *("spill", "clear_tool_uses", "clear_thinking", "compact", "summarize_keep_tail", "summarize_all", "drop"),
        ],
        "prefer": "cost",
    },
)

_FIDELITY_FIRST = Preset(
    "As much as possible stays word for word, and all thinking that can stay; cost does not count.",
    {
        # Shrink only when the next request would not fit, never because the cache is cold, and then not far.
        "high": 1.0,
        "low": 0.6,
        "cold": None,
        "min_gain": 0.05,
        # What must be repeated gets more space: the request in progress, pins, the newest turns.
        "instruction": 0.5,
        "pins": {"first_user_message": True, "share": 0.4},
        "hot": {"turns": 2, "rounds": 10},
        # A result is put away only when it takes half of the room.
        "spill": {"share": 0.5, "head_chars": 12_000, "tail_chars": 6_000},
        # A summary half as long kept less of what models used again, on recorded coding sessions.
        "warm": {"share": 0.2, "tokens": 20_000},
        # By what they break, the least first: a compaction keeps the thinking of the kept turns (CMP-30).
        "methods": ["spill", "compact", "summarize_keep_tail", "summarize_all"],
        "prefer": "order",
        # An upper bound that is too high would shrink too early.
        "exact_counts": True,
    },
)

PRESETS: dict[str, Preset] = {
    "chat": _CHAT,
    "coding-agent": _CODING_AGENT,
    "research": _RESEARCH,
    "cost-first": _COST_FIRST,
    "fidelity-first": _FIDELITY_FIRST,
}
"""Name -> preset."""
