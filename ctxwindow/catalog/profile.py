"""What one model is, as values: limits, thinking, features, prices, each with the key of its source.

A profile is data. What follows from it (is this request valid, what does this block cost) is decided in
`ctxwindow.rules` and `ctxwindow.window`. Every default of these structs is the choice that can neither break a
request nor count too low, so that a profile of one's own needs only `id`, `window` and `max_output`.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from ctxwindow.errors import MisuseError

__all__ = [
    "FastPrice",
    "Features",
    "ModelProfile",
    "Price",
    "PriceTier",
    "RateName",
    "ThinkingProfile",
    "ToolPrompt",
]

RateName = Literal["input", "output", "cache_write_5m", "cache_write_1h", "cache_read"]
"""The token prices of a `Price`."""


class ThinkingProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model thinks and what becomes of its thinking (THINK-02, THINK-11, THINK-13, RET-01, RET-02)."""

    accepts: tuple[str, ...] = ()
    """Values of `thinking.type` that are not a 400: `adaptive`, `enabled`, `disabled`, `between_tools` (THINK-02)."""
    deprecated: tuple[str, ...] = ()
    """The part of `accepts` that is documented as deprecated."""
    when_omitted: Literal["off", "adaptive"] = "adaptive"
    """What a request without `thinking` gets."""
    always_on: bool = False
    """Neither `disabled` nor `between_tools` is accepted."""
    display_default: Literal["full", "summarized", "omitted"] | None = None
    """What `thinking.display` is when not set; None for a model that does not think (THINK-11)."""
    prior_turns: Literal["keep_all", "last_turn_only", "none"] = "keep_all"
    """Which turns' thinking stays in the window by default (RET-01, RET-02); `none`: the model has no thinking."""
    interleaved: Literal["no", "beta", "adaptive", "automatic"] = "no"
    """Thinking between tool calls: never, with `interleaved-thinking-2025-05-14`, with adaptive thinking, always."""
    effort_levels: tuple[str, ...] = ()
    """Accepted values of `output_config.effort`, rising; empty: the model has no effort setting (THINK-13)."""
    effort_default: str | None = None
    """The effort of a request that sets none (THINK-13)."""
    off_effort_cap: str | None = None
    """Highest effort with thinking off (`disabled`, or `between_tools` on Sonnet 5.5); None: no such cap."""


