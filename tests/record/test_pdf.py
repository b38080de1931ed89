from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.record.pdf import pdf_pages
from tests.files import base64_of, packed, page, pdf, tree


def _pages_of(content: bytes) -> int | None:
    return pdf_pages(base64_of(content, "application/pdf"))


def test_pages_of_a_plain_pdf() -> None:
    assert _pages_of(pdf(b"1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj", tree(3), page(3), page(4), page(5))) == 3


def test_pages_in_compressed_objects() -> None:
    inner = {
        2: b"<< /Type /Pages /Count 2 >>",
        3: b"<< /Type /Page /Parent 2 0 R >>",
        4: b"<</Type/Page/Parent 2 0 R>>",
    }
    assert _pages_of(pdf(packed(9, inner))) == 2


def test_the_last_revision_of_an_object_counts() -> None:
    """An incremental update that deletes a page leaves the old objects in the file."""
    assert _pages_of(pdf(tree(3), page(3), page(4), page(5), tree(2))) == 2


def test_branches_of_the_page_tree_do_not_count() -> None:
    branch = b"7 0 obj << /Type /Pages /Parent 2 0 R /Count 1 >> endobj"
    assert _pages_of(pdf(branch, tree(2), page(3), page(4))) == 2


@pytest.mark.parametrize("stated", [0, 3, 999_999_999])
def test_a_count_that_the_pages_do_not_bear_out(stated: int) -> None:
    assert _pages_of(pdf(tree(stated), page(3), page(4))) == 2


def test_a_count_stands_where_pages_are_hidden() -> None:
    hidden = b"9 0 obj << /Type /ObjStm /N 3 /First 9 >> stream\nencrypted\nendstream endobj"
    assert _pages_of(pdf(tree(3), page(3), hidden)) == 3
    assert _pages_of(pdf(tree(3))) == 3
    assert _pages_of(pdf(tree(1_000_000))) is None


@pytest.mark.parametrize(
    "content", [b"", b"no pdf", b"%PDF-1.4 and nothing else", pdf(b"1 0 obj <</Type/Font>> endobj")]
)
def test_pages_are_unknown(content: bytes) -> None:
    assert _pages_of(content) is None


def test_pages_of_other_sources_are_unknown() -> None:
    assert pdf_pages({"type": "url", "url": "https://example.com/a.pdf"}) is None
    assert pdf_pages({"type": "base64", "data": "JVBERi0x" + "é" * 9}) is None


@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_pdf_makes_it_raise(noise: bytes, at: int) -> None:
    whole = pdf(tree(1), page(3), packed(9, {4: b"<</Type/Page>>"}))
    pages = _pages_of(whole[:at] + noise + whole[at:])
    assert pages is None or pages >= 1


@pytest.mark.parametrize(
    "content",
    [
        b"1 0 obj " * 300_000,
        b"1 0 obj /Type /ObjStm stream\n" * 80_000,
        b"1" + b" " * 2_000_000,
        b"1 " * 1_000_000,
        b"1 0 obj " + b"/Type " * 400_000,
        packed(9, {4: b" " * 90_000_000}),
    ],
    ids=["objects", "streams", "blank", "numbers", "names", "bomb"],
)
def test_no_pdf_makes_it_slow(content: bytes) -> None:
    source = base64_of(b"%PDF-1.4 " + content, "application/pdf")
    began = time.perf_counter()
    pdf_pages(source)
    assert time.perf_counter() - began < 60, "a hang, not a speed"
