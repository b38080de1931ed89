"""What `open` and the operations are given, looked at before anything is done: a mistake is told there, and not when a reply is
paid for.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, TypeAlias, get_args

from ctxwindow.client.api import Surface, messages_of
from ctxwindow.client.limits import Limits
from ctxwindow.errors import MisuseError
from ctxwindow.tiers import Policy

__all__ = [
    "LimitsLike",
    "PolicyLike",
    "as_limits",
    "as_policy",
    "check_approval",
    "check_choice",
    "check_opening",
    "check_seconds",
    "check_settings",
    "check_store",
]

PolicyLike: TypeAlias = "Policy | Mapping[str, Any] | str"
"""A policy, its keys, or the name of a preset."""

LimitsLike: TypeAlias = "Limits | Mapping[str, Any]"
"""Limits, or their keys."""


def check_opening(
    client: Any,
    *,
    is_async: bool,
    store: Any,
    settings: Any,
    max_tokens: Any,
    surface: Any,
    streaming: Any,
    approve: Any,
    busy: Any,
    patience: Any,
    checkpoint: Any,
    clock: Any,
) -> None:
    """Check a client, and how it is to be used. `is_async` is whether the session awaits; the others are as for `open`.

    Raises:
        MisuseError: one of them is none; `path` names it.
    """
    check_choice("surface", surface, get_args(Surface))
    check_choice("busy", busy, ("wait", "raise"))
    check_seconds("patience", patience)
    check_seconds("checkpoint", checkpoint)
    check_store(store)
    check_settings(settings)
    check_approval(approve)
    if type(max_tokens) is not int or max_tokens < 1:
        raise MisuseError(
            "this is no number of tokens.", rule="CTX-06", path="max_tokens", remedy="Pass a whole number, 1 or more."
        )
    if streaming is not None and not isinstance(streaming, bool):
        remedy = "Pass True or False, or leave it out."
        raise MisuseError(f"a {type(streaming).__name__} does not say it.", path="streaming", remedy=remedy)
    if not callable(clock):
        raise MisuseError(f"a {type(clock).__name__} is no clock.", path="clock", remedy="Pass a function: time.time.")
    _check_client(client, is_async=is_async, surface=surface)


def as_policy(policy: Any) -> Policy | None:
    """The policy that is meant; None where there is none.

    Args:
        policy: one, its keys, the name of a preset, or None.

    Raises:
        PolicyError: a key is wrong, or there is no such preset.
        MisuseError: it is nothing of this.
    """
    if policy is None or isinstance(policy, Policy):
        return policy
    if isinstance(policy, str):
        return Policy.preset(policy)
    if isinstance(policy, Mapping):
        return Policy.parse(dict(policy))
    raise MisuseError(f"a {type(policy).__name__} is no policy.", path="policy", remedy="Pass Policy(budget=...).")


def as_limits(limits: Any) -> Limits | None:
    """The limits that are meant; None where there are none.

    Args:
        limits: they, their keys, or None.

    Raises:
        MisuseError: they are none; `path` names the key that is wrong.
    """
    if limits is None or isinstance(limits, Limits):
        return limits
    if isinstance(limits, Mapping):
        return Limits.model_validate(dict(limits))
    remedy = "Pass Limits(rounds=..., dollars=...)."
    raise MisuseError(f"a {type(limits).__name__} is no limits.", path="limits", remedy=remedy)


def check_approval(approve: Any) -> None:
    """Check a hook.

    Raises:
        MisuseError: it cannot be asked.
    """
    if approve is not None and not callable(approve):
        raise MisuseError(
            f"a {type(approve).__name__} cannot be asked about a call.",
            path="approve",
            remedy="Pass a function that is given a call and returns True, False, or a reason against it.",
        )


def check_settings(settings: Any) -> None:
    """Check the settings of a session. What they hold the engine looks at.

    Raises:
        MisuseError: they are no table, or say what the session says by itself.
    """
    if settings is None:
        return
    if not isinstance(settings, Mapping):
        kind = type(settings).__name__
        raise MisuseError(f"a {kind} is no settings.", path="settings", remedy="Pass a dict of request fields.")
    if "stream" in settings:
        remedy = "Call `stream()` to read along, or open the session with streaming=True."
        raise MisuseError("stream is not a setting.", path="settings.stream", remedy=remedy)


def check_store(store: Any) -> None:
    """Check where conversations are to be kept.

    Raises:
        MisuseError: it is neither a path nor a store.
    """
    # By what it can do: `isinstance` would not take a store that wraps another by `__getattr__`.
    is_store = all(callable(getattr(store, name, None)) for name in ("version", "append", "hold"))
    if not isinstance(store, (str, os.PathLike)) and not is_store:
        remedy = "Pass the path of a database file, or a store such as SqliteStore(path)."
        raise MisuseError(f"a {type(store).__name__} is no store.", path="store", remedy=remedy)


def check_choice(path: str, value: Any, choices: tuple[str, ...]) -> None:
    """Check one of a few words.

    Raises:
        MisuseError: it is none of them.
    """
    if not isinstance(value, str) or value not in choices:
        raise MisuseError(f"there is no such {path}.", path=path, remedy=f"Pass {' or '.join(map(repr, choices))}.")


def _check_client(client: Any, *, is_async: bool, surface: Any) -> None:
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
