from __future__ import annotations

import base64
import logging

import pytest  # noqa: TC002 - pytest itself reads the annotations
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.record import pdf_text
from ctxwindow.record.pdf_text import Page, read_pages
from tests.files import page, pdf, text_pdf, tree


def read(content: bytes) -> list[Page] | None:
    return read_pages(base64.b64encode(content).decode())


def test_the_text_and_the_format_of_each_page() -> None:
    pages = read(text_pdf("Hello, world!", "The second page.", box=(595, 842)))
    assert pages == [Page("Hello, world!", 595.0, 842.0), Page("The second page.", 595.0, 842.0)]


def test_a_page_without_text() -> None:
    found = read(pdf(b"1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj", tree(1), page(3)))
    assert found is None or [one.text for one in found] == [""]


@given(st.binary(max_size=400))
def test_no_bytes_raise(content: bytes) -> None:
    assert read(content) is None or isinstance(read(content), list)
    assert read(b"%PDF-1.4\n" + content) is None or isinstance(read(b"%PDF-1.4\n" + content), list)


@given(st.integers(0, 600), st.binary(min_size=1, max_size=8))
def test_no_damage_raises(place: int, damage: bytes) -> None:
    content = text_pdf("Hello, world!", "Once more.")
    read(content[:place] + damage + content[place + len(damage) :])


def test_odd_base64() -> None:
    assert read_pages("") is None
    assert read_pages("no base64 \ud800 at all!") is None


def test_what_is_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_text, "_MOST_PAGES", 1)
    monkeypatch.setattr(pdf_text, "_MOST_DRAWN", 60)
    assert read(text_pdf("One.", "Two.")) is None
    assert read(text_pdf("A line that is drawn by more than sixty bytes of commands in all.")) is None
    monkeypatch.setattr(pdf_text, "_LARGEST", 10)
    assert read(text_pdf("A third.")) is None


def test_nothing_of_a_document_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read(text_pdf("A secret.")[:-40] + b"(a secret) damage")
    assert "secret" not in caplog.text


def test_a_page_tree_is_as_large_as_it_is() -> None:
    """`/Count` is what the file says of itself; the pages are what is in it."""
    many = text_pdf("Hello.").replace(b"[10 0 R]", b"[" + b"10 0 R " * 5_000 + b"]")
    assert b"/Count 1" in many
    assert read(many) is None


def test_drawings_in_drawings_are_not_followed() -> None:
    form = b"%d 0 obj << /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Length 0%s >> stream\n\nendstream endobj\n"
    inner = b" /Resources << /XObject << /X 51 0 R >> >>"
    page = text_pdf("Hello.").replace(b"/Resources << ", b"/Resources << /XObject << /X 50 0 R >> ")
    nested = page.replace(b"\ntrailer", b"\n" + form % (50, inner) + form % (51, b"") + b"\ntrailer")
    flat = page.replace(b"\ntrailer", b"\n" + form % (50, b"") + b"\ntrailer")
    assert read(nested) is None
    assert read(flat) is not None
