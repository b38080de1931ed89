"""The text of a PDF's pages and their formats, as pypdf reads them.

pypdf is imported at the first PDF. Nothing here raises on a damaged document. How much is read is bounded: a document
that is larger, or whose pages are, is left to its page count.
"""

from __future__ import annotations

import functools
import io
import logging
from hashlib import blake2b
from typing import Any, NamedTuple

from ctxwindow.record.images import decoded

__all__ = ["Page", "read_pages"]

_LARGEST = 4 << 20  # characters of base64
_MOST_PAGES = 40
_MOST_DRAWN = 1 << 19  # bytes of unpacked drawing commands of all pages; a dense page has 50,000, which take 0.2 s
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
    if reader.is_encrypted or not _has_few_pages(reader.root_object["/Pages"]):
        return None
    drawn = 0
    for page in reader.pages:
        commands = page.get_contents()
        drawn += len(commands.get_data()) if commands is not None else 0
        if drawn > _MOST_DRAWN or any(_forms(form) for form in _forms(page)):
            return None  # drawings that draw others in turn come to thousands in a few levels
    return [_page(page) for page in reader.pages] or None


def _page(page: Any) -> Page:
    box = page.cropbox
    return Page(page.extract_text(), float(box.width), float(box.height))


def _has_few_pages(root: Any) -> bool:
    """Whether the page tree is small, whatever it says of itself."""
    found, stack = 0, [root]
    while stack:
        node = stack.pop().get_object()
        kids = node.get("/Kids")
        found += 1
        if found > 2 * _MOST_PAGES or (kids is not None and len(kids) > _MOST_PAGES):
            return False
        stack.extend(kids or ())
    return True


def _forms(owner: Any) -> list[Any]:
    resources = owner.get("/Resources")
    objects = resources.get_object().get("/XObject") if resources is not None else None
    drawings = [one.get_object() for one in objects.get_object().values()] if objects is not None else []
    return [one for one in drawings if one.get("/Subtype") == "/Form"]
