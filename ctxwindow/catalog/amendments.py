"""What `build` adds to the facts file: dates of price changes, decisions on conflicts, sources of whole fields.

All of it is data with its source. A stretch is `[since, until)`: `until` is the first day on which it no longer held.
Only `ctxwindow.catalog.build` reads this module; the library reads the file that build writes.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

__all__ = [
    "BUILTIN_TOOLS",
    "DECISIONS",
    "EXTRA_BUILTIN_TOOLS",
    "EXTRA_NOTES",
    "EXTRA_SOURCES",
    "FIELD_SOURCES",
    "PRICE_STRETCHES",
    "REWORDED_NOTES",
    "REWORDED_SOURCES",
    "TABLE_SOURCES",
    "TOKENIZERS",
    "BuiltinToolRow",
    "Decision",
    "PriceStretch",
]

# The rulebook and the tokenizer are sources beside those of the facts file.
EXTRA_SOURCES = {
    "RULES": {"what": "ctxwindow rulebook of documented Messages API rules, by id (BIND-03)", "as_of": "2026-11-22"},
    "G-COUNT": {"what": "Google Cloud count-tokens page", "as_of": "not stated"},
    "CTOK": {"what": "ctok 1.3.0 (MIT), main.py FAMILIES, checked against recorded counts", "as_of": "2026-11"},
}

# Sources that the facts name in words only.
REWORDED_SOURCES = {"Google count-tokens page via search": "G-COUNT"}

# Sources of the tables that carry none of their own.
TABLE_SOURCES = {
    "retired_without_data": "D-DEPR",
    "beta_headers": "SDK, D-REL",
    "price_history": "D-REL, D-REL-NOV, D-PRICE, D-PRICE-FEB, D-FAST-CC",
    "platform_rules": "D-OV-AUG, D-PRICE, L-LITELLM",
    "conflicts": "RULES",
}


class PriceStretch(NamedTuple):
    """A stretch of days in which a model's price differs from its row in the facts file."""

    model: str
    since: dt.date
    until: dt.date | None
    what: str
    """`tier` or `fast`: the row's long-context or fast price holds in this stretch only. Else a name of a rate."""
    src: str
    rate: float | None = None


_day = dt.date.fromisoformat

PRICE_STRETCHES = (
    # The facts row has the price of today: 0.10 from 2026-10-07 on (the rulebook still calls it open, Q-19).
    PriceStretch("claude-sonnet-5-5", _day("2026-09-28"), _day("2026-10-07"), "cache_read", "D-REL", rate=0.20),
    # "2026-03-13: premium removed, 1M GA" (PRICE-04).
    PriceStretch("claude-opus-4-6", _day("2026-02-05"), _day("2026-03-13"), "tier", "D-PRICE-FEB, D-REL"),
    PriceStretch("claude-sonnet-4-6", _day("2026-02-17"), _day("2026-03-13"), "tier", "D-PRICE-FEB, D-REL"),
    # The 1M beta ended on 2026-04-30, that day included: a longer request is an error from then on (CTX-12).
    PriceStretch("claude-sonnet-4-20250514", _day("2025-08-12"), _day("2026-05-01"), "tier", "D-PRICE-FEB, D-REL"),
    PriceStretch("claude-sonnet-4-5-20250929", _day("2025-09-29"), _day("2026-05-01"), "tier", "D-PRICE-FEB, D-REL"),
    PriceStretch("claude-haiku-5-5", _day("2026-10-07"), None, "tier", "D-H55, RULES PRICE-03"),
    # Fast mode. It was removed on the day named, which is the first without it.
    PriceStretch("claude-opus-4-6", _day("2026-02-07"), _day("2026-06-29"), "fast", "D-PRICE-FEB, D-REL, D-FAST"),
    PriceStretch("claude-opus-4-7", _day("2026-05-12"), _day("2026-07-24"), "fast", "D-REL, D-FAST"),
    PriceStretch("claude-opus-4-8", _day("2026-05-28"), _day("2026-11-30"), "fast", "D-REL, D-FAST-CC"),
    PriceStretch("claude-opus-5", _day("2026-07-24"), None, "fast", "D-PRICE, D-FAST"),
    # "GA from Oct 2026", no first day stated: from the release on, so that no day lacks its price.
    PriceStretch("claude-opus-5-5", _day("2026-09-22"), None, "fast", "D-PRICE, D-FAST-CC"),
    PriceStretch("claude-fable-5-2", _day("2026-11-09"), None, "fast", "L-GENAI, D-GCP-F52"),
    PriceStretch("claude-mythos-5-2", _day("2026-11-09"), None, "fast", "L-GENAI"),
)


