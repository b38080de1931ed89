"""From the rows of one conversation to its steps.

The client writes one row a content block, and runs a tool as soon as its block is complete: the rows of one
assistant message may lie around the results of its own calls. The API saw one assistant message, and behind it
one user message with all results (TOOL-01). So lines that share a `message.id` become one reply, and results go
right behind the reply that made their calls, in the order of the calls (TOOL-06), followed by what else stood in
their rows (TOOL-05).

A user row of its own stays a message of its own: the API merges neighbouring user messages (MSG-02), so that
nothing is gained by merging here, and what the user wrote and when would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ctxwindow.transcripts.session import Incoming, Note, Reply, Step

if TYPE_CHECKING:
    from ctxwindow.transcripts.rows import Boundary, Row

__all__ = ["UNKNOWN_RESULT", "assemble"]

UNKNOWN_RESULT = "The result of this call was not recorded: whether the tool ran, and what it returned, is unknown."
"""What is put in the place of a result that is in no row, so that the call is answered (TOOL-01)."""


class _Draft:
    """A reply being gathered from its rows, and the answers to its calls."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.answer_rows: list[Row] = []
        self.beside: list[dict[str, Any]] = []
        """Blocks that stood in a row with results."""

    @property
    def calls(self) -> list[str]:
        return [call for row in self.rows for call in row.ids("tool_use", "id")]

    def reply(self) -> Reply:
        last = self.rows[-1]
        return Reply(
            message={"role": "assistant", "content": [block for row in self.rows for block in row.blocks]},
            id=last.message_id,
            model=last.model,
            usage=last.usage,
            # The stop reason comes with the last event of a stream, as does the final usage (TOK-06). Without it
            # output_tokens is what message_start said. True of all 3,524 recorded requests.
            usage_final=last.usage is not None and last.stop_reason is not None,
            stop_reason=last.stop_reason,
            at=self.rows[0].at,
            lines=tuple(row.line for row in self.rows),
        )

    def results(self) -> Incoming:
        """The user message that answers the calls, in their order."""
        order = [call for call in self.calls if call in self.answers]
        content = [self.answers[call] for call in dict.fromkeys(order)] + self.beside
        times = [row.at for row in self.answer_rows if row.at is not None]
        return Incoming(
            message={"role": "user", "content": content},
            at=max(times, default=None),
            lines=tuple(row.line for row in self.answer_rows),
        )


def assemble(rows: Sequence[Row], path: str) -> tuple[tuple[Step, ...], list[Note]]:
    """The steps of a conversation from its rows in file order, and notes on what was mended or left out.

    A call without a result gets one that says so, with a note, if anything follows; a conversation that ends
    in an open call stays open. A result without a call, or a second one for the same call, is left out.
    """
    work = _Assembly(rows, path)
    for row in rows:
        work.take(row)
    return tuple(work.steps()), work.notes


class _Assembly:
    def __init__(self, rows: Sequence[Row], path: str) -> None:
        self.path = path
        self.notes: list[Note] = []
        self.drafts: dict[str, _Draft] = {}
        self.timeline: list[_Draft | Incoming] = []
        self.placed: set[int] = set()
        self.by_call: dict[str, _Draft] = {}
        self.boundary: Boundary | None = None
        for row in rows:  # gathered first: a result may stand before the last line of its own reply
            if row.role == "assistant" and not row.placeholder:
                self.drafts.setdefault(_key(row), _Draft()).rows.append(row)

    def take(self, row: Row) -> None:
        if row.boundary is not None:
            self.boundary = row.boundary
        elif row.placeholder:
            self.note(row, "written by the client in the model's place (such as an API error); left out.")
        elif row.role == "assistant":
            self.place(self.drafts[_key(row)])
        elif row.role is not None and any(block["type"] == "tool_result" for block in row.blocks):
            self.answer(row)
        elif row.role is not None:
            self.timeline.append(self.incoming(row, row.content))

    def note(self, row: Row, text: str, rule: str | None = None) -> None:
        self.notes.append(Note(path=f"{self.path}:{row.line}", text=text, rule=rule))

    def place(self, draft: _Draft) -> None:
        if id(draft) not in self.placed:
            self.placed.add(id(draft))
            self.timeline.append(draft)
            self.by_call.update(dict.fromkeys(draft.calls, draft))

    def answer(self, row: Row) -> None:
        """Give each result of a row to the reply that made its call."""
        others = []
        target: _Draft | None = None
        for block in row.blocks:
            if block["type"] != "tool_result":
                others.append(block)
                continue
            call = block.get("tool_use_id")
            if not isinstance(call, str) or (draft := self.by_call.get(call)) is None:
                self.note(row, "a tool result without its call; left out.", "TOOL-02")
            elif call in draft.answers:
                self.note(row, "a second result for the same tool call; left out.", "TOOL-03")
            else:
                draft.answers[call] = block
                target = draft
        if target is not None:
            target.answer_rows.append(row)
            target.beside += others
            if target is not self.last_draft():
                self.note(row, "a tool result written after the next reply; moved behind its call.")
        elif others:
            self.timeline.append(self.incoming(row, others))

    def last_draft(self) -> _Draft | None:
        return next((item for item in reversed(self.timeline) if isinstance(item, _Draft)), None)

    def incoming(self, row: Row, content: Any) -> Incoming:
        boundary = None
        if row.summary:
            boundary, self.boundary = self.boundary, None
            if boundary is not None and boundary.kept:
                text = f"the compaction kept {boundary.kept} rows verbatim behind its summary; they stand only before it here."
                self.note(row, text)
        return Incoming(
            message={"role": row.role, "content": content},
            at=row.at,
            kind="compact_summary" if row.summary else "meta" if row.meta else "message",
            lines=(row.line,),
            compacted_from=boundary.tokens if boundary is not None else None,
            compact_trigger=boundary.trigger if boundary is not None else None,
        )

    def steps(self) -> list[Step]:
        steps: list[Step] = []
        for place, item in enumerate(self.timeline):
            if isinstance(item, Incoming):
                steps.append(item)
                continue
            steps.append(item.reply())
            if place + 1 < len(self.timeline):
                self.close(item)
            if item.answers:
                steps.append(item.results())
        return steps

    def close(self, draft: _Draft) -> None:
        """Answer the calls that no row answers."""
        for row in draft.rows:
            for call in row.ids("tool_use", "id"):
                if call not in draft.answers:
                    draft.answers[call] = {
                        "type": "tool_result",
                        "tool_use_id": call,
                        "is_error": True,
                        "content": UNKNOWN_RESULT,
                    }
                    self.note(
                        row, "a tool call without a result; answered with one that says it is unknown.", "TOOL-01"
                    )


def _key(row: Row) -> str:
    """What the lines of one assistant message share; a row without a message id stands alone."""
    return row.message_id or row.uuid
