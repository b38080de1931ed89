"""The list of messages that a caller keeps, held against the record: where they part, and what of it is new.

The caller sends his whole list each time. What he sent last time is remembered as he sent it, because the SDK makes new
dicts around the same strings for each request, and to compare those is cheap. Where they differ, equality is that of the
API's own prefix check (BIND-14): moved cache breakpoints, nulls and one text block for a string are no edits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ctxwindow.client.middleware.unbinding import bare
from ctxwindow.conversation import Conversation
from ctxwindow.record import block_type
from ctxwindow.record.canonical import canonical_message

__all__ = ["Line", "Match", "echoes"]


_NEW = 4
"""Messages at the end of what is known that a usual request brings back for the first time, or fewer."""


@dataclass(frozen=True)
class Match:
    """A list, and what a line has in common with it."""

    messages: Sequence[dict[str, Any]]
    common: int
    """Messages from the first on."""
    reworded: tuple[int, ...]
    """Which of them say the same in other words."""


@dataclass
class Line:
    """The caller's list as far as the record has it. Replaced, not changed, from one request to the next."""

    sent: list[dict[str, Any]]
    """His messages as he sent them last; of a reply that he has not sent back yet, the reply."""
    places: list[int | None]
    """Where in the record each of them stands; None: it does not stand there as he sent it."""
    replies: dict[int, str | None]
    """Which of them are replies of the API, with their ids."""
    evidence: int | None = None
    """Where in the record a reply stands that is not sent back, if it is the newest of all."""
    match: Match | None = None
    """What was found for the list of the request that is in hand: it is compared once."""

    @classmethod
    def of(cls, conversation: Conversation) -> Self:
        """The list that a caller has who keeps all that is said. Costs the length of the history."""
        line = cls(sent=[], places=[], replies={})
        ids = {place: event.reply_id for place, event in conversation.replies.items()}
        for place, message in enumerate(conversation.messages):
            if conversation.is_evidence(place):
                line.evidence = place if place in ids else None
            elif place in ids:
                line.reply(message, place, ids[place])
            else:
                line.extend([message], [place])
        return line

    def extend(self, messages: Sequence[dict[str, Any]], places: Sequence[int | None]) -> None:
        """Messages that the caller has sent, and where the record has them."""
        self.sent += messages
        self.places += places
        self.match = None
        if messages:
            self.evidence = None

    def reply(self, message: dict[str, Any], place: int, reply_id: str | None) -> None:
        """A reply that can be sent back."""
        self.replies = {**self.replies, len(self.sent): reply_id}  # others may be reading it
        self.extend([message], [place])

    def cut(self, match: Match) -> Line:
        """What it has in common with a list. Where that says the same in other words, its words are kept from here on."""
        length = match.common
        sent = self.sent[:length]
        for place in match.reworded:
            sent[place] = match.messages[place]
        replies = {place: found for place, found in self.replies.items() if place < length}
        evidence = self.evidence if length == len(self.sent) else None
        return Line(sent, self.places[:length], replies, evidence)

    def common(self, messages: Sequence[dict[str, Any]]) -> int:
        """How many messages from the first on are the same."""
        return self.against(messages).common

    def against(self, messages: Sequence[dict[str, Any]]) -> Match:
        """A list held against this one. Costs a comparison of all, once for each list."""
        known = self.match  # another thread may put its own there
        if known is not None and messages is known.messages:
            return known
        self.match = found = self._match(messages)
        return found

    def _match(self, messages: Sequence[dict[str, Any]]) -> Match:
        length = min(len(self.sent), len(messages))
        known = max(0, length - _NEW)  # what is new since the last request is echoed for the first time
        start = known if messages[:known] == self.sent[:known] else 0
        reworded = list[int]()
        for place in range(start, length):
            if messages[place] == self.sent[place]:
                continue
            if not self._same(place, messages[place]):
                return Match(messages, place, tuple(reworded))
            reworded.append(place)
        return Match(messages, length, tuple(reworded))

    def fits(self, messages: Sequence[dict[str, Any]], common: int) -> bool:
        """Whether a list is of this conversation: it goes on from it, repeats its last request, or goes back behind a reply.

        A beginning that holds no reply proves nothing: many conversations start alike.
        """
        length = len(self.sent)
        again = len(messages) == common == length - 1 and common in self.replies
        return common > 0 and (common == length or again or any(place < common for place in self.replies))

    def following(self, reply_id: str) -> int | None:
        """How many messages there are up to the reply of this id; None where there is none."""
        return next((place + 1 for place, found in self.replies.items() if found == reply_id), None)

    def overlap(self, messages: Sequence[dict[str, Any]]) -> int | None:
        """Where the list begins that a caller sends who trims its head: it goes on from there to the end, and on; or to the
        end but for the last reply, which he has not sent back. The longest; costs what the list costs.

        None where it does not meet what is known.
        """
        length = len(self.sent)
        end = length - 1 if length - 1 in self.replies else length
        for start in range(max(0, end - len(messages)), length):
            met = self.met(start, messages)
            if met and start + met >= end:
                return start
        return None

    def met(self, start: int, messages: Sequence[dict[str, Any]]) -> int:
        """How many messages of a list are the same as those from a place on."""
        length = min(len(self.sent) - start, len(messages))
        return next((n for n in range(length) if not self._same(start + n, messages[n])), length)

    def _same(self, place: int, message: Any) -> bool:
        known = self.sent[place]
        if message == known:
            return True
        if not isinstance(message, Mapping) or message.get("role") != known.get("role"):
            return False
        if place in self.replies and echoes(message, known):
            return True
        # What was taken in behind another prefix stands in the record without its thinking, if it is no reply.
        shown = message if place in self.replies else bare(dict(message))
        return canonical_message(known) in (canonical_message(message), canonical_message(shown))


def echoes(message: Mapping[str, Any], reply: Mapping[str, Any]) -> bool:
    """Whether a message is a reply as a caller gives it back who keeps less than all: no thinking, no blocks of the server's
    tools, or the text alone. Its calls must be there: they are answered next.
    """
    if message.get("role") != "assistant":
        return False
    theirs, ours = canonical_message(message)["content"], canonical_message(reply)["content"]
    if theirs == ours:
        return True
    left = iter(ours)
    if theirs and all(any(block == one for one in left) for block in theirs):
        return _calls(theirs) == _calls(ours)
    texts = all(isinstance(block, Mapping) and block.get("type") == "text" for block in theirs)
    return bool(theirs) and texts and not _calls(ours) and _letters(theirs) == _letters(ours)


def _calls(blocks: Iterable[Any]) -> list[Any]:
    return [block.get("id") for block in blocks if isinstance(block, Mapping) and block_type(block).family == "call"]


def _letters(blocks: Iterable[Any]) -> str:
    """The text of blocks, however they are joined."""
    texts = (block.get("text") for block in blocks if isinstance(block, Mapping) and block.get("type") == "text")
    return "".join("".join(text.split()) for text in texts if isinstance(text, str))
