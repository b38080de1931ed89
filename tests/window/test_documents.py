from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.window.documents import cites, size_document, size_search_result
from ctxwindow.window.framing import frame_of
from ctxwindow.window.markup import count_inside
from ctxwindow.window.media import page_tokens
from tests.files import base64_of, page, pdf, png, text_pdf, tree

V3, NEWER = resolve("claude-sonnet-4-5"), resolve("claude-opus-5-5")
FRAME = frame_of(V3)


def document(source: Any, **more: Any) -> dict[str, Any]:
    return {"type": "document", "source": source, **more}


def text(data: str) -> dict[str, Any]:
    return {"type": "text", "media_type": "text/plain", "data": data}


def test_a_text_document_is_its_text() -> None:
    plain = size_document(document(text("Some plain text.")), V3)
    assert plain.tokens == count_inside("Some plain text.", "v3").tokens + FRAME.document
    titled = size_document(document(text("Some plain text."), title="facts.txt", context="From the archive."), V3)
    extra = count_inside("facts.txt", "v3").tokens + count_inside("From the archive.", "v3").tokens
    assert titled.tokens == plain.tokens + extra


def test_a_content_document_is_its_blocks() -> None:
    image = {"type": "image", "source": base64_of(png(200, 200))}
    content = [{"type": "text", "text": "One."}, image, "Two.", {"type": "of_tomorrow"}, 7]
    texts = sum(count_inside(one, "v3").tokens for one in ("One.", "Two."))
    found = size_document(document({"type": "content", "content": content}), V3)
    assert found.tokens == texts + 64 + FRAME.image + FRAME.document
    assert size_document(document({"type": "content", "content": "One."}), V3).tokens > FRAME.document


def test_each_sentence_that_may_be_cited_is_marked() -> None:
    source = text("A sentence. Another one, v1.2 of it! A third?")
    plain, cited = (size_document(document(source, citations={"enabled": on}), V3) for on in (False, True))
    assert cited.tokens == plain.tokens + 3 * FRAME.sentence
    assert cites(document(source, citations={"enabled": True}))
    assert cites({"type": "tool_result", "content": [document(source, citations={"enabled": True})]})
    assert not cites(document(source, citations={"enabled": False}))
    assert not cites({"type": "text", "text": "x", "citations": [{"type": "char_location"}]})
    assert not cites("no block")


def test_a_pdf_is_its_text_and_a_picture_of_each_page() -> None:
    found = size_document(document(base64_of(text_pdf("Hello, world!", "Again."), "application/pdf")), V3)
    words = sum(count_inside(one, "v3").tokens for one in ("Hello, world!", "Again."))
    assert found.tokens == words + 2 * (page_tokens(612, 792, "standard") + FRAME.pdf)
    assert found.low < found.tokens < found.high


def test_how_large_newer_models_see_a_page_is_not_recorded() -> None:
    source = base64_of(text_pdf("Hello, world!"), "application/pdf")
    found = size_document(document(source), NEWER)
    assert found.low < page_tokens(612, 792, "standard") + 20
    assert found.high > 4_784


def test_a_pdf_that_cannot_be_read_is_bounded_by_its_pages() -> None:
    """MEDIA-07: each page costs extracted text (1,500 to 3,000 tokens) and its page image."""
    encrypted = b"9 0 obj << /Filter /Standard >> endobj\ntrailer << /Encrypt 9 0 R >>"
    filler = b"8 0 obj << >> stream\n" + b"x" * 100_000 + b"endstream endobj"
    source = base64_of(pdf(tree(3), page(3), page(4), page(5), filler, encrypted), "application/pdf")
    found = size_document(document(source), V3)
    assert not found.exact
    assert found.low <= 3 * 1_600
    assert 3 * (1_500 + 1_500) <= found.tokens <= 3 * (3_000 + 1_568)
    assert found.high >= 3 * (3_000 + 1_568)


@pytest.mark.parametrize(
    "source",
    [{"type": "url", "url": "https://example.com/a.pdf"}, {"type": "file", "file_id": "f"}, base64_of(b"broken"), {}, None, 7],
)  # fmt: skip
def test_unknown_documents_have_the_widest_bounds(source: Any) -> None:
    found = size_document(document(source), NEWER)
    assert found.low == 1
    assert found.low < found.tokens < found.high
    assert found.high >= 600 * (3_000 + 4_784)


def test_a_search_result_is_its_title_source_and_text() -> None:
    block = {
        "type": "search_result",
        "title": "Ruby Facts",
        "source": "https://example.com/ruby-facts",
        "content": [{"type": "text", "text": "Ruby was created in 1993."}],
    }
    words = sum(
        count_inside(one, "v3").tokens
        for one in ("Ruby Facts", "https://example.com/ruby-facts", "Ruby was created in 1993.")
    )
    assert size_search_result(block, V3).tokens == words + FRAME.search_result
    cited = {**block, "citations": {"enabled": True}}
    assert size_search_result(cited, V3).tokens == words + FRAME.search_result + FRAME.sentence
    assert size_search_result({"type": "search_result", "content": None}, V3).tokens == FRAME.search_result


@pytest.mark.recorded
def test_recorded_documents_lie_within_the_bounds(recordings: Path) -> None:
    from benchmarks.accuracy import Judged, judge, pairs_of  # noqa: PLC0415 - only here

    rows = [judge(pair) for pair in pairs_of(recordings / "usage_pairs.jsonl") if "block:document" in pair["flags"]]
    judged = [row for row in rows if isinstance(row, Judged)]
    assert len(judged) == 27
    assert all(row.inside for row in judged)
