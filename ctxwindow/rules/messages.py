"""MSG: roles and order of messages, and how they end.

What stands inside them is in `ctxwindow.rules.content`; MSG-09 and MSG-10 are in `ctxwindow.rules.thinking`. Two
sentences that old documents still repeat are not enforced, because recorded exchanges contradict them: messages
need not alternate (MSG-02), and the first need not be the user's (MSG-03).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctxwindow.rules.pairing import due_calls
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, ends_in, families_of, first_block

__all__ = ["RULES"]


def known_role(step: Step) -> Iterator[Finding]:
    """MSG-01."""
    if step.role not in ("user", "assistant", "system"):
        yield Finding(
            path=f"{step.path}.role",
            message=f"{step.path}.role: Input should be 'user', 'assistant' or 'system'",
            remedy="Tool results go into user messages; instructions into `system` or a system message.",
        )


def first_is_user(step: Step) -> Iterator[Finding]:
    """MSG-03. Recorded requests of 2025 and 2026 that start with an assistant message were answered (200)."""
    if step.index == 0 and not step.frame.continues:
        first = first_block(step.message)
        if first is None or first[1].get("type") != "compaction":
            yield Finding(
                path=step.path,
                message="the first message is the assistant's; the API puts text of its own before it.",
                remedy="Start the conversation with a user message.",
            )


def no_prefill(view: View) -> Iterator[Finding]:
    """MSG-04. A compaction request may end with a reply (its documented example does)."""
    profile, last = view.frame.profile, len(view.messages) - 1
    if profile is None or profile.features.prefill or last < 0 or view.frame.compacts:
        return
    message = view.message(last)
    if message.get("role") != "assistant" or due_calls(view.outline):  # calls that wait are TOOL-01, the nearer cause
        return
    # FB-11: this token authorises the request. A paused turn is sent back as it is (MSG-13), and so is the compaction
    # block that a reply stopped behind (CMP-06, SDK-06): the model then answers from the summary.
    paused = view.outline.open_server_calls or ends_in(message, "server_call", "server_result", "compaction")
    if view.frame.settings.get("fallback_credit_token") is not None or paused:
        return
    # A paused turn may also end in text after a server tool ran; the request alone does not tell it from a finished one.
    perhaps = "server_call" in families_of(message)
    yield Finding(
        path=f"messages.{last}",
        message="This model does not support assistant message prefill. The conversation must end with a user message.",
        remedy="Append a user message; to shape the answer use instructions or structured output.",
        severity="warning" if perhaps else None,
    )


def no_trailing_space(view: View) -> Iterator[Finding]:
    """MSG-05."""
    profile, last = view.frame.profile, len(view.messages) - 1
    if profile is None or not profile.features.prefill or last < 0 or view.frame.compacts:
        return
    message = view.message(last)
    text: Any = message.get("content")
    if ends_in(message, "text"):
        text = text[-1].get("text")
    if message.get("role") == "assistant" and isinstance(text, str) and text.strip() and text != text.rstrip():
        yield Finding(
            path=f"messages.{last}",
            message="messages: final assistant content cannot end with trailing whitespace",
            remedy="Strip the end of the prefilled text.",
        )


_MESSAGES = "anthropic 2.12.0 resources/messages/messages.py"
_STOPS = "platform.claude.com/docs/en/build-with-claude/handling-stop-reasons"

RULES = (
    Rule(
        id="MSG-01",
        sentence="Roles in `messages` are user, assistant and, on models that support it, system.",
        source="anthropic 2.12.0 types/beta/beta_message_param.py",
        date="2026-11-20",
        check_message=known_role,
    ),
    Rule(
        id="MSG-02",
        sentence="Consecutive messages of one role are accepted and combined into one turn (recorded; older texts say otherwise).",
        source=f"{_MESSAGES}; recorded exchanges",
        date="2026-11-20",
        severity="warning",
        modelled="record.turns.Outline",
        conflict="One older page has a 400 for it; the SDK, generated from the API, and recorded answers do not.",
    ),
    Rule(
        id="MSG-03",
        sentence="The first message should be the user's, or start with a compaction block (recorded: others are answered).",
        source="anthropics/skills error-codes.md; recorded exchanges",
        date="2026-07-01",
        severity="warning",
        on="assistant",
        check_message=first_is_user,
        conflict="Undated texts have a 400 for it; recorded requests that begin with the assistant were answered: a warning.",
    ),
    Rule(
        id="MSG-04",
        sentence=(
            "On models without prefill a conversation does not end with an assistant message, except to resume a "
            "paused turn or go on from a compaction block, to continue after a fallback, or to be compacted."
        ),
        source="platform.claude.com/docs/en/api/errors; recorded exchanges",
        date="2026-09-26",
        models="Claude 4.6 and later",
        check_end=no_prefill,
    ),
    Rule(
        id="MSG-05",
        sentence="On models with prefill the final assistant text does not end in white space.",
        source=_MESSAGES,
        date="2026-11-20",
        models="Claude 4.5 and earlier",
        check_end=no_trailing_space,
    ),
    Rule(
        id="MSG-08",
        sentence="A string as content equals one text block.",
        source=_MESSAGES,
        date="2026-11-20",
        modelled="record.blocks.blocks_of",
    ),
    Rule(
        id="MSG-11",
        sentence="Assistant messages that Claude never wrote are allowed; they carry no thinking blocks.",
        source="platform.claude.com/docs/en/build-with-claude/working-with-messages",
        date="2026-08-22",
        modelled="rules.replay.signed",
    ),
    Rule(
        id="MSG-12",
        sentence=(
            "Stop reasons are end_turn, max_tokens, stop_sequence, tool_use, pause_turn, compaction, refusal and "
            "model_context_window_exceeded."
        ),
        source="anthropic 2.12.0 types/beta/beta_stop_reason.py",
        date="2026-11-20",
        modelled="tiers.state.usable",
    ),
    Rule(
        id="MSG-13",
        sentence="After pause_turn the assistant content is appended unchanged and sent again with the same tools.",
        source=_STOPS,
        date="2026-08-22",
        modelled="rules.messages.no_prefill",
    ),
    Rule(
        id="MSG-14",
        sentence="A reply cut by max_tokens inside a tool_use is discarded and asked for again with more room.",
        source=_STOPS,
        date="2026-08-22",
        modelled="tiers.state.usable",
    ),
    Rule(
        id="MSG-15",
        sentence="A finished reply sent back with nothing added, or text after tool results, can give an empty reply.",
        source=_STOPS,
        date="2026-08-22",
        severity="warning",
        modelled="tiers.state.usable",
    ),
    Rule(
        id="MSG-16",
        sentence="An interrupted stream is resumed by prefill up to Claude 4.5 and by a user message quoting the text later.",
        source="platform.claude.com/docs/en/build-with-claude/streaming",
        date="2026-08-22",
        severity="warning",
        modelled="tiers.resuming.continuation",
    ),
)
