"""THINK-07, THINK-08, MSG-09 and MSG-10: where thinking blocks must and must not stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ctxwindow.record.blocks import block_type, blocks_of, is_thinking
from ctxwindow.record.turns import is_turn_start
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, first_block

__all__ = ["RULES", "begins_with_thinking"]

_INTERLEAVED = "interleaved-thinking-2025-05-14"


def not_last(step: Step) -> Iterator[Finding]:
    """MSG-09."""
    if step.blocks and step.blocks[-1].family == "thinking":
        yield Finding(
            path=step.path,
            message=f"{step.path}: The final block in an assistant message cannot be `thinking`.",
            remedy="A reply cut inside its thinking is dropped and asked for again with more room, not kept.",
        )


def first_if_any(step: Step) -> Iterator[Finding]:
    """MSG-10. Interleaved thinking may stand later in a message, so with that beta it is a warning only."""
    if not step.frame.manual_thinking or not any(block.family == "thinking" for block in step.blocks):
        return
    first = next(block for block in step.blocks if block.family != "compaction")
    if first.family != "thinking":
        kind = first.data["type"]
        yield Finding(
            path=first.path,
            message=(
                f"{first.path}: If an assistant message contains any thinking blocks, the first block must be thinking "
                f"or redacted_thinking. Found {kind}."
            ),
            remedy="Send the blocks in the order in which they came.",
            severity="warning" if _INTERLEAVED in step.frame.betas else None,
        )


def begins_with_thinking(view: View, index: int) -> bool:
    """Whether message `index` is the assistant's and begins with thinking (a compaction block may stand before it)."""
    message = view.message(index)
    first = first_block(message, skip="compaction")
    return message.get("role") == "assistant" and first is not None and is_thinking(first[1])


def _speaks(view: View, index: int) -> bool:
    """Whether message `index` is the assistant's and holds more than a compaction block."""
    message = view.message(index)
    return message.get("role") == "assistant" and first_block(message, skip="compaction") is not None


def final_turn_begins_with_thinking(view: View) -> Iterator[Finding]:
    """THINK-07. It speaks of the turn that is still open: one that a user's turn follows is not looked at."""
    if not view.frame.manual_thinking or not view.messages or is_turn_start(view.message(len(view.messages) - 1)):
        return
    start = view.outline.turn_start
    first = 0 if start is None else start + 1
    while first < len(view.messages) and not _speaks(view, first):
        first += 1
    found = first_block(view.message(first), skip="compaction") if first < len(view.messages) else None
    if found is None or is_thinking(found[1]):
        return
    place, block = found
    path = f"messages.{first}.content.{place}"
    yield Finding(
        path=path,
        message=(
            f"{path}.type: Expected `thinking` or `redacted_thinking`, but found `{block.get('type')}`. When `thinking` is "
            "enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of "
            "`tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid "
            "this requirement, disable `thinking`."
        ),
        remedy="Send the turn's first thinking block back, or leave thinking off until the turn is finished.",
    )


def none_in_prefill(view: View) -> Iterator[Finding]:
    """THINK-08."""
    profile, last = view.frame.profile, len(view.messages) - 1
    if profile is None or not profile.features.prefill or not view.frame.thinking_off or last < 0:
        return
    message = view.message(last)
    if message.get("role") != "assistant":
        return
    for place, block in enumerate(blocks_of(message)):
        if isinstance(block, Mapping) and block_type(block).family == "thinking":
            path = f"messages.{last}.content.{place}"
            yield Finding(
                path=path,
                message=(
                    f"{path}: When thinking is disabled, an `assistant` message in the final position cannot contain "
                    "`thinking`. To use thinking blocks, enable `thinking` in your request."
                ),
                remedy="Enable thinking, or leave the thinking blocks of this message out.",
            )


RULES = (
    Rule(
        id="MSG-09",
        sentence="The final block of an assistant message is not a thinking block.",
        source="github.com/tailcallhq/forgecode/issues/2107",
        date="2025-12-11",
        on="assistant",
        holding=frozenset({"thinking"}),
        check_message=not_last,
    ),
    Rule(
        id="MSG-10",
        sentence="In manual mode an assistant message that holds thinking begins with it.",
        source="github.com/anthropics/claude-code/issues/20705",
        date="2026-01-25",
        models="requests with manual thinking",
        on="assistant",
        holding=frozenset({"thinking"}),
        check_message=first_if_any,
    ),
    Rule(
        id="THINK-07",
        sentence="In manual mode the final assistant turn begins with a thinking block.",
        source="platform.claude.com/docs/en/build-with-claude/extended-thinking; github.com/anthropics/claude-code/issues/14192",
        date="2026-08-22",
        models="requests with manual thinking",
        check_end=final_turn_begins_with_thinking,
    ),
    Rule(
        id="THINK-08",
        sentence="With thinking off, a final assistant message on a model with prefill holds no thinking.",
        source="github.com/tailcallhq/forgecode/issues/1853",
        date="2025-11-07",
        models="Claude 4.5 and earlier",
        check_end=none_in_prefill,
    ),
)
