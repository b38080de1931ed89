"""What a rule is: one documented sentence about the API, and the functions that know it.

A rule answers up to two questions (is it broken, and where may the history be cut), each by a function that its
row in the family's `RULES` table names. A row with no function is *modelled*, and names the code elsewhere that
follows it; or it is *out of scope*, and says why. Every id of the rulebook has one of these three fates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from ctxwindow.record import Family
from ctxwindow.rules.view import Step, View

__all__ = ["Check", "Cut", "Fate", "Finding", "MessageCheck", "Role", "Rule", "Severity", "Violation"]

Fate = Literal["enforced", "modelled", "out of scope"]

Severity = Literal["error", "warning"]
"""`error`: the API answers with an error. `warning`: it answers, and not as one would want."""

Role = Literal["user", "assistant", "system"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule's function reports; the registry adds the rule's id."""

    path: str
    """`messages.3.content.1`, `tools.0.name`, ..."""
    message: str
    """What the API would say, where that is documented. Indexes, ids and tool names; never content."""
    remedy: str
    severity: Severity | None = None
    """None: that of the rule."""


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One rule broken at one place of a request."""

    rule: str
    path: str
    message: str
    remedy: str
    severity: Severity


Check = Callable[[View], Iterator[Finding]]
MessageCheck = Callable[[Step], Iterator[Finding]]
Cut = Callable[[View, int], bool]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the registry."""

    id: str
    sentence: str
    source: str
    """Where it is stated: a page, a file of the SDK, an issue, or recorded exchanges."""
    date: str
    """ISO date of the text that was read."""
    models: str = "all"
    severity: Severity = "error"
    on: Role | None = None
    """`check_message` runs on messages of this role; None: on every message."""
    holding: frozenset[Family] = frozenset()
    """`check_message` runs on messages that hold a block of one of these families; empty: on every message."""
    modelled: str = ""
    """For a rule that nothing checks: the code that follows it, as `window.usage.read_usage`."""
    out_of_scope: str = ""
    """For a rule that nothing here follows: one sentence why."""
    conflict: str = ""
    """Where sources disagree: which side was taken, and why."""
    check_message: MessageCheck | None = None
    """What one message shows, next to the message before it and to the outline of all before it."""
    check: Check | None = None
    """What the request shows as a whole; runs once."""
    check_end: Check | None = None
    """What holds for the end of a request only; not run while more will be appended."""
    may_cut: Cut | None = None
    """Whether `messages[:i]` may be replaced by one user message and `messages[i:]` kept. Constant time."""

    @property
    def fate(self) -> Fate:
        """`enforced`: a function checks it. `modelled`: it changes what counts, strips, caches, costs or is planned."""
        if self.check_message or self.check or self.check_end or self.may_cut:
            return "enforced"
        return "out of scope" if self.out_of_scope else "modelled"
