"""CTX: the limits that a request shows. What takes a count of tokens is in `ctxwindow.rules.accounting`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ctxwindow.catalog import document
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View

__all__ = ["RULES", "characters"]

_LONG_BATCH_REPLIES = "output-300k-2026-03-24"
_LONG_WINDOW = "context-1m-2025-08-07"
_MB = 1024 * 1024


def characters(value: object, enough: int) -> int:
    """Characters of all strings in a JSON value; it is not looked at further when there are more than `enough`."""
    size, stack = 0, [value]
    while stack and size <= enough:
        inner = stack.pop()
        if isinstance(inner, str):
            size += len(inner)
        elif isinstance(inner, (list, tuple)):
            stack.extend(inner)
        elif type(inner) is dict or isinstance(inner, Mapping):  # asking the abstract class costs ten times as much
            stack.extend(inner.values())
    return size


def max_tokens_cap(view: View) -> Iterator[Finding]:
    """CTX-06. With its beta an item of a batch may ask for more; whether this is one, a body does not tell."""
    profile, asked = view.frame.profile, view.frame.settings.get("max_tokens")
    if profile is None or not isinstance(asked, int) or isinstance(asked, bool):
        return
    in_batch = max(profile.max_output_batch or 0, profile.max_output)
    cap = in_batch if _LONG_BATCH_REPLIES in view.frame.betas else profile.max_output
    if asked > cap:
        yield Finding(
            path="max_tokens",
            message=(
                f"max_tokens: {asked} > {cap}, which is the maximum allowed number of output tokens for {profile.id}"
            ),
            remedy="Ask for less output, or choose another model.",
            severity="warning" if asked <= in_batch and not view.frame.betas_known else None,
        )
    elif asked < 0:
        yield Finding(
            path="max_tokens",
            message="max_tokens: Input should be greater than or equal to 0",
            remedy="Ask for at least one token, or for none to warm the cache only (MSG-17).",
        )


def dead_window_beta(view: View) -> Iterator[Finding]:
    """CTX-12."""
    if _LONG_WINDOW in view.frame.betas:
        yield Finding(
            path="betas",
            message=f"{_LONG_WINDOW} has no effect: a model's window is 1M by default or not at all.",
            remedy="Leave this beta out.",
        )


def body_size(view: View) -> Iterator[Finding]:
    """CTX-18, from below: characters of all strings. A body is longer by its syntax, and by characters beyond ASCII."""
    limit = document().limits.body_mb["messages_and_count_tokens"]
    body = [view.frame.system, view.frame.tools, view.frame.settings, view.messages]
    if characters(body, limit * _MB) > limit * _MB:
        yield Finding(
            path="messages",
            message="Request exceeds the maximum size",
            remedy=f"A body has at most {limit} MB; send images and documents by file id, or fewer of them.",
        )


def message_count(view: View) -> Iterator[Finding]:
    """CTX-19. The API's own text is not known."""
    limit = document().limits.messages
    if len(view.messages) > limit:
        yield Finding(
            path="messages",
            message=f"messages: {len(view.messages)} messages, and a request may hold at most {limit}.",
            remedy="Summarise the older messages, or join neighbouring messages of one role.",
        )


RULES = (
    Rule(
        id="CTX-06",
        sentence="max_tokens is at most the model's longest reply, which is longer in a batch with its beta.",
        source="claude-api skill, models.md; platform.claude.com/docs/en/build-with-claude/batch-processing",
        date="2026-10-06",
        check=max_tokens_cap,
    ),
    Rule(
        id="CTX-12",
        sentence="The beta context-1m-2025-08-07 has no effect any more.",
        source="platform.claude.com/docs/en/release-notes/overview",
        date="2026-09-26",
        severity="warning",
        check=dead_window_beta,
    ),
    Rule(
        id="CTX-18",
        sentence="The body of a request has at most 32 MB (256 MB for a batch), whatever its tokens.",
        source="platform.claude.com/docs/en/api/errors; github.com/anthropics/claude-code/issues/3335",
        date="2026-09-26",
        check=body_size,
    ),
    Rule(
        id="CTX-19",
        sentence="A request holds at most 100,000 messages.",
        source="anthropic 2.12.0 resources/messages/messages.py",
        date="2026-11-20",
        check=message_count,
    ),
)
