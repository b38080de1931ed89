"""The rulebook as one table, and the two questions put to it: what is broken, and where may one cut.

Adding a rule is one function and one row in its family's `RULES`; adding a family is one module and its name in
`_FAMILIES`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import CtxwindowError, MisuseError
from ctxwindow.record import Family, Outline
from ctxwindow.rules import (
    accounting,
    adoption,
    binding,
    budgets,
    caching,
    compaction,
    compaction_requests,
    content,
    credit,
    editing,
    effort,
    fallbacks,
    limits,
    media,
    messages,
    occupancy,
    pairing,
    prices,
    reading,
    replay,
    retention,
    schema,
    server_tools,
    service,
    shape,
    system,
    thinking,
    thinking_config,
    threads,
    tool_changes,
    tools,
    version,
)
from ctxwindow.rules.exchange import Previous
from ctxwindow.rules.frame import API_VERSION, Frame
from ctxwindow.rules.rule import Check, Finding, MessageCheck, Role, Rule, Violation
from ctxwindow.rules.view import Enforcement, Step, View, plain

__all__ = [
    "check_end",
    "check_message",
    "check_rule",
    "cuts",
    "find_violations",
    "may_cut",
    "named",
    "rule",
    "rules",
    "violations_of",
]

_FAMILIES = (
    shape,
    schema,
    version,
    limits,
    messages,
    content,
    pairing,
    server_tools,
    tools,
    thinking,
    thinking_config,
    effort,
    retention,
    replay,
    binding,
    reading,
    system,
    tool_changes,
    compaction,
    compaction_requests,
    adoption,
    editing,
    caching,
    media,
    budgets,
    threads,
    fallbacks,
    credit,
    occupancy,
    accounting,
    service,
    prices,
)
_RULES: dict[str, Rule] = {row.id: row for family in _FAMILIES for row in family.RULES}

_Subject = TypeVar("_Subject", View, Step)
_Checks = list[tuple[Rule, Callable[[_Subject], Iterator[Finding]]]]


def _message_checks(table: Iterable[Rule], role: object) -> list[tuple[Rule, MessageCheck]]:
    return [(row, row.check_message) for row in table if row.check_message and row.on in (None, role)]


# Picked out once, because these run on every message.
_SHAPE = _message_checks(shape.RULES, None)
_REST = [row for row in _RULES.values() if row not in shape.RULES]
_BY_ROLE: dict[Role | None, _Checks[Step]] = {
    role: _message_checks(_REST, role) for role in ("user", "assistant", "system", None)
}
_WHOLE: list[tuple[Rule, Check]] = [(row, row.check) for row in _RULES.values() if row.check]
_END: list[tuple[Rule, Check]] = [(row, row.check_end) for row in _RULES.values() if row.check_end]
_CUTS = [row.may_cut for row in _RULES.values() if row.may_cut]


def rules() -> tuple[Rule, ...]:
    """Every rule, by family."""
    return tuple(_RULES.values())


def rule(identity: str) -> Rule:
    """One rule.

    Raises:
        MisuseError: there is no such rule.
    """
    try:
        return _RULES[identity]
    except KeyError:
        raise MisuseError(f"there is no rule {identity!r}.", remedy="See `ctxwindow.rules.rules()`.") from None


def find_violations(
    request: Mapping[str, Any],
    *,
    previous: Previous | None = None,
    profile: ModelProfile | None = None,
    enforcement: Enforcement = "auto",
    betas: Iterable[str] | None = None,
    api_version: str = API_VERSION,
    final: bool = True,
) -> list[Violation]:
    """Every rule that a request breaks, in the order of the paths. Nothing is raised for a malformed request.

    Args:
        request: the body of a Messages request.
        previous: the body of the request before, or a pair of it and its response, for the rules that compare with it
            (BIND-05, REPLAY-01, CMP-23, ...).
        profile: the model; by default the one that the request names.
        enforcement: what the API does about thinking that fails the prefix check (BIND-04).
        betas: values of the `anthropic-beta` header, next to those in `request["betas"]`. None and no such field:
            not known, so that a field without the beta it needs is a warning only.
        api_version: value of the `anthropic-version` header.
        final: False while more will be appended before it is sent: rules about the end are then left out.
    """
    body = plain(request)
    return violations_of(
        View.of(
            body,
            profile=profile if profile is not None else named(body.get("model")),
            previous=previous,
            enforcement=enforcement,
            betas=betas,
            api_version=api_version,
            final=final,
        )
    )


def violations_of(view: View) -> list[Violation]:
    """Every rule that the request of a view breaks, in the order of the paths."""
    found = [violation for step in view.steps() for violation in _of_message(step)]
    found += _run(_WHOLE, view)
    found += check_end(view) if view.final else []
    once: dict[tuple[str, str], Violation] = {}
    for violation in found:
        once.setdefault((violation.rule, violation.path), violation)
    return sorted(once.values(), key=lambda violation: _order(violation.path))


def check_message(
    message: Mapping[str, Any],
    *,
    index: int,
    previous: Mapping[str, Any] | None,
    outline: Outline,
    profile: ModelProfile | None = None,
    system: Any = None,
    tools: Any = None,
    settings: Mapping[str, Any] | None = None,
    betas: Iterable[str] | None = None,
    api_version: str = API_VERSION,
) -> list[Violation]:
    """What one more message breaks, at the cost of that message and the one before it.

    Some findings name an earlier message: a call that `message` leaves unanswered is reported where it was made.
    Rules about the end of a request are not applied; `check_end` does that before it is sent.

    Args:
        message: the message that is about to be appended.
        index: its index.
        previous: the message before it, None at the start.
        outline: the outline of all messages before it; it is not changed.
        profile: the model; None: rules that depend on it stay silent.
        system: as in the request.
        tools: as in the request; None: not known, so that nothing is concluded from a missing tool.
        settings: the other fields of the request.
        betas: values of the `anthropic-beta` header; None: not known.
        api_version: value of the `anthropic-version` header.
    """
    frame = Frame(
        profile=profile,
        system=system,
        tools=tools,
        settings=settings or {},
        betas=frozenset(betas or ()),
        betas_known=betas is not None,
        api_version=api_version,
    )
    return _of_message(Step.of(message, index, previous, outline, frame))


def check_rule(identity: str, view: View) -> list[Violation]:
    """What a request breaks of one rule that looks at all of it.

    Raises:
        MisuseError: there is no such rule.
    """
    row = rule(identity)
    return _run([(row, row.check)], view) if row.check is not None else []


def check_end(view: View) -> list[Violation]:
    """What the end of a request breaks, at the cost of its last turn (given a view with an outline)."""
    return _run(_END, view)


def may_cut(view: View, index: int) -> bool:
    """Whether `messages[:index]` may be replaced by one user message and `messages[index:]` kept as they are.

    Costs a binary search. 0 is no cut; `len(messages)` replaces everything.
    """
    if not 0 < index <= len(view.messages):
        return False
    boundaries = view.outline.boundaries
    place = bisect_left(boundaries, index)
    if place == len(boundaries) or boundaries[place] != index:
        return False
    return all(allowed(view, index) for allowed in _CUTS)


def cuts(view: View) -> list[int]:
    """Every index at which `may_cut` allows to cut, rising."""
    return [index for index in view.outline.boundaries if may_cut(view, index)]


def named(model: object) -> ModelProfile | None:
    """The profile of the model that a request names, None when it is unknown (SHAPE-10 reports that)."""
    if not isinstance(model, str):
        return None
    try:
        return resolve(model)
    except CtxwindowError:
        return None


def _of_message(step: Step) -> list[Violation]:
    """What one message breaks; only its shape, when that is broken."""
    role = step.role if step.role in ("user", "assistant", "system") else None
    shape_checks, rest = _apt(role, step.families)
    shape_broken = _run(shape_checks, step)
    if any(violation.severity == "error" for violation in shape_broken):
        return shape_broken
    return shape_broken + _run(rest, step)


@lru_cache(maxsize=256)  # roles and sets of families are few, and this is asked of every message
def _apt(role: Role | None, families: frozenset[Family]) -> tuple[_Checks[Step], _Checks[Step]]:
    """The checks that a message of this kind can break at all: of its shape, and the others."""
    shape_checks, rest = (
        [entry for entry in checks if not entry[0].holding or not families.isdisjoint(entry[0].holding)]
        for checks in (_SHAPE, _BY_ROLE[role])
    )
    return shape_checks, rest


def _run(checks: _Checks[_Subject], subject: _Subject) -> list[Violation]:
    found: list[Violation] = []
    for row, function in checks:
        try:
            for finding in function(subject):
                found.append(_violation(row, finding))  # noqa: PERF401 - most find nothing, and a list each would cost more
        except RecursionError:
            found.append(_too_deep(row))
    return found


def _violation(row: Rule, finding: Finding) -> Violation:
    return Violation(
        rule=row.id,
        path=finding.path,
        message=finding.message,
        remedy=finding.remedy,
        severity=finding.severity or row.severity,
    )


def _too_deep(row: Rule) -> Violation:
    """Comparing requests walks into them; the record refuses such nesting when it takes content in."""
    return Violation(
        rule=row.id,
        path="messages",
        message="the content is nested too deep to be compared.",
        remedy="Flatten it.",
        severity="error",
    )


def _order(path: str) -> list[tuple[int, int, str]]:
    """Sorts `messages.10` behind `messages.9`."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in path.split(".")]
