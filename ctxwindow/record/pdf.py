"""The pages of a PDF, read from its page tree.

Nothing here raises on a damaged document, and no document makes it slow; what cannot be read is an unknown.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.record.images import decoded

__all__ = ["pdf_pages"]

_HEAD = 64 * 24  # characters of base64 in which a PDF names itself
_LARGEST = 48 << 20  # characters of base64; a request of the API has at most 32 MB
_INFLATED = 128 << 20  # bytes that are read and unpacked at most from compressed objects
_LONGEST_OBJECT = 1 << 16  # bytes of one object that are looked at
_PLAUSIBLE_PAGES = 10_000  # a page count that no page bears out is not believed above this

_OBJECT = re.compile(rb"(?<!\d)(\d{1,10})\s{1,9}\d{1,5}\s{1,9}obj\b")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PAGE_TREE = re.compile(rb"/Type\s*/Pages(?![A-Za-z])")
_PAGE_COUNT = re.compile(rb"/Count\s+(\d{1,9})(?!\d|\s+\d+\s+R)")
_PACKED = re.compile(rb"/Type\s*/ObjStm(?![A-Za-z])")


def pdf_pages(source: Mapping[str, Any]) -> int | None:
    """Pages of a base64 PDF, read from its page tree; None where that cannot be told (encrypted, damaged, no PDF)."""
    data = source.get("data")
    if source.get("type") != "base64" or not isinstance(data, str) or len(data) > _LARGEST:
        return None
    if b"%PDF-" not in decoded(data[:_HEAD]):
        return None
    objects, complete = _objects(decoded(data))
    leaves = sum(1 for content in objects.values() if _PAGE.search(content))
    roots = [content for content in objects.values() if _PAGE_TREE.search(content) and b"/Parent" not in content]
    counts = [int(found[1]) for content in roots if (found := _PAGE_COUNT.search(content))]
    stated = max(counts, default=0)
    if leaves and complete and not 0 < stated <= leaves:
        return leaves  # no count, or one that the pages do not bear out
    return stated if 0 < stated <= _PLAUSIBLE_PAGES else leaves or None


def _objects(content: bytes) -> tuple[dict[int, bytes], bool]:
    """Objects by number, the last of each (a later revision replaces an object), and whether all could be read."""
    objects: dict[int, bytes] = {}
    left, complete = _INFLATED, True
    starts = [(int(found[1]), found.end()) for found in _OBJECT.finditer(content)]
    # No object is looked at beyond the start of the next, so that no input makes this more than linear.
    for (number, start), (_, end) in zip(starts, [*starts[1:], (0, len(content))], strict=False):
        head = content[start : min(end, start + _LONGEST_OBJECT)].partition(b"endobj")[0].partition(b"stream")[0]
        objects[number] = head
        if _PACKED.search(head):
            packed, spent = _unpacked(content, start + len(head) + len(b"stream"), left)
            left -= spent
            inner = dict(_packed_objects(head, packed))
            complete = complete and bool(inner)
            objects.update(inner)
    return objects, complete


def _unpacked(content: bytes, start: int, left: int) -> tuple[bytes, int]:
    """A deflated stream, as much of it as is intact and within what is left; and the bytes read and written for it."""
    while content[start : start + 1] in (b"\r", b"\n"):
        start += 1
    end = content.find(b"endstream", start, start + max(left, 0))
    if end < 0:
        return b"", min(len(content) - start, max(left, 0))
    try:
        packed = zlib.decompressobj().decompress(content[start:end], max(left, 1))
    except zlib.error:
        packed = b""
    return packed, len(packed) + end - start


def _packed_objects(head: bytes, packed: bytes) -> Iterator[tuple[int, bytes]]:
    """The objects within an object stream: pairs of number and offset, then the objects from `/First` on."""
    first = re.search(rb"/First\s+(\d{1,9})", head)
    if first is None:
        return
    base = int(first[1])
    index = [int(number) for number in packed[:base].split() if number.isdigit()]
    starts = index[1::2]
    for number, start, end in zip(index[::2], starts, [*starts[1:], len(packed)], strict=False):
        yield number, packed[base + start : base + end]
