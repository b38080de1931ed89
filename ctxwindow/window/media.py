"""What images and documents cost: the patch formula (MEDIA-01 to MEDIA-03), and bounds for PDFs (MEDIA-07).

Everything here is the content's own price. The 3 tokens that wrap each image block, and what wraps a
document, are framing and not counted in this module.

An image is exact once its size is known: with the wrapper, the formula gives the recorded requests with
one inline image to the token, except those to Claude Haiku 3.5 and one to Opus 3 (both retired). A PDF
never is: how a page is drawn and how much text it holds are known to the server alone. Nothing here
raises on a damaged image or document; what cannot be read is an unknown, and bounded as one.
"""

from __future__ import annotations

import binascii
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from ctxwindow.catalog import document
from ctxwindow.errors import MisuseError
from ctxwindow.window.tokens import Count, Tokenizer, count_text

__all__ = ["Tier", "document_count", "image_count", "image_size", "image_tokens", "pdf_pages", "resized"]

Tier: TypeAlias = Literal["standard", "high"]
"""Resolution that a model sees (MEDIA-02): high since Claude 4.7."""

_TINY = 64  # characters of base64 that hold the size in a PNG, GIF or WebP
_HEAD = 1 << 17  # and nearly always in a JPEG, behind its metadata
_LARGEST_PDF = 48 << 20  # characters of base64; a request of the API has at most 32 MB
_INFLATED = 128 << 20  # bytes that are read and unpacked at most from compressed objects
_LONGEST_OBJECT = 1 << 16  # bytes of one object that are looked at
_MOST_PAGES = 600  # of one request (MEDIA-07)
_PLAUSIBLE_PAGES = 10_000  # a page count that no page bears out is not believed above this
_GUESSED_PAGES = 10  # between one and the hundred of a 200k window, in ratio

_MARK = 0xFF  # opens every marker of a JPEG
_BARE_MARKERS = frozenset((0x01, *range(0xD0, 0xD9)))  # no length follows
_LAST_MARKERS = frozenset((0xD9, 0xDA))  # the end, or the picture itself
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

_LETTER = (8_500, 11_000)  # drawn as large as the tier allows, the smaller of the two common formats
_BYTES_PER_TOKEN = 4  # of a PDF at least; fonts and pictures take up most of the larger ones
_NEWER_TEXT = 1.35  # tokens of the same text since v4.7, at most, as published


def resized(width: int, height: int, tier: Tier) -> tuple[int, int]:
    """The size in pixels to which the server scales an image down: the largest of its shape that fits (MEDIA-03).

    Raises:
        MisuseError: an edge is shorter than one pixel.
    """
    if width < 1 or height < 1:
        raise MisuseError(
            f"an image of {width} x {height} pixels has no content.",
            rule="MEDIA-03",
            remedy="Give both edges in pixels, at least 1.",
        )
    if _fits(width, height, tier):
        return width, height
    long, short = max(width, height), min(width, height)
    # One pixel fits, the whole does not; in between it is monotone, for the short edge grows with the long one.
    fits, too_long = 1, long
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if _fits(middle, _short_edge(middle, long, short), tier):
            fits = middle
        else:
            too_long = middle
    edge = _short_edge(fits, long, short)
    return (fits, edge) if width >= height else (edge, fits)


def _short_edge(long: int, whole_long: int, whole_short: int) -> int:
    """The short edge at a long edge: rounded half to even, in integers so that no platform differs; at least 1."""
    edge, rest = divmod(long * whole_short, whole_long)
    if 2 * rest > whole_long or (2 * rest == whole_long and edge % 2):
        edge += 1
    return max(edge, 1)


