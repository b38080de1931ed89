"""What each model is: limits, thinking, features, prices by date, all from one sourced file."""

from __future__ import annotations

from ctxwindow.catalog.document import BuiltinTool, Document, ImageRules, ImageTier, PdfRules, RequestLimits, Source
from ctxwindow.catalog.live import Overlay, overlay
from ctxwindow.catalog.lookup import document, models, resolve
from ctxwindow.catalog.profile import (
    FastPrice,
    Features,
    ModelProfile,
    Price,
    PriceTier,
    RateName,
    ThinkingProfile,
    ToolPrompt,
)

__all__ = [
    "BuiltinTool",
    "Document",
    "FastPrice",
    "Features",
    "ImageRules",
    "ImageTier",
    "ModelProfile",
    "Overlay",
    "PdfRules",
    "Price",
    "PriceTier",
    "RateName",
    "RequestLimits",
    "Source",
    "ThinkingProfile",
    "ToolPrompt",
    "document",
    "models",
    "overlay",
    "resolve",
]
