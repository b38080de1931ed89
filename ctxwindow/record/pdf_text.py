"""The text of a PDF's pages and their formats, as pypdf reads them.

pypdf is imported at the first PDF. Nothing here raises on a damaged document. How much is read is bounded: a document
that is larger, or whose pages are, is left to its page count.
"""

from __future__ import annotations

import functools
import io
import logging
from hashlib import blake2b
from typing import NamedTuple

from ctxwindow.record.images import decoded

__all__ = ["Page", "read_pages"]

_LARGEST = 4 << 20  # characters of base64
_MOST_PAGES = 40
_MOST_STREAM = 1 << 20  # bytes of one page's unpacked drawing commands: a dense page has 50,000
_REMEMBERED = 64


class Page(NamedTuple):
    """One page: its text, and its format in points."""

    text: str
    width: float
    height: float


def read_pages(data: str) -> list[Page] | None:
    """The pages of a PDF in base64; None where they cannot be read, or are too many to read here."""
    if len(data) > _LARGEST:
        return None
    return _remembered(_Keyed(data))


class _Keyed:
    """A text that is remembered by its hash, so that the memo keeps no document alive."""

    __slots__ = ("data", "key")

    def __init__(self, data: str) -> None:
        self.data: str | None = data
        self.key = blake2b(data.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and other.key == self.key


@functools.lru_cache(maxsize=_REMEMBERED)
def _remembered(keyed: _Keyed) -> list[Page] | None:
    data, keyed.data = keyed.data or "", None
    try:
        return _read(decoded(data))
    except Exception:  # noqa: BLE001 - pypdf raises what it meets in a damaged file; such a one is only not read
        return None


def _read(content: bytes) -> list[Page] | None:
    from pypdf import PdfReader  # noqa: PLC0415 - takes 0.2 s, and few conversations have a PDF

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it reports what is wrong with a file, with parts of it
    reader = PdfReader(io.BytesIO(content), strict=False)
    if reader.is_encrypted or not 0 < len(reader.pages) <= _MOST_PAGES:
        return None
    pages = []
    for page in reader.pages:
        drawn = page.get_contents()
        if drawn is not None and len(drawn.get_data()) > _MOST_STREAM:
            return None
        box = page.cropbox
        pages.append(Page(page.extract_text(), float(box.width), float(box.height)))
    return pages
