"""PRICE: what is billed, and at which price. The catalog and `ctxwindow.window` follow these rules."""

from __future__ import annotations

from ctxwindow.rules.rule import Rule

__all__ = ["RULES"]

_PRICING = "platform.claude.com/docs/en/about-claude/pricing"
_READ, _OCTOBER = "2026-08-22", "2026-10-08"

RULES = (
    Rule(
        id="PRICE-01",
        sentence="Every model has a price for input and one for output, from a day on.",
        source=f"{_PRICING}; claude-api skill",
        date="2026-11-09",
        modelled="catalog.profile.ModelProfile",
    ),
    Rule(
        id="PRICE-02",
        sentence="Cache writes and reads, batches, inference in the US and fast mode multiply it, and all stack.",
        source=f"{_PRICING}; claude-api skill",
        date=_OCTOBER,
        modelled="window.cost.bill",
        conflict="Reads on Sonnet 5.5 are 0.1 or 0.05 of the input; the catalog has each from its day on.",
    ),
    Rule(
        id="PRICE-03",
        sentence="On Haiku 5.5 a request of more than 100,000 tokens is billed at five times the price, all of it.",
        source="platform.claude.com/docs/en/models/haiku-5-5/migration-guide; claude-api skill",
        date=_OCTOBER,
        models="Haiku 5.5",
        modelled="window.cost.bill",
    ),
    Rule(
        id="PRICE-04",
        sentence="The premium for prompts of more than 200,000 tokens is gone from every current model.",
        source=_PRICING,
        date=_READ,
        modelled="window.cost.bill",
    ),
    Rule(
        id="PRICE-05",
        sentence="Thinking is billed as output once, and on keep-all models as input with each later request.",
        source="platform.claude.com/docs/en/build-with-claude/thinking-steering-and-cost",
        date=_READ,
        modelled="window.ledger.Ledger",
    ),
    Rule(
        id="PRICE-06",
        sentence="What the server leaves out (stripped or dropped thinking, compacted messages, cleared results) is not billed.",
        source="platform.claude.com/docs/en/build-with-claude/context-editing; the page on compaction",
        date="2026-09-26",
        modelled="window.served.serve",
    ),
    Rule(
        id="PRICE-07",
        sentence="A cached prefix pays after one read at 5 minutes, and after two at 1 hour.",
        source=_PRICING,
        date=_READ,
        modelled="window.cost.bill",
    ),
    Rule(
        id="PRICE-08",
        sentence=(
            "The prompt that any tool adds has a size by model and choice of tools; those of built-in tools differ, and are "
            "estimated with wide bounds."
        ),
        source=_PRICING,
        date=_READ,
        modelled="window.fixed.fixed_sizes",
    ),
    Rule(
        id="PRICE-09",
        sentence="Web searches are billed each, code execution by the hour beside newer web tools free, fetches not at all.",
        source=_PRICING,
        date=_READ,
        modelled="window.expense.answered",
    ),
)
