"""What a store is: an append-only log of rows per conversation, with full text search over them.

A store knows nothing of event types. It keeps rows (opaque JSON bytes with a name and a time),
in order, and the texts that the writer wants found again. Three laws of the design rest here:
nothing is lost (1), crash-safe (10), isolated (11).

The order of the log is the order of `seq`, which counts 1, 2, 3 ... without gaps in each
conversation. A writer says which `seq` it has seen last (`expect`), as with an HTTP If-Match: if
another writer was faster it gets a `StoreConflict`, and nothing is written. So two processes that
resume the same conversation cannot interleave.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from ctxwindow.errors import MisuseError, StoreConflict
from ctxwindow.stores.holds import Hold
from ctxwindow.window.memo import TextCount

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = [
    "ConversationInfo",
    "Hit",
    "Row",
    "Store",
    "Text",
    "check_conversation",
    "check_counts",
    "check_needle",
    "check_rows",
    "check_search",
    "conflict",
]

# Long enough for a URL or a path; short enough that a message passed by mistake is refused.
MAX_ID_CHARS = 1024


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """One text to be found again by `search` and `contains`.

    Attributes:
        path: where it is in the conversation, such as `messages.12.content.0`.
        kind: what it is, such as `text`, `tool_result`, `tool_use` or `summary`; `search` filters by it.
        text: the text; lone surrogates, NUL and any size are taken (`search` sees the first and last
            million characters of a longer one, `contains` all of it). Pass decoded strings, not JSON
            source: an escape such as backslash-n would stick to the word after it.
    """

    path: str
    kind: str
    text: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the log.

    Attributes:
        seq: its place in the conversation, from 1, without gaps.
        kind: the event's name.
        payload: opaque JSON bytes (UTF-8; a lone surrogate stands inside as an escape). Kept byte for byte.
        at: when, in seconds since the epoch, as the caller says.
        texts: what to index of it. Written, never read back: the payload is the record.
    """

    seq: int
    kind: str
    payload: bytes
    at: float
    texts: tuple[Text, ...] = ()


class ConversationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list of conversations.

    Attributes:
        id: the caller's name for it.
        version: its last `seq`.
        created_at: `at` of its first row.
        updated_at: `at` of its last row.
        events: how many rows it has.
    """

    id: str
    version: int
    created_at: float
    updated_at: float
    events: int


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One text that `search` found.

    Attributes:
        conversation: the conversation searched.
        seq: the row that holds it.
        path: `Text.path`.
        kind: `Text.kind`.
        snippet: the part of the text with the best matches, at most some 400 characters, with an ellipsis
            where it was cut. For reading: lone surrogates are replaced.
        score: BM25, higher is better; comparable within one search only.
        at: `Row.at` of that row.
    """

    conversation: str
    seq: int
    path: str
    kind: str
    snippet: str
    score: float
    at: float


