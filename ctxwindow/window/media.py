"""What images and documents cost: the patch formula (MEDIA-01 to MEDIA-03), and bounds for PDFs (MEDIA-07).

Everything here is the content's own price. The 3 tokens that wrap each image block, and what wraps a
document, are framing and not counted in this module.

An image is exact once its size is known: with the wrapper, the formula gives the recorded requests with
one inline image to the token, except those to Claude Haiku 3.5 and one to Opus 3 (both retired). A PDF
never is: how a page is drawn and how much text it holds are known to the server alone. Nothing here
raises on a damaged image or document; what cannot be read is an unknown, and bounded as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from ctxwindow.catalog import document
from ctxwindow.errors import MisuseError
from ctxwindow.record.images import image_size
from ctxwindow.record.pdf import pdf_pages
from ctxwindow.window.tokens import Count, Tokenizer, count_text

__all__ = ["Tier", "document_count", "image_count", "image_tokens", "resized"]

Tier: TypeAlias = Literal["standard", "high"]
"""Resolution that a model sees (MEDIA-02): high since Claude 4.7."""

_MOST_PAGES = 600  # of one request (MEDIA-07)
_GUESSED_PAGES = 10  # between one and the hundred of a 200k window, in ratio

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
    rules = document().images
    if rules.fits(width, height, tier):
        return width, height
    long, short = max(width, height), min(width, height)
    # One pixel fits, the whole does not; in between it is monotone, for the short edge grows with the long one.
    fits, too_long = 1, long
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if rules.fits(middle, _short_edge(middle, long, short), tier):
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


def image_tokens(width: int, height: int, tier: Tier) -> int:
    """Tokens of an image: patches of 28 pixels that cover it after scaling down (MEDIA-01).

    Raises:
        MisuseError: an edge is shorter than one pixel.
    """
    across, down = resized(width, height, tier)
    rules = document().images
    return rules.patches(across) * rules.patches(down)


def image_count(block: Mapping[str, Any], tier: Tier) -> Count:
    """Tokens of an `image` block, without its wrapper; from one patch to the tier's cap where the size is unknown."""
    source = block.get("source")
    size = image_size(source) if isinstance(source, Mapping) else None
    if size is None:
        most = document().images.tiers[tier].max_tokens
        return Count(tokens=(1 + most) // 2, low=1, high=most, exact=False)
    tokens = image_tokens(*size, tier)
    return Count(tokens=tokens, low=tokens, high=tokens, exact=True)


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
