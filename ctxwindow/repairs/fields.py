"""Fields that may not stand where they stand, cache markers among them (CACHE-02 to CACHE-09, VER-08, ...)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.catalog import document
from ctxwindow.repairs.history import History
from ctxwindow.rules import View, Violation
from ctxwindow.rules.markers import Marker, automatic, markers

__all__ = ["FIELDS", "MARKERS", "keep_four_markers", "leave_out_fields"]

MARKERS = frozenset({"CACHE-02"})

FIELDS = {
    "CACHE-03": "the automatic cache marker disagrees with that of the last block.",
    "CACHE-04": "a marker of 1h may not stand behind one of 5m.",
    "CACHE-09": "no cache marker may stand there.",
    "SHAPE-08": "a result that holds nothing has no content.",
    "SYS-08": "it may not stand on this message.",
    "TOOL-19": "a deferred tool carries no cache marker.",
    "VER-03": "text that is not a reply's may not carry citations.",
    "VER-07": "only a system message sets anything of its own, and that is the effort.",
    "VER-08": "the API does not know this field here.",
}
"""Rules that name one field, and are kept by leaving it out: rule -> why."""

_AT_THE_TOP = ("cache_control", "tools", "system")
"""Where fields outside the messages may be left out; other settings are the caller's."""


def leave_out_fields(history: History, found: Sequence[Violation]) -> None:
    """Leave out the fields that the violations name."""
    for violation in found:
        path = violation.path
        if violation.rule == "CACHE-04" and not path.endswith(".ttl"):
            path = f"{path.partition('cache_control')[0]}cache_control"  # it is no cache_control at all
        _leave_out(history, path, violation.rule, FIELDS[violation.rule])


def keep_four_markers(history: History, found: Sequence[Violation]) -> None:
    """Leave out the oldest cache markers of the messages: those on tools, on `system` and on the latest save the most."""
    view = View.of(history.body(), profile=history.profile)
    points = markers(view)
    excess = len(points) + (automatic(view) is not None) - document().limits.cache_breakpoints
    points.sort(key=_spared)
    for point in points[: max(excess, 0)] if found else ():
        _leave_out(history, point.field, "CACHE-02", "a request has at most four cache markers.")


def _spared(point: Marker) -> bool:
    return not point.path.startswith("messages.")


def _leave_out(history: History, path: str, rule: str, why: str) -> None:
    draft, part, rest = history.at(path)
    if part is not None:
        # VER-08 puts the block's type before the field, as the API does.
        inner = rest[1:] if len(rest) > 1 and rest[0] == part.data.get("type") else rest
        shorter = _without(part.block, inner)
        if shorter is not part.block:
            part.block = shorter
            history.note("field left out", rule, ".".join([part.path, *inner]), why)
    elif draft is not None:
        shorter = _without(draft.raw, rest)
        if shorter is not draft.raw:
            draft.raw = shorter
            history.note("field left out", rule, ".".join([draft.path, *rest]), why)
    elif rest[0] in _AT_THE_TOP:
        shorter = _without(history.request, rest)
        if shorter is not history.request:
            history.request = shorter
            history.note("field left out", rule, path, why)


def _without(value: Any, path: Sequence[str]) -> Any:
    """The value without the field at the end of a path; the very value where there is none. Copies what it changes."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(value, Mapping) and key in value:
        if not rest:
            return {other: inner for other, inner in value.items() if other != key}
        inner = _without(value[key], rest)
        return value if inner is value[key] else {**value, key: inner}
    if isinstance(value, (list, tuple)) and key.isdecimal() and int(key) < len(value):
        at = int(key)
        inner = _without(value[at], rest)
        return value if inner is value[at] else [*value[:at], inner, *value[at + 1 :]]
    return value
