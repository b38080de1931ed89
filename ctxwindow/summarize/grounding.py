"""What a segment says, for the check of a summary: whose sentences a sentence of the summary is near to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ctxwindow.summarize.instruction import ASKED
from ctxwindow.summarize.negation import marks
from ctxwindow.summarize.passages import prose
from ctxwindow.summarize.progress import Progress
from ctxwindow.summarize.ranking import Line
from ctxwindow.summarize.sections import sections_of
from ctxwindow.summarize.source import pieces, sendable
from ctxwindow.tiers.segment import Segment

__all__ = ["Source", "sentences_in"]

NEAR = 0.75
"""The share of the runs of three words of a sentence that must stand in one sentence of the source: an ellipsis or a mended
typo breaks a few runs, an invented sentence has none."""

ABOUT = 0.5
"""The share of the long words of a sentence on what the user wants that must stem from the user's words."""

FOUNDED = 0.34
"""The share of the words of a line that must stem from the segment, or from the English request for the summary. A line in
another language than both has next to none."""

_RUN = 3
_LONG = 5  # letters of a word that says what a sentence is about
_STEM = 4  # letters by which such words are compared: fix, fixes and fixing are one
_TYPO = 5  # letters of a word in which one may be wrong
_FEW = 4  # words of a line below which its language cannot be told
_ANY_LENGTH = 1_000_000

_WORD = re.compile(r"[^\W_]+")


class _Sentences:
    """Sentences that may be quoted. The index is made when the first is sought that does not stand there letter by letter."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.exact = frozenset(text.strip() for text in texts)
        self._words: list[list[str]] = []
        self._texts: list[str] = []
        self._with: dict[str, list[int]] = {}

    def has_near(self, sentence: str) -> bool:
        """Whether one of them says the same in nearly the same words: with the same negations and no other word.

        A word that is not in it may only be a mended typo, since one word makes the opposite (enable, disable).
        """
        said = _words(sentence)
        if not said or sentence.strip() in self.exact:
            return True
        self._index()
        wanted = marks(sentence)
        return any(
            wanted == marks(self._texts[at]) and _stems_from(said, frozenset(self._words[at]))
            for at in self._candidates(said)
        )

    def _candidates(self, said: list[str]) -> list[int]:
        runs = list(_runs(said))
        if not runs:
            whole = _joined(said)
            return [at for at, words in enumerate(self._words) if whole in _joined(words)]
        shared = Counter(at for run in runs for at in self._with.get(run, ()))
        return [at for at, count in shared.items() if count >= NEAR * len(runs)]

    def _index(self) -> None:
        if self._texts:
            return
        self._texts = sorted(self.exact)
        for at, text in enumerate(self._texts):
            words = _words(text)
            self._words.append(words)
            for run in frozenset(_runs(words)):
                self._with.setdefault(run, []).append(at)


class Source:
    """What a segment says, what of it the user said, and what the model."""

    def __init__(self, segment: Segment, lines: Sequence[Line], shown: Progress) -> None:
        previous = sendable(segment.previous or "")
        said = (
            f"{piece.label} {piece.text}" if piece.label else piece.text
            for piece in pieces(segment.messages, segment.messages_from)
        )
        self.text = "\n".join((previous, *said))
        self.plain = " ".join(self.text.split())
        self.words = _joined(_words(self.text))
        # What the user said before is what the summary before quotes; one without sections may do so anywhere.
        sectioned = any(heading for heading, _ in sections_of(previous, several=True))
        users = [
            line.text
            for line in lines
            if line.work == "user" or (line.earlier and not sectioned and line.kind is not None)
        ]
        spoken = [line.text for line in lines if line.work == "assistant" and line.kind not in (None, "code", "call")]
        self.users = _Sentences(users)
        self.own = _Sentences([*users, *spoken, *(item.text for item in shown.items)])
        self.everything = _Sentences(line.text for line in lines)
        self.newest = {line.text: line.message for line in lines}
        self._stems = frozenset(word[:_STEM] for word in _words(f"{self.text}\n{ASKED}"))
        self._wishes = [(_long_stems(text), bool(marks(text))) for text in users]

    def is_about(self, wish: str) -> bool:
        """Whether what a sentence says of the user's wishes comes from the user's words, and is not their opposite."""
        long = _long_stems(wish)
        if not long:
            return True
        if sum(any(stem in stems for stems, _ in self._wishes) for stem in long) < ABOUT * len(long):
            return False
        most = max(len(long & stems) for stems, _ in self._wishes)
        return any(negated == bool(marks(wish)) for stems, negated in self._wishes if len(long & stems) == most)

    def is_founded(self, line: str) -> bool:
        """Whether the words of a line are of the conversation's language, or of the request's."""
        words = [word for word in _words(line) if not word.isnumeric()]
        return len(words) < _FEW or sum(word[:_STEM] in self._stems for word in words) >= FOUNDED * len(words)

    def quotes(self, line: str) -> bool:
        """Whether a line is anybody's words: for what is quoted as such."""
        return _joined(_words(line)) in self.words or self.everything.has_near(line)


def sentences_in(line: str) -> Iterator[str]:
    """The sentences of a line of a summary."""
    return (text for text, _ in prose(line, _ANY_LENGTH))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _joined(words: Iterable[str]) -> str:
    """Words in a form in which a run of them is found as a whole."""
    return f" {' '.join(words)} "


def _runs(words: list[str]) -> Iterator[str]:
    return (" ".join(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))


def _long_stems(text: str) -> frozenset[str]:
    return frozenset(word[:_STEM] for word in _words(text) if len(word) >= _LONG)


def _stems_from(said: Iterable[str], words: frozenset[str]) -> bool:
    """Whether every word is among the others, or one letter from one of them."""
    return all(word in words or any(_is_typo(word, other) for other in words) for word in said)


def _is_typo(word: str, other: str) -> bool:
    """Whether two words of some length differ by one letter, which is another, or too many; or by two that changed places."""
    short, long = sorted((word, other), key=len)
    if len(short) < _TYPO or len(long) - len(short) > 1:
        return False
    at = next((at for at, pair in enumerate(zip(short, long, strict=False)) if pair[0] != pair[1]), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    swapped = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return swapped or short[at + 1 :] == long[at + 1 :]
