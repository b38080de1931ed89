"""The shipped file `models.json`: its shape, and the numbers in it that belong to no single model."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from ctxwindow.catalog.profile import ModelProfile

__all__ = [
    "BetaHeader",
    "BuiltinTool",
    "Conflict",
    "Document",
    "ImageRules",
    "ImageTier",
    "PdfRules",
    "PriceEvent",
    "RequestLimits",
    "RetiredModel",
    "Source",
]


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a number was read."""

    what: str
    as_of: str
    """Date of the text (`2026-10-10`, `2026-11` or a span of years)."""


class RetiredModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that is gone and of which nothing else is kept."""

    id: str
    retired_on: dt.date


class ImageTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A larger image is scaled down until it fits both numbers (MEDIA-02, MEDIA-03)."""

    max_edge_px: int
    max_tokens: int


class ImageRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers of the image formula and limits (MEDIA-01 to MEDIA-05)."""

    patch_px: int
    """tokens = ceil(w / patch_px) * ceil(h / patch_px), after scaling down."""
    tiers: dict[Literal["standard", "high"], ImageTier]
    block_tokens: int
    """Recorded on top of the patches of each image block, about; not documented."""
    max_side_px: int
    many_images: int
    """With more images than this in a request, `many_images_side_px` holds in place of `max_side_px` (MEDIA-05)."""
    many_images_side_px: int
    max_per_request: dict[int, int]
    """Window in tokens -> images (and PDF pages) a request may hold."""
    max_base64_mb: dict[str, int]
    """Platform (`claude_api`, `bedrock_gcp`) -> megabytes an image may have."""
    src: str

    def patches(self, edge: int) -> int:
        """Patches that cover an edge of so many pixels."""
        return -(-edge // self.patch_px)

    def fits(self, width: int, height: int, tier: Literal["standard", "high"]) -> bool:
        """Whether an image of so many pixels is not scaled down: its padded edges and its tokens fit (MEDIA-03)."""
        limits = self.tiers[tier]
        across, down = self.patches(width), self.patches(height)
        return max(across, down) * self.patch_px <= limits.max_edge_px and across * down <= limits.max_tokens


class PdfRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A PDF page counts as its text and as an image of the page."""

    page_text_tokens_low: int
    page_text_tokens_high: int
    """Typical text of one page, not a limit."""
    max_pages: dict[int, int]
    """Window in tokens -> pages a request may hold."""
    request_mb: int
    src: str


class BuiltinTool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens that a tool defined by Anthropic adds to the prompt."""

    types: tuple[str, ...]
    """Values of `type` in `tools`."""
    by_tokenizer: dict[str, int] = {}
    """`ModelProfile.tokenizer` -> tokens."""
    by_model: dict[str, int] = {}
    """Model id -> tokens, where a model differs or only it was measured."""
    includes_tool_prompt: bool = False
    """The number replaces `ModelProfile.tool_prompt`, it does not add to it."""
    basis: Literal["documented", "recorded", "recorded_total"]
    """`recorded_total`: of a whole first request, tool prompt and a short message included; an upper bound only."""
    note: str = ""
    src: str

    def tokens_on(self, profile: ModelProfile) -> int | None:
        """Tokens of the definition on a model; None where neither documented nor measured apart."""
        if self.basis == "recorded_total":
            return None
        return self.by_model.get(profile.id, self.by_tokenizer.get(profile.tokenizer))


class RequestLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a request that are not tokens (CTX-18, CTX-19, CACHE-02, CACHE-06)."""

    body_mb: dict[str, int]
    """`messages_and_count_tokens`, `batches`, `files`, `bedrock`, `google_cloud` -> megabytes (else 413)."""
    messages: int
    cache_breakpoints: int
    cache_lookback_blocks: int
    batch_requests: int
    batch_expires_h: int
    batch_results_days: int
    web_search_usd_per_1000: float
    src: str


class BetaHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value of `anthropic-beta`."""

    name: str
    dead: bool
    """It is ignored now (CTX-12)."""


class PriceEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dated change of prices or limits, in words; prices themselves are in `ModelProfile.prices`."""

    date: dt.date
    event: str


class Conflict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the sources disagree."""

    topic: str
    detail: str


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of `models.json`."""

    schema_version: int
    generated: str
    """Day on which the facts were compiled."""
    newest_source: str
    """The newest official text that was read."""
    sources: dict[str, Source]
    """Key, as used in every `src` -> what it is."""
    models: tuple[ModelProfile, ...]
    """By release date."""
    retired_without_data: tuple[RetiredModel, ...]
    images: ImageRules
    pdf: PdfRules
    builtin_tools: tuple[BuiltinTool, ...]
    limits: RequestLimits
    beta_headers: tuple[BetaHeader, ...]
    platform_rules: dict[str, str]
    price_history: tuple[PriceEvent, ...]
    conflicts: tuple[Conflict, ...]
    src: dict[str, str]
    """Name of a table above -> keys of `sources`, for those without a source of their own."""
