"""TOK: what the usage of a response says, and count_tokens. Other packages follow these rules; TOK-05 shows in a request."""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View, plain

__all__ = ["RULES"]

_HINTS_BETA = "thinking-token-count-2026-05-13"


def hints_wanted(view: View) -> Iterator[Finding]:
    """TOK-05."""
    profile = view.frame.profile
    display = plain(view.frame.settings.get("thinking")).get("display")
    if display is None and profile is not None:
        display = profile.thinking.display_default
    if _HINTS_BETA in view.frame.betas and display not in (None, "omitted"):
        yield Finding(
            path="betas",
            message=f"{_HINTS_BETA} has no effect: hints come only where the thinking itself is omitted.",
            remedy='Set `thinking.display` to "omitted", or leave this beta out.',
        )


_CACHING = "platform.claude.com/docs/en/build-with-claude/prompt-caching"
_COUNTING = "platform.claude.com/docs/en/build-with-claude/token-counting"
_ADVISOR = "platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool"
_SKILL = "claude-api skill"
_SDK = "anthropic 2.12.0 types"
_AUGUST, _SEPTEMBER, _OCTOBER, _SDK_DATE = "2026-08-22", "2026-09-26", "2026-10-06", "2026-11-20"

RULES = (
    Rule(
        id="TOK-01",
        sentence="input_tokens is what stands behind the last cache breakpoint.",
        source=_CACHING,
        date=_AUGUST,
        modelled="window.usage.read_usage",
    ),
    Rule(
        id="TOK-02",
        sentence="cache_creation_input_tokens is the sum of what was written for 5 minutes and for 1 hour.",
        source=_CACHING,
        date=_AUGUST,
        modelled="window.usage.read_usage",
    ),
    Rule(
        id="TOK-03",
        sentence="output_tokens is what is billed: all thinking at raw length, whatever is shown of it.",
        source=f"{_SDK}/usage.py",
        date=_SDK_DATE,
        modelled="window.reply.billed_size",
    ),
    Rule(
        id="TOK-04",
        sentence="thinking_tokens is a part of output_tokens, right to within a few tokens.",
        source=f"{_SDK}/beta/beta_output_tokens_details.py",
        date=_SDK_DATE,
        modelled="window.usage.read_usage",
    ),
    Rule(
        id="TOK-05",
        sentence="Streamed estimates of thinking are hints, and come only where thinking is omitted.",
        source=f"{_SDK}/beta/beta_thinking_delta.py",
        date=_SDK_DATE,
        severity="warning",
        check=hints_wanted,
    ),
    Rule(
        id="TOK-06",
        sentence="The usage of message_delta is cumulative.",
        source=f"{_SDK}/beta/beta_message_delta_usage.py",
        date=_SDK_DATE,
        modelled="window.usage.latest",
    ),
    Rule(
        id="TOK-07",
        sentence="Iterations are message, compaction, advisor_message and fallback_message entries.",
        source=f"{_SDK}/beta/beta_iterations_usage.py",
        date=_SDK_DATE,
        modelled="window.billing.shares",
    ),
    Rule(
        id="TOK-08",
        sentence="Compaction and advice are not in the top-level usage; billed is every iteration at its own model's price.",
        source=f"{_SDK}/beta/beta_usage.py; {_ADVISOR}",
        date=_SDK_DATE,
        modelled="window.billing.shares",
    ),
    Rule(
        id="TOK-09",
        sentence="Top-level usage sums up the message entries, so that its input exceeds any one prompt.",
        source=_ADVISOR,
        date=_AUGUST,
        modelled="tiers.reported.reported",
    ),
    Rule(
        id="TOK-10",
        sentence="A compaction entry tells what the summary took, not how large the context was.",
        source=f"{_SDK}/beta/beta_usage.py",
        date=_SDK_DATE,
        modelled="window.usage.read_usage",
        conflict="A page shows an entry of the size of the context, the newer SDK says otherwise; nothing is sized by it.",
    ),
    Rule(
        id="TOK-11",
        sentence="With fallbacks the top-level usage is that of the attempt that answered; models are never mixed.",
        source="platform.claude.com/docs/en/build-with-claude/refusals-and-fallback",
        date=_AUGUST,
        modelled="window.billing.shares",
    ),
    Rule(
        id="TOK-12",
        sentence="count_tokens is free, takes what create takes, has limits of its own, and gives an estimate.",
        source=_COUNTING,
        date=_AUGUST,
        modelled="tiers.decisions.Count",
    ),
    Rule(
        id="TOK-13",
        sentence="count_tokens rejects fields that bear on the reply alone.",
        source=f"{_SKILL}, drop_block_probe.py",
        date=_OCTOBER,
        modelled="tiers.requests.count_of",
    ),
    Rule(
        id="TOK-14",
        sentence="count_tokens applies compaction blocks and edits, never compacts, and tells the count without the edits too.",
        source=f"{_COUNTING}; {_SDK}/beta/beta_count_tokens_context_management_response.py",
        date=_SDK_DATE,
        modelled="window.served.serve",
    ),
    Rule(
        id="TOK-15",
        sentence="count_tokens accepts and ignores a request for an on-demand compaction.",
        source=f"{_COUNTING}; platform.claude.com/docs/en/build-with-claude/compaction-on-demand",
        date=_SEPTEMBER,
        modelled="emulator.service.Service",
    ),
    Rule(
        id="TOK-16",
        sentence="With server tools count_tokens covers the first sampling only, and no advice.",
        source=f"{_COUNTING}; {_ADVISOR}",
        date=_AUGUST,
        modelled="window.request.count",
    ),
    Rule(
        id="TOK-17",
        sentence="count_tokens makes the same check of bound thinking.",
        source=f"{_SKILL}, preserved-thinking-migration.md",
        date=_OCTOBER,
        modelled="rules.binding.bound",
    ),
    Rule(
        id="TOK-18",
        sentence="count_tokens rejects a forced tool_choice on the models that reject it.",
        source="platform.claude.com/docs/en/api/errors",
        date=_SEPTEMBER,
        modelled="rules.tools.forced_choice",
    ),
    Rule(
        id="TOK-19",
        sentence="Whether thinking of earlier turns counts depends on the model, as RET-01 and RET-02 say.",
        source=_COUNTING,
        date=_AUGUST,
        modelled="window.ledger.Ledger",
        conflict="The page says ignored, on all models; it is counted on keep-all models, as all other pages say.",
    ),
    Rule(
        id="TOK-20",
        sentence="Results of calls that code made never enter the context.",
        source="platform.claude.com/docs/en/agents-and-tools/tool-use/programmatic-tool-calling",
        date=_AUGUST,
        modelled="window.ledger.Ledger",
    ),
    Rule(
        id="TOK-21",
        sentence="What a citation quotes counts neither when it is produced nor when it is sent back.",
        source="platform.claude.com/docs/en/build-with-claude/citations",
        date=_AUGUST,
        modelled="window.block_sizes.size_block",
    ),
    Rule(
        id="TOK-22",
        sentence="Expired system messages, deferred tools that nothing names, and failed compaction blocks cost nothing.",
        source=f"{_SKILL}, prompt-caching.md; {_SDK}/beta/beta_compaction_block.py",
        date=_SDK_DATE,
        modelled="window.ledger.Ledger",
    ),
    Rule(
        id="TOK-23",
        sentence="Dropped thinking is neither billed nor in input_tokens.",
        source="platform.claude.com/docs/en/build-with-claude/preserved-thinking",
        date=_SEPTEMBER,
        modelled="window.ledger.Ledger.drop",
        conflict="An older page has it counted; the newer ones do not, and are followed.",
    ),
    Rule(
        id="TOK-24",
        sentence="Two messages of one role cost about a token more than one.",
        source="probe E2",
        date="2026-09-24",
        modelled="window.sizes.size_message",
    ),
)
