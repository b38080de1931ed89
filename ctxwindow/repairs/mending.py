"""Repair: a broken history made sendable, with the least loss, and every change named.

The rules say what is wrong; for each there is one way to mend it, below in the order in which they are tried. One
kind of mistake is mended at a time and the result is checked again, because mending one shows or hides another.
Nothing is done that no broken rule asked for, so that a clean request stays as it is, and so does a repaired one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.record import plain_json
from ctxwindow.repairs.blank import BLANK, NOTHING, leave_out_blank, leave_out_nothing
from ctxwindow.repairs.echoes import LEFT_BEHIND, TOOLSETS, leave_behind, name_toolsets
from ctxwindow.repairs.ending import ENDING, TRAILING, discard_reply, go_on, strip_end
from ctxwindow.repairs.fields import FIELDS, MARKERS, keep_four_markers, leave_out_fields
from ctxwindow.repairs.history import History, Repair
from ctxwindow.repairs.instructions import PLACES, UNSUPPORTED, place_instructions, remind_instead
from ctxwindow.repairs.pairs import IDS, PAIRS, pair_results, rename_calls
from ctxwindow.repairs.server_calls import SERVER_CALLS, leave_out_pairs
from ctxwindow.repairs.thinking import MANUAL, THINKING, leave_out_thinking, stop_manual_thinking
from ctxwindow.rules import API_VERSION, Violation, find_violations
from ctxwindow.rules.registry import named
from ctxwindow.rules.view import plain

__all__ = ["MENDED", "repair"]

_Fix = Callable[[History, Sequence[Violation]], None]

_FIXES: tuple[tuple[frozenset[str], _Fix], ...] = (
    (frozenset(FIELDS), leave_out_fields),
    (BLANK, leave_out_blank),
    (LEFT_BEHIND, leave_behind),
    (IDS, rename_calls),
    (PAIRS, pair_results),
    (TOOLSETS, name_toolsets),
    (SERVER_CALLS, leave_out_pairs),
    (NOTHING, leave_out_nothing),
    (THINKING, leave_out_thinking),
    (UNSUPPORTED, remind_instead),
    (PLACES, place_instructions),
    (MANUAL, stop_manual_thinking),
    (ENDING, go_on),
    (TRAILING, strip_end),
    (MARKERS, keep_four_markers),
)

MENDED = frozenset[str]().union(*(mended for mended, _ in _FIXES))
"""Ids of the rules whose violations are mended, as far as they are about the history."""

_MOST_PASSES = 40
"""A bound on mending one mistake after another; no history found so far needed a dozen."""


def repair(
    request: Mapping[str, Any],
    *,
    model: str | ModelProfile | None = None,
    stop_reason: str | None = None,
    betas: Iterable[str] | None = None,
    api_version: str = API_VERSION,
) -> tuple[dict[str, Any], list[Repair]]:
    """A request whose history the API accepts, and what was changed for that, in order.

    What no repair is known for is left as it is: `check` of the result names it. Whether thinking behind a repair is
    still bound to what stands before it cannot be seen in one request: `check` with `previous` tells.

    Args:
        request: the body of a Messages request. It is not changed; the result shares with it what stayed the same. It
            may hold the SDK's objects: the result is plain JSON.
        model: the model; by default the one that the request names.
        stop_reason: of the reply that the history ends with, where it is known. A refused reply, and one cut inside a
            call, are left out; a cut text is gone on from by a user message that quotes its end, or by prefill on
            models that have it; a paused turn stays as it is.
        betas: values of the `anthropic-beta` header, as for `check`.
        api_version: value of the `anthropic-version` header.

    Raises:
        UnknownModel: `model` is not in the catalog.
        InvalidRequest: JSON cannot carry the request (NaN, bytes, more than 200 levels).
    """
    body = plain(plain_json(request))
    profile = resolve(model) if model is not None else named(body.get("model"))
    history = History(body, profile=profile, stop_reason=stop_reason)
    discard_reply(history)
    history.settle()
    betas = None if betas is None else tuple(betas)
    for _ in range(_MOST_PASSES):
        found = find_violations(history.body(), profile=profile, betas=betas, api_version=api_version)
        if not _mended(history, [violation for violation in found if violation.severity == "error"]):
            break
    return history.body(), history.repairs


def _mended(history: History, found: list[Violation]) -> bool:
    """Mend the first kind of mistake that can be mended; whether there was one."""
    done = len(history.repairs)
    for mended, fix in _FIXES:
        mine = [violation for violation in found if violation.rule in mended]
        if mine:
            fix(history, mine)
            history.settle()
        if len(history.repairs) > done:
            return True
    return False
