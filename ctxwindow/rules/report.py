"""The report on one request: everything that is wrong with it, at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.rules.prefix import ThinkingState, prefix_report
from ctxwindow.rules.registry import find_violations
from ctxwindow.rules.rule import Violation
from ctxwindow.rules.view import API_VERSION

__all__ = ["Report", "check"]


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


def check(
    request: Mapping[str, Any],
    *,
    previous: Mapping[str, Any] | None = None,
    model: str | ModelProfile | None = None,
    betas: Iterable[str] | None = None,
    api_version: str = API_VERSION,
) -> Report:
    """Everything that a request breaks, in the order of the paths. Nothing is raised for a malformed request.

    Args:
        request: the body of a Messages request.
        previous: the body of the request before, for the rules that compare the two.
        model: the model; by default the one that the request names.
        betas: values of the `anthropic-beta` header, next to those in `request["betas"]`. None and no such field:
            not known, so that a field without the beta it needs is a warning only.
        api_version: value of the `anthropic-version` header.

    Raises:
        UnknownModel: `model` is not in the catalog.
    """
    profile = resolve(model) if model is not None else _named(request.get("model"))
    found = find_violations(request, previous=previous, profile=profile, betas=betas, api_version=api_version)
    return Report(
        model=profile.id if profile is not None else None,
        violations=tuple(violation for violation in found if violation.severity == "error"),
        warnings=tuple(violation for violation in found if violation.severity != "error"),
        thinking=tuple(prefix_report(request, previous, profile)) if previous is not None else (),
    )


def _named(model: object) -> ModelProfile | None:
    """The profile of the model that a request names, None when it is unknown (SHAPE-10 reports that)."""
    try:
        return resolve(model) if isinstance(model, str) else None
    except UnknownModel:
        return None
