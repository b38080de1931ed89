"""SYS: system messages inside `messages`. Those that change tools are in `ctxwindow.rules.tool_changes`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.rules.effort import effort_accepted
from ctxwindow.rules.fields import needs, one_of
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, ends_in, plain

__all__ = ["RULES", "is_effort_only"]

_PAGE = "platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages"
_IGNORED_ON = "claude-sonnet-5"
_EFFORT_BETA = "mid-conversation-output-config-2026-07-01"
_CLEAR_BETA = "mid-conversation-system-clear-at-2026-08-21"


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
    """SYS-04, what stands before: a user message, a server tool result, or a system message of the same section."""
    if is_effort_only(step.message) or step.role_before in ("user", "system"):
        return
    if step.index == 0 and step.frame.continues:
        return  # what stands before it only the server knows (THR-01)
    if step.role_before == "assistant" and ends_in(step.before, "server_result"):
        return
    yield Finding(
        path=step.path,
        message=(
            f"{step.path}: role 'system' must follow a 'user' message or an 'assistant' message ending in a server tool "
            "result"
        ),
        remedy="Put the system message behind the next user message, or use the top-level `system` field.",
    )


def precedes_assistant(step: Step) -> Iterator[Finding]:
    """SYS-04, what stands after: it shows when a user message follows."""
    before = step.before or {}
    if step.role == "user" and step.role_before == "system" and not is_effort_only(before):
        path = f"messages.{step.index - 1}"
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


def effort_settable(step: Step) -> Iterator[Finding]:
    """SYS-06. Where a model takes no system message at all SYS-01 says so."""
    effort, profile = plain(step.message.get("output_config")).get("effort"), step.frame.profile
    if effort is None:
        return
    path = f"{step.path}.output_config.effort"
    if profile is not None and profile.features.mid_conversation_system and not profile.features.per_message_effort:
        yield Finding(
            path=path,
            message=f"{path}: the effort cannot be changed inside `messages` on this model.",
            remedy="Set `output_config.effort` for the whole request.",
        )
        return
    yield from needs(step.frame, path, _EFFORT_BETA)
    yield from effort_accepted(profile, effort, path)


def clear_at_allowed(step: Step) -> Iterator[Finding]:
    """SYS-08. Of the last three texts only the beginning is documented."""
    clear_at = step.message.get("clear_at")
    if clear_at is None:
        return
    path = f"{step.path}.clear_at"
    remedy = "Leave `clear_at` out, or put the text into a system message of its own."
    if step.role != "system":
        yield Finding(path=path, message=f"{path}: clear_at is only permitted on role 'system' messages", remedy=remedy)
        return
    if clear_at not in ("next_user_message", "never"):
        yield one_of(path, ("next_user_message", "never"))
        return
    yield from needs(step.frame, path, _CLEAR_BETA)
    for place, text in _not_turn_scoped(step) if clear_at == "next_user_message" else ():
        yield Finding(path=place, message=f"{step.path}: {text}", remedy=remedy)


def _not_turn_scoped(step: Step) -> Iterator[tuple[str, str]]:
    """Where and how a message is more than one that is shown for a turn may be."""
    if "output_config" in step.message:
        yield f"{step.path}.output_config", "output_config is not permitted on a turn-scoped system message"
    for block in step.blocks:
        if block.family != "text":
            yield block.path, "a turn-scoped system message supports text blocks only"
        if block.data.get("cache_control") is not None:
            yield f"{block.path}.cache_control", "cache_control is not permitted on a turn-scoped system message"


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
        id="SYS-03",
        sentence="Haiku 5.5 takes a change of effort by a message; for system messages of text see the conflict.",
        source="claude-api skill, prompt-caching.md; the models catalog",
        date="2026-10-06",
        models="Haiku 5.5",
        modelled="rules.system.supported",
        conflict="Text in system messages is not confirmed by a page, but the model's own listing has it: it is let through.",
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
    Rule(
        id="SYS-06",
        sentence="A system message may set the effort of later turns, with a beta and on some models.",
        source=f"{_PAGE}; claude-api skill, prompt-caching.md",
        date="2026-10-06",
        models="Opus 5 and 5.5, Fable and Mythos 5.1, Sonnet 5.5, Haiku 5.5",
        on="system",
        check_message=effort_settable,
    ),
    Rule(
        id="SYS-07",
        sentence="A message with clear_at next_user_message counts until a later user message, and is sent again for ever.",
        source=f"anthropic 2.12.0 types/beta/beta_system_message_param.py; {_PAGE}",
        date="2026-11-20",
        modelled="window.ledger.Ledger",
    ),
    Rule(
        id="SYS-08",
        sentence=(
            "clear_at stands on system messages, with a beta; a turn-scoped one holds plain text without cache_control and "
            "sets no effort."
        ),
        source=_PAGE,
        date="2026-09-26",
        check_message=clear_at_allowed,
    ),
    Rule(
        id="SYS-09",
        sentence="Reminders stand behind the tool results, and every copy stays: taking one out again edits the history.",
        source=f"{_PAGE}; probe E2",
        date="2026-09-26",
        modelled="rules.prefix.prefix_report",
    ),
)
