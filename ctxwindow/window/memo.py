"""The exact counts of one conversation's texts, so that each text is counted once in its life.

A conversation counts its texts inside `using`: what its store told is found again, what is new is noted for the next
time it is kept. A count belongs to the vocabulary that made it; one of another version is never found (law 8). Nothing
but speed depends on a memo: a text that is not in it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

__all__ = ["Memo", "TextCount", "current"]


class TextCount(msgspec.Struct, frozen=True):
    """The exact count of one text.

    Attributes:
        vocabulary: the tokenizer and the version of the vocabulary that counted.
        text: a hash of the text, 16 bytes.
        tokens: its tokens as the content of a message.
    """

    vocabulary: str
    text: bytes
    tokens: int


class Memo:
    """Exact counts of one conversation."""

    def __init__(self, told: Iterable[TextCount] = ()) -> None:
        """`told`: what a store has already."""
        self._known: dict[str, dict[bytes, int]] = {}
        self._new: list[TextCount] = []
        self.tell(told)

    def tell(self, counts: Iterable[TextCount]) -> None:
        """Take in what a store has already."""
        told = dict.fromkeys(counts)
        for count in told:
            self._known.setdefault(count.vocabulary, {})[count.text] = count.tokens
        self._new = [count for count in self._new if count not in told]

    def find(self, vocabulary: str, text: bytes) -> int | None:
        """The tokens of a text, where they are known."""
        return self._known.get(vocabulary, {}).get(text)

    def note(self, vocabulary: str, text: bytes, tokens: int) -> None:
        """A text was counted, here or elsewhere."""
        known = self._known.setdefault(vocabulary, {})
        if text not in known:
            known[text] = tokens
            self._new.append(TextCount(vocabulary, text, tokens))

    @property
    def new(self) -> tuple[TextCount, ...]:
        """What no store has yet."""
        return tuple(self._new)

    def mark_kept(self) -> None:
        """A store has all of it."""
        self._new.clear()

    @contextmanager
    def using(self) -> Iterator[None]:
        """Texts counted inside are looked up and noted here."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Memo | None] = ContextVar("memo", default=None)


def current() -> Memo | None:
    """The memo in use, if any."""
    return _current.get()
