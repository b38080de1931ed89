"""The size of an image, read from its first bytes: PNG, JPEG, GIF and WebP.

Nothing here raises on a damaged image; what cannot be read is an unknown.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping
from typing import Any

__all__ = ["decoded", "image_size"]

_TINY = 64  # characters of base64 that hold the size in a PNG, GIF or WebP
_HEAD = 1 << 17  # and nearly always in a JPEG, behind its metadata

_MARK = 0xFF  # opens every marker of a JPEG
_BARE_MARKERS = frozenset((0x01, *range(0xD0, 0xD9)))  # no length follows
_LAST_MARKERS = frozenset((0xD9, 0xDA))  # the end, or the picture itself
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def image_size(source: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height in pixels of a base64 image (PNG, JPEG, GIF, WebP), from as few of its bytes as will do.

    The format is told from the bytes: recorded requests name the wrong `media_type` and are answered. None for
    sources by URL or file id, for other formats and for damage.
    """
    data = source.get("data")
    if source.get("type") != "base64" or not isinstance(data, str):
        return None
    for length in (_TINY, _HEAD, len(data)):
        content = decoded(data[:length])
        size = _header_size(content)
        if size is not None:
            return size if min(size) > 0 else None
        if length >= len(data) or not content.startswith(b"\xff\xd8"):
            return None  # only in a JPEG can the size stand further on
    return None


def decoded(data: str) -> bytes:
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