def _patches(edge: int) -> int:
    return -(-edge // document().images.patch_px)


def _fits(width: int, height: int, tier: Tier) -> bool:
    rules = document().images
    limits = rules.tiers[tier]
    across, down = _patches(width), _patches(height)
    return max(across, down) * rules.patch_px <= limits.max_edge_px and across * down <= limits.max_tokens


def image_tokens(width: int, height: int, tier: Tier) -> int:
    """Tokens of an image: patches of 28 pixels that cover it after scaling down (MEDIA-01).

    Raises:
        MisuseError: an edge is shorter than one pixel.
    """
    across, down = resized(width, height, tier)
    return _patches(across) * _patches(down)


def image_count(block: Mapping[str, Any], tier: Tier) -> Count:
    """Tokens of an `image` block, without its wrapper; from one patch to the tier's cap where the size is unknown."""
    source = block.get("source")
    size = image_size(source) if isinstance(source, Mapping) else None
    if size is None:
        most = document().images.tiers[tier].max_tokens
        return Count(tokens=(1 + most) // 2, low=1, high=most, exact=False)
    tokens = image_tokens(*size, tier)
    return Count(tokens=tokens, low=tokens, high=tokens, exact=True)


def image_size(source: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height in pixels of a base64 image (PNG, JPEG, GIF, WebP), from as few of its bytes as will do.

    The format is told from the bytes: recorded requests name the wrong `media_type` and are answered. None for
    sources by URL or file id, for other formats and for damage.
    """
    data = source.get("data")
    if source.get("type") != "base64" or not isinstance(data, str):
        return None
    for length in (_TINY, _HEAD, len(data)):
        content = _decoded(data[:length])
        size = _header_size(content)
        if size is not None:
            return size if min(size) > 0 else None
        if length >= len(data) or not content.startswith(b"\xff\xd8"):
            return None  # only in a JPEG can the size stand further on
    return None


def _decoded(data: str) -> bytes:
    """As many bytes as the base64 text gives; white space in it is skipped."""
    for cut in range(4):  # a prefix may end within a group of four characters
        try:
            return binascii.a2b_base64(data[: len(data) - cut] + "==")
        except ValueError:  # binascii.Error is one; text that is not ASCII raises it itself
            continue
    return b""


def _header_size(content: bytes) -> tuple[int, int] | None:
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
            return struct.unpack_from(">II", content, 16)
        if content.startswith((b"GIF87a", b"GIF89a")):
            return struct.unpack_from("<HH", content, 6)
        if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            return _webp_size(content)
        if content.startswith(b"\xff\xd8"):
            return _jpeg_size(content)
    except (struct.error, IndexError):
        pass  # cut off within the header
    return None


def _webp_size(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":  # extended: the canvas, less one, 24 bits each
        width, width_high, height, height_high = struct.unpack_from("<HBHB", content, 24)
        return (width_high << 16 | width) + 1, (height_high << 16 | height) + 1
    if kind == b"VP8L" and content[20:21] == b"\x2f":  # lossless: less one, 14 bits each
        bits = struct.unpack_from("<I", content, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":  # lossy: 14 bits each, two bits of scaling above
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """The size in the first frame header, found by hopping from segment to segment."""
    at = 2
    while content[at] == _MARK:
        marker = content[at + 1]
        if marker == _MARK:  # fill
            at += 1
        elif marker in _BARE_MARKERS:
            at += 2
        elif marker in _LAST_MARKERS:
            return None  # and no header came
        elif marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from(">H", content, at + 2)[0]
    return None


# ---- documents ------------------------------------------------------------------------------------------------------


def document_count(block: Mapping[str, Any], tier: Tier, tokenizer: Tokenizer) -> Count:
    """Tokens of a `document` block with its title and context, without its wrapper.

    Plain text and content blocks are counted as what they are. A PDF page is its text and an image of the page
    (MEDIA-07); of a document by URL or file id nothing is known, from a token to as many pages as a request may have.
    """
    total = Count(tokens=0, low=0, high=0, exact=True)
    for name in ("title", "context"):
        text = block.get(name)
        if isinstance(text, str):
            total = total + count_text(text, tokenizer)
    citations = block.get("citations")
    cited = isinstance(citations, Mapping) and citations.get("enabled") is True
    source = block.get("source")
    source = source if isinstance(source, Mapping) else {}
    data, content = source.get("data"), source.get("content")
    match source.get("type"):
        case "text" if isinstance(data, str):
            return total + _chunked(count_text(data, tokenizer), cited=cited)
        case "content" if isinstance(content, str | list | tuple):
            return total + _chunked(_content_count(content, tier, tokenizer), cited=cited)
        case "base64" if isinstance(data, str):
            pages = pdf_pages(source)
            if pages is not None:
                return total + _pages_count(pages, len(data) * 3 // 4, tier, tokenizer, cited=cited)
    most = _pages_count(_MOST_PAGES, None, tier, tokenizer, cited=cited).high
    guess = _pages_count(_GUESSED_PAGES, None, tier, tokenizer, cited=cited).tokens
    return total + Count(tokens=guess, low=1, high=most, exact=False)


def _content_count(content: Any, tier: Tier, tokenizer: Tokenizer) -> Count:
    total = Count(tokens=0, low=0, high=0, exact=True)
    for inner in [content] if isinstance(content, str) else content:
        if isinstance(inner, str):
            total = total + count_text(inner, tokenizer)
        elif isinstance(inner, Mapping) and inner.get("type") == "image":
            total = total + image_count(inner, tier)
        elif isinstance(inner, Mapping) and isinstance(inner.get("text"), str):
            total = total + count_text(inner["text"], tokenizer)
    return total


def _chunked(count: Count, *, cited: bool) -> Count:
    """With citations a document is cut into numbered sentences; in the one recorded pair the text nearly doubled."""
    return Count(count.tokens, count.low, 2 * count.high, exact=False) if cited else count


def _pages_count(pages: int, size: int | None, tier: Tier, tokenizer: Tokenizer, *, cited: bool) -> Count:
    """Bounds: pages without text, drawn no larger than the standard tier has them, to dense ones at the tier's cap.

    Recorded single pages (standard tier): 1,577 with two words on it, 1,687 with a hundred, 2,666 with a thousand.
    """
    pdf = document().pdf
    most, least = document().images.tiers[tier].max_tokens, image_tokens(*_LETTER, "standard")
    text = pages * (pdf.page_text_tokens_low + pdf.page_text_tokens_high) // 2
    most_text = round(pages * pdf.page_text_tokens_high * (1 if tokenizer == "v3" else _NEWER_TEXT))
    if size is not None:  # a small file cannot hold that much
        text, most_text = min(text, size // _BYTES_PER_TOKEN), min(most_text, size)
    high = pages * most + most_text * (2 if cited else 1)
    return Count(tokens=pages * (least + most) // 2 + text, low=pages * least, high=high, exact=False)


_OBJECT = re.compile(rb"(?<!\d)(\d{1,10})\s{1,9}\d{1,5}\s{1,9}obj\b")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PAGE_TREE = re.compile(rb"/Type\s*/Pages(?![A-Za-z])")
_PAGE_COUNT = re.compile(rb"/Count\s+(\d{1,9})(?!\d|\s+\d+\s+R)")
_PACKED = re.compile(rb"/Type\s*/ObjStm(?![A-Za-z])")


def pdf_pages(source: Mapping[str, Any]) -> int | None:
    """Pages of a base64 PDF, read from its page tree; None where that cannot be told (encrypted, damaged, no PDF)."""
    data = source.get("data")
    if source.get("type") != "base64" or not isinstance(data, str) or len(data) > _LARGEST_PDF:
        return None
    if b"%PDF-" not in _decoded(data[: _TINY * 24]):
        return None
    objects, complete = _pdf_objects(_decoded(data))
    leaves = sum(1 for content in objects.values() if _PAGE.search(content))
    roots = [content for content in objects.values() if _PAGE_TREE.search(content) and b"/Parent" not in content]
    counts = [int(found[1]) for content in roots if (found := _PAGE_COUNT.search(content))]
    stated = max(counts, default=0)
    if leaves and complete and not 0 < stated <= leaves:
        return leaves  # no count, or one that the pages do not bear out
    return stated if 0 < stated <= _PLAUSIBLE_PAGES else leaves or None


def _pdf_objects(content: bytes) -> tuple[dict[int, bytes], bool]:
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
