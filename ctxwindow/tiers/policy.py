"""What the user asks for: budget, marks, methods, what stays, what is put away. Pydantic, because people write it.

Every mistake in it is a `PolicyError` of one line with the key's path, wherever the policy comes from.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import PolicyError
from ctxwindow.recall.pattern import parse
from ctxwindow.tiers.mistakes import mistake
from ctxwindow.tiers.presets import PRESETS
from ctxwindow.tiers.written import json_table, toml_table
from ctxwindow.window import Ttl

__all__ = ["Hot", "Method", "Pins", "Platform", "Policy", "Spill", "Warm"]

Method = Literal[
    "spill",
    "clear_tool_uses",
    "clear_thinking",
    "compact",
    "compact_threshold",
    "summarize_keep_tail",
    "summarize_all",
    "drop",
]
"""A way to shrink the window, by what it breaks: nothing, the server's copy, or the prefix (a new epoch)."""

Platform = Literal["claude_api", "aws", "bedrock", "google_cloud", "foundry"]
"""Where requests go; `aws` is Claude Platform on AWS, which is not Bedrock (CMP-16)."""

MOST = 10**9
"""The largest number that a key takes. It is far above every window, and can be stored, told, and taken times a price."""

# Strict: neither "20" nor true is a number of tokens.
Share = Annotated[float, Field(strict=True, gt=0, le=1)]
Tokens = Annotated[int, Field(strict=True, gt=0, le=MOST)]
Number = Annotated[int, Field(strict=True, ge=0, le=MOST)]
Sends = Annotated[int, Field(strict=True, gt=0, le=1_000_000)]
Name = Annotated[str, Field(min_length=1)]


def _wrong(reason: str) -> PydanticCustomError:
    """A mistake in one key that pydantic does not look for."""
    return PydanticCustomError("policy", "{reason}", {"reason": reason})


def _impossible(path: str, reason: str) -> PolicyError:
    """Keys that are right one by one, and cannot all be had."""
    return PolicyError(reason, path=path, remedy="Change one of them, or leave it out for its default.")


def _budget(value: Any) -> Any:
    """Whole numbers are tokens, fractions a share of the window: 1 and 1.0 are not the same."""
    if value is None or (type(value) is int and 0 < value <= MOST) or (type(value) is float and 0 < value <= 1):
        return value
    raise _wrong(f"a budget is a whole number of tokens up to {MOST:,}, or a share of the window above 0 and up to 1.0")


def _once(methods: tuple[Method, ...]) -> tuple[Method, ...]:
    twice = next((method for method in methods if methods.count(method) > 1), None)
    if twice is not None:
        raise _wrong(f"{twice} is named twice, and the first place is the one that counts")
    return methods


