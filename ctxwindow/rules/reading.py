"""Which model reads whose thinking (BIND-20), in which account (BIND-19), and which reason is told (BIND-18).

The documentation gives this in sentences about single models, with gaps. A gap is an unknown here, not a guess.
"""

from __future__ import annotations

from collections.abc import Collection

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.rules.rule import Rule

__all__ = ["DROP_REASONS", "RULES", "drop_reason", "reads"]

DROP_REASONS = (
    "organization_binding_mismatch",
    "end_user_binding_mismatch",
    "model_binding_mismatch",
    "prefix_binding_mismatch",
)
"""Why a thinking block is dropped; of a block that fails several checks the first is told (BIND-18)."""

_FRONTIER = ("fable", "mythos")
_FIVE_ONE = ("claude-fable-5-1", "claude-mythos-5-1")
_FIVE_TWO = ("claude-fable-5-2", "claude-mythos-5-2")
_SONNET, _HAIKU, _OPUS = "claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5"

# Up to which model of each line these read all; they read no other. Pages of 2026-10-10 (D-PRES in the catalog).
_UP_TO = {
    _OPUS: {"opus": _OPUS, "sonnet": _SONNET, "haiku": _HAIKU},
    _SONNET: {"opus": "claude-opus-4-8", "sonnet": _SONNET, "haiku": _HAIKU},
    _HAIKU: {"opus": "claude-opus-4-8", "sonnet": "claude-sonnet-5", "haiku": _HAIKU},
}
_FIRST_TOLD = "claude-sonnet-4-5-20250929"
"""Of the models from this one on it is said that they read earlier ones, though not in detail."""


def drop_reason(reasons: Collection[str]) -> str | None:
    """The reason that the API tells of a block with all these; None when there is none that is known (BIND-18)."""
    return next((reason for reason in DROP_REASONS if reason in reasons), None)


def reads(reader: ModelProfile, producer: ModelProfile, *, same_account: bool = True) -> bool | None:
    """Whether `reader` reads thinking that `producer` made, on the Claude API (BIND-20); None where nothing is stated.

    Args:
        reader: the model of the request.
        producer: the model that made the thinking.
        same_account: False where the request comes from another account that is not linked (BIND-19).
    """
    if not same_account and producer.account_bound:
        return False
    if reader.thinking.prior_turns == "none":
        return False
    if reader.id == producer.id:
        return True
    if not (reader.line and producer.line and reader.released and producer.released):
        return None
    if producer.line in _FRONTIER or reader.line in _FRONTIER:
        return _frontier(reader, producer)
    if reader.id in _UP_TO:
        return _by(producer, resolve(_UP_TO[reader.id][producer.line]))
    if producer.id == _SONNET:
        return False  # nobody else reads it
    return True if _by(producer, reader) and _by(resolve(_FIRST_TOLD), reader) else None


def _by(model: ModelProfile, other: ModelProfile) -> bool:
    """Whether `model` was there when `other` came out."""
    return model.released is not None and other.released is not None and model.released <= other.released


def _frontier(reader: ModelProfile, producer: ModelProfile) -> bool | None:
    """Where a Fable or Mythos model is on either side."""
    if producer.id in _FIVE_TWO:
        return reader.id in _FIVE_TWO
    if reader.line not in _FRONTIER:
        return False
    if reader.id not in _FIVE_ONE:
        return False if producer.id in _FIVE_ONE and reader.id not in _FIVE_TWO else None
    if _by(producer, reader) or producer.id == _OPUS:
        return True
    return False if producer.id == _SONNET else None


_PAGE = "platform.claude.com/docs/en/build-with-claude/preserved-thinking"
_SKILL = "claude-api skill, preserved-thinking-migration"

RULES = (
    Rule(
        id="BIND-18",
        sentence="A dropped block names one reason: organisation before end user before model before prefix.",
        source="anthropic 2.12.0 types/beta/beta_thinking_dropped_input_transformation.py",
        date="2026-11-20",
        modelled="rules.reading.drop_reason",
    ),
    Rule(
        id="BIND-19",
        sentence="Thinking of account-bound models is dropped in other accounts, without an error.",
        source=f"{_SKILL}/causes.md; platform.claude.com/docs/en/models/haiku-5-5/migration-guide",
        date="2026-10-08",
        models="Sonnet 5.5, Haiku 5.5",
        severity="warning",
        modelled="rules.reading.reads",
    ),
    Rule(
        id="BIND-20",
        sentence="Which model reads the thinking of which others is stated per model; what is not stated is unknown.",
        source=f"{_PAGE}; {_SKILL}/causes.md",
        date="2026-10-10",
        severity="warning",
        modelled="rules.reading.reads",
        conflict=(
            "The skill says that nobody else reads Sonnet 5.5, the newer page that Opus 5.5 does: the page is followed; that "
            "Haiku 5.5 reads nobody else is said for Bedrock only."
        ),
    ),
)
