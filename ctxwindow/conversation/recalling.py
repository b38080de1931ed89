"""Looking things up in a conversation: whatever was said stays to be found, on the wire or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctxwindow.conversation.core import Core
from ctxwindow.recall import Archive, Embedder, Question, Recalled, Standing, Vectors, recall
from ctxwindow.recall.answers import answer
from ctxwindow.recall.opening import Excerpt, block_behind, lines_behind, matches_behind
from ctxwindow.recall.questions import checked_kinds
from ctxwindow.recall.tool import TOOL_NAME
from ctxwindow.record import intake
from ctxwindow.tiers.pressure import longest_result
from ctxwindow.tiers.standing import standing
from ctxwindow.window import count_text

__all__ = ["Recalling"]


class Recalling(Core):
    """What was said, found by its words, by its place or by its handle."""

    def open(self, handle: str) -> dict[str, Any]:
        """The whole block behind a handle, as it was recorded: a spilled result, or any that recall has told.

        Raises:
            MisuseError: the handle is no string.
            ProtocolError: no block of this conversation has that handle, or it is thinking, which is never shown.
        """
        return block_behind(self._state.messages, handle)

    def recall(
        self,
        query: str = "",
        *,
        k: int = 10,
        around: int = 0,
        handle: str | None = None,
        kinds: Iterable[str] | None = None,
        tool: str | None = None,
        first: int | None = None,
        end: int | None = None,
        since: float | None = None,
        until: float | None = None,
        embedder: Embedder | Vectors | None = None,
    ) -> list[Recalled]:
        """What was said about something, best first; without a query, what the filters let through, newest first.

        Filters combine. Thinking is never found. The first call reads the whole record; later ones what is new.

        Args:
            query: any text; it is looked for by its words, whole and in parts. A handle alone stands for what it names.
            k: the most texts to return, up to 1,000.
            around: messages before and after each hit to show the opening of, up to 20.
            handle: only this message or block (`m12`, `m12.3`), or summary (`s0-12`).
            kinds: only blocks of these types (`text`, `tool_use`, `tool_result`, ...), or `summary`.
            tool: only calls and results of this tool.
            first: only messages from this record index on ...
            end: ... and before this one.
            since: only what was said at or after this time, in seconds since the epoch ...
            until: ... and at or before this one. What has no time is left out where either is given.
            embedder: an embedding model of yours, to search by meaning too. Its vectors are kept while it is the one
                that is passed; pass `Vectors` to keep them yourself.

        Raises:
            MisuseError: an argument is of the wrong type, or the embedder failed its promise. The text of a query is
                never refused.
            ProtocolError: nothing in this conversation has the handle.
        """
        ask = Question(
            query=query,
            k=k,
            around=around,
            handle=handle,
            kinds=checked_kinds(kinds),
            tool=tool,
            first=first,
            end=end,
            since=since,
            until=until,
        )
        if embedder is not None:
            self._vectors = Vectors.of(embedder, self._vectors)
        return recall(*self._recallable(), ask, self._vectors if embedder is not None else None)

    def open_lines(self, handle: str, first: int, last: int) -> Excerpt:
        """The lines from `first` to `last` (from 1, both included) of the text behind a handle, spilled or not.

        Raises:
            MisuseError: an argument is of the wrong type.
            ProtocolError: nothing in this conversation has the handle.
        """
        return lines_behind(self._recallable()[0], handle, first, last)

    def open_matches(self, handle: str, pattern: str, *, context: int = 2, most: int = 100) -> Excerpt:
        """The first `most` lines of the text behind a handle that match a pattern, with `context` lines around each.

        The pattern is a regular expression that can be matched in linear time (see `ctxwindow.recall.pattern`); any other
        text is looked for as it is.

        Raises:
            MisuseError: an argument is of the wrong type.
            ProtocolError: nothing in this conversation has the handle.
        """
        return matches_behind(self._recallable()[0], handle, pattern, context=context, most=most)

    def answer_recall(self, call: Any) -> dict[str, Any]:
        """The tool result that answers the model's call of the recall tool: append it in a user message.

        It is bounded (see `ctxwindow.recall.answers`), and whatever the model asked for, it is an answer: a mistake comes
        back with `is_error`.

        Args:
            call: the `tool_use` block, a dict or an SDK object.

        Raises:
            ProtocolError: the block is no call of the recall tool.
        """
        state, tokenizer = self._state, self._state.profile.tokenizer
        archive, now = self._recallable()
        return answer(
            archive,
            now,
            intake(call, "call"),
            room=self._limit(0) - state.wire.ledger.total.tokens,
            count=lambda text: count_text(text, tokenizer).high,
            most=longest_result(state, self._limit(state.last.max_tokens if state.last is not None else 0)),
        )

    def _recallable(self) -> tuple[Archive, Standing]:
        """Everything that was said, and how things stand now."""
        if self._archive is None:
            self._archive = Archive(TOOL_NAME if self.policy.recall else None)
            self._archive.follow(self._log.path(len(self._log)))
        else:  # since it was made, all is on one branch
            self._archive.follow(self._log.events[self._archived :])
        self._archived = len(self._log)
        # A store's index holds every branch, and what was said on another was not said here.
        whole = self._log.straight and self._kept == len(self._log)
        return self._archive, standing(self._state, searcher=self.searcher if whole else None, version=self._kept)
