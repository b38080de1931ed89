"""BIND: preserved thinking. What decides is in `ctxwindow.rules.prefix`; here are the rules and the table."""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.rules.diagnosis import ThinkingState
from ctxwindow.rules.enforcement import STALE, enforced_as, thinking_states
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View

__all__ = ["RULES"]

_BETA = "thinking-binding-controls-2026-08-01"


def readable(view: View) -> Iterator[Finding]:
    """BIND-02, where the model that made a block is known."""
    try:
        states = thinking_states(view)
    except RecursionError:
        return  # BIND-05 says so
    for state in states:
        if state.state == "unreadable":
            yield Finding(
                path=state.path,
                message=f"{state.path}: the API drops this block, unbilled: {(state.reason or '').partition(': ')[2]}",
                remedy="Leave it where it is: models that read it still will. Nothing else is lost.",
            )


def bound(view: View) -> Iterator[Finding]:
    """BIND-05. Where the API drops such blocks, or lets them pass, it goes on: a warning."""
    if view.frame.profile is None or not view.frame.profile.bound:
        return
    enforced = enforced_as(view)
    for state in thinking_states(view):
        if state.state in STALE:
            yield Finding(
                path=state.path,
                message=f"{state.path}: {_said(state, enforced, with_beta=_BETA in view.frame.betas)}",
                remedy=f"Undo the change before it ({_change(state)}), or leave out this thinking and all after it.",
                severity=None if enforced == "error" else "warning",
            )


def _said(state: ThinkingState, enforced: str, *, with_beta: bool) -> str:
    """The API's own words for an error; what it does, where it goes on."""
    sentence = (state.reason or "").partition(": ")[2]
    if enforced == "drop_block":
        return f"the API drops this block and goes on (thinking_dropped, prefix_binding_mismatch). {sentence}"
    if enforced == "off":
        return (
            "this block fails the prefix check, which lets it pass on accounts of before 2026-08-31 "
            f"(thinking_mismatch_allowed). {sentence}"
        )
    header = "" if with_beta else f" That setting requires the `{_BETA}` value in the `anthropic-beta` header."
    return (
        "Invalid `signature` in `thinking` block. The block is bound to a different conversation. Remove the block, or "
        f'set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".{header} {sentence}'
    )