class Features(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What requests to a model may use; None is unknown."""

    context_editing: bool = False
    """`clear_tool_uses_20250919` and `clear_thinking_20251015` (EDIT-01)."""
    compaction_threshold: bool = False
    """The edit `compact_20260112` (CMP-01)."""
    compaction_on_demand: bool = False
    """The top-level `compaction` parameter; never on Bedrock, whatever the model (CMP-16)."""
    mid_conversation_system: bool = False
    """`role: "system"` inside `messages` (SYS-01)."""
    mid_conversation_tool_changes: bool = False
    """With the beta `mid-conversation-tool-changes-2026-07-01`."""
    per_message_effort: bool = False
    """With the beta `mid-conversation-output-config-2026-07-01` (VER-07)."""
    prefill: bool = False
    """The conversation may end with an assistant message (MSG-04, MSG-05)."""
    context_awareness: bool = False
    """The server injects a budget tag and usage warnings, which occupy the window (CTX-14)."""
    forced_tool_choice: bool | None = None
    """`tool_choice` of type `any` or `tool` is accepted when thinking allows it (TOOL-15)."""
    sampling_params: bool = False
    """Under `anthropic-version: 2023-06-01` non-default sampling is accepted; later versions never do (VER-04, VER-06)."""
    task_budgets: bool | None = None
    """`output_config.task_budget`, with the beta `task-budgets-2026-03-13` (TB-01)."""
    over_window_accepted: bool = False
    """input + max_tokens over the window is accepted and cut at the edge (CTX-09), not a 400 (CTX-10)."""


class ToolPrompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens of the system prompt that the server adds as soon as there is a tool (TOOL-14, PRICE-08)."""

    auto_none: int | None = None
    """With `tool_choice` `auto` or `none`; None is unknown."""
    any_tool: int | None = None
    """With `any` or `tool`; None is unknown, or a 400 on this model (`Features.forced_tool_choice`)."""


class PriceTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A higher price for the whole of a request whose prompt is long (PRICE-03, PRICE-04)."""

    over_prompt_tokens: int
    """Applies when uncached input + cache reads + cache writes are strictly more than this."""
    input_x: float
    """Multiplies the input, cache write and cache read prices."""
    output_x: float
    """Multiplies the output price."""


class FastPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fast mode, USD per million tokens; the cache multipliers of the model stack on `input` (PRICE-02)."""

    input: float
    output: float
    note: str = ""


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model costs over a stretch of days, in USD per million tokens; None is unknown or not offered."""

    since: dt.date = msgspec.field(name="from")
    """First day of this price."""
    until: dt.date | None = None
    """First day on which it no longer holds; None: it holds until further notice."""
    input: float | None = None
    output: float | None = None
    cache_write_5m: float | None = None
    cache_write_1h: float | None = None
    cache_read: float | None = None
    batch_multiplier: float | None = None
    """On every token price of a batch (PRICE-02)."""
    us_multiplier: float | None = None
    """On every token price with `inference_geo: "us"`; None: not offered (PRICE-02)."""
    fast: FastPrice | None = None
    """Fast mode; None: not offered in this stretch."""
    tier: PriceTier | None = None
    src: str = ""
    """Keys of the sources table and rule ids."""

    def rate(self, name: RateName) -> float:
        """The price `name`, in USD per million tokens.

        Raises:
            MisuseError: no such price is published. It is never guessed from the others.
        """
        value: float | None = getattr(self, name)
        if value is None:
            raise MisuseError(
                f"no {name} price is known from {self.since} on.",
                rule="PRICE-01",
                path=f"prices.{name}",
                remedy="Pass a ModelProfile with a price of your own.",
            )
        return value

    def holds_on(self, day: dt.date) -> bool:
        """Whether `day` lies in the stretch `[since, until)`."""
        return self.since <= day and (self.until is None or day < self.until)


class ModelProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the catalog knows of one model.

    Raises:
        MisuseError: `window` or `max_output` is not positive, or `max_output` exceeds `window`.
    """

    id: str
    """The id of the first-party API."""
    display_name: str = ""
    line: str | None = None
    """`haiku`, `sonnet`, `opus`, `fable` or `mythos`; None for models of none of them."""
    released: dt.date | None = None
    aliases: tuple[str, ...] = ()
    bedrock_ids: tuple[str, ...] = ()
    """Without the region prefix of an inference profile."""
    vertex_id: str | None = None
    foundry_id: str | None = None
    state: Literal["active", "deprecated", "retired"] = "active"
    """On the first-party API."""
    deprecated_on: dt.date | None = None
    retires_on: dt.date | None = None
    not_before: dt.date | None = None
    """A promise: retirement will not come sooner."""
    retired_on: dt.date | None = None
    replacement: str | None = None
    """The id that the deprecations page recommends instead."""
    window: int
    """Context window in tokens (CTX-04, CTX-05)."""
    max_output: int
    """Largest `max_tokens` of a request (CTX-06)."""
    max_output_batch: int | None = None
    """Largest `max_tokens` in a batch with the beta `output-300k-2026-03-24`; None: not on this model."""
    thinking: ThinkingProfile = ThinkingProfile()
    prefix_check: Literal["no", "new_accounts", "all_accounts", "conflict"] = "all_accounts"
    """For which accounts the prefix check runs without being asked for (BIND-03, BIND-04)."""
    account_bound: bool = False
    """Its thinking is readable only in the account that produced it (BIND-19)."""
    reads_from: str | None = None
    """Whose thinking it reads, in words; None: not stated (BIND-20)."""
    features: Features = Features()
    cache_min_tokens: int | None = None
    """Shorter prefixes are silently not cached (CACHE-08); None is unknown."""
    image_tier: Literal["standard", "high"] = "high"
    """Size limits of images (MEDIA-02)."""
    tokenizer: Literal["v3", "v4.7", "v4.8"] = "v4.8"
    """`v3`: Claude 3 to 4.6 and Haiku 4.5. `v4.7`: Opus 4.7 and Mythos Preview. `v4.8`: later ones, which have the
    vocabulary of v4.7 in a smaller message frame. Counts never transfer between tokenizers (CTX-20)."""
    tool_prompt: ToolPrompt = ToolPrompt()
    prices: tuple[Price, ...] = ()
    """By date, without gaps or overlaps; empty: no price is published."""
    src: dict[str, str] = msgspec.field(default_factory=dict)
    """Field name -> keys of the sources table (with remarks), where what the field says was read."""
    notes: tuple[str, ...] = ()
    """Conflicts and how they were decided, past limits, oddities."""

    def __post_init__(self) -> None:
        if self.window <= 0 or not 0 < self.max_output <= self.window:
            raise MisuseError(
                f"a model with a window of {self.window} and a max_output of {self.max_output} tokens cannot be.",
                rule="CTX-07",
                path="model.window",
                remedy="Both must be positive, and max_output not larger than window.",
            )

    def __hash__(self) -> int:
        # `src` is a dict, so the hash of all fields does not exist; equal profiles agree in these.
        return hash((self.id, self.window, self.max_output, self.tokenizer))

    @property
    def bound(self) -> bool:
        """Whether a changed history can make the API reject or drop this model's thinking.

        True as soon as the prefix check runs for some accounts: an account is not known to be old. True also for
        `conflict` (Mythos 5.1: one page says it is not checked, a newer one that it is; BIND-03), because planning as if
        bound cannot break a request, and the opposite can.
        """
        return self.prefix_check != "no"

    @property
    def keeps_prior_thinking(self) -> bool:
        """Whether earlier turns' thinking stays in the window, is counted and billed as input (RET-01)."""
        return self.thinking.prior_turns == "keep_all"

    @property
    def manual_thinking(self) -> bool:
        """Whether `enabled` with a token budget is the only way to make it think (THINK-02, THINK-07)."""
        return "enabled" in self.thinking.accepts and "adaptive" not in self.thinking.accepts

    def price_at(self, date: dt.date) -> Price:
        """The price on a day; an aware `datetime` counts as its day in UTC.

        Raises:
            MisuseError: no price is known for that day. It is never guessed from other days or models.
        """
        day = date
        if isinstance(date, dt.datetime):
            day = (date.astimezone(dt.UTC) if date.tzinfo else date).date()
        for price in self.prices:
            if price.holds_on(day):
                return price
        known = f"its first known price starts on {self.prices[0].since}" if self.prices else "none is published"
        raise MisuseError(
            f"no price of {self.id} is known for {day}: {known}.",
            rule="PRICE-01",
            path="model.prices",
            remedy="Ask for another day, or pass a ModelProfile with prices of your own.",
        )