class Decision(NamedTuple):
    """A field that the facts leave open or that sources dispute, set to what cannot break a request."""

    model: str
    field: str
    """Dotted (`features.task_budgets`)."""
    facts_say: object
    """Checked, so that a decision does not outlive the doubt it settled."""
    value: object
    src: str
    note: str


DECISIONS = (
    Decision(
        model="claude-mythos-preview",
        field="features.forced_tool_choice",
        facts_say=None,
        value=False,
        src="RULES TOOL-15",
        note="TOOL-15: forced tool_choice is listed as rejected; the feature table leaves it open",
    ),
    Decision(
        model="claude-mythos-preview",
        field="image_tier",
        facts_say=None,
        value="high",
        src="RULES MEDIA-02",
        note="MEDIA-02: the image tier is not stated; the higher one is assumed, which never counts too few tokens",
    ),
    Decision(
        model="claude-sonnet-5",
        field="features.task_budgets",
        facts_say=True,
        value=False,
        src="RULES TB-01",
        note="TB-01: sources disagree on task budgets; taken as not supported, which cannot break a request",
    ),
)

EXTRA_NOTES = {
    "claude-mythos-5-1": (
        "BIND-03, Q-04: sources disagree whether the prefix check runs; taken as bound, which cannot break a request",
    ),
    "claude-sonnet-5": (
        "SYS-02, Q-14: sources disagree on system messages in the conversation; taken as not supported",
    ),
    "claude-haiku-5-5": (
        "SYS-03, Q-10: system messages in the conversation are on the page of 2026-10-10 (D-MIDSYS) and not confirmed since",
        "BIND-20: a Bedrock page says that other models' thinking is dropped on it",
    ),
    "claude-sonnet-5-5": (
        "THINK-13, Q-11: one overview implies a default effort of medium; high is the newer statement",
        "PRICE-02, Q-19: the skill lists a cache read of 0.20; the release note of 2026-10-07 is newer",
    ),
    "claude-fable-5-2": (
        "BIND-22, Q-03: it may reject older thinking that carries no conversation record",
        "RET-01: that prior thinking is kept is inferred from the line",
    ),
    "claude-mythos-5-2": (
        "BIND-22, Q-03: it may reject older thinking that carries no conversation record",
        "RET-01: that prior thinking is kept is inferred from the line",
    ),
}

# Notes of the facts file that speak of that file, said anew for readers of this one.
REWORDED_NOTES = {
    "earliest retirement date is in 2 days from this report: re-check": (
        "may retire from 2026-11-24 on: ask client.models.list() for its lifecycle"
    ),
}

# Facts say `claude-3-era` or `opus-4.7-era`. Within the second, the smaller message frame came with Opus 4.8: recorded
# counts, and ctok's FAMILIES. Mythos Preview is of April 2026, before that frame.
TOKENIZERS = {
    "claude-3-era": {"": "v3"},
    "opus-4.7-era": {"claude-opus-4-7": "v4.7", "claude-mythos-preview": "v4.7", "": "v4.8"},
}

# Field of the profile -> keys of the facts' `src` that say where it was read, the first one present counting, and the
# source of the rule or table where none is.
FIELD_SOURCES: dict[str, tuple[tuple[str, ...], str]] = {
    "id": (("ids",), "SDK"),
    "display_name": (("ids",), "SDK"),
    "line": (("ids",), "SDK"),
    "released": (("released",), "D-REL"),
    "aliases": (("ids",), "SDK"),
    "bedrock_ids": (("ids",), "D-OV-JAN"),
    "vertex_id": (("vertex", "ids"), "D-OV-JAN"),
    "foundry_id": (("ids",), "D-OV-JAN"),
    "state": (("lifecycle",), "D-DEPR"),
    "deprecated_on": (("lifecycle",), "D-DEPR"),
    "retires_on": (("retire", "lifecycle"), "D-DEPR"),
    "not_before": (("lifecycle",), "D-DEPR"),
    "retired_on": (("lifecycle",), "D-DEPR"),
    "replacement": (("lifecycle",), "D-DEPR"),
    "window": (("context",), "D-CTX"),
    "max_output": (("max_output", "context"), "D-CTX"),
    "max_output_batch": ((), "D-BATCH, D-H55"),
    "thinking": (("thinking",), "D-THINK"),
    "prefix_check": (("binding",), "D-PRES"),
    "account_bound": (("binding",), "D-PRES"),
    "reads_from": (("binding",), "D-PRES"),
    "features": (("features",), "D-CTX"),
    "cache_min_tokens": (("cache_min",), "D-CACHE"),
    "image_tier": (("image_tier",), "D-VISION"),
    "tokenizer": ((), "CTOK, REC, D-COUNT"),
    "tool_prompt": (("tool_prompt",), "D-PRICE"),
    "prices": (("price",), "D-PRICE"),
}