def _expression(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise _wrong(f"this is no regular expression: {error}") from None
    if parse(pattern) is None:
        raise _wrong(
            "this expression is not of the kind that is matched in linear time: it is too long, repeats too much, or has a "
            "look-around, a back-reference or a flag"
        )
    return pattern


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    at: ClassVar[str] = ""
    """Where these keys stand in a policy."""

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def _one_line(cls, settings: Any, validate: pydantic.ModelWrapValidatorHandler[Self]) -> Self:
        """No ValidationError leaves: it has a line for each union member, and shows what was written."""
        try:
            return validate(settings)
        except pydantic.ValidationError as error:
            raise mistake(error, cls, cls.at) from None


class Hot(_Settings):
    """What stays word for word at the end of the conversation. A method that keeps less is taken only where none keeps it."""

    at = "hot"

    tokens: Tokens | None = None
    """The newest messages, with so many tokens or more; None: as many as 15 % of the room hold."""
    turns: Number = 0
    """The newest turns, the one in progress included. Of the three keys the one that keeps the most counts."""
    rounds: Number = 0
    """The newest rounds: a reply with tool calls, and the results."""


class Warm(_Settings):
    """How large summaries may be. Beyond that, older summaries are summarised together."""

    at = "warm"

    share: Share = 0.3
    """The most that all summaries may take, as a share of the room ..."""
    tokens: Tokens = 16_000
    """... and in tokens: whichever is less."""
    levels: Tokens = 3
    """1: there is one summary, written anew each time. More: summaries stand side by side until they fill their share, and
    are then summarised together, so many times over."""
    writer: Literal["extractive", "claude"] = "extractive"
    """Who writes them: an offline quoter at no cost; or the model itself, which is paid for, so that it is asked for 4,096
    tokens at most. The planner forecasts by it; the driver calls whom it says."""


class Pins(_Settings):
    """What no method takes off the wire as long as its share holds it: after a summary it is repeated word for word."""

    at = "pins"

    first_user_message: bool = False
    """The first message of the user, which often holds the task."""
    messages: tuple[Number, ...] = ()
    """Messages by their index in the record, from 0."""
    matching: tuple[Annotated[str, AfterValidator(_expression)], ...] = ()
    """Messages of the user, and tool results, in a line of which one of these regular expressions is found. They are matched
    in linear time, by `ctxwindow.recall.pattern`, so look-around and back-references are not taken."""
    editing_files: bool = False
    """Files that are being edited: the newest result that showed each of them, and the edits after it."""
    share: Share = 0.25
    """The most that pinned content may take, as a share of the room. Where that is too little, what is named (the first user
    message, messages by index) goes before what is found, and the newest before the oldest.
    What is named and left out is told in `Send.edits`, by an edit of the method `pin`."""


class Spill(_Settings):
    """When a tool result is too large for the window: it goes to the cold tier before its first send."""

    at = "spill"

    share: Share = 0.15
    """Where the window would pass the high mark, spill a result above this share of the room ..."""
    tokens: Tokens | None = None
    """... and always one above this many tokens, where that is set."""
    head_chars: Number = 3_000
    """Characters of the result that stay, from its start."""
    tail_chars: Number = 1_500
    """Characters that stay, from its end."""


class Policy(_Settings):
    """How a conversation is kept inside its window.

    The space for input is the budget less `max_tokens` of the request being planned, less `reserve`. Its part beside
    system and tools is the room: marks and shares are shares of the room.

    Raises:
        PolicyError: a key is wrong or unknown; `path` names it.
    """

    budget: Annotated[int | float | None, BeforeValidator(_budget)] = None
    """What prompt and output together may take: tokens (`200_000`), or a share of the model's window (`0.5`); None is
    the window."""
    reserve: Number = 0
    """Tokens of the budget that are kept free, beside `max_tokens`."""
    high: Share = 1.0
    """Above this mark the history is shrunk; 1.0: when the request would not fit otherwise ..."""
    low: Share = 0.6
    """... down to this one, so that edits are rare."""
    cold: Share | None = 0.85
    """Above this mark it is shrunk when the cache has expired, so that the prompt is paid in full anyway; None: never.
    Where 0.85 is not between the marks, the default is `high`."""
    min_gain: Share = 0.1
    """An edit that frees less than this share of the room is not made, unless the request would not fit without it (law 7)."""
    horizon: Sends = 20
    """An edit that is not needed must pay for itself within this many sends."""
    thinking_worth: Annotated[float, Field(strict=True, ge=0, le=10)] = 0.25
    """What thinking is worth that an edit takes out of the window, as a share of what it costs to make again: 1.0 takes it
    that all of it must be; 0 that none."""
    prefer: Literal["order", "cost"] = "cost"
    """Of several methods that would do: the first in `methods`, or the cheapest over the horizon."""
    methods: Annotated[tuple[Method, ...], AfterValidator(_once)] = (
        "spill",
        "compact",
        "summarize_keep_tail",
        "summarize_all",
    )
    """The methods that may be used, in order of preference; one that model or platform lacks is passed over."""
    hot: Hot = Hot()
    warm: Warm = Warm()
    pins: Pins = Pins()
    spill: Spill = Spill()
    keep_tools: tuple[Name, ...] = ()
    """Tools whose results are never spilled or cleared."""
    recall: bool = False
    """Declare a tool from the first request on with which the model finds and opens what was put away."""
    background: Share | None = None
    """Above this mark the history is compacted while a reply is awaited (CMP-34); None: never."""
    instruction: Share = 0.25
    """The user's request in progress is repeated word for word after a summary up to this share."""
    platform: Platform = "claude_api"
    """Where the requests go: it decides which methods there are (CMP-16). `aws` is Claude Platform on AWS."""
    cache: Ttl | None = "5m"
    """Lifetime of the cache breakpoints that are set (CACHE-04); None sets none and leaves the caller's."""
    exact_counts: bool = False
    """Ask for an exact count (`Count`) when the bounds straddle the budget. Otherwise the upper bound decides."""
    assume_binding: bool = True
    """Treat thinking of the models that can check its prefix as bound (BIND-03), whatever the account's age
    (BIND-04): the choice that no account answers with an error."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _cold_between(cls, settings: Any) -> Any:
        """The default of `cold` gives way to the marks that are set."""
        if not isinstance(settings, dict) or "cold" in settings:
            return settings
        fields = cls.model_fields
        low, high = (settings.get(key, fields[key].default) for key in ("low", "high"))
        numbers = all(type(mark) in (int, float) for mark in (low, high))
        if not numbers or low < fields["cold"].default <= high:
            return settings  # where marks are no numbers, that is the mistake to tell of
        return {**settings, "cold": high}

    @pydantic.model_validator(mode="after")
    def _possible(self) -> Self:
        if self.low >= self.high:
            raise _impossible("low", f"the low mark must be below the high one, {self.high}.")
        if self.high == 1.0 and set(self.methods) - {"spill"} == {"compact_threshold"}:
            reason = "compact_threshold works before a request is too long: a mark of 1.0 is too late for it."
            raise _impossible("high", reason)
        for key, mark in (("cold", self.cold), ("background", self.background)):
            if mark is not None and not self.low < mark <= self.high:
                raise _impossible(key, f"this mark must be above low, {self.low}, and at most high, {self.high}.")
        if isinstance(self.budget, int):
            self._check(self.budget)
        return self

    @classmethod
    def parse(cls, settings: Any) -> Self:
        """A policy from plain settings.

        Raises:
            PolicyError: one line, with the key's path, for the first mistake.
        """
        return cls.model_validate(settings)

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """A policy from the text of a TOML file.

        Raises:
            PolicyError: as `parse`; or it is not TOML, then with line and column.
        """
        return cls.parse(toml_table(text))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A policy from the text of a JSON file.

        Raises:
            PolicyError: as `parse`; or it is not JSON, then with line and column.
        """
        return cls.parse(json_table(text))

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """A policy for a kind of work: `chat`, `coding-agent`, `research`, `cost-first` or `fidelity-first`.

        Args:
            name: see `ctxwindow.tiers.presets` for what each sets, and why.
            changes: keys with values of your own; a table such as `hot` is replaced as a whole.

        Raises:
            PolicyError: there is no such preset, or a change is wrong.
        """
        preset = next((preset for known, preset in PRESETS.items() if known == name), None)
        if preset is None:
            raise PolicyError("there is no such preset.", path="preset", remedy=f"There are: {', '.join(PRESETS)}.")
        return cls.parse({**preset.settings, **changes})

    def explain(self, model: str | ModelProfile | None = None) -> str:
        """The policy in short sentences, for people.

        Args:
            model: an id the catalog knows, or a profile; with it shares are told in tokens, and what cannot be used says why.

        Raises:
            UnknownModel: the id is not in the catalog.
            PolicyError: the budget leaves no room in the window of this model.
        """
        from ctxwindow.tiers.explained import explain  # noqa: PLC0415 - it needs this class

        return explain(self, resolve(model) if model is not None else None)

    def on(self, platform: str) -> Policy:
        """The same policy on another platform.

        Raises:
            PolicyError: there is no such platform.
        """
        return Policy.parse({**self.model_dump(mode="json"), "platform": platform})

    def budget_of(self, window: int) -> int:
        """Tokens that prompt and output together may take, `reserve` included, on a model with this window.

        Raises:
            PolicyError: the budget, known now that the window is, leaves no room.
        """
        budget = self.budget
        tokens = window if budget is None else min(window, budget if isinstance(budget, int) else int(budget * window))
        self._check(tokens)
        return tokens

    def _check(self, budget: int) -> None:
        """Whether something is left of a budget, in tokens."""
        left = budget - self.reserve
        if left <= 0:
            raise _impossible("reserve", f"{self.reserve:,} tokens kept free leave nothing of a budget of {budget:,}.")
        if self.hot.tokens is not None and self.hot.tokens >= left:
            reason = f"{self.hot.tokens:,} tokens word for word leave nothing of the {left:,} that there are."
            raise _impossible("hot.tokens", reason)
