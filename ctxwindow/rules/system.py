"""SYS-01, SYS-02, SYS-04 and SYS-05: system messages inside `messages`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, plain

__all__ = ["RULES", "is_effort_only"]

_PAGE = "platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages"
_IGNORED_ON = "claude-sonnet-5"


def is_effort_only(message: Mapping[str, Any]) -> bool:
    """Whether a system message only sets the effort of later turns, which may stand anywhere (SYS-06)."""
    return message.get("role") == "system" and not message.get("content") and bool(plain(message.get("output_config")))


def supported(step: Step) -> Iterator[Finding]:
    """SYS-01."""
    profile = step.frame.profile
    if profile is None or profile.features.mid_conversation_system or profile.id == _IGNORED_ON:
        return
    if is_effort_only(step.message) and profile.features.per_message_effort:
        return
    yield Finding(
        path=step.path,
        message="role 'system' is not supported on this model",
        remedy="Put the instruction into a <system-reminder> text block of the user message.",
    )


def ignored(step: Step) -> Iterator[Finding]:
    """SYS-02."""
    profile = step.frame.profile
    if profile is not None and profile.id == _IGNORED_ON and not is_effort_only(step.message):
        yield Finding(
            path=step.path,
            message="role 'system' is documented as not supported on this model; probes were answered.",
            remedy="Put the instruction into a <system-reminder> text block of the user message.",
        )


def follows_user(step: Step) -> Iterator[Finding]:
    """SYS-04, what stands before the section: a user message, or an assistant message that ends in a server tool result."""
    section = step.outline.section
    if is_effort_only(step.message) or section.role == "user" or (section.role == "assistant" and section.after_server):
        return
    if section.last_text is not None:
        return  # said of the first one of the section
    yield Finding(
        path=step.path,
        message=(
            f"{step.path}: role 'system' must follow a 'user' message or an 'assistant' message ending in a server tool "
            "result"
        ),
        remedy="Put the system message behind the next user message, or use the top-level `system` field.",
    )


def precedes_assistant(step: Step) -> Iterator[Finding]:
    """SYS-04, what stands after the section: it shows when a user message follows."""
    last = step.outline.section.last_text
    if step.role == "user" and last is not None:
        path = f"messages.{last}"
        yield Finding(
            path=path,
            message=f"{path}: role 'system' must precede an 'assistant' message or end the array",
            remedy="Put the system message behind this user message.",
        )


def placed(step: Step) -> Iterator[Finding]:
    """SYS-04."""
    yield from follows_user(step) if step.role == "system" else precedes_assistant(step)


def text_only(step: Step) -> Iterator[Finding]:
    """SYS-05."""
    if not step.message.get("content") and not plain(step.message.get("output_config")):
        yield Finding(
            path=step.path,
            message=f"{step.path}: a system message needs content or output_config.",
            remedy="Leave the message out.",
        )
    for block in step.blocks:
        if block.family not in ("text", "tool_change", "compaction"):  # compaction: CMP-21
            yield Finding(
                path=block.path,
                message=f"{block.path}: system messages hold text blocks and tool changes only.",
                remedy="Put other content into a user message.",
            )


def not_first_kept(view: View, index: int) -> bool:
    """SYS-04 and CMP-30: what is kept does not begin with a system message."""
    return index == len(view.messages) or view.message(index).get("role") != "system"


RULES = (
    Rule(
        id="SYS-01",
        sentence="role system is accepted in `messages` on some models only.",
        source=f"{_PAGE}; github.com/anthropics/claude-code/issues/61412",
        date="2026-09-26",
        models="Opus 4.8 and later, Fable and Mythos 5 and later, Sonnet 5.5",
        on="system",
        check_message=supported,
    ),
    Rule(
        id="SYS-02",
        sentence="Sonnet 5 is documented as not supporting role system (recorded probes were answered, so a warning).",
        source=f"{_PAGE}; probe OR-11",
        date="2026-09-26",
        models="Sonnet 5",
        severity="warning",
        on="system",
        check_message=ignored,
    ),
    Rule(
        id="SYS-04",
        sentence=(
            "A system message follows a user message or an assistant message ending in a server tool result, and is last "
            "or followed by an assistant message; one that only sets the effort may stand anywhere."
        ),
        source=f"{_PAGE}; github.com/anthropics/claude-code/issues/73821",
        date="2026-09-26",
        check_message=placed,
        may_cut=not_first_kept,
    ),
    Rule(
        id="SYS-05",
        sentence="A system message holds text and tool changes, and has content or output_config.",
        source="anthropic 2.12.0 types/beta/beta_system_message_param.py",
        date="2026-11-20",
        on="system",
        check_message=text_only,
    ),
)
