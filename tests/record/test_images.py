from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.record import images
from ctxwindow.record.images import image_size
from tests.files import base64_of, extended, gif, jpeg, lossless, lossy, png, webp

SMALL_EDGES = st.integers(min_value=1, max_value=16_000)


@given(st.sampled_from([png, gif, jpeg, lossy, lossless, extended]), SMALL_EDGES, SMALL_EDGES)
def test_sizes_of_every_format(make: Any, width: int, height: int) -> None:
    assert image_size(base64_of(make(width, height))) == (width, height)


def test_the_media_type_is_not_believed() -> None:
    assert image_size(base64_of(jpeg(228, 148), "image/png")) == (228, 148)


def test_a_jpeg_with_much_metadata_is_read_on() -> None:
    assert image_size(base64_of(jpeg(640, 480, metadata=400_000), "image/jpeg")) == (640, 480)


def test_only_the_needed_prefix_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    whole = images.decoded

    def counting(data: str) -> bytes:
        lengths.append(len(data))
        return whole(data)

    monkeypatch.setattr(images, "decoded", counting)
    image_size(base64_of(png(5, 5) + b"\0" * 4_000_000))
    assert max(lengths) <= 64
    image_size(base64_of(jpeg(5, 5) + b"\0" * 4_000_000))
    assert max(lengths) <= 1 << 17


@pytest.mark.parametrize(
    "source",
    [
        {"type": "url", "url": "https://example.com/a.png"},
        {"type": "file", "file_id": "file_1"},
        {"type": "base64", "media_type": "image/png"},
        {"type": "base64", "media_type": "image/png", "data": 7},
        {"type": "base64", "media_type": "image/png", "data": ""},
        {"type": "base64", "media_type": "image/png", "data": "é no base64"},
        {"type": "base64", "media_type": "image/png", "data": "\ud800"},
        base64_of(b"BM6\0\0\0 a bitmap is not accepted by the API"),
        base64_of(png(0, 7)),
        base64_of(png(9, 7)[:20]),
        base64_of(gif(9, 7)[:8]),
        base64_of(jpeg(9, 7)[:30]),
        base64_of(b"\xff\xd8\xff\xda\0\2 the picture before any frame"),
        base64_of(b"\xff\xd8 no marker here"),
        base64_of(lossy(9, 7)[:28]),
        base64_of(extended(9, 7)[:26]),
        base64_of(webp(b"VP8L", b"\x30\0\0\0\0")),
        base64_of(webp(b"ALPH", b"")),
        {},
    ],
)
def test_damage_is_an_unknown_size(source: dict[str, Any]) -> None:
    assert image_size(source) is None


@given(st.binary(max_size=200), st.sampled_from([png, gif, jpeg, lossy, lossless, extended]), st.integers(0, 60))
def test_no_bytes_make_it_raise(noise: bytes, make: Any, kept: int) -> None:
    for content in (noise, make(9, 7)[:kept] + noise):
        size = image_size(base64_of(content))
        assert size is None or min(size) >= 1
