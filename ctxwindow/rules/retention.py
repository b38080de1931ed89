"""RET: which thinking of earlier turns the server drops by itself.

No request breaks these rules, so the table has no checks; `stripped_before` is what the accounting asks.
"""

from __future__ import annotations

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import Outline
from ctxwindow.rules.rule import Rule

__all__ = ["RULES", "stripped", "stripped_before"]


def stripped_before(profile: ModelProfile, outline: Outline) -> int:
    """Thinking blocks of messages before this index are stripped by the server and not billed (RET-02 to RET-04).

    On keep-all models the index is 0. On last-turn-only models it is the start of the current turn, so that it
    moves only when a user message that is not only tool results arrives. For a model without thinking it is the
    number of messages: such a model reads no thinking (BIND-02 drops what a model cannot read; for these models
    nothing more is documented).
    """
    match profile.thinking.prior_turns:
        case "keep_all":
            return 0
        case "last_turn_only":
            return outline.turn_start or 0
        case _:
            return outline.length


def stripped(profile: ModelProfile, outline: Outline, index: int) -> bool:
    """Whether the server strips the thinking of message `index`."""
    return index < stripped_before(profile, outline)


_THINKING = "platform.claude.com/docs/en/build-with-claude/thinking"
_CACHING = "platform.claude.com/docs/en/build-with-claude/prompt-caching"

RULES = (
    Rule(
        id="RET-01",
        sentence="Keep-all models keep every turn's thinking in the window; it counts and is billed as input.",
        source=_THINKING,
        date="2026-09-26",
        models="Opus 4.5 and later, Sonnet 4.6 and later, Haiku 5.5, Fable and Mythos",
        modelled="rules.retention.stripped_before",
    ),
    Rule(
        id="RET-02",
        sentence="Last-turn-only models keep the thinking of the last turn; older blocks are stripped and not billed.",
        source=_THINKING,
        date="2026-09-26",
        models="Opus 4.1, Sonnet 4.5, Haiku 4.5 and earlier",
        modelled="rules.retention.stripped_before",
    ),
    Rule(
        id="RET-03",
        sentence="The strip happens when a user message that is not only tool results follows; the cache ends there.",
        source=_CACHING,
        date="2026-08-22",
        models="Opus 4.1, Sonnet 4.5, Haiku 4.5 and earlier",
        modelled="rules.retention.stripped_before",
    ),
    Rule(
        id="RET-04",
        sentence="A turn runs from a user message that is not only tool results to the next such message.",
        source=_THINKING,
        date="2026-08-22",
        modelled="record.turns.is_turn_start",
    ),
    Rule(
        id="RET-05",
        sentence="The window is the input plus the current turn, less earlier thinking on last-turn-only models.",
        source="platform.claude.com/docs/en/build-with-claude/context-windows",
        date="2026-09-26",
        modelled="window.ledger.Ledger",
    ),
    Rule(
        id="RET-06",
        sentence="Inside an open tool loop all models keep the current turn's thinking.",
        source=_THINKING,
        date="2026-08-22",
        modelled="rules.retention.stripped_before",
    ),
    Rule(
        id="RET-07",
        sentence="Keep-all models shed thinking by clear_thinking_20251015, or by removal under REPLAY and BIND.",
        source="platform.claude.com/docs/en/build-with-claude/context-editing",
        date="2026-08-22",
        modelled="window.edits.ClearThinking",
    ),
    Rule(
        id="RET-08",
        sentence="On a new turn thinking stays unless it is cleared.",
        source="platform.claude.com/docs/en/build-with-claude/context-windows",
        date="2026-09-26",
        modelled="rules.retention.stripped_before",
        conflict="An older page let a client strip it on a new turn; the newer one is followed.",
    ),
    Rule(
        id="RET-09",
        sentence="clear_thinking keeps one thinking turn by default on last-turn-only models and all on keep-all models.",
        source="platform.claude.com/docs/en/build-with-claude/context-editing",
        date="2026-08-22",
        modelled="window.edits.ClearThinking",
    ),
)