@runtime_checkable
class Store(Protocol):
    """Where records live. Every method may raise `StoreUnavailable`; misuse raises `MisuseError`.

    A store may be used from several threads at once. It is a context manager that closes itself.
    """

    def append(self, conversation: str, rows: Sequence[Row], *, expect: int, counts: Sequence[TextCount] = ()) -> int:
        """Append rows to the log, all or none, and return the new last `seq`.

        When this returns, the rows survive the end of the process and of the machine (as far as the
        kind of store goes: memory does not). Without rows the log stays as it is: `expect` is checked, and
        a conversation that exists is given the counts that it has not.

        Args:
            conversation: any name of 1 to 1,024 characters; a new one starts a conversation.
            rows: in order, `seq` from `expect + 1` on.
            expect: the last `seq` that the writer has seen, 0 for a new conversation.
            counts: exact counts of texts of the conversation, kept beside the log; they go with it.

        Raises:
            StoreConflict: the conversation's last `seq` is not `expect`; nothing was written.
            MisuseError: rows out of order, or of types that cannot be stored; nothing was written.
        """
        ...

    def read(self, conversation: str, *, after: int = 0) -> Iterator[Row]:
        """The rows with `seq > after`, in order, without their texts (`texts == ()`).

        A stream: a few rows are in memory at a time. It ends at the last row that was there when the
        first one was asked for. An unknown conversation has no rows.

        Raises:
            StoreConflict: the conversation was purged meanwhile.
            HistoryError: the log has a hole; someone has changed the database by other means.
        """
        ...

    def counts(self, conversation: str) -> list[TextCount]:
        """All counts that were appended to this conversation; none for an unknown conversation."""
        ...

    def version(self, conversation: str) -> int:
        """The last `seq` of a conversation, 0 when it is unknown."""
        ...

    def conversations(self) -> list[ConversationInfo]:
        """All conversations, the most recently updated first."""
        ...

    def search(self, conversation: str, query: str, *, k: int = 10, kinds: Collection[str] | None = None) -> list[Hit]:
        """The `k` best texts of this one conversation for a query, best first, newer first when equal.

        There is no query syntax: any string is looked for by its words. Words, numbers, paths,
        snake_case and camelCase match whole and by their parts. Ranking is BM25 over this conversation
        alone, so what other conversations hold changes neither the hits nor their scores (law 11).

        Args:
            conversation: the only conversation searched.
            query: any string whatever; one without a word or number finds nothing.
            k: the most hits to return.
            kinds: look only at texts of these kinds; None for all.
        """
        ...

    def contains(self, conversation: str, needle: str) -> bool:
        """Whether any indexed text of this conversation has `needle` in it, character for character."""
        ...

    def hold(self, conversation: str) -> Hold | None:
        """The right to go on with a conversation, or None while somebody else has it. Never waits.

        Whoever pays for replies, summaries and tools should hold the conversation meanwhile, so that no other thread,
        store object or process pays for the same. It is a right among those who ask for it: every method works
        without, and what keeps two writers apart is `expect` of `append`. A crash leaves nothing held.

        Args:
            conversation: any name of 1 to 1,024 characters; it need not exist yet, and a purge does not end its hold.

        Raises:
            StoreUnavailable: whether it is held cannot be known.
        """
        ...

    def purge(self, conversation: str) -> None:
        """Delete a conversation: log, index, everything, leaving no bytes in the store's files.

        The only thing that deletes. An unknown conversation is no error. The name is free again after.
        """
        ...

    def close(self) -> None:
        """Let go of the store and of its holds; closing twice is no error, any other use after it is a `MisuseError`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def conflict(conversation: str, *, version: int, expect: int) -> StoreConflict:
    """The error for a writer that has not seen the last row."""
    return StoreConflict(
        f"the conversation is at event {version} and the writer expected {expect}; nothing was written.",
        path=f"conversation {conversation!r}",
        remedy="Read the events after yours and plan again.",
    )


def check_conversation(conversation: str) -> None:
    """Refuse what cannot name a conversation."""
    if not _is_name(conversation) or not 0 < len(conversation) <= MAX_ID_CHARS:
        raise MisuseError(
            f"a conversation's name is a string of 1 to {MAX_ID_CHARS:,} characters without lone surrogates.",
            path="conversation",
            remedy="Use an id of your own, such as a UUID.",
        )


def check_rows(conversation: str, rows: Sequence[Row], expect: int) -> None:
    """Refuse rows that no store could keep exactly, before anything is written.

    Raises:
        MisuseError: naming the row (`rows.2.payload`), never its content.
    """
    check_conversation(conversation)
    if not _is_int(expect) or expect < 0:
        raise MisuseError("the last seen event is a number from 0 on.", path="expect", remedy="Pass `version(...)`.")
    for index, row in enumerate(rows):
        _check_row(row, f"rows.{index}", expect + 1 + index)


def check_counts(counts: Sequence[TextCount]) -> None:
    """Refuse counts that no store could keep exactly; the error names the first one (`counts.2`)."""
    for index, count in enumerate(counts):
        known = _is_name(count.vocabulary) and type(count.text) is bytes
        if not (known and _is_int(count.tokens) and 0 <= count.tokens < 1 << 63):
            raise MisuseError("a count is a name, a hash as bytes, and tokens from 0 on.", path=f"counts.{index}")


def check_search(conversation: str, query: str, k: int, kinds: Collection[str] | None) -> None:
    """Refuse arguments of the wrong type; the text of a query is never refused."""
    check_conversation(conversation)
    if not _is_str(query):
        raise MisuseError("a query is a string.", path="query")
    if not _is_int(k):
        raise MisuseError("the number of hits is an integer.", path="k")
    if isinstance(kinds, str):  # a str is a collection of its letters: it would find nothing, silently
        raise MisuseError("kinds is a collection of strings, not one string.", path="kinds", remedy="Write {kind}.")
    if kinds is not None and not all(map(_is_name, kinds)):
        raise MisuseError("kinds is a collection of strings without lone surrogates.", path="kinds")


def check_needle(conversation: str, needle: str) -> None:
    """Refuse arguments of the wrong type; any string may be looked for."""
    check_conversation(conversation)
    if not _is_str(needle):
        raise MisuseError("what to look for is a string.", path="needle")


def _check_row(row: Row, where: str, seq: int) -> None:
    if not _is_int(row.seq) or row.seq != seq:
        raise MisuseError(
            f"the event should have the number {seq}: numbers follow `expect` without gaps.", path=f"{where}.seq"
        )
    if not _is_name(row.kind):
        raise MisuseError("an event's name is a string without lone surrogates.", path=f"{where}.kind")
    if type(row.payload) is not bytes:  # structs do not check types; a bytearray could change later
        raise MisuseError("a payload is JSON as bytes.", path=f"{where}.payload", remedy="Encode it first.")
    if not _is_time(row.at):
        raise MisuseError("a time is a finite number of seconds since the epoch.", path=f"{where}.at")
    for index, text in enumerate(row.texts):
        if not (_is_name(text.path) and _is_name(text.kind)):
            raise MisuseError("path and kind are strings without lone surrogates.", path=f"{where}.texts.{index}")
        if not _is_str(text.text):
            raise MisuseError("a text is a string.", path=f"{where}.texts.{index}.text")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int larger than any float
        return False


def _is_str(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    """Whether this is a string that UTF-8 can say, that is, one without lone surrogates."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False
