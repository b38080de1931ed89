"""CMP: how a compaction is asked for, by the threshold edit or on demand, and what becomes of the reply.

`ctxwindow.rules.compaction` holds the rules for the blocks that come back.
"""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.rules.compaction import compaction_blocks, is_signed
from ctxwindow.rules.editing import COMPACT, edits_of
from ctxwindow.rules.fields import fault, needs, number_of
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View, plain

__all__ = ["RULES"]

_THRESHOLD_BETA = "compact-2026-01-12"
_ON_DEMAND_BETA = "compact-2026-09-04"
_LEAST_TRIGGER = 50_000
_LONGEST_INSTRUCTIONS = 16_384


def _signed_block(view: View) -> str | None:
    """Path of the first signed block with content; None when there is none."""
    return next((path for path, block in compaction_blocks(view) if is_signed(block)), None)


def threshold(view: View) -> Iterator[Finding]:
    """CMP-01."""
    profile = view.frame.profile
    for path, _, edit in edits_of(view, COMPACT):
        trigger = edit.get("trigger")
        wrong = None if trigger is None else number_of(trigger, "input_tokens", least=_LEAST_TRIGGER)
        if wrong is not None:
            yield fault(f"{path}.trigger", wrong, f"Send input_tokens, {_LEAST_TRIGGER} or more, or leave it out.")
        yield from needs(view.frame, "context_management", _THRESHOLD_BETA)
        if profile is not None and not profile.features.compaction_threshold:
            yield fault(path, ": this edit is not supported on this model.", "Compact with a summary of your own.")


def pauses(view: View) -> Iterator[Finding]:
    """CMP-06."""
    for path, _, edit in edits_of(view, COMPACT):
        if not isinstance(edit.get("pause_after_compaction", False), bool):
            yield fault(
                f"{path}.pause_after_compaction", ": Input should be a valid boolean", "Send true, or leave it out."
            )


def threshold_instructions(view: View) -> Iterator[Finding]:
    """CMP-07."""
    for path, _, edit in edits_of(view, COMPACT):
        if not isinstance(edit.get("instructions", ""), str | None):
            yield fault(f"{path}.instructions", ": Input should be a valid string", "Send text, or leave it out.")


def on_demand(view: View) -> Iterator[Finding]:
    """CMP-16."""
    frame = view.frame
    given = frame.settings.get("compaction")
    if given is None:
        block = _signed_block(view)
        if block is not None:
            yield from needs(frame, f"{block}.signature", _ON_DEMAND_BETA)
        return
    if not frame.compacts:
        yield fault("compaction.type", ": Input should be 'summarize'", 'Send {"type": "summarize"}.')
    yield from needs(frame, "compaction", _ON_DEMAND_BETA)
    unsupported = frame.profile is not None and not frame.profile.features.compaction_on_demand
    if unsupported or frame.platform == "bedrock":
        where = "this model" if unsupported else "Bedrock"
        yield Finding(
            path="compaction",
            message=f"compaction: on-demand compaction is not supported on {where}.",
            remedy="Compact with a summary of your own.",
        )


def instructions_short(view: View) -> Iterator[Finding]:
    """CMP-17. Blank ones count as absent."""
    instructions = plain(view.frame.settings.get("compaction")).get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        yield fault("compaction.instructions", ": Input should be a valid string", "Send text, or leave it out.")
    elif isinstance(instructions, str) and len(instructions) > _LONGEST_INSTRUCTIONS:
        yield fault(
            "compaction.instructions",
            f": String should have at most {_LONGEST_INSTRUCTIONS} characters",
            "Shorten the instructions.",
        )


def alone(view: View) -> Iterator[Finding]:
    """CMP-18. Of the compact_* edit next to a signed block CMP-32 speaks."""
    settings = view.frame.settings
    output = plain(settings.get("output_config"))
    conflicts = {
        "context_management": bool(settings.get("context_management")),
        "stop_sequences": bool(settings.get("stop_sequences")),
        "output_config.format": output.get("format") is not None,
        "tool_choice": plain(settings.get("tool_choice")).get("type") in ("any", "tool"),
    }
    for field, wrong in conflicts.items() if view.frame.compacts else ():
        if wrong:
            yield Finding(
                path=field,
                message=f"{field}: cannot be combined with `compaction`.",
                remedy="Leave it out of the request that compacts.",
            )
    remaining = plain(output.get("task_budget")).get("remaining")
    if remaining is not None and (view.frame.compacts or _signed_block(view) is not None):
        yield Finding(
            path="output_config.task_budget.remaining",
            message="output_config.task_budget.remaining: cannot be combined with `compaction` or a signed block of it.",
            remedy="Leave `remaining` out.",
        )


def one_kind(view: View) -> Iterator[Finding]:
    """CMP-32."""
    for path, _, _ in edits_of(view, COMPACT):
        if _signed_block(view) is not None:
            yield Finding(
                path=path,
                message=f"{path}: a compact_* edit and a signed `compaction` block cannot meet in one request.",
                remedy="Compact on demand only, from the first signed block on.",
            )