def _change(state: ThinkingState) -> str:
    """`system_changed [BIND-12], system_rerendered`."""
    pattern = "" if state.pattern in (None, "unknown") else f", {state.pattern}"
    return f"{state.kind} [{state.rule}]{pattern}"


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
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="BIND-02",
        sentence="Blocks that the model cannot read are dropped for that request, unbilled, without an error.",
        source=_PAGE,
        date=_DATE,
        severity="warning",
        check=readable,
    ),
    Rule(
        id="BIND-03",
        sentence="The prefix check runs on the newest models only; for Mythos 5.1 sources disagree, and it counts as bound.",
        source=_PAGE,
        date=_DATE,
        models=_MODELS,
        modelled="catalog.profile.ModelProfile.bound",
        conflict="For Mythos 5.1 pages of October say no and a page of November yes: bound, which cannot break a request.",
    ),
    Rule(
        id="BIND-04",
        sentence="It is on for accounts created since 2026-08-31, on older ones when asked for, on Fable 5.2 for all.",
        source=_PAGE,
        date=_DATE,
        models=_MODELS,
        modelled="rules.enforcement.enforced_as",
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
        id="BIND-06",
        sentence="The error may end in a sentence that says what differs; the format is not promised.",
        source="github.com/anomalyco/opencode/issues/48637; probes E1, E2",
        date="2026-10-08",
        models=_MODELS,
        modelled="rules.diagnosis.Diagnosis",
    ),
    Rule(
        id="BIND-07",
        sentence="An unpublished header may name the kind and the pattern of the change; it is never depended on.",
        source=f"{_SKILL}; probe E3",
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="rules.diagnosis.Diagnosis",
    ),
    Rule(
        id="BIND-08",
        sentence="prefix_mismatch_behavior drop_block drops failing blocks and lists them in input_transformations.",
        source=_PAGE,
        date=_DATE,
        models=_MODELS,
        severity="warning",
        modelled="rules.enforcement.enforced_as",
    ),
    Rule(
        id="BIND-09",
        sentence="How much is dropped is documented in three ways; all later blocks are taken to be lost.",
        source=f"{_PAGE}; anthropic 2.12.0; probe E2",
        date="2026-11-20",
        models=_MODELS,
        severity="warning",
        modelled="rules.enforcement.thinking_states",
        conflict="Every later block, the rest of the run, or single blocks as probes saw: the most is taken, so that no plan counts on one.",
    ),
    Rule(
        id="BIND-10",
        sentence="Kept thinking blocks are one unbroken run of the original sequence.",
        source=f"{_PAGE}; probe E1",
        date="2026-10-08",
        models=_MODELS,
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="BIND-11",
        sentence="A removed block is never put back.",
        source=_PAGE,
        date=_DATE,
        models=_MODELS,
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="BIND-12",
        sentence="Editing, reordering, adding or deleting anything before a thinking block invalidates it.",
        source=f"{_PAGE}; probes E1, E2",
        date="2026-10-08",
        models=_MODELS,
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="BIND-13",
        sentence="Appending, moving cache_control, and all settings outside system, tools and messages leave thinking valid.",
        source=_PAGE,
        date=_DATE,
        models=_MODELS,
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="BIND-14",
        sentence="Prefixes are compared in a canonical form, which `ctxwindow.record.canonical` follows.",
        source=f"{_SKILL}/prefix_diff.py",
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="record.canonical.canonical_message",
    ),
    Rule(
        id="BIND-15",
        sentence="The checked prefix restarts at the last compaction block with content.",
        source=f"{_PAGE}; {_SKILL}/prefix_diff.py",
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="rules.comparison.compaction_of",
    ),
    Rule(
        id="BIND-16",
        sentence="A branch or retry whose kept thinking lies before the point of divergence is not an edit.",
        source=f"{_SKILL}/prefix_diff.py",
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="BIND-17",
        sentence=(
            "With the header and without the field, accounts that are not checked lose nothing; each block that would fail "
            "is listed as thinking_mismatch_allowed."
        ),
        source=f"{_PAGE}; anthropic 2.12.0 types/beta/beta_thinking_mismatch_allowed_input_transformation.py",
        date="2026-11-20",
        models=_MODELS,
        modelled="rules.enforcement.enforced_as",
    ),
    Rule(
        id="BIND-21",
        sentence="Changing the model alone never fails the check; all blocks stay in the history.",
        source=_PAGE,
        date=_DATE,
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="BIND-22",
        sentence="Whether blocks of older models carry a record is documented in two ways; they are treated as bound.",
        source=f"{_SKILL}/causes.md; anthropic 2.12.0",
        date="2026-11-20",
        models=_MODELS,
        modelled="rules.prefix.prefix_report",
        conflict="The skill says that edits before them do no harm, the newer SDK that a block without a record may fail: taken as bound.",
    ),
    Rule(
        id="BIND-23",
        sentence="A corrupted signature is rejected, with drop_block too.",
        source=f"{_PAGE}; probe E2",
        date=_DATE,
        modelled="rules.replay.signed",
    ),
    Rule(
        id="BIND-24",
        sentence="Thinking that is dropped is neither billed nor counted, and stays in the history.",
        source=f"{_PAGE}; {_SKILL}/causes.md",
        date=_SKILL_DATE,
        modelled="window.served.serve",
        conflict="A page of August 2026 let ignored blocks count and told to strip them; the newer pages win.",
    ),
    Rule(
        id="BIND-25",
        sentence="In a batch failing blocks are dropped where the field is not set.",
        source=f"{_PAGE}; {_SKILL}",
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="rules.enforcement.enforced_as",
    ),
    Rule(
        id="BIND-26",
        sentence="A rejected body is never sent again: retry once with drop_block, or strip all thinking and keep it stripped.",
        source=f"{_SKILL}/causes.md",
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="tiers.recovery.recover",
    ),
    Rule(
        id="BIND-27",
        sentence="Setting the field opts a request of an older account into the check.",
        source=_SKILL,
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="rules.enforcement.enforced_as",
    ),
    Rule(
        id="BIND-28",
        sentence="A verbatim tail behind a summary of one's own is sent without thinking, or with drop_block.",
        source=f"{_PAGE}; {_SKILL}",
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="tiers.summarize_keep_tail.offer",
    ),
    Rule(
        id="BIND-29",
        sentence="Turns of other models may be appended as plain text and calls; earlier thinking stays valid.",
        source=f"{_SKILL}/causes.md",
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="BIND-30",
        sentence="System and tools may follow from the model that is called; what stays changed after the switch is an edit.",
        source=f"{_SKILL}/causes.md",
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="BIND-31",
        sentence="A gateway that moves system messages into `system`, or thinking to the front, breaks what it forwards.",
        source=f"{_SKILL}/causes.md; probe E2",
        date=_SKILL_DATE,
        models=_MODELS,
        modelled="rules.prefix.prefix_report",
    ),
)
