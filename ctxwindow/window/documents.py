"""What documents cost: plain text as it is, a PDF as the text and a picture of each page (MEDIA-07).

The picture is a page as large as the model sees images, scaled down without rounding up: so say the recorded one-page
documents, in two paper formats, on two models. The text is what pypdf reads; the server's own reading differs a little,
and a scanned page has none. Nothing here raises on a damaged document; what cannot be read is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile, document
from ctxwindow.record.blocks import texts_of
from ctxwindow.record.pdf import pdf_pages
from ctxwindow.record.pdf_text import Page, read_pages
from ctxwindow.rules.view import plain
from ctxwindow.window.framing import Frame, exactly, frame_of, roughly
from ctxwindow.window.markup import count_inside
from ctxwindow.window.media import image_count, page_tokens
from ctxwindow.window.tokens import Count

__all__ = ["cites", "size_document", "size_search_result"]

_MOST_PAGES = 600  # of one request (MEDIA-07)
_GUESSED_PAGES = 10  # between one and the hundred of a 200k window, in ratio
_LETTER = (612.0, 792.0)  # points
_BYTES_PER_TOKEN = 4  # of a PDF at least; fonts and pictures take up most of the larger ones
_NEWER_TEXT = 1.35  # tokens of the same text since v4.7, at most, as published
_SENTENCE = re.compile(r"[.!?](?=\s|$)")

_ZERO = exactly(0)


def cites(block: Any) -> bool:
    """Whether a block is something that may be cited, or a result that holds it."""
    content = plain(block).get("content")
    return is_cited(block) or (isinstance(content, (list, tuple)) and any(is_cited(inner) for inner in content))


def is_cited(block: Any) -> bool:
    """Whether a block is a document or a search result that may be cited."""
    citations = plain(block).get("citations")
    return (
        isinstance(citations, Mapping)
        and citations.get("enabled") is True
        and block.get("type") in ("document", "search_result")
    )


def size_document(block: Mapping[str, Any], profile: ModelProfile) -> Count:
    """Tokens of a `document` block with its title, its context and what wraps it.

    Of a document by URL or file id nothing is known, from a token to as many pages as a request may have.
    """
    frame = frame_of(profile)
    total = sum((_text(block.get(name), profile) for name in ("title", "context")), _ZERO)
    source = plain(block.get("source"))
    data, content = source.get("data"), source.get("content")
    match source.get("type"):
        case "text" if isinstance(data, str):
            return total + _text(data, profile) + roughly(frame.document, spread=0.05) + _cited(block, data, frame)
        case "content" if isinstance(content, str | list | tuple):
            shown = " ".join([content] if isinstance(content, str) else texts_of({"content": content}))
            return total + _content(content, profile, frame) + roughly(frame.document) + _cited(block, shown, frame)
        case "base64" if isinstance(data, str):
            read = read_pages(data)
            if read is not None:
                return (
                    total + _pages(read, profile, frame) + _cited(block, "\n".join(page.text for page in read), frame)
                )
            pages = pdf_pages(source)
            if pages is not None:
                return total + _unread(pages, len(data) * 3 // 4, profile, frame, cited=is_cited(block))
    most = _unread(_MOST_PAGES, None, profile, frame, cited=is_cited(block)).high
    guess = _unread(_GUESSED_PAGES, None, profile, frame, cited=is_cited(block)).tokens
    return total + Count(tokens=guess, low=1, high=most, exact=False)


def size_search_result(block: Mapping[str, Any], profile: ModelProfile) -> Count:
    """Tokens of a `search_result` block with what wraps it."""
    frame = frame_of(profile)
    total = sum((_text(block.get(name), profile) for name in ("title", "source")), _ZERO)
    content = block.get("content")
    content = content if isinstance(content, (str, list, tuple)) else ()
    texts = " ".join(texts_of({"content": content}))
    body = _content(content, profile, frame)
    return total + body + roughly(frame.search_result, spread=0.3) + _cited(block, texts, frame)


def _text(text: Any, profile: ModelProfile) -> Count:
    return count_inside(text, profile.tokenizer) if isinstance(text, str) else _ZERO


def _content(content: Any, profile: ModelProfile, frame: Frame) -> Count:
    total = _ZERO
    for inner in [content] if isinstance(content, str) else content:
        if isinstance(inner, Mapping) and inner.get("type") == "image":
            total = total + image_count(inner, profile.image_tier, step=frame.patch_step) + exactly(frame.image)
        else:
            total = total + _text(inner.get("text") if isinstance(inner, Mapping) else inner, profile)
    return total


def _cited(block: Mapping[str, Any], text: str, frame: Frame) -> Count:
    """The marks around each sentence of a document that may be cited."""
    return roughly(frame.sentence * len(_SENTENCE.findall(text)), spread=0.3) if is_cited(block) else _ZERO


def _pages(pages: list[Page], profile: ModelProfile, frame: Frame) -> Count:
    """Pages whose text was read. Bounds: 15 % of the text, and on newer models a picture of up to the tier's cap, for no
    recording shows how large they see a page.
    """
    total = _ZERO
    for page in pages:
        picture = page_tokens(page.width, page.height, profile.image_tier, step=frame.patch_step)
        text = _text(page.text, profile)
        most = picture if profile.image_tier == "standard" else document().images.tiers["high"].max_tokens
        least = page_tokens(page.width, page.height, "standard", step=frame.patch_step)
        doubt = 20 + text.tokens * 3 // 20
        total = total + Count(
            tokens=picture + text.tokens + frame.pdf,
            low=least + max(0, text.low - doubt),
            high=most + text.high + frame.pdf + doubt,
            exact=False,
        )
    return total


def _unread(pages: int, size: int | None, profile: ModelProfile, frame: Frame, *, cited: bool) -> Count:
    """Bounds of pages of which nothing is known: without text, drawn no larger than the standard tier has them, to
    dense ones at the tier's cap.
    """
    pdf = document().pdf
    most = document().images.tiers[profile.image_tier].max_tokens
    least = page_tokens(*_LETTER, "standard")
    text = pages * (pdf.page_text_tokens_low + pdf.page_text_tokens_high) // 2
    most_text = round(pages * pdf.page_text_tokens_high * (1 if profile.tokenizer == "v3" else _NEWER_TEXT))
    if size is not None:  # a small file cannot hold that much
        text, most_text = min(text, size // _BYTES_PER_TOKEN), min(most_text, size)
    high = pages * (most + frame.pdf) + most_text * (2 if cited else 1)
    return Count(tokens=pages * (least + most) // 2 + text, low=pages * least, high=high, exact=False)
