"""The whole list of a caller who sends a part of it: the next of a thread, what is not too long for him, or only what is new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow.client.middleware.asking import Asked
from ctxwindow.client.middleware.lines import Line

__all__ = ["continued", "has_reply", "whole"]


def continued(line: Line, asked: Asked) -> list[dict[str, Any]]:
    """The whole list of a request that was found by its beginning, or that continues a thread."""
    if asked.previous is None:
        return asked.messages
    length = line.following(asked.previous)
    assert length is not None  # noqa: S101 - it was found by this id
    return [*line.sent[:length], *asked.messages]


def whole(line: Line, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The whole list of a request whose conversation the caller has named.

    What explains his list best is taken for it:

    - without a reply in it, where there are replies: only what is new, behind all that is known. What stands there already
      without an answer was sent again, and is no second message;
    - its beginning meets the end of what is known: its head was trimmed;
    - its beginning is that of what is known: it is whole, and goes on, or is edited;
    - else it is begun anew, and is whole.
    """
    known = line.sent
    answered = next((place + 1 for place in range(len(known) - 1, -1, -1) if _is_reply(known[place])), 0)
    if answered and not has_reply(messages):
        open_ = Line(known[answered:], line.places[answered:], {})
        start = open_.overlap(messages)
        return [*known[: len(known) if start is None else answered + start], *messages]
    common = line.common(messages)
    if common == len(known):
        return messages
    start = line.overlap(messages)
    if start is not None and line.met(start, messages) >= common:
        return [*known[:start], *messages]
    return messages


def has_reply(messages: list[Any]) -> bool:
    """Whether something was said already."""
    return any(_is_reply(message) for message in messages)


def _is_reply(message: Any) -> bool:
    return isinstance(message, Mapping) and message.get("role") == "assistant"
