"""Reading a Claude Code session: JSONL as the client keeps it under `projects/`, subagent files included.

What a transcript does not hold: the system prompt, the tools, and `<system-reminder>` texts that the client
added to requests. So the sizes in `Reply.usage` are those of more than the thread's messages.

`isMeta` rows are messages (`Incoming.kind == "meta"`): the prompts of recorded requests grew by their tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctxwindow.errors import HistoryError
from ctxwindow.transcripts.assemble import assemble
from ctxwindow.transcripts.chain import Conversation, conversations
from ctxwindow.transcripts.rows import read_rows
from ctxwindow.transcripts.session import Note, Session, Thread

if TYPE_CHECKING:
    from ctxwindow.transcripts.source import Lines

__all__ = ["session_of_rows"]


def session_of_rows(lines: Lines, path: str) -> Session:
    """A Claude Code session from the lines of its file.

    Raises:
        HistoryError: a line cannot be read, or the file holds no messages.
    """
    rows, notes = read_rows(lines, path)
    threads = [_thread(conversation, path) for conversation in conversations(rows, path)]
    notes += [note for thread in threads if not thread.steps for note in thread.notes]
    threads = [thread for thread in threads if thread.steps]
    if not threads:
        raise HistoryError(
            "the conversation is empty: no row of this session is a message.",
            path=path,
            remedy="Give the session's own file; it ends in .jsonl and has user and assistant rows.",
        )
    main = _main(threads)
    others = sum(not thread.sidechain for thread in threads if thread is not main)
    if others and not main.sidechain:
        text = f"{others} more conversations (the context was cleared, or the user began anew); each is a thread."
        notes.append(Note(path=path, text=text))
    return Session(
        path=path,
        format="claude_code",
        threads=(main, *(thread for thread in threads if thread is not main)),
        notes=tuple(notes),
    )


def _thread(found: Conversation, path: str) -> Thread:
    steps, notes = assemble(found.rows, path)
    return Thread(
        id=found.id,
        sidechain=found.sidechain,
        steps=steps,
        notes=(*found.notes, *notes),
        complete=found.complete,
    )


def _main(threads: list[Thread]) -> Thread:
    """The conversation the user was in last, which is the last to end; in a subagent's own file, the longest."""
    own = [thread for thread in threads if not thread.sidechain]
    if not own:
        return max(threads, key=lambda thread: len(thread.steps))
    answered = [thread for thread in own if thread.replies]
    return (answered or own)[-1]
