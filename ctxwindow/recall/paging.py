"""Long texts in pages: each a number of lines that is sure to fit an answer.

A page is cut by bytes, for a token has at least one: so pages are the same whenever they are asked for, and none needs
counting to be bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ctxwindow.recall.opening import Line

__all__ = ["PAGE_BYTES", "fitting", "page_of", "rows"]

PAGE_BYTES = 8_000
"""Bytes of UTF-8 in a page, and so the most tokens: some 2,000 tokens of prose or code."""
_PIECE_CHARS = 1_000
"""A longer line is cut into pieces, so that any text can be paged."""


def rows(lines: Iterable[Line]) -> Iterator[tuple[int, str]]:
    """Lines as they are shown: the number (with a colon where the line matches), a tab, and the line or a piece of it."""
    for line in lines:
        label = f"{line.number}:" if line.matches else str(line.number)
        for start in range(0, max(len(line.text), 1), _PIECE_CHARS):
            yield line.number, f"{label}\t{line.text[start : start + _PIECE_CHARS]}"


def page_of(shown: Sequence[tuple[int, str]], page: int) -> tuple[list[tuple[int, str]], int]:
    """The rows of a page, from 1, and how many pages there are (at least one)."""
    pages, size, wanted = 1, 0, list[tuple[int, str]]()
    for row in shown:
        taken = len(row[1].encode("utf-8", "surrogatepass")) + 1
        if size and size + taken > PAGE_BYTES:
            pages, size = pages + 1, 0
        size += taken
        if pages == page:
            wanted.append(row)
    return wanted, pages


def fitting(shown: Sequence[tuple[int, str]], tokens: int, count: Callable[[str], int]) -> list[tuple[int, str]]:
    """The first rows that take no more than so many tokens, at least one."""
    if not shown or count("\n".join(text for _, text in shown)) <= tokens:
        return list(shown)
    kept, left = [shown[0]], tokens - count(shown[0][1]) - 1
    for row in shown[1:]:
        left -= count(row[1]) + 1
        if left < 0:
            break
        kept.append(row)
    return kept
