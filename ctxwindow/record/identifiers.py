r"""What a reader would look up later: paths, names, ids, long numbers and quoted strings.

This is the definition behind `reference_survival` (design: command line), behind what summaries try to keep and
are checked for, and behind what the record says of each summary, so that all of them mean the same thing.

What counts, and what a token yields:

- a path: `src/app.py`, `/etc/hosts`, `C:\tools\x.exe`, `https://host/x`; a leading `./` is left off;
- a name: dotted (`os.path`, `app.py`, `1.4.2`), snake_case, camelCase, CONSTANT;
- an id: letters and digits mixed (`toolu_01A`, hashes, uuids, `ENT-64`), `#123`, `owner/name#123`;
- a number of four digits or more, also written `12,345`;
- a quoted string of 3 to 80 characters on one line, without its quotes, and whatever identifiers stand in it.

An escape such as `\n` in text that was JSON ends a name, so a relative Windows path with a part that begins
with n, r or t is seen in parts.

Everything yielded stands literally in the text. Scripts that put no spaces between words separate names as
spaces do: in `请修改src/app.py文件` the name is `src/app.py`.

One pass of one expression splits the text; each distinct token is judged once. Every repetition in the
expression is possessive or ends at a quote or a line end, so the time is linear whatever the input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

__all__ = ["MOST_KEPT", "identifier_set", "identifiers", "identifiers_of", "known_identifiers"]

LONGEST = 256
"""Characters. A longer run without a break is data (base64, minified code), not a name. Our choice."""

QUOTED = (3, 80)
"""Shortest and longest quoted string that counts, in characters without the quotes. Our choice."""

MEMORY = 100_000
"""Distinct tokens remembered at once by `known_identifiers`. Our choice: some 20 MB."""

MOST_KEPT = 1_000
"""Identifiers of a summary that its record lists. Our choice: more than one of 6,000 tokens usually holds."""

_CHUNK = 1 << 16  # characters split at once

# Letters of scripts that write names with spaces around them: Latin, Greek, Cyrillic. Ideographs are left out.
_LETTER = r"A-Za-z0-9_\u00c0-\u024f\u0370-\u052f"

# An opening single quote or backtick does not follow a letter (don't), a closing single quote is not
# followed by one. Quotes that never close are stepped over: the alternative fails once per line.
_TOKEN = re.compile(
    rf"""
      "[^"\n]*+"
    | (?<![{_LETTER}])'[^'\n]*+'(?![{_LETTER}])
    | `[^`\n]*+`
    | https?://[^\s"'<>`\])}}]++
    | \b[A-Za-z]:\\[^\s"'<>|*?`]++
    | \\[nrt]
    | </[{_LETTER}.-]++
    | \b\d{{1,3}}(?:,\d{{3}})++\b
    | [{_LETTER}~@\#./+-]++
    """,
    re.VERBOSE,
)

_EDGE = ".-+@~"  # punctuation that belongs to the sentence, not to the name, at the end of a token
_NAME = re.compile(
    rf"""
      [{_LETTER}]_ | _[{_LETTER}]                # snake_case, _private
    | [a-z\u00df-\u00ff][A-Z\u00c0-\u00de]        # camelCase
    | [A-Z]{{2}}[a-z]{{2}}                        # HTTPServer
    | ^[A-Z]{{5,}}$                               # a CONSTANT; shorter ones cannot be told from abbreviations
    """,
    re.VERBOSE,
)
_DOTTED = re.compile(rf"[{_LETTER}-]\.[{_LETTER}]")
_VERSION = re.compile(r"\d+(?:\.\d+){2,}|\d{1,3}(?:,\d{3})+")  # 1.4.2, 12,345
# What may begin with a digit and hold letters: 05fdd18, a uuid, 2026-11-20T03, 2024.md; not 2nd, 16px, 1.5GB, 2v10a2.
_FROM_DIGIT = re.compile(r"[0-9a-fA-F-]{7,}|.*\d{4}.*|.*\.[A-Za-z]{1,5}")
_ISSUE = re.compile(r"(?:[\w./-]*\w)?#\d+")
_NOT_PATHS = frozenset({"and/or", "i/o", "n/a", "w/o", "yes/no", "true/false", "his/her", "he/she", "either/or"})
_SHORTEST_ID = 5  # characters of a token of letters and digits that counts as an id: utf8 does not, sha256 does
_SHORTEST_PATH = 4  # characters of a token with a slash
_NUMBER_DIGITS = 4  # design: command line, reference_survival


def identifiers(text: str) -> Iterator[str]:
    """The identifiers of a text, in order, each as often as it stands there."""
    return known_identifiers(text, {})


def identifier_set(text: str) -> frozenset[str]:
    """The distinct identifiers of a text."""
    return frozenset(identifiers(text))


def identifiers_of(summary: str, most: int = MOST_KEPT) -> tuple[str, ...]:
    """The first `most` distinct identifiers of a summary, in order: what its record says that it keeps."""
    return tuple(islice(dict.fromkeys(identifiers(summary)), most))


def known_identifiers(text: str, known: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """As `identifiers`, for many texts in a row: `known` remembers what each token yields and grows.

    The caller owns `known`, so that no content outlives the caller's own use of it. It is emptied when it
    holds more than `MEMORY` tokens.
    """
    for chunk in (text,) if len(text) <= _CHUNK else _chunks(text):
        if len(known) > MEMORY:
            known.clear()
        for token in _TOKEN.findall(chunk):
            found = known.get(token)
            if found is None:
                found = known[token] = tuple(_quoted(token, known) if token[0] in "\"'`" else _plain(token))
            yield from found


def _chunks(text: str) -> Iterator[str]:
    """The text in pieces that end at a line end, which no token spans: a long text needs no long token list."""
    start = 0
    while len(text) - start > _CHUNK:
        cut = text.find("\n", start + _CHUNK)
        if cut < 0:
            break
        yield text[start:cut]
        start = cut
    yield text[start:]


def _quoted(token: str, known: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """The inside of a quotation, and the identifiers in it other than itself.

    The inside holds none of its own quote, so at most three levels are ever opened.
    """
    inside = token[1:-1].strip("\\ \t")  # an escaped closing quote leaves its backslash inside
    shortest, longest = QUOTED
    counts = shortest <= len(inside) <= longest and any(map(str.isalnum, inside))
    if counts:
        yield inside
    for found in known_identifiers(token[1:-1], known):
        if not (counts and found == inside):
            yield found


def _plain(token: str) -> Iterator[str]:
    """What a run without quotes and blanks yields: itself, its parts between hyphens, or nothing."""
    if len(token) > LONGEST or token[0] == "\\":
        return
    closing = token.startswith("</")  # </Name>: markup, not a path
    name = token.removeprefix("</").rstrip(_EDGE).lstrip("+-")
    if name[:2] == ".." and name[2:3] != "/":
        name = name.lstrip(".")
    if name[:1] == "~" and name[1:2] != "/":
        name = name.lstrip("~")
    if "#" in name:
        # Before the other rules: `#12` is an issue, `a.md#usage` is the path `a.md`, `###` is nothing.
        if _ISSUE.fullmatch(name):
            yield name
        else:
            for part in filter(None, name.split("#")):
                yield from _plain(part)
    elif not closing and _is_path(name):
        inner = name.rstrip("/")
        yield inner.removeprefix("./") if "/" in inner else name
    elif "/" not in name and _is_name(name):
        yield name
    elif "-" in name or "/" in name:
        yield from filter(_is_name, re.split(r"[-/]", name))


def _is_path(name: str) -> bool:
    """Whether a token with a slash, or a Windows drive, names a place."""
    if name[1:3] == ":\\":
        return True
    if "/" not in name or len(name) < _SHORTEST_PATH or name.lower() in _NOT_PATHS:
        return False
    return any(part[:1].isalpha() or part[:1] in "._~@" for part in name.split("/") if part.strip(".~@_"))


def _is_name(name: str) -> bool:
    """Whether a token without a slash is a name, an id or a long number."""
    if name.isdigit():
        return len(name) >= _NUMBER_DIGITS
    if not any(map(str.isalpha, name)):
        # 2026-11-20, 1234.5, 12,345 and 1.4.2 count; 3.14 and 10-20 do not.
        runs = re.findall(r"\d+", name)
        return bool(runs) and (max(map(len, runs)) >= _NUMBER_DIGITS or _VERSION.fullmatch(name) is not None)
    if _NAME.search(name):
        return True
    if name[0].isdigit() and not _FROM_DIGIT.fullmatch(name):
        return False
    if _DOTTED.search(name):
        return max(len(part) for part in name.split(".")) > 1  # e.g, i.e, U.S are abbreviations
    return len(name) >= _SHORTEST_ID and any(map(str.isdigit, name))
