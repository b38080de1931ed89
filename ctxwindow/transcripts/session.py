"""What a reader returns: a session, its threads, and their steps.

A **step** is either something that came in (`Incoming`) or what one request answered (`Reply`). The steps of
a thread are its record in order: what the wire of a later request was is for a replay to work out, since a
compaction in between replaces everything before it (`Incoming.kind == "compact_summary"`).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

__all__ = ["Format", "Incoming", "Note", "Reply", "Session", "Step", "Thread"]

Format: TypeAlias = Literal["request", "messages", "claude_code"]
"""A Messages API request body, a bare list of messages, or a Claude Code session (JSONL)."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something the reader repaired, left out or could not know, said aloud. Holds no message content."""

    path: str
    """Where: a file, or a file and line (`session.jsonl:172`)."""
    text: str
    """What was done, one sentence."""
    rule: str | None = None
    """The rule that the recording broke there, before it was mended."""

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A user (or system) message that a request sent."""

    message: dict[str, Any]
    """`{"role", "content"}`; each block is the dict the file held, never rebuilt. Never mutate it."""
    at: float | None
    """When it was written, seconds since the epoch, or None where the file does not say."""
    kind: Literal["message", "compact_summary", "meta"] = "message"
    """`compact_summary`: the summary that stands for all steps before it. `meta`: text the client wrote in the
    user's name (a skill, a caveat); it was sent like any other."""
    lines: tuple[int, ...] = ()
    """Lines of the file it was read from; empty for a request body, or if all of it had to be supplied."""
    compacted_from: int | None = None
    """For a `compact_summary`: tokens in the window before the compaction, as the client counted them."""
    compact_trigger: str | None = None
    """For a `compact_summary`: what set the compaction off (`auto`, `manual`), where the file says so."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One assistant message, as one request produced it."""

    message: dict[str, Any]
    """`{"role": "assistant", "content": ...}`; each block is the dict the file held. Never mutate it."""
    id: str | None = None
    """The API's message id."""
    model: str | None = None
    """The model that answered."""
    usage: dict[str, Any] | None = None
    """The API's usage, as last written for this message."""
    usage_final: bool = False
    """Whether `usage["output_tokens"]` is the final number, not the one from the start of the stream."""
    stop_reason: str | None = None
    at: float | None = None
    """When its first block was written, seconds since the epoch."""
    lines: tuple[int, ...] = ()
    """Lines of the file it was read from."""


Step: TypeAlias = Incoming | Reply


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation of a session: the main one, or that of a subagent (a sidechain)."""

    id: str
    sidechain: bool = False
    steps: tuple[Step, ...] = ()
    notes: tuple[Note, ...] = ()
    complete: bool = True
    """False if the conversation began before its first step here: that part is not in the file."""

    @property
    def replies(self) -> tuple[Reply, ...]:
        """The replies alone, in order."""
        return tuple(step for step in self.steps if isinstance(step, Reply))

    @property
    def messages(self) -> tuple[dict[str, Any], ...]:
        """The messages of all steps, in order."""
        return tuple(step.message for step in self.steps)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from one file."""

    path: str
    format: Format
    threads: tuple[Thread, ...]
    """The main thread first; there is at least one."""
    request: dict[str, Any] | None = None
    """The whole body, for a request body. Never mutate it."""
    notes: tuple[Note, ...] = ()
    """About the file as a whole; each thread has its own."""

    @property
    def main(self) -> Thread:
        """The conversation the user had: not a sidechain, unless the file holds only sidechains."""
        return self.threads[0]

    @property
    def all_notes(self) -> tuple[Note, ...]:
        """The notes of the file and of all its threads."""
        return self.notes + tuple(note for thread in self.threads for note in thread.notes)
