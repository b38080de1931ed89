"""Which rows of a Claude Code session make up which conversation.

The rows form trees through `parentUuid`. A conversation is the way from its last message back to the root,
through `logicalParentUuid` where a compaction starts a new root. Beside that way lie

- rows that belong to it: further lines of an assistant message on it (they share `message.id`), the results of
  parallel calls (each hangs on the line of its own call) and meta rows that explain such a call;
- abandoned branches: what was said before the user went back, and retries.

A parent that is not there (seen in 2.1.29 to 2.1.45: the client names a row it never wrote) is taken to be the row before
in the file. A new root that no compaction explains is a new conversation in the same file: the
context was cleared, as when a plan is accepted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from ctxwindow.transcripts.rows import Row
from ctxwindow.transcripts.session import Note

__all__ = ["Conversation", "conversations"]


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one conversation in file order, those that are no messages included."""

    id: str
    sidechain: bool
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]
    complete: bool
    """False if it began before its first row, outside this file."""


def conversations(rows: Sequence[Row], path: str) -> list[Conversation]:
    """The conversations of a session that hold any message, in the order of their last rows; ids are unique."""
    everywhere = {row.uuid: row for row in rows}
    groups: dict[tuple[bool, str | None], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    found = [
        conversation for group in groups.values() for conversation in _Group(group, everywhere, path).conversations()
    ]
    found.sort(key=lambda conversation: conversation.rows[-1].order)
    taken: set[str] = set()
    for at, conversation in reversed(list(enumerate(found))):
        # The session's or agent's own id goes to the last conversation that has it.
        if conversation.id in taken:
            found[at] = msgspec.structs.replace(conversation, id=conversation.rows[0].uuid)
        taken.add(conversation.id)
    return found


class _Group:
    """The rows of the main line, of one subagent, or of all subagents without an id."""

    def __init__(self, rows: list[Row], everywhere: dict[str, Row], path: str) -> None:
        self.rows = rows
        self.everywhere = everywhere
        self.path = path
        self.by_uuid = {row.uuid: row for row in rows}
        self.notes: dict[str, list[str]] = defaultdict(list)
        """What was mended, by the uuid of the row it was mended at."""
        self.headless: set[str] = set()
        self.unlinked = False
        self.parents = self._parents()

    def conversations(self) -> Iterable[Conversation]:
        trees: dict[str, list[Row]] = defaultdict(list)
        roots: dict[str, str] = {}
        for row in self.rows:
            trees[self._root(row.uuid, roots)].append(row)
        for tree in trees.values():
            messages = [row for row in tree if row.role is not None]
            if messages:
                yield self._conversation(tree, messages)

    def _conversation(self, tree: list[Row], messages: list[Row]) -> Conversation:
        chain = self._chain(messages[-1].uuid)
        chain |= _beside(chain, messages)
        members = tuple(row for row in tree if row.uuid in chain)
        notes = [
            Note(path=f"{self.path}:{row.line}", text=text) for row in members for text in self.notes.get(row.uuid, ())
        ]
        left = [row for row in messages if row.uuid not in chain]
        if left:
            replies = len({row.message_id or row.uuid for row in left if row.role == "assistant"})
            text = f"{len(left)} rows from here on, {replies} replies among them, lie on abandoned branches; left out."
            notes.append(Note(path=f"{self.path}:{left[0].line}", text=text))
        first, leaf = members[0], members[-1]
        sidechain, agent = first.group
        return Conversation(
            id=agent or (first.uuid if sidechain else leaf.session or first.uuid),
            sidechain=sidechain,
            rows=members,
            notes=tuple(notes),
            complete=self.headless.isdisjoint(chain),
        )

    def _parents(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        before: Row | None = None
        for row in self.rows:
            found[row.uuid] = self._parent(row, before)
            before = row
        return found

    def _parent(self, row: Row, before: Row | None) -> str | None:
        """The row that this one follows, after mending."""
        if row.parent in self.by_uuid:
            return row.parent
        if row.parent is None and row.linked and row.boundary is None:
            return None
        if row.parent is None and row.logical in self.by_uuid:
            return row.logical
        if row.parent in self.everywhere and row.group[0]:
            # A subagent that was forked off another thread's history, which it does not repeat.
            self._begins_outside(row, "in another thread of this file")
            return None
        # Subagents without an id share a group: the row before may be another one's.
        if before is None or (row.linked and row.group == (True, None)):
            if row.linked:
                self._begins_outside(row, "outside this file")
            return None
        if row.linked:
            self.notes[row.uuid].append(
                f"its parent is not among the rows of this conversation; taken to follow line {before.line}."
            )
        elif not self.unlinked:
            self.unlinked = True
            self.notes[row.uuid].append("from here on there are rows that name no parent; taken in file order.")
        return before.uuid

    def _begins_outside(self, row: Row, where: str) -> None:
        self.headless.add(row.uuid)
        self.notes[row.uuid].append(f"the conversation begins {where}; what came before this row is unknown.")

    def _chain(self, leaf: str) -> set[str]:
        chain: set[str] = set()
        at: str | None = leaf
        while at is not None:
            chain.add(at)
            at = self.parents[at]
        return chain

    def _root(self, uuid: str, roots: dict[str, str]) -> str:
        """The root of a row's tree; `roots` remembers what was found, so that a file takes linear time."""
        way: list[str] = []
        seen: set[str] = set()
        at = uuid
        while at not in roots:
            way.append(at)
            seen.add(at)
            parent = self.parents[at]
            if parent is None or parent in seen:
                if parent is not None:
                    self._circle(at)
                roots[at] = at
                break
            at = parent
        for step in way:
            roots[step] = roots[at]
        return roots[at]

    def _circle(self, uuid: str) -> None:
        """Cut a circle of parents open, at a row that becomes a root."""
        self.parents[uuid] = None
        self._begins_outside(self.by_uuid[uuid], "nowhere (its rows name each other as parents in a circle)")


def _beside(chain: set[str], messages: list[Row]) -> set[str]:
    """The rows that belong to a chain though they hang beside it."""
    ids = {row.message_id for row in messages if row.uuid in chain and row.message_id is not None}
    mine = [row for row in messages if row.uuid in chain or row.message_id in ids]
    found = {row.uuid for row in mine}
    calls = {call for row in mine if row.role == "assistant" for call in row.ids("tool_use", "id")}
    answered = {call for row in mine for call in row.ids("tool_result", "tool_use_id")}
    for row in messages:
        if row.uuid in found or row.role == "assistant":
            continue
        results = row.ids("tool_result", "tool_use_id")
        wanted = calls.intersection(results) - answered
        if wanted or (row.meta and row.call in calls):
            found.add(row.uuid)
            answered |= wanted
    return found
