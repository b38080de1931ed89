"""What the API does about thinking that fails the prefix check, and what that leaves of each block (BIND-04, BIND-09)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from ctxwindow.rules.diagnosis import ThinkingState
from ctxwindow.rules.prefix import prefix_report
from ctxwindow.rules.view import View, plain

__all__ = ["STALE", "enforced_as", "thinking_states"]

STALE = ("stale", "missing_predecessor")
"""States of blocks that fail the prefix check."""


def enforced_as(view: View) -> Literal["error", "drop_block", "off"]:
    """What the API does about thinking that fails the prefix check (BIND-04).

    `auto` takes every account for one that is checked, which is the choice that cannot break a request. `off` gives
    way to a field in the request (BIND-27) and to a model that is checked for every account.
    """
    asked = plain(plain(view.frame.settings.get("thinking")).get("block_binding")).get("prefix_mismatch_behavior")
    asked = asked if asked in ("error", "drop_block") else None
    profile = view.frame.profile
    match view.enforcement:
        case "auto":
            return asked or "error"
        case "off":
            return asked or ("error" if profile is not None and profile.prefix_check == "all_accounts" else "off")
        case given:
            return given


def thinking_states(view: View) -> Sequence[ThinkingState]:
    """The state of each thinking block of a request, where an exchange before is given; found once per view."""
    if view.thinking is None and view.exchange is not None:
        request = {"system": view.frame.system, "tools": view.frame.tools, "messages": view.messages}
        states = prefix_report(request, view.exchange, view.frame.profile)
        view.thinking = _with_losses(states) if enforced_as(view) == "drop_block" else states
    found: Sequence[ThinkingState] = view.thinking or ()
    return found


def _with_losses(states: list[ThinkingState]) -> list[ThinkingState]:
    """BIND-09: of what drop_block may take, the most. All blocks behind the first stale one count as lost."""
    first = next((state for state in states if state.state in STALE), None)
    if first is None:
        return states
    at = states.index(first)
    lost = {
        "valid": False,
        "state": "stale",
        "kind": first.kind,
        "pattern": first.pattern,
        "rule": "BIND-09",
        "reason": f"{first.kind} [BIND-09]: The API may drop every block behind `{first.path}`, which is stale.",
    }
    behind = (msgspec.structs.replace(state, **lost) if state.valid else state for state in states[at:])
    return [*states[:at], *behind]
