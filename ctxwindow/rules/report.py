"""The report on one request: everything that is wrong with it, at once, and what becomes of its thinking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import InvalidRequest, MisuseError
from ctxwindow.record import plain_json
from ctxwindow.rules.diagnosis import ThinkingState
from ctxwindow.rules.exchange import Exchange, Previous
from ctxwindow.rules.frame import API_VERSION
from ctxwindow.rules.registry import named, violations_of
from ctxwindow.rules.rule import Violation
from ctxwindow.rules.view import Enforcement, View, plain

__all__ = ["Report", "check", "row"]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `check` found."""

    model: str | None
    """The model it was checked for; None: unknown, and rules that depend on it were not checked."""
    violations: tuple[Violation, ...]
    """What the API answers with an error."""
    warnings: tuple[Violation, ...]
    """What it answers, and not as one would want."""
    thinking: tuple[ThinkingState, ...] = ()
    """Every thinking block, where a request before was given."""

    @property
    def ok(self) -> bool:
        """Whether the API will take the request."""
        return not self.violations

    def as_dict(self) -> dict[str, Any]:
        """The report for programs: `{"ok", "violations", "warnings", "thinking", "model"}`."""
        return {
            "ok": self.ok,
            "violations": [row(violation) for violation in self.violations],
            "warnings": [row(violation) for violation in self.warnings],
            "thinking": [msgspec.to_builtins(state) for state in self.thinking],
            "model": self.model,
        }

    def explain(self) -> str:
        """The report for people: one finding a line, what to do under it, then what becomes of the thinking."""
        lines = []
        for violation in (*self.violations, *self.warnings):
            message = violation.message.removeprefix(f"{violation.path}: ")
            lines += [f"{violation.severity} {violation.rule} at {violation.path}: {message}", f"  {violation.remedy}"]
        counted = Counter(state.state for state in self.thinking)
        if counted:
            told = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in counted.items())
            lines.append(f"thinking blocks: {told}")
        lines.append(
            f"{'no rule broken' if self.ok else f'broken rules: {len(self.violations)}'}; warnings: {len(self.warnings)}; "
            f"checked for {self.model or 'a model that is not known'}"
        )
        return "\n".join(lines)


def row(violation: Violation) -> dict[str, str]:
    """One violation for programs."""
    return {
        "rule": violation.rule,
        "path": violation.path,
        "message": violation.message,
        "remedy": violation.remedy,
    }


def check(
    request: Mapping[str, Any],
    *,
    previous: Previous | None = None,
    model: str | ModelProfile | None = None,
    enforcement: Enforcement = "auto",
    betas: Iterable[str] | None = None,
    api_version: str = API_VERSION,
) -> Report:
    """Everything that a request breaks, in the order of the paths. Nothing is raised for a malformed request.

    A request that JSON cannot carry (NaN, bytes, more than 200 levels) cannot be sent: that is the one violation then.

    Args:
        request: the body of a Messages request; it may hold the SDK's objects, as in `"content": reply.content`.
        previous: the body of the request before, or a pair of it and its response (a dict, or the SDK's message). With
            it the report says of each thinking block what becomes of it, and rules that compare the two are checked.
        model: the model; by default the one that the request names.
        enforcement: what the API does about thinking that fails the prefix check (BIND-04). `auto`: what the request
            asks for, else an error; `error`; `drop_block`: it drops such blocks and perhaps all later ones (BIND-09);
            `off`: an account of before 2026-08-31, where they pass (BIND-17).
        betas: values of the `anthropic-beta` header, next to those in `request["betas"]`. None and no such field:
            not known, so that a field without the beta it needs is a warning only.
        api_version: value of the `anthropic-version` header.

    Raises:
        UnknownModel: `model` is not in the catalog.
        MisuseError: `enforcement` is none of these.
        InvalidRequest: JSON cannot carry `previous`.
    """
    if enforcement not in get_args(Enforcement):
        raise MisuseError(
            "there is no such enforcement.",
            rule="BIND-04",
            path="enforcement",
            remedy=f"One of {', '.join(get_args(Enforcement))}.",
        )
    profile = resolve(model) if model is not None else named(plain(request).get("model"))
    try:
        body = plain(plain_json(request))
    except InvalidRequest as refused:
        return Report(model=profile.id if profile is not None else None, violations=(_no_json(refused),), warnings=())
    view = View.of(
        body,
        profile=profile,
        previous=Exchange.of(previous),
        enforcement=enforcement,
        betas=betas,
        api_version=api_version,
    )
    found = violations_of(view)
    return Report(
        model=profile.id if profile is not None else None,
        violations=tuple(violation for violation in found if violation.severity == "error"),
        warnings=tuple(violation for violation in found if violation.severity != "error"),
        thinking=tuple(view.thinking or ()),
    )


def _no_json(refused: InvalidRequest) -> Violation:
    """What JSON cannot carry has no type that a field may have (SHAPE-12)."""
    return Violation(
        rule="SHAPE-12",
        path=refused.path or "",
        message=refused.reason,
        remedy=refused.remedy or "",
        severity="error",
    )
