"""Judging what a caller hands in besides messages, before anything is stored."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import InvalidRequest, MisuseError, ProtocolError
from ctxwindow.record import intake
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.surrogates import has_surrogates
from ctxwindow.rules import View, Violation, check_rule, find_violations
from ctxwindow.window.cost import MOST_DOLLARS, is_money

__all__ = [
    "LONGEST_NAME",
    "changes_tools",
    "check_fixed",
    "check_tool_changes",
    "checked_failure",
    "checked_settings",
    "checked_summary",
    "checked_time",
    "checked_tokens",
    "fewer_betas",
    "raise_errors",
]

_OWN = ("model", "messages", "max_tokens", "system", "tools")
"""Request fields that the engine sets itself."""

LONGEST_NAME = 100
"""Characters of the name of who wrote a summary."""


def checked_time(now: Any) -> float | None:
    """The caller's clock, if it can be stored.

    Raises:
        MisuseError: it is no finite number.
    """
    if now is None or (isinstance(now, (int, float)) and not isinstance(now, bool) and math.isfinite(now)):
        return now if now is None else float(now)
    raise MisuseError("a time is seconds since the epoch.", path="now", remedy="Pass time.time(), or nothing.")


def checked_summary(text: Any, by: Any, cost: Any) -> None:
    """Whether a summary can be stored, and sent.

    Raises:
        ProtocolError: it is not a text that UTF-8 can say, by somebody named in a line, at a cost from nothing to a million
            dollars.
    """
    if not (isinstance(text, str) and isinstance(by, str) and is_money(cost)):
        raise ProtocolError(
            f"a summary is a text, by somebody, at a cost from 0 to {MOST_DOLLARS:,.0f} dollars.",
            remedy="Pass str, str and a number.",
        )
    if len(by) > LONGEST_NAME or by.splitlines() not in ([], [by]):
        raise ProtocolError(
            f"who wrote a summary is told to the model in a line of at most {LONGEST_NAME} characters.",
            path="by",
            remedy="Pass a name, such as `claude`.",
        )
    for name, given in (("text", text), ("by", by)):
        try:
            given.encode()
        except UnicodeEncodeError:
            raise ProtocolError(
                "this holds half of a character (a lone surrogate), so no request could carry it.",
                path=name,
                remedy='Pass `text.encode("utf-8", "replace").decode()`, or cut texts between characters.',
            ) from None


def checked_failure(why: Any, cost: Any) -> None:
    """Whether it can be stored that there is no summary.

    Raises:
        ProtocolError: it is not a text, at a cost from nothing to a million dollars.
    """
    if not (isinstance(why, str) and is_money(cost)):
        raise ProtocolError(
            f"why there is no summary is a text, and its cost from 0 to {MOST_DOLLARS:,.0f} dollars.",
            remedy="Pass str and a number.",
        )


def checked_tokens(tokens: Any, name: str) -> int:
    """A number of tokens, if it is one.

    Raises:
        ProtocolError: it is not a whole number, or less than nothing.
    """
    if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0:
        return tokens
    raise ProtocolError(
        f"{name} is a number of tokens, not a {type(tokens).__name__} or less than 0.",
        path=name,
        remedy="Pass a whole number, such as `input_tokens` of the API's answer.",
    )


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Request fields that every send carries, as our own JSON.

    Raises:
        InvalidRequest: not JSON, or a field that the engine sets itself.
    """
    given: dict[str, Any] = intake(dict(settings), "settings")
    for key in _OWN:
        if key in given:
            raise InvalidRequest(f"{key} is not a setting.", path=f"settings.{key}", remedy="Pass it by name.")
    betas = given.get("betas")
    if betas is not None and not (isinstance(betas, list) and all(isinstance(beta, str) for beta in betas)):
        raise InvalidRequest("betas is a list of header values.", path="settings.betas", remedy="Pass strings.")
    return given


def fewer_betas(now: Mapping[str, Any], given: Mapping[str, Any] | None) -> bool:
    """Whether settings take a beta away. Where none are named it is not known which are sent."""
    if given is None or given.get("betas") is None:
        return False
    return not set(now.get("betas") or ()) <= set(given["betas"])


def check_fixed(
    profile: ModelProfile,
    settings: Mapping[str, Any],
    *,
    system: Any,
    tools: Any,
    messages: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Check what stands around the messages; and, on a change of model, the messages on the new one.

    Raises:
        InvalidRequest: a rule is broken that no later message can mend; or no request could carry it.
    """
    for path, value in (("system", system), ("tools", tools), ("settings", settings)):
        if has_surrogates(value):
            raise InvalidRequest(
                "this holds half of a character (a lone surrogate), so no request could carry it.",
                path=path,
                remedy='Clean its texts: `text.encode("utf-8", "replace").decode()`.',
            )
    # No max_tokens: it comes with each plan, and rules that compare with it (THINK-04) wait for it.
    request: dict[str, Any] = {**settings, "model": profile.id}
    request["messages"] = list(messages) or [{"role": "user", "content": "."}]
    request |= {key: value for key, value in (("system", system), ("tools", tools)) if value is not None}
    raise_errors(find_violations(request, profile=profile, betas=settings.get("betas"), final=False))


def changes_tools(message: Mapping[str, Any]) -> bool:
    """Whether a message changes the tools (SYS-10)."""
    kinds = {block.get("type") for block in blocks_of(message) if isinstance(block, Mapping)}
    return not kinds.isdisjoint(("tool_addition", "tool_removal"))


def check_tool_changes(view: View, index: int) -> list[Violation]:
    """What the last message of a view breaks by changing tools that are not defined before it (SYS-11).

    Args:
        view: the wire with that message at its end. It is looked at whole, for a definition may stand anywhere.
        index: of the message in the record, for the paths.
    """
    place = f"messages.{len(view.messages) - 1}."
    return [
        msgspec.structs.replace(found, path=f"messages.{index}.{found.path.removeprefix(place)}")
        for found in check_rule("SYS-11", view)
        if found.path.startswith(place)
    ]


def raise_errors(violations: Iterable[Violation]) -> None:
    """Raise the first error among violations; the others are its notes.

    Raises:
        InvalidRequest: there is an error.
    """
    errors = [violation for violation in violations if violation.severity == "error"]
    if not errors:
        return
    lines = [violation.message.removeprefix(f"{violation.path}: ") for violation in errors]
    first = errors[0]
    error = InvalidRequest(lines[0], rule=first.rule, path=first.path, remedy=first.remedy)
    for other, line in zip(errors[1:], lines[1:], strict=True):
        error.add_note(f"{other.path}: {line} [{other.rule}] {other.remedy}")
    raise error
