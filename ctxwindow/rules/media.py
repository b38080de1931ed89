"""MEDIA: how large and how many images and PDFs a request may hold. What they cost is in `ctxwindow.window.media`.

Sizes are read from base64 sources; an image or PDF by URL or file id is counted, but its size is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile, document
from ctxwindow.record import Family
from ctxwindow.record.images import image_size
from ctxwindow.record.pdf import pdf_pages
from ctxwindow.rules.fields import one_of
from ctxwindow.rules.frame import Frame
from ctxwindow.rules.nested import Found
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, plain

__all__ = ["RULES"]

_MEGABYTE = 1 << 20
_SIDE = "At least one of the image dimensions exceed max allowed size"


def _images(found: Iterable[Found]) -> list[Found]:
    return [entry for entry in found if entry[1].get("type") == "image"]


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    return image_size(plain(image.get("source")))


def _most(by_window: Mapping[int, int], profile: ModelProfile) -> int:
    """The limit of the largest window that the model has."""
    reached = [limit for window, limit in by_window.items() if profile.window >= window]
    return max(reached, default=min(by_window.values()))


def small_enough(step: Step) -> Iterator[Finding]:
    """MEDIA-04, for one image."""
    limits = document().images
    most = limits.max_base64_mb["claude_api" if step.frame.platform is None else "bedrock_gcp"]
    for path, image in _images(step.notable):
        size, data = _size(image), plain(image.get("source")).get("data")
        if size is not None and max(size) > limits.max_side_px:
            yield Finding(
                path=path,
                message=f"{path}.image.source.base64.data: {_SIDE}: {limits.max_side_px} pixels",
                remedy="Scale the image down; above the model's own limit more pixels are not seen (MEDIA-02).",
            )
        if isinstance(data, str) and len(data) > most * _MEGABYTE:
            yield Finding(
                path=path,
                message=f"{path}.image.source.base64.data: image exceeds {most} MB of base64.",
                remedy="Scale the image down, or compress it more.",
            )


def few_enough(view: View) -> Iterator[Finding]:
    """MEDIA-04, for all. Documents of plain text or of blocks are not counted: whether the API does is not known."""
    if view.frame.profile is None:
        return
    images = documents = 0
    for _, block in view.notable:
        images += block.get("type") == "image"
        documents += _is_file(block)
    most = _most(document().images.max_per_request, view.frame.profile)
    if images + documents > most:
        yield Finding(
            path="messages",
            message=f"too many images and documents: {images} + {documents} > {most}",
            remedy="Leave old images out where thinking does not depend on them, or compact the history.",
        )


def _is_file(block: Mapping[str, Any]) -> bool:
    """Whether a block is a document that is drawn as pages."""
    return block.get("type") == "document" and plain(block.get("source")).get("type") not in ("text", "content")


def small_among_many(view: View) -> Iterator[Finding]:
    """MEDIA-05. On partner clouds documents count too. Images over the limit of a single one are MEDIA-04."""
    limits = document().images
    images = _images(view.notable)
    documents = sum(_is_file(block) for _, block in view.notable) if view.frame.platform is not None else 0
    if len(images) + documents <= limits.many_images:
        return
    for path, image in images:
        size = _size(image)
        if size is not None and limits.many_images_side_px < max(size) <= limits.max_side_px:
            yield Finding(
                path=path,
                message=(
                    f"{path}.image.source.base64.data: {_SIDE} for many-image requests: {limits.many_images_side_px} pixels"
                ),
                remedy=f"Scale images down to {limits.many_images_side_px} pixels before they are first sent.",
            )


def not_resized(step: Step) -> Iterator[Finding]:
    """MEDIA-06."""
    toolset = [block.path for block in step.blocks if block.data.get("toolset_name") is not None]
    for path, image in _images(step.notable):
        given = image.get("transformations")
        wanted = plain(given).get("oversized_image")
        if given is not None and not (isinstance(given, Mapping) and wanted in (None, "downsize", "error")):
            yield one_of(f"{path}.transformations.oversized_image", ("downsize", "error"))
        screenshot = any(path.startswith(f"{result}.content.") for result in toolset)
        if (screenshot or wanted == "error") and _oversized(image, step.frame):
            yield Finding(
                path=path,
                message=f"{path}: the image is larger than the model sees, and may not be scaled down.",
                remedy="Scale it down to the model's limit (MEDIA-02), coordinates with it.",
            )


def _oversized(image: Mapping[str, Any], frame: Frame) -> bool:
    size = _size(image)
    return (
        frame.profile is not None and size is not None and not document().images.fits(*size, frame.profile.image_tier)
    )


def few_pages(view: View) -> Iterator[Finding]:
    """MEDIA-07. PDFs whose pages cannot be told count as one page each."""
    if view.frame.profile is None:
        return
    files = [plain(block["source"]) for _, block in view.notable if _is_file(block) and "source" in block]
    pages, most = sum(pdf_pages(source) or 1 for source in files), _most(document().pdf.max_pages, view.frame.profile)
    if pages > most:
        yield Finding(
            path="messages",
            message=f"messages: {pages} PDF pages, and a request to this model may hold {most}.",
            remedy="Split the document, or send its text.",
        )


_VISION = "platform.claude.com/docs/en/build-with-claude/vision"
_PDF = "platform.claude.com/docs/en/build-with-claude/pdf-support"
_READ = "2026-08-22"
_HOLDING: frozenset[Family] = frozenset({"image", "result", "document", "server_result"})

RULES = (
    Rule(
        id="MEDIA-01",
        sentence="An image costs one token for each patch of 28 by 28 pixels that covers it after scaling down.",
        source=_VISION,
        date=_READ,
        modelled="window.media.image_tokens",
    ),
    Rule(
        id="MEDIA-02",
        sentence="Models since Claude 4.7 see images up to 2576 pixels and 4784 tokens, others up to 1568 of both.",
        source=_VISION,
        date=_READ,
        modelled="window.media.image_count",
    ),
    Rule(
        id="MEDIA-03",
        sentence="A larger image is scaled to the largest size of its shape that fits, then padded to whole patches.",
        source="platform.claude.com/docs/en/build-with-claude/vision-coordinates",
        date=_READ,
        modelled="window.media.resized",
    ),
    Rule(
        id="MEDIA-04",
        sentence=(
            "An image has at most 8000 pixels a side and 10 MB of base64 (5 MB on partner clouds); a request holds at most "
            "600 on 1M windows, 100 on smaller ones."
        ),
        source=(
            f"{_VISION}; anthropic 2.12.0 types/image_dimensions_too_large_error_details.py; "
            "github.com/anthropics/claude-code/issues/4778, 23392"
        ),
        date="2026-11-20",
        holding=_HOLDING,
        check_message=small_enough,
        check=few_enough,
    ),
    Rule(
        id="MEDIA-05",
        sentence="In a request of more than 20 images each has at most 2000 pixels a side.",
        source=f"{_VISION}; github.com/anthropics/claude-code/issues/9375",
        date=_READ,
        check=small_among_many,
    ),
    Rule(
        id="MEDIA-06",
        sentence="oversized_image is downsize or error; with error, and in toolset screenshots, a larger image is rejected.",
        source=f"{_VISION}; anthropic 2.12.0 types/beta/beta_image_transformations_param.py",
        date="2026-11-20",
        holding=_HOLDING,
        check_message=not_resized,
    ),
    Rule(
        id="MEDIA-07",
        sentence="A request holds at most 600 PDF pages, 100 on windows under 1M; a page costs its text and its image.",
        source=_PDF,
        date=_READ,
        check=few_pages,
    ),
    Rule(
        id="MEDIA-08",
        sentence="A first image, or the last one gone, invalidates the cached messages.",
        source="platform.claude.com/docs/en/build-with-claude/prompt-caching",
        date=_READ,
        modelled="window.rendered.settings_of",
    ),
    Rule(
        id="MEDIA-09",
        sentence="A file id that has expired is a 404 file_expired.",
        source="anthropic 2.12.0 types/file_expired_error.py",
        date="2026-11-20",
        modelled="tiers.recovery.recover",
    ),
)
