"""What the user asks for: budget, marks, methods, spill, cache. A pydantic model, because people write it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from ctxwindow.errors import PolicyError
from ctxwindow.window import Ttl

__all__ = ["Method", "Policy", "Spill"]

Method = Literal["spill", "summarize_keep_tail", "summarize_all"]

Share = Annotated[float, Field(gt=0, le=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Spill(_Settings):
    """When a tool result is too large for the window: it goes to the cold tier before its first send."""

    share: Share = 0.15
    """Spill a result above this share of the space for input ..."""
    tokens: PositiveInt | None = None
    """... or above this many tokens, where that is set."""
    head_chars: Annotated[int, Field(ge=0)] = 3_000
    """Characters of the result that stay, from its start."""
    tail_chars: Annotated[int, Field(ge=0)] = 1_500
    """Characters that stay, from its end."""


class Policy(_Settings):
    """How a conversation is kept inside its window.

    The space for input is `budget - max_tokens` of the request being planned; marks and shares are shares of it.
    """

    budget: PositiveInt | None = None
    """Tokens that prompt and output together may take; None is the model's window."""
    high: Share = 0.85
    """Above this mark the history is shrunk ..."""
    low: Share = 0.5
    """... down to this one, so that edits are rare."""
    min_gain: Share = 0.1
    """An edit that frees less is not made, unless the request would not fit without it (law 7)."""
    summary: Share = 0.1
    """The most that a summary may take."""
    summary_tokens: PositiveInt = 6_000
    """The most that a summary may take, in tokens: whichever is less."""
    instruction: Share = 0.25
    """The user's request in progress is repeated word for word after a summary up to this share."""
    methods: tuple[Method, ...] = ("spill", "summarize_keep_tail", "summarize_all")
    spill: Spill = Spill()
    exact_counts: bool = False
    """Ask for an exact count (`Count`) when the bounds straddle the budget. Otherwise the upper bound decides."""
    cache: Ttl | None = "5m"
    """Lifetime of the cache breakpoints that are set (CACHE-04); None sets none and leaves the caller's."""
    assume_binding: bool = True
    """Treat thinking of the models that can check its prefix as bound (BIND-03), whatever the account's age
    (BIND-04): the choice that no account answers with an error."""

    @pydantic.model_validator(mode="after")
    def _marks_in_order(self) -> Policy:
        if self.low >= self.high:
            raise ValueError("low: must be below high")
        return self

    @classmethod
    def parse(cls, settings: Any) -> Policy:
        """A policy from plain settings.

        Raises:
            PolicyError: one line, with the key's path, for the first mistake.
        """
        try:
            return cls.model_validate(settings)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            path = ".".join(str(part) for part in first["loc"]) or "policy"
            raise PolicyError(
                f"{first['msg'].removeprefix('Value error, ')}.",
                path=path,
                remedy="See `ctxwindow.Policy` for the keys.",
            ) from None
