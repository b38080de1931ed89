"""What images cost: the patch formula (MEDIA-01 to MEDIA-03), for images and for the pictures of PDF pages.

Everything here is the content's own price; what wraps an image is framing. An image is exact once its size is known:
the formula gives recorded requests with one inline image to the token. Haiku 3.5 alone counts patches in twos. Nothing
here raises on a damaged image; what cannot be read is an unknown, and bounded as one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from ctxwindow.catalog import document
from ctxwindow.errors import MisuseError
from ctxwindow.record.images import image_size
from ctxwindow.window.tokens import Count

__all__ = ["Tier", "image_count", "image_tokens", "page_tokens", "resized"]

Tier: TypeAlias = Literal["standard", "high"]
"""Resolution that a model sees (MEDIA-02): high since Claude 4.7."""


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


def image_tokens(width: int, height: int, tier: Tier, *, step: int = 1) -> int:
    """Tokens of an image: patches of 28 pixels that cover it after scaling down (MEDIA-01).

    Args:
        width: in pixels.
        height: in pixels.
        tier: the resolution that the model sees.
        step: along each edge patches come in multiples of this; 2 on Haiku 3.5.

    Raises:
        MisuseError: an edge is shorter than one pixel.
    """
    across, down = resized(width, height, tier)
    return _patches(across, step) * _patches(down, step)


def _patches(edge: int, step: int) -> int:
    return -(-document().images.patches(edge) // step) * step


@functools.lru_cache(maxsize=1024)
def page_tokens(width: float, height: float, tier: Tier, *, step: int = 1) -> int:
    """Tokens of a PDF page's picture: the largest of its format that fits, its edges rounded down.

    Args:
        width: in points, or any unit.
        height: in the same unit.
        tier: the resolution that the model sees.
        step: as for `image_tokens`.
    """
    rules = document().images
    long, short = max(width, height, 1.0), max(min(width, height), 1e-3)
    edge = rules.tiers[tier].max_edge_px
    while edge > 1 and not rules.fits(edge, max(1, int(edge * short / long)), tier):
        edge -= 1
    return _patches(edge, step) * _patches(max(1, int(edge * short / long)), step)


def image_count(block: Mapping[str, Any], tier: Tier, *, step: int = 1) -> Count:
    """Tokens of an `image` block, without its wrapper; from one patch to the tier's cap where the size is unknown."""
    source = block.get("source")
    size = image_size(source) if isinstance(source, Mapping) else None
    if size is None:
        most = document().images.tiers[tier].max_tokens
        return Count(tokens=(1 + most) // 2, low=1, high=most, exact=False)
    tokens = image_tokens(*size, tier, step=step)
    return Count(tokens=tokens, low=tokens, high=tokens, exact=True)
