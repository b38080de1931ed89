"""An exact token count through ctok's vocabulary, six to ten times as fast as ctok's own, thirty where words are known.

ctok writes a text as a stream of characters and markers (a word opens with a word mark and closes with an end mark;
case marks stand before the word mark; one space between two marks is the seam and is not written), and counts the
fewest pieces of its vocabulary that cover the stream. Both steps are local, which is what makes this fast:

- **Tiling.** If no piece of the vocabulary goes across some place of the stream, what is left of it and what is right
  of it are covered apart, and their counts add up. `_UNITS` cuts at such places: around words, ASCII digits, white
  space and ideographs. That no piece goes across is proven from the vocabulary when it is loaded (each piece is one
  unit by the same expression); with a vocabulary that does not allow it, ctok counts by itself.
- **Marking.** What ctok writes for the text between two runs of white space (a *chunk*) follows from the chunk and from
  the white space beside it: no rule of `ctok.normalize` looks further. So a chunk is marked and tiled once and
  remembered. Chunks of common letters, ASCII digits, punctuation and ideographs are marked here, all others by ctok.

The vocabulary, the normalization and the marking of case are ctok's own, imported and not copied; equality is tested
over ctok's character repertoire and on recorded texts. Time is linear in the length of the text except for
normalization, which is quadratic in a run of combining marks; `ctxwindow.window.tokens` keeps such runs away.

Memory: `_REMEMBERED` chunks and as many units, of at most `_LONGEST` characters: for each vocabulary 11 MB with source
code, 79 MB with the rarest characters, beside the vocabulary's own 60 and 13 MB. What is full is emptied.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar

__all__ = ["Tiling", "tiling"]

_REMEMBERED = 1 << 16
_LONGEST = 128

_BOW, _EOW, _SHIFT, _CAPS = "\ufdd0", "\ufdd1", "\ufdd3", "\ufdd4"  # ctok's marks inside a stream
_MARKS = _BOW + _EOW + _SHIFT + _CAPS

# Characters as ctok treats them, after its normalization; the tests hold each range to `ctok.normalize`.
_SPACES = " \t\n\u3000"  # all white space that normalization leaves
_LETTERS = (  # take a word mark and an end mark: Latin, Greek, Cyrillic, Hebrew, Arabic, kana
    "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5"
    "\u0400-\u0481\u048a-\u052f\u05d0-\u05ea\u0620-\u064a\u1e00-\u1eff\u3041-\u3096\u30a1-\u30fa\u30fc-\u30fe"
)
_PUNCTUATION = (  # takes a mark on a side that borders a space
    "!-/:-@\\[-`{-~\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7"
    "\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u23ff\u2500-\u2767\u2794-\u27ff\uff01-\uff0f\uff1a-\uff20"
)
_IDEOGRAPHS = "\u3001-\u3029\u3030-\u303f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"  # take no mark

_GAPS = re.compile(f"([\t\n\u3000][{_SPACES}]*| [{_SPACES}]+)")
"""White space other than one space between two chunks."""
_UNITS = re.compile(
    f"[0-9]+|[{_IDEOGRAPHS}]| +|\n+|\t+|\u3000+|[{_SHIFT}{_CAPS}]*{_BOW}?[^{_MARKS}0-9{_SPACES}{_IDEOGRAPHS}]*{_EOW}?"
)
"""What the stream is cut into; the last kind matches nothing at the end."""
_PLAIN = re.compile(f"[{_LETTERS}{_PUNCTUATION}{_IDEOGRAPHS}0-9]+")
"""A chunk that is marked here."""
_WORDS = re.compile(f"(?<![{_PUNCTUATION}])'(s|t|d|m|ll|re|ve)(?![{_LETTERS}])|[{_LETTERS}]+")
"""What is marked as a word: contracted words (whose apostrophe is their boundary, and stands alone), and words."""
_PUNCTUATED = re.compile(f"[{_PUNCTUATION}]")
_OPENS_WORD = re.compile(f"'[{_LETTERS}]")
_LONG_RUN = 1_024
_RUNS = re.compile(rf"(.)(?<!\1\1)\1{{{_LONG_RUN - 1},}}", re.DOTALL)  # from a run's beginning: elsewhere is quadratic
_LITERAL_MARKS = re.compile("[\ufdd0-\ufdd4]")

# What stands beside a chunk. The names are parts of keys: no chunk holds white space.
_SPACE, _BREAK, _HEAD = "", "\n", "\t"
"""One space (or, on the left, a longer gap that ends in one); anything else; the frame of the message."""

_Measure: TypeAlias = tuple[int, bool, bool]
"""Of a chunk: its tokens, and whether its stream begins and ends with a mark."""

_Known = TypeVar("_Known")

_NOTHING: _Measure = (0, False, False)


class Tiling:
    """Counts tokens with one of ctok's vocabularies. May be used from several threads."""

    def __init__(self, model: Any) -> None:
        """`model`: a loaded vocabulary of ctok, of a family whose frame ends in a word mark."""
        self._model = model
        self._vocabulary: frozenset[str] = model.vocab
        self._normalize = importlib.import_module("ctok.normalize")
        self._engine = importlib.import_module("ctok.engine")
        self._chunks: dict[str, _Measure] = {}
        self._units: dict[str, int] = {}
        self._widest = max(map(len, self._vocabulary))
        self.separable = all(map(_UNITS.fullmatch, self._vocabulary))

    def count(self, text: str, *, bow: bool) -> int:
        """Tokens of a text as the content of one message, without the frame. Any string is counted.

        Args:
            text: the content.
            bow: whether the frame ends in a word mark, which takes one leading space of the text for its own.
        """
        body = self._normalized(text)
        length = len(body)
        body = body.rstrip("\n")
        tokens = self._line_breaks(length - len(body))
        if bow and self._normalize.raw_head_space(text) and body[:1] == " " and body[1:2] != " ":
            body = body[1:]
        if not body:
            return tokens + bow
        if bow and body[0] in _SPACES and body[0] != " ":
            tokens += 1  # the frame's word mark, which nothing takes
        return tokens + self._body(body, _HEAD if bow else _BREAK)

    def _normalized(self, text: str) -> str:
        """As ctok normalizes it, but for `str.translate`, which is slow."""
        norm: str = self._normalize.nfc(text, fold_quotes=False)
        if self._model.fold_quotes:
            for quote, straight in self._normalize.QUOTE_FOLD.items():
                norm = norm.replace(chr(quote), straight)
        if _LITERAL_MARKS.search(norm):
            norm = norm.translate(self._normalize.LITERAL_MARKER_ESCAPE_TABLE)
        return norm

    def _line_breaks(self, number: int) -> int:
        """Trailing line breaks merge with the two that the frame adds, of which one token is the frame's."""
        return self._unit("\n" * (number + 2)) - 1 if number else 0

    def _body(self, body: str, left: str) -> int:
        tokens = 0
        parts = _GAPS.split(body)  # a line, a gap, a line ...
        parts.append("\n")
        for line, gap in zip(parts[::2], parts[1::2], strict=True):
            right = _SPACE if gap[0] == " " and gap[1:2] != " " else _BREAK
            if line:
                tokens += self._line(line, left, right)
            tokens += self._units.get(gap) or self._gap(gap)
            left = _SPACE if gap[-1] == " " else _BREAK
        return tokens - 1  # the gap that was added

    def _line(self, line: str, left: str, right: str) -> int:
        """Tokens of chunks with one space between each two."""
        keys = line.split(" ")
        keys[0] = left + keys[0]
        keys[-1] += right
        known = self._chunks.get
        tokens, marked = -1, False
        for key in keys:
            count, opens, closes = known(key) or self._chunk(key)
            # A space between two marks is the seam and costs nothing.
            tokens += count if marked and opens else count + 1
            marked = closes
        return tokens

    def _gap(self, gap: str) -> int:
        """Tokens of white space, remembered among the units that it is made of."""
        tokens = self._stream(gap)
        _remember(self._units, gap, tokens)
        return tokens

    def _chunk(self, key: str) -> _Measure:
        """A chunk with what stands beside it as the first and the last character, where that is no space."""
        chunk = key.strip(_BREAK + _HEAD)
        if not chunk:
            return _NOTHING  # before a leading space and behind a trailing one
        left = key[0] if key[0] in (_BREAK, _HEAD) else _SPACE
        stream = self._marked(chunk, left, _BREAK if key[-1] == _BREAK else _SPACE)
        measure = self._stream(stream), stream[0] in _MARKS, stream[-1] == _EOW
        _remember(self._chunks, key, measure)
        return measure

    def _marked(self, chunk: str, left: str, right: str) -> str:
        """The stream of a chunk; a space that no mark takes is not part of it."""
        if not _PLAIN.fullmatch(chunk):
            return self._marked_by_ctok(chunk, left, right)
        stream = _WORDS.sub(self._word, chunk)
        quoted = _OPENS_WORD.match(chunk)  # an apostrophe before a word takes no mark
        if left != _BREAK and not quoted and _PUNCTUATED.match(chunk):
            stream = _BOW + stream
        if right == _SPACE and _PUNCTUATED.match(chunk[-1]):
            stream += _EOW
        if left == _HEAD and stream[0] not in _MARKS:
            stream = (" " if quoted else _BOW) + stream
        return stream

    def _marked_by_ctok(self, chunk: str, left: str, right: str) -> str:
        """As ctok marks the chunk between two words, whose streams are then taken away."""
        before, after = {_SPACE: "a ", _BREAK: "a\n", _HEAD: ""}[left], {_SPACE: " a", _BREAK: "\na"}[right]
        stream: str = self._normalize.stream_norm(before + chunk + after, self._model)
        word = f"{_BOW}a{_EOW}"
        if before:
            stream = stream.removeprefix(word).removeprefix("\n" if left == _BREAK else " ")
        return stream.removesuffix(word).removesuffix("\n" if right == _BREAK else " ")

    def _word(self, match: re.Match[str]) -> str:
        if match[1]:
            return match[0] + _EOW
        word = match[0]
        if word.isascii():
            return self._ascii_word(word)
        marked: str = self._normalize.mark_case(word, self._model.allcaps_min)
        bare = marked.lstrip(_SHIFT + _CAPS)
        return marked[: len(marked) - len(bare)] + _BOW + bare + _EOW

    def _ascii_word(self, word: str) -> str:
        """As `mark_case` does with ASCII letters: capitals only, a capital first, or anything else as it is."""
        lower = word.lower()
        shortest = self._model.allcaps_min
        case = ""
        if shortest is not None and len(word) >= shortest and word.isupper():
            case = _CAPS
        elif word != lower and word[1:] == lower[1:]:
            case = _SHIFT
        return f"{case}{_BOW}{lower if case else word}{_EOW}"

    def _stream(self, stream: str) -> int:
        """Tokens of a part of the stream, by its units."""
        known = self._units.get
        return sum([known(unit) or self._unit(unit) for unit in _units_of(stream)])

    def _unit(self, unit: str) -> int:
        """The fewest pieces that cover a unit: of more than one character, or a character's bytes."""
        tokens = 1 if unit in self._vocabulary else self._tile(unit)
        _remember(self._units, unit, tokens)
        return tokens

    def _tile(self, unit: str) -> int:
        """As `ctok.engine.min_vocab_tile`, without the pieces themselves."""
        unit, tokens = self._shortened(unit)
        root = self._model.trie.root
        fewest = [tokens]
        for end, character in enumerate(unit):
            node = root.get(character)
            if node is None:
                fewest.append(fewest[end] + self._character(character))
                continue
            least = fewest[end] + (1 if None in node else self._character(character))
            for start in range(end - 1, -1, -1):
                node = node.get(unit[start])
                if node is None:
                    break
                if None in node and fewest[start] < least:
                    least = fewest[start] + 1
            fewest.append(least)
        return fewest[-1]

    def _shortened(self, unit: str) -> tuple[str, int]:
        """A unit with less of each long run of one character, and the tokens of what was taken out.

        Let m be the longest piece of that character alone. A cover of a run has fewer than m shorter pieces (of m of
        them, some come to a multiple of m, which at most as many of length m cover), so whatever pieces reach into
        the run from outside, from m * m characters on the rest has a piece of length m, which may be taken out.
        """
        taken = 0

        def shorten(run: re.Match[str]) -> str:
            nonlocal taken
            character, length = run[1], len(run[0])
            longest = max(m for m in range(1, self._widest + 1) if m == 1 or character * m in self._vocabulary)
            number = max(0, length - longest * longest - 2 * self._widest) // longest
            taken += number * self._unit(character * longest)
            return character * (length - number * longest)

        return (_RUNS.sub(shorten, unit), taken) if len(unit) >= _LONG_RUN else (unit, 0)

    def _character(self, character: str) -> int:
        """A character that is no piece: its bytes; a mark is one token."""
        return 1 if character in _MARKS else int(self._engine.char_cost(self._model, character))


def _remember(memory: dict[str, _Known], key: str, known: _Known) -> None:
    """Keep a short key; the memory that is full starts anew."""
    if len(key) <= _LONGEST:
        if len(memory) >= _REMEMBERED:
            memory.clear()
        memory[key] = known


def _units_of(stream: str) -> Iterable[str]:
    """The units of a stream, in order; not all at once where there may be millions."""
    if len(stream) <= _LONG_RUN:
        return filter(None, _UNITS.findall(stream))
    return (match[0] for match in _UNITS.finditer(stream) if match[0])


@functools.cache
def tiling(family: str) -> Tiling:
    """The counter for a family of ctok (`v3`, `v4.7`). Loads its vocabulary: 0.5 and 0.1 s.

    Raises:
        ImportError: ctok is not installed.
    """
    return Tiling(importlib.import_module("ctok.main")._model(family))  # noqa: SLF001 - its face has no model
