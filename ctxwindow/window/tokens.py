"""Tokens of a text: by the reconstructed vocabulary where that is at hand, by the fitted estimator elsewhere.

What is counted is the text as the content of one message, without what the API puts around it. The
reconstruction (`ctok`, Python 3.12 and newer) reproduces 748 of 750 recorded counts of whole messages;
a text's own tokens are its count minus the frame of one user message. Three effects of the edges stay
with the text, because the recorded counts have them and the frame of a message cannot know them:

- v3 and v4.7 messages open with a word mark. It absorbs one leading space, and it costs a token of its
  own before a digit or an ideograph (`"1"` is 2 tokens in v3, 1 in v4.8).
- Trailing line breaks merge with the two that close a message, so a few of them cost nothing.
- Opus 5 alone also drops trailing white space; that is not modelled.

Counted apart, the texts of a request's messages add up to the recorded total less a constant for each message
(82 of 83 distinct recorded requests of one text message to Claude 3 to 4.6, and all 21 of two, three or five),
so sums over blocks may be relied on. Neighbouring text blocks of one message are joined by the API before it
counts; counted apart they can come to a token more for each seam.

An exact count runs at some million characters a second (`benchmarks/tokens.py`; `ctxwindow.window.tiling` says how), the
estimate at 5 million. Texts over `EXACT_LIMIT` characters are estimated. Counts are remembered for repeats, by a hash
of the text; a conversation keeps its own with its record (`ctxwindow.window.memo`).
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import re
import threading
import unicodedata
from collections import OrderedDict
from hashlib import blake2b
from typing import Literal, TypeAlias

import msgspec

from ctxwindow.window.estimator import packaged
from ctxwindow.window.memo import current
from ctxwindow.window.tiling import tiling

__all__ = ["EXACT_LIMIT", "Count", "Tokenizer", "count_text", "estimate_text", "have_exact"]

Tokenizer: TypeAlias = Literal["v3", "v4.7", "v4.8"]
"""Generations: Claude 3 to 4.6, Opus 4.7, and everything since Opus 4.8, which has v4.7's vocabulary in another frame."""

EXACT_LIMIT = 1 << 22
"""Characters up to which a text is counted exactly: more than a million tokens of prose, which is every window there is."""

_FAMILIES: dict[Tokenizer, tuple[str, bool, str]] = {
    "v3": ("v3", True, "3.0"),
    "v4.7": ("v4.7", True, "4.7"),
    "v4.8": ("v4.7", False, "4.8"),
}
"""The family of ctok with the vocabulary, whether the frame ends in a word mark, the version that ctok knows it by."""

_PAD = "⟨pad⟩"  # how ctok writes the tokens of the frame; the brackets of a text are escaped
_REMEMBERED = 8_192  # counts
_SURROGATE = re.compile("[\ud800-\udfff]")

# Normalization sorts each run of combining marks in quadratic time: 40,000 marks take 1.6 s, 1,024 a millisecond.
_MARKS_LIMIT = 1_024
_MAYBE_MARKS = re.compile(rf"(?<![^\x00-\x7f\w\s])[^\x00-\x7f\w\s]{{{_MARKS_LIMIT},}}")


class Count(msgspec.Struct, frozen=True):
    """Tokens, with bounds.

    `exact`: the content's own tokens, by the reconstructed vocabulary or a documented formula; then the bounds are the
    count. Otherwise about 95 % of contents of this kind lie within `low` and `high`.
    """

    tokens: int
    low: int
    high: int
    exact: bool

    def __add__(self, other: object) -> Count:
        """Both together. Bounds add up: errors may all lie on one side."""
        if not isinstance(other, Count):
            return NotImplemented
        return Count(
            tokens=self.tokens + other.tokens,
            low=self.low + other.low,
            high=self.high + other.high,
            exact=self.exact and other.exact,
        )


_EMPTY = Count(tokens=0, low=0, high=0, exact=True)
_Key: TypeAlias = tuple[Tokenizer, bytes]
_counts: OrderedDict[_Key, Count] = OrderedDict()
_lock = threading.Lock()


def count_text(text: str, tokenizer: Tokenizer) -> Count:
    """Tokens of a text as message content, without any frame.

    Exact where the reconstruction is installed and the text has at most `EXACT_LIMIT` characters, estimated
    elsewhere. Any string is counted; lone surrogates count as U+FFFD, which is what can be sent in their place.
    """
    if not text:
        return _EMPTY
    key = tokenizer, blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    with _lock:
        count = _counts.get(key)
        if count is not None:
            _counts.move_to_end(key)
    memo = current()
    if count is None and memo is not None:
        told = memo.find(_vocabulary(tokenizer), key[1])
        if told is not None:  # not remembered here: what one conversation's store says is for that one alone (law 11)
            return Count(told, told, told, exact=True)
    if count is None:
        count = _count(text, tokenizer)
        with _lock:
            _counts[key] = count
            while len(_counts) > _REMEMBERED:
                _counts.popitem(last=False)
    if memo is not None and count.exact:
        memo.note(_vocabulary(tokenizer), key[1], count.tokens)
    return count


def estimate_text(text: str, tokenizer: Tokenizer) -> Count:
    """Tokens of a text by the fitted estimator, never exact; see `ctxwindow.window.estimator`."""
    estimate = packaged().estimate(_SURROGATE.sub("\ufffd", text), "v3" if tokenizer == "v3" else "v4.7")
    return Count(tokens=estimate.tokens, low=estimate.low, high=estimate.high, exact=False)


@functools.cache
def have_exact() -> bool:
    """Whether texts can be counted exactly here: ctok is installed and can be imported.

    It is imported at the first count, and its vocabularies are loaded when one is needed: 0.5 s and 0.1 s.
    """
    try:
        importlib.import_module("ctok")
    except ImportError:
        return False
    return True


@functools.cache
def _vocabulary(tokenizer: Tokenizer) -> str:
    """What makes exact counts here; nothing is ever noted under the name of nothing."""
    return f"{tokenizer} ctok {importlib.metadata.version('ctok')}" if have_exact() else ""


def _count(text: str, tokenizer: Tokenizer) -> Count:
    if not have_exact() or len(text) > EXACT_LIMIT or _too_many_marks(text):
        return estimate_text(text, tokenizer)
    tokens = _exact(text, tokenizer)
    return Count(tokens=tokens, low=tokens, high=tokens, exact=True)


def _exact(text: str, tokenizer: Tokenizer) -> int:
    family, bow, version = _FAMILIES[tokenizer]
    counter = tiling(family)
    if counter.separable:
        return counter.count(text, bow=bow)
    reconstruction = importlib.import_module("ctok")
    frame = reconstruction.tokenize("", version).count(_PAD)
    return int(reconstruction.token_count(text, version)) - int(frame)


def _too_many_marks(text: str) -> bool:
    """Whether some run of combining marks is longer than any writing has, and slow to normalize."""
    if text.isascii():
        return False
    for run in _MAYBE_MARKS.finditer(text):
        marks = 0
        for character in run[0]:
            marks = marks + 1 if _is_mark(character) else 0
            if marks >= _MARKS_LIMIT:
                return True
    return False


@functools.lru_cache(maxsize=4_096)
def _is_mark(character: str) -> bool:
    """Whether normalization sorts it: some marks, such as U+0F73, only fall apart into those that it sorts."""
    return unicodedata.combining(unicodedata.normalize("NFD", character)[0]) != 0
