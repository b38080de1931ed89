"""Images and PDFs made of a few bytes, for tests."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any


def base64_of(content: bytes, media_type: str = "image/png") -> dict[str, Any]:
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(content).decode()}


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x02\0\0\0" + b"x" * 999


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0" * 9


def jpeg(width: int, height: int, metadata: int = 0) -> bytes:
    segments = b"\xff\xd8\xff\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + b"\0" * 9
    while metadata > 0:  # a profile or a thumbnail, in segments of at most 65,533 bytes
        size = min(metadata, 65_000)
        segments += b"\xff\xe2" + struct.pack(">H", size + 2) + b"\xff\xc0" * (size // 2) + b"." * (size % 2)
        metadata -= size
    table = b"\xff\xc4" + struct.pack(">H", 6) + b"tabl"
    return segments + table + b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\0" * 50


def webp(kind: bytes, payload: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 100) + b"WEBP" + kind + struct.pack("<I", 90) + payload + b"\0" * 40


def lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", width | 0x4000, height | 0x8000))


def lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14 | 1 << 28))


def extended(width: int, height: int) -> bytes:
    edges = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", b"\x10\0\0\0" + edges)


def pdf(*objects: bytes) -> bytes:
    return b"%PDF-1.7\n" + b"\n".join(objects) + b"\ntrailer << /Root 1 0 R >>\n%%EOF"


def page(number: int) -> bytes:
    return b"%d 0 obj << /Type /Page /Parent 2 0 R >> endobj" % number


def tree(count: int) -> bytes:
    return b"2 0 obj <</Kids [3 0 R]/Type/Pages/Count %d>> endobj" % count


def packed(number: int, objects: dict[int, bytes]) -> bytes:
    body, index = b"", b""
    for inner, content in objects.items():
        index += b"%d %d " % (inner, len(body))
        body += content + b" "
    deflated = zlib.compress(index + body)
    head = b"<< /Type /ObjStm /N %d /First %d /Filter /FlateDecode >>" % (len(objects), len(index))
    return b"%d 0 obj %s stream\r\n%s\nendstream endobj" % (number, head, deflated)


def text_pdf(*pages: str, box: tuple[int, int] = (612, 792)) -> bytes:
    """A PDF that shows a line of text on each page; ASCII without brackets and backslashes."""
    kids = " ".join(f"{10 + 2 * index} 0 R" for index in range(len(pages)))
    objects = [
        "1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj",
        f"2 0 obj << /Type /Pages /Kids [{kids}] /Count {len(pages)} >> endobj",
        "3 0 obj << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> endobj",
    ]
    for index, text in enumerate(pages):
        number, drawn = 10 + 2 * index, f"BT /F1 24 Tf 100 700 Td ({text}) Tj ET"
        objects.append(
            f"{number} 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 {box[0]} {box[1]}] "
            f"/Contents {number + 1} 0 R /Resources << /Font << /F1 3 0 R >> >> >> endobj"
        )
        objects.append(f"{number + 1} 0 obj << /Length {len(drawn)} >> stream\n{drawn}\nendstream endobj")
    return b"%PDF-1.4\n" + "\n".join(objects).encode() + b"\ntrailer << /Size 40 /Root 1 0 R >>\nstartxref\n0\n%%EOF"
