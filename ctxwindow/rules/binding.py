"""BIND: preserved thinking. What decides is in `ctxwindow.rules.prefix`; here are the rule and the table."""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.rules.prefix import prefix_report
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View, plain

__all__ = ["RULES"]

_BETA = "thinking-binding-controls-2026-08-01"


def bound(view: View) -> Iterator[Finding]:
    """BIND-05. With drop_block the API drops the blocks and goes on, which is a warning."""
    if view.previous is None or view.frame.profile is None or not view.frame.profile.bound:
        return
    binding = plain(plain(view.frame.settings.get("thinking")).get("block_binding"))
    request = {"system": view.frame.system, "tools": view.frame.tools, "messages": list(view.messages)}
    for state in prefix_report(request, view.previous, view.frame.profile):
        if state.valid:
            continue
        kind, _, sentence = (state.reason or "").partition(": ")
        header = (
            ""
            if _BETA in view.frame.betas
            else (f" That setting requires the `{_BETA}` value in the `anthropic-beta` header.")
        )
        yield Finding(
            path=state.path,
            message=(
                f"{state.path}: Invalid `signature` in `thinking` block. The block is bound to a different conversation. "
                'Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
                f"{header} {sentence}"
            ),
            remedy=f"Undo the change before it ({kind}), or leave out this thinking and all after it.",
            severity="warning" if binding.get("prefix_mismatch_behavior") == "drop_block" else None,
        )


_PAGE = "platform.claude.com/docs/en/build-with-claude/preserved-thinking"
_SKILL = "claude-api skill, preserved-thinking-migration"
_DATE = "2026-09-26"
_SKILL_DATE = "2026-10-06"
_MODELS = "Fable 5.1, Opus 5.5, Sonnet 5.5, Haiku 5.5, Fable and Mythos 5.2; Mythos 5.1 in doubt"

RULES = (
    Rule(
        id="BIND-01",
        sentence="A replayed thinking block is checked for who may read it, and for system, tools and all messages before it.",
        source=_PAGE,
        date=_DATE,
    ),
    Rule(
        id="BIND-02",
        sentence="Blocks that the model cannot read are dropped for that request, unbilled, without an error.",
        source=_PAGE,
        date=_DATE,
        severity="warning",
    ),
    Rule(
        id="BIND-03",
        sentence="The prefix check runs on the newest models only; for Mythos 5.1 sources disagree, and it counts as bound.",
        source=_PAGE,
        date=_DATE,
        models=_MODELS,
    ),
    Rule(
        id="BIND-04",
        sentence="It is on for accounts created since 2026-08-31, on older ones when asked for, on Fable 5.2 for all.",
        source=_PAGE,
        date=_DATE,
        models=_MODELS,
    ),
    Rule(
        id="BIND-05",
        sentence="Thinking whose prefix differs from when it was created is rejected.",
        source=f"{_PAGE}; github.com/anomalyco/opencode/issues/48637",
        date=_DATE,
        models=_MODELS,
        check=bound,
    ),
    Rule(
        id="BIND-08",
        sentence="prefix_mismatch_behavior drop_block drops failing blocks and lists them in input_transformations.",
        source=_PAGE,
        date=_DATE,
        models=_MODELS,
        severity="warning",
    ),
    Rule(
        id="BIND-09",
        sentence="How much is dropped is documented in three ways; all later blocks are taken to be lost.",
        source=f"{_PAGE}; anthropic 2.12.0; probe E2",
        date="2026-11-20",
        models=_MODELS,
        severity="warning",
    ),
    Rule(
        id="BIND-10",
        sentence="Kept thinking blocks are one unbroken run of the original sequence.",
        source=f"{_PAGE}; probe E1",
        date="2026-10-08",
        models=_MODELS,
    ),
    Rule(
        id="BIND-11",
        sentence="A removed block is never put back.",
        source=_PAGE,
        date=_DATE,
        models=_MODELS,
    ),
    Rule(
        id="BIND-12",
        sentence="Editing, reordering, adding or deleting anything before a thinking block invalidates it.",
        source=f"{_PAGE}; probes E1, E2",
        date="2026-10-08",
        models=_MODELS,
    ),
    Rule(
        id="BIND-13",
        sentence="Appending, moving cache_control, and all settings outside system, tools and messages leave thinking valid.",
        source=_PAGE,
        date=_DATE,
        models=_MODELS,
    ),
    Rule(
        id="BIND-14",
        sentence="Prefixes are compared in a canonical form, which `ctxwindow.record.canonical` follows.",
        source=f"{_SKILL}/prefix_diff.py",
        date=_SKILL_DATE,
        models=_MODELS,
    ),
    Rule(
        id="BIND-15",
        sentence="The checked prefix restarts at the last compaction block with content.",
        source=f"{_PAGE}; {_SKILL}/prefix_diff.py",
        date=_SKILL_DATE,
        models=_MODELS,
    ),
    Rule(
        id="BIND-16",
        sentence="A branch or retry whose kept thinking lies before the point of divergence is not an edit.",
        source=f"{_SKILL}/prefix_diff.py",
        date=_SKILL_DATE,
        models=_MODELS,
    ),
    Rule(
        id="BIND-21",
        sentence="Changing the model alone never fails the check; all blocks stay in the history.",
        source=_PAGE,
        date=_DATE,
    ),
    Rule(
        id="BIND-22",
        sentence="Whether blocks of older models carry a record is documented in two ways; they are treated as bound.",
        source=f"{_SKILL}/causes.md; anthropic 2.12.0",
        date="2026-11-20",
        models=_MODELS,
    ),
    Rule(
        id="BIND-26",
        sentence="A rejected body is never sent again: retry once with drop_block, or strip all thinking and keep it stripped.",
        source=f"{_SKILL}/causes.md",
        date=_SKILL_DATE,
        models=_MODELS,
    ),
    Rule(
        id="BIND-28",
        sentence="A verbatim tail behind a summary of one's own is sent without thinking, or with drop_block.",
        source=f"{_PAGE}; {_SKILL}",
        date=_SKILL_DATE,
        models=_MODELS,
    ),
)
