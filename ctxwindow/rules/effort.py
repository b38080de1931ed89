"""THINK-13: the effort of a reply, for the whole request and inside `messages` (SYS-06)."""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.catalog import ModelProfile
from ctxwindow.rules.fields import one_of
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View, plain

__all__ = ["RULES", "effort_accepted"]

_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def effort_accepted(profile: ModelProfile | None, effort: object, path: str) -> Iterator[Finding]:
    """What is wrong with an effort at `path` on a model; where the model is not known, with the value alone."""
    if effort is None:
        return
    if effort not in _EFFORTS:
        yield one_of(path, _EFFORTS)
    elif profile is not None and effort not in profile.thinking.effort_levels:
        levels = sorted(profile.thinking.effort_levels)
        text = f"This model does not support effort level '{effort}'."
        yield Finding(
            path=path,
            message=f"{text} Supported levels: {', '.join(levels)}." if levels else text,
            remedy="Use a supported level." if levels else "Leave the effort out.",
        )


def accepted(view: View) -> Iterator[Finding]:
    """THINK-13."""
    given = plain(view.frame.settings.get("output_config")).get("effort")
    yield from effort_accepted(view.frame.profile, given, "output_config.effort")


RULES = (
    Rule(
        id="THINK-13",
        sentence="The effort is a level that the model has.",
        source="platform.claude.com/docs/en/build-with-claude/effort; recorded exchanges",
        date="2026-10-06",
        conflict="The default of Sonnet 5.5 is high by two sources and medium by an overview; high, as its own page says.",
        check=accepted,
    ),
)
