"""What `open` is given, looked at before anything is opened: a mistake is told there, and not at the first request."""

from __future__ import annotations

import math
from typing import Any, get_args

from ctxwindow.client.api import Surface, messages_of
from ctxwindow.client.limits import Limits
from ctxwindow.errors import MisuseError

__all__ = ["check_opening", "check_seconds"]


def check_opening(
    client: Any, *, is_async: bool, surface: Any, busy: Any, patience: Any, checkpoint: Any, limits: Any
) -> None:
    """Check a client, and how it is to be used.

    Args:
        client: of the SDK.
        is_async: whether the session awaits.
        surface: of the client.
        busy: what to do while somebody else is at the conversation.
        patience: seconds.
        checkpoint: seconds.
        limits: of an operation, or None.

    Raises:
        MisuseError: one of them is none; `path` names it.
    """
    _check_choice("surface", surface, get_args(Surface))
    _check_choice("busy", busy, ("wait", "raise"))
    check_seconds("patience", patience)
    check_seconds("checkpoint", checkpoint)
    if limits is not None and not isinstance(limits, Limits):
        raise MisuseError("these are no limits.", path="limits", remedy="Pass Limits(rounds=..., dollars=...).")
    try:
        messages_of(client, surface).create  # noqa: B018 - whether there is one
    except AttributeError:
        what = type(client).__name__
        raise MisuseError(
            f"a {what} is no client of the SDK.", path="client", remedy="Pass anthropic.Anthropic(), or one of its kin."
        ) from None
    blocks, awaits = hasattr(client, "__enter__"), hasattr(client, "__aenter__")
    if awaits not in (blocks, is_async):  # one with both is whatever it wants to be
        remedy = (
            "Use AsyncSession, or anthropic.Anthropic()." if awaits else "Use Session, or anthropic.AsyncAnthropic()."
        )
        raise MisuseError(f"a {type(client).__name__} {_KIND[awaits]}.", path="client", remedy=remedy)


def check_seconds(path: str, seconds: Any) -> None:
    """Check a length of time.

    Raises:
        MisuseError: it is none; `path` names it.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or math.isnan(seconds) or seconds < 0:
        raise MisuseError("this is no time.", path=path, remedy="Pass a number of seconds, 0 or more.")


_KIND = {True: "awaits, and this session does not", False: "blocks, and this session awaits"}


def _check_choice(path: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise MisuseError(f"there is no such {path}.", path=path, remedy=f"Pass {' or '.join(map(repr, choices))}.")