class BuiltinToolRow(NamedTuple):
    """How a row of the facts' tool table is read."""

    types: tuple[str, ...]
    basis: str
    by_tokenizer: dict[str, str] = {}  # noqa: RUF012 - never changed
    """Tokenizer -> name of the number in the row."""
    by_model: dict[str, str] = {}  # noqa: RUF012 - never changed
    """Model id -> name of the number in the row."""
    includes_tool_prompt: bool = False
    note: str = ""
    """In place of the row's own."""


_GENERATIONS = {"v3": "4.6-", "v4.7": "4.7+", "v4.8": "4.7+"}
_ALL = ("v3", "v4.7", "v4.8")

# Row of the facts' table -> reading. `web_fetch` is left out: its numbers are sizes of pages, not of the tool.
BUILTIN_TOOLS: dict[str, BuiltinToolRow | None] = {
    "bash_20250124": BuiltinToolRow(types=("bash_20250124",), basis="documented", by_tokenizer=_GENERATIONS),
    "text_editor_20250728": BuiltinToolRow(
        types=("text_editor_20250728",),
        basis="documented",
        by_tokenizer=_GENERATIONS,
        note="see also its older versions",
    ),
    "computer_toolset_20260801": BuiltinToolRow(
        types=("computer_toolset_20260801",),
        basis="documented",
        by_tokenizer=dict.fromkeys(_ALL, "others"),
        by_model={"claude-sonnet-5": "Sonnet 5"},
        includes_tool_prompt=True,
    ),
    "browser_toolset_20260801": BuiltinToolRow(
        types=("browser_toolset_20260801",),
        basis="documented",
        by_tokenizer=dict.fromkeys(_ALL, "others"),
        by_model={"claude-sonnet-5": "Sonnet 5"},
        includes_tool_prompt=True,
    ),
    "computer_20251124 / computer_20250124": BuiltinToolRow(
        types=("computer_20251124", "computer_20250124"),
        basis="documented",
        by_tokenizer=dict.fromkeys(_ALL, "definition"),
        note="the definition alone; the system prompt for computer use is 466 to 499 tokens besides",
    ),
    "memory_20250818": BuiltinToolRow(
        types=("memory_20250818",),
        basis="recorded",
        by_model={"claude-sonnet-4-5-20250929": "Sonnet 4.5 (recorded)"},
    ),
    "web_search_20250305": BuiltinToolRow(
        types=("web_search_20250305",),
        basis="recorded_total",
        by_model={
            "claude-sonnet-4-20250514": "Sonnet 4 (recorded, first call total)",
            "claude-opus-4-1-20250805": "Opus 4.1 (recorded)",
            "claude-sonnet-4-5-20250929": "Sonnet 4.5 (recorded)",
        },
        includes_tool_prompt=True,
    ),
    "web_fetch": None,
    "code_execution": BuiltinToolRow(
        types=("code_execution_20250522",),
        basis="recorded_total",
        by_model={"claude-sonnet-4-20250514": "20250522 on Sonnet 4 (recorded total)"},
        includes_tool_prompt=True,
    ),
}

# The older text editors stand in a remark of the facts' row, not as numbers.
EXTRA_BUILTIN_TOOLS = (
    {
        "types": ("text_editor_20250429", "text_editor_20250124"),
        "by_tokenizer": dict.fromkeys(_ALL, 700),
        "basis": "documented",
        "src": "D-PRICE, RULES PRICE-08",
    },
)
