"""The executor of the recall tool: a call in, a bounded tool result out. A mistake of the model's is answered, not raised.

Bounds: an answer takes at most `MOST_TOKENS`, or a tenth of the room that is left in the window where that is less, but
never under `LEAST_TOKENS`; and no more than a result may have that is not spilled, for what the model has looked up is never
spilled. A search shows at most 10 hits of some 400 characters a page; a page of a text is at most
8,000 bytes. What stands in the window already is named by its handle and not repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ctxwindow.errors import MisuseError, ProtocolError
from ctxwindow.recall.archive import Archive
from ctxwindow.recall.listing import listing
from ctxwindow.recall.naming import attribution
from ctxwindow.recall.opening import Excerpt, lines_behind, matches_behind
from ctxwindow.recall.paging import fitting, page_of, rows
from ctxwindow.recall.questions import Question, Recalled, Standing
from ctxwindow.recall.search import recall
from ctxwindow.recall.tool import TOOL_NAME

__all__ = ["LEAST_TOKENS", "MOST_TOKENS", "ROOM_SHARE", "answer"]

MOST_TOKENS = 8_000
LEAST_TOKENS = 1_000
ROOM_SHARE = 0.1
"""The most that an answer takes of the room left."""
_NOTE_TOKENS = 300
"""Kept for the lines around the rows."""
_LEAST_ROWS = 200
"""Tokens of rows that any answer may have: with less it would say nothing."""
_MOST_HITS, _HITS = 10, 5
_SEARCHED = 200
"""Hits that a search is paged through."""
_CONTEXT, _MATCHES = 2, 500
_LINES = re.compile(r"\s*(\d{1,9})\s*(?:[-,:]\s*(\d{1,9})?\s*)?", re.ASCII)
_SURROGATES = re.compile("[\ud800-\udfff]")
_ARGUMENTS = ("action", "query", "k", "handle", "lines", "grep", "page")


class _Mistake(Exception):
    """The model asked for what cannot be; the text says what to do instead."""


def answer(
    archive: Archive, now: Standing, call: Any, *, room: int, count: Callable[[str], int], most: int | None = None
) -> dict[str, Any]:
    """The tool result for a call of the recall tool.

    Args:
        archive: the conversation's texts.
        now: how things stand.
        call: the `tool_use` block.
        room: tokens left in the window.
        count: the most tokens that a text takes.
        most: tokens that a result may have before it is spilled; None: any.

    Raises:
        ProtocolError: the block is no call of the recall tool. Whatever its input is, it is answered.
    """
    if not isinstance(call, Mapping) or (call.get("type"), call.get("name")) != ("tool_use", TOOL_NAME):
        raise ProtocolError(
            f"this is no call of the tool {TOOL_NAME!r}.", path="call", remedy="Pass its tool_use block."
        )
    if not isinstance(call.get("id"), str):
        raise ProtocolError("a call has an id.", rule="TOOL-01", path="call.id", remedy="Pass the block as it came.")
    bound = max(LEAST_TOKENS, min(MOST_TOKENS, int(room * ROOM_SHARE)))
    if most is not None:
        bound = min(bound, most)
    tokens = max(_LEAST_ROWS, bound - _NOTE_TOKENS)
    result: dict[str, Any] = {"type": "tool_result", "tool_use_id": call["id"]}
    try:
        text = _Answer(archive, now, tokens, count).to(call.get("input"))
    except _Mistake as mistake:
        return {**result, "content": str(mistake), "is_error": True}
    except (MisuseError, ProtocolError) as error:
        return {**result, "content": _SURROGATES.sub("\ufffd", str(error)), "is_error": True}
    return {**result, "content": _SURROGATES.sub("\ufffd", text)}


class _Answer:
    """One answer in the making."""

    def __init__(self, archive: Archive, now: Standing, tokens: int, count: Callable[[str], int]) -> None:
        self.archive = archive
        self.now = now
        self.tokens = tokens
        self.count = count

    def to(self, given: Any) -> str:
        """The text of the answer."""
        if not isinstance(given, Mapping):
            raise _Mistake("The input must be an object with an action: search, open or list.")
        unknown = [key for key in given if key not in _ARGUMENTS]
        if unknown:
            raise _Mistake(f"There is no argument {unknown[0][:40]!r}. There are: {', '.join(_ARGUMENTS)}.")
        page = _number(given, "page", 1, 1_000_000)
        match given.get("action"):
            case "search":
                return self._search(given, page)
            case "open":
                return self._open(given, page)
            case "list":
                return self._page([(0, line) for line in listing(self.archive, self.now)], page, "")
            case _:
                raise _Mistake("action must be 'search', 'open' or 'list'.")

    def _search(self, given: Mapping[str, Any], page: int) -> str:
        query, handle = _string(given, "query"), _string(given, "handle")
        if query is None or not query.strip():
            raise _Mistake("search needs a query: the words to find, such as a path, a name, or an error text.")
        k = _number(given, "k", _HITS, _MOST_HITS)
        found = recall(self.archive, self.now, Question(query=query, k=_SEARCHED, handle=handle))
        away = [hit for hit in found if not hit.on_wire]
        here = [hit.handle for hit in found if hit.on_wire]
        note = f"\nIn your window already: {', '.join(here[:_MOST_HITS])}." if here else ""
        if not away:
            return f"Nothing out of your window holds these words.{note}"
        pages = -(-len(away) // k)
        if page > pages:
            raise _Mistake(f"There is no page {page}: the hits fill {pages}.")
        start = (page - 1) * k
        hits = away[start : start + k]
        shown = fitting(
            [(number, self._item(hit)) for number, hit in enumerate(hits, start=start + 1)], self.tokens, self.count
        )
        left = (
            "" if len(shown) == len(hits) else "\nThe window has little room: ask with a smaller k for the next ones."
        )
        head = f"Hits {start + 1} to {start + len(shown)} of {len(away)}, best first (page {page} of {pages}):\n"
        return head + "\n".join(text for _, text in shown) + left + note

    def _item(self, hit: Recalled) -> str:
        entry = self.archive.entries[self.archive.numbers[hit.path]]
        return f"{attribution(entry, self.now)}\n{hit.text}"

    def _open(self, given: Mapping[str, Any], page: int) -> str:
        handle = _string(given, "handle")
        if handle is None or not handle.strip():
            raise _Mistake("open needs a handle, such as m12.0: search and list tell them.")
        handle = handle.strip()
        grep, lines = _string(given, "grep"), _string(given, "lines")
        entries = [self.archive.entries[number] for number in self.archive.at(handle)]
        first, last = _range(lines)
        if grep is not None:
            excerpt = matches_behind(self.archive, handle, grep, context=_CONTEXT, most=_MATCHES)
            found = [line for line in excerpt.lines if first <= line.number <= last]
            head = _matched(excerpt)
        else:
            excerpt = lines_behind(self.archive, handle, first, last)
            found = list(excerpt.lines)
            head = f"{excerpt.total:,} lines."
        if not found and grep is None:
            raise _Mistake(f"There are no such lines: {handle} has {excerpt.total:,}.")
        above = attribution(entries[0], self.now)
        return self._page(list(rows(found)), page, f"{above}\n{head}\n")

    def _page(self, shown: Sequence[tuple[int, str]], page: int, head: str) -> str:
        """One page of rows, as much of it as the room allows."""
        wanted, pages = page_of(shown, page)
        if page > pages:
            raise _Mistake(f"There is no page {page}: there are {pages}.")
        kept = fitting(wanted, self.tokens, self.count)
        note = f"\n[Page {page} of {pages}.]" if pages > 1 else ""
        if len(kept) < len(wanted):
            onward = f"go on with lines '{kept[-1][0] + 1}-'" if kept[-1][0] else "the rest of this page is left out"
            note = f"\n[Page {page} of {pages}, cut, because the window has little room left: {onward}.]"
        return head + "\n".join(text for _, text in kept) + note


def _matched(excerpt: Excerpt) -> str:
    """What there is to say about the lines that match."""
    if excerpt.read == 0:
        return (
            f"None of {_lines(excerpt.total)} was looked at: the first is too long to match a pattern in, or the pattern too "
            "involved. Plain text is looked for in all of it."
        )
    of = _lines(excerpt.total) if excerpt.read is None else f"the first {_lines(excerpt.read)}"
    said = f"{excerpt.matching:,} of {of} match{'es' if excerpt.matching == 1 else ''}"
    if excerpt.matching > _MATCHES:
        said += f"; the first {_MATCHES} are shown"
    if excerpt.literal:
        said += "; looked for letter for letter, as it is no pattern that is taken here"
    if excerpt.read is not None:
        said += (
            f"; the rest of the {excerpt.total:,} was not looked at, for the text is too long to match a pattern in, or the "
            "pattern too involved"
        )
    return f"{said}."


def _lines(number: int) -> str:
    return f"{number:,} line" if number == 1 else f"{number:,} lines"


def _string(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise _Mistake(f"{name} must be a string.")
    return value


def _number(given: Mapping[str, Any], name: str, otherwise: int, most: int) -> int:
    value = given.get(name)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _Mistake(f"{name} must be a whole number from 1 on.")
    return min(value, most)


def _range(lines: str | None) -> tuple[int, int]:
    """First and last line asked for: `120-180`, `120-` and `120`."""
    if lines is None:
        return 1, 10**9
    found = _LINES.fullmatch(lines)
    if found is None:
        raise _Mistake("lines must be a range such as 120-180.")
    first = int(found[1])
    if found[2] is not None:
        return first, int(found[2])
    return first, first if lines.strip().isdigit() else 10**9