_THRESHOLD = "platform.claude.com/docs/en/build-with-claude/compaction"
_ON_DEMAND = "platform.claude.com/docs/en/build-with-claude/compaction-on-demand"
_READ = "2026-08-22"
_NEWER = "2026-09-26"
_SDK = "anthropic 2.12.0 types/beta"
_SDK_DATE = "2026-11-20"

RULES = (
    Rule(
        id="CMP-01",
        sentence=(
            "The threshold edit compacts when input tokens reach its trigger (150,000, at least 50,000) and goes on with the "
            "reply; it needs a beta header and a model that has it."
        ),
        source=f"{_THRESHOLD}; {_SDK}/beta_compact_20260112_edit_param.py",
        date=_SDK_DATE,
        models="Opus 4.6 and later, Sonnet 4.6 and later, Fable and Mythos; later ones by their capabilities",
        check=threshold,
    ),
    Rule(
        id="CMP-06",
        sentence="pause_after_compaction stops with the block alone, so that kept messages can be put behind it.",
        source=_THRESHOLD,
        date=_READ,
        check=pauses,
    ),
    Rule(
        id="CMP-07",
        sentence="instructions replace the default prompt of the summary.",
        source=f"{_THRESHOLD}; {_SDK}/beta_compact_20260112_edit_param.py",
        date=_SDK_DATE,
        conflict="The SDK calls them additional; the pages and the on-demand form say that they replace, so all is restated.",
        check=threshold_instructions,
    ),
    Rule(
        id="CMP-08",
        sentence="Thinking before a compaction block is not carried over; custom instructions hide it from the summary too.",
        source=f"{_THRESHOLD}; claude-api skill",
        date="2026-10-06",
        models="Claude 5.1 and later",
        modelled="rules.prefix.prefix_report",
    ),
    Rule(
        id="CMP-09",
        sentence="The request's own model writes the summary; with tools it may call one instead, which leaves a null block.",
        source=_THRESHOLD,
        date=_READ,
        modelled="rules.comparison.compaction_of",
    ),
    Rule(
        id="CMP-10",
        sentence="Top-level usage sums the iterations that are no compaction; applying an old block again costs none.",
        source=_THRESHOLD,
        date=_READ,
        modelled="window.usage.read_usage",
    ),
    Rule(
        id="CMP-11",
        sentence="With server tools the trigger is looked at before each sampling, so that one request can compact several times.",
        source=_THRESHOLD,
        date=_READ,
        modelled="window.usage.read_usage",
    ),
    Rule(
        id="CMP-12",
        sentence="On a stream the summary of the threshold edit comes whole, in one compaction_delta.",
        source=f"{_THRESHOLD}; {_SDK}/beta_compaction_content_block_delta.py",
        date=_SDK_DATE,
        modelled="emulator.stream.events_of",
    ),
    Rule(
        id="CMP-15",
        sentence="A compaction closes a context of at least the trigger's size; how much more, its own counts do not say.",
        source=f"{_SDK}/beta_usage.py",
        date=_SDK_DATE,
        modelled="window.served.compaction_due",
    ),
    Rule(
        id="CMP-16",
        sentence=(
            "An on-demand compaction returns one signed block and nothing else; it and every request that carries the block "
            "need a beta header, and Bedrock has none."
        ),
        source=f"{_SDK}/beta_compaction_config_param.py; {_ON_DEMAND}",
        date=_SDK_DATE,
        models="Opus 4.6 and later, Sonnet 4.6 and later, Haiku 5.5, Fable and Mythos; by their capabilities",
        check=on_demand,
    ),
    Rule(
        id="CMP-17",
        sentence="Instructions have at most 16,384 characters and replace the server's prompt; blank ones count as absent.",
        source=f"{_SDK}/beta_compaction_config_param.py; {_ON_DEMAND}",
        date=_SDK_DATE,
        check=instructions_short,
    ),
    Rule(
        id="CMP-18",
        sentence=(
            "A compaction request has no context_management, stop_sequences, output_config.format or forced tool_choice; it "
            "and requests with a signed block have no task_budget.remaining."
        ),
        source=f"{_ON_DEMAND}; claude-api skill",
        date="2026-10-06",
        check=alone,
    ),
    Rule(
        id="CMP-32",
        sentence="A compact_* edit and a signed block never meet in one request.",
        source=f"{_ON_DEMAND}; anthropic 2.12.0 lib/tools/_beta_runner.py",
        date=_SDK_DATE,
        check=one_kind,
    ),
    Rule(
        id="CMP-33",
        sentence="On a stream a signed block comes whole, in its content_block_start.",
        source=_ON_DEMAND,
        date=_NEWER,
        modelled="emulator.stream.events_of",
    ),
    Rule(
        id="CMP-35",
        sentence="The SDK's tool runner compacts by compact_before_next_turn; compaction_control is gone.",
        source="anthropic 2.12.0 lib/tools/_beta_runner.py, MIGRATION.md",
        date=_SDK_DATE,
        modelled="rules.version.known_settings",
    ),
)
