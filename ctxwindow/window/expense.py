"""What one send cost: the forecast made before it, and the bill that the usage of its response makes.

Dollars are those published on the day of the request. Where a price is not known there are no dollars at all; where a
number of the usage is not known the dollars are of the rest. Either is named in `unknown`: nothing counts as free that
only was not said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ctxwindow.catalog import ModelProfile, document, resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.record.blocks import block_type, blocks_of
from ctxwindow.window.billing import Share, Terms, believed, shares, terms
from ctxwindow.window.cost import BOUGHT, Bill, Rates, rates
from ctxwindow.window.usage import SIZED, is_count

__all__ = ["Charge", "Expense", "answered", "unanswered"]

_RAN_CODE = ("code_execution", "bash_code_execution", "text_editor_code_execution")


_OF_PROMPT = ("input_tokens", "cache_", "iterations")
"""How fields of usage begin that tell of the prompt."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """One sampling of a model, priced."""

    kind: str
    """As in `Share`."""
    model: str
    """Whose price it is."""
    tokens: Bill
    rates: Rates | None
    """None: no price is known."""
    billed: bool = True
    """False for a refusal before any output, which counts for rate limits alone (FB-02)."""

    @property
    def dollars(self) -> float | None:
        """What it cost; None where no price is known."""
        if not self.billed:
            return 0.0
        return None if self.rates is None else self.rates.dollars(self.tokens)


class Expense(msgspec.Struct, frozen=True, kw_only=True):
    """One send, as forecast and as billed. Tokens are integers, money is US dollars."""

    send: int
    """Its number, from 1."""
    turn: int
    """Number of its turn, from 1."""
    model: str
    """The model that answered; before there is an answer, the one that was asked."""
    at: float | None
    """When it was sent, in seconds since the epoch."""
    max_tokens: int | None = None
    """Of the request; None where it is not known."""
    outcome: Literal["waiting", "answered", "cut", "failed", "given_up"] = "waiting"
    """`cut`: its reply did not come whole. `given_up`: something else was done before its reply came."""
    warm: float | None = None
    """Forecast for the prompt if the cached prefix was still there; None where no price is known."""
    cold: float | None = None
    """The same if it was not."""
    lives: bool = False
    """Whether it was, by the clock (CACHE-05)."""
    charges: tuple[Charge, ...] = ()
    """One for each sampling (TOK-08)."""
    thinking: int | None = None
    """Tokens of the output that were thinking (TOK-04); None where the usage does not say."""
    searches: int = 0
    """Web searches (PRICE-09)."""
    search_dollars: float = 0.0
    dollars: float | None = None
    """All that is known to be charged; None where there is no usage that can be read, or no price."""
    unknown: tuple[str, ...] = ()
    """What is charged, or may be, and is not in `dollars`: fields of the usage, or words."""

    @property
    def tokens(self) -> Bill:
        """All tokens that are billed, those of every sampling."""
        return sum((charge.tokens for charge in self.charges if charge.billed), Bill())

    @property
    def by(self) -> dict[str, float]:
        """Dollars by what was bought: the kinds of tokens, other samplings by their kind, and `web_search`.

        They sum up to `dollars`; empty where those are None.
        """
        if self.dollars is None:
            return {}
        found: dict[str, float] = dict.fromkeys(BOUGHT, 0.0)
        for charge in self.charges:
            if charge.kind not in SIZED:
                found[charge.kind] = found.get(charge.kind, 0.0) + (charge.dollars or 0.0)
            elif charge.billed and charge.rates is not None:
                for name in BOUGHT:
                    found[name] += charge.rates.of(name, getattr(charge.tokens, name))
        found["web_search"] = self.search_dollars
        return {name: dollars for name, dollars in found.items() if dollars}

    @property
    def thinking_dollars(self) -> float | None:
        """The part of `by["output"]` that was thinking; None where it is not known (TOK-04).

        Thinking is told of the attempt that made the reply, and is a share of its output (TOK-11).
        """
        if self.thinking is None or self.dollars is None:
            return None
        own = _of_reply(self.charges)
        tokens = sum(charge.tokens.output for charge in own)
        paid = sum(charge.rates.of("output", charge.tokens.output) for charge in own if charge.billed and charge.rates)
        return paid * self.thinking / tokens if tokens else 0.0

    @property
    def forecast(self) -> float | None:
        """What the prompt was expected to cost, going by the clock."""
        return self.warm if self.lives else self.cold

    @property
    def prompt_dollars(self) -> float | None:
        """What it did cost; None where it was sampled more than once, or has no price."""
        sampled = [charge for charge in self.charges if charge.kind in SIZED]
        if len(sampled) != 1 or self.dollars is None or any(what.startswith(_OF_PROMPT) for what in self.unknown):
            return None
        only = sampled[0]
        return None if only.rates is None else only.rates.dollars(msgspec.structs.replace(only.tokens, output=0))

    @property
    def error(self) -> float | None:
        """How far the forecast was off: (forecast - actual) / actual. None where there is nothing to compare (law 12)."""
        actual = self.prompt_dollars
        return (self.forecast - actual) / actual if self.forecast is not None and actual else None


def unanswered(expense: Expense, *, billed: bool | None = False) -> Expense:
    """An expense whose request was answered with an error, or whose reply never came.

    Args:
        expense: as it was when sent.
        billed: False for an error, which costs nothing; None where nobody can tell, as when the connection broke.
    """
    if billed is None:
        return msgspec.structs.replace(expense, outcome="given_up", unknown=("whether it was billed",))
    return msgspec.structs.replace(expense, outcome="failed", dollars=0.0)


def answered(
    expense: Expense,
    usage: Mapping[str, Any] | None,
    *,
    profile: ModelProfile,
    model: str | None = None,
    message: Mapping[str, Any] | None = None,
    stop_reason: str | None = None,
    arrived: int | None = None,
) -> Expense:
    """The expense of a send once its response is there. It never fails, whatever the usage holds.

    A reply that was cut has told what its prompt took (TOK-06), and not what it wrote: what arrived is the least of that.

    Args:
        expense: as it was when sent.
        usage: of the response.
        profile: the model that was asked.
        model: the one that the response names.
        message: the reply, in which code may have been run.
        stop_reason: of the response.
        arrived: where it was cut, the tokens of it that came at least; None where it came whole.
    """
    outcome: Literal["answered", "cut"] = "answered" if arrived is None else "cut"
    served = _profile(model, profile)
    named = served.id if served is not None else str(model)
    if not isinstance(usage, Mapping):
        return msgspec.structs.replace(expense, outcome=outcome, model=named, unknown=("usage",))
    under = terms(usage)
    parts = _parts(expense, usage, served, message, batch=under.batch)
    if arrived is not None:
        parts = _cut(parts, arrived)
    refused = stop_reason == "refusal" and not blocks_of(message or {})
    charges = tuple(
        _charge(share, _profile(share.model, served), named, under, expense.at, billed=billed)
        for share, billed in zip(parts, _billed(parts, refused=refused), strict=True)
    )
    search_price = document().limits.web_search_usd_per_1000 / 1000
    thinking, odd = _thinking(usage, charges)
    unknown = [*under.unknown, *odd, *(field for share in parts for field in share.unknown), *_unpriced(charges)]
    if any(block.get("name") in _RAN_CODE for block in _blocks(message) if block.get("type") == "server_tool_use"):
        unknown.append("hours of code execution")  # PRICE-09: free beside newer web tools and in a quota
    known = [charge.dollars for charge in charges]
    searched = under.searches * search_price
    told = searched or any(share.told or not charge.billed for share, charge in zip(parts, charges, strict=True))
    priced = under.priced and bool(told) and None not in known
    return msgspec.structs.replace(
        expense,
        outcome=outcome,
        model=named,
        charges=charges,
        thinking=thinking,
        searches=under.searches,
        search_dollars=searched,
        dollars=sum(dollars for dollars in known if dollars is not None) + searched if priced else None,
        unknown=tuple(dict.fromkeys(unknown)),
    )


def _profile(model: str | None, asked: ModelProfile | None) -> ModelProfile | None:
    """The model that a response or an iteration names; that which was asked where it names none."""
    if model is None or (asked is not None and model == asked.id):
        return asked
    try:
        return resolve(model)
    except UnknownModel:
        return None


def _parts(
    expense: Expense,
    usage: Mapping[str, Any],
    served: ModelProfile | None,
    message: Mapping[str, Any] | None,
    *,
    batch: bool,
) -> tuple[Share, ...]:
    """The shares of a usage, without what cannot be."""
    # After a call of a server tool the model is sampled again, and each time it may write as much (TOK-09).
    samplings = 1 + sum(block_type(block).family == "server_call" for block in _blocks(message))
    parts = []
    for share in shares(usage):
        profile = _profile(share.model, served)
        if profile is None:
            parts.append(share)
            continue
        most = (batch and profile.max_output_batch) or profile.max_output  # CTX-06
        if expense.max_tokens is not None and share.kind in SIZED:
            most = min(most, expense.max_tokens)
        parts.append(believed(share, profile, most * samplings))
    return tuple(parts)


def _cut(parts: tuple[Share, ...], arrived: int) -> tuple[Share, ...]:
    """The shares of a reply that was cut in its last sampling."""
    if not parts:
        return parts
    *others, last = parts
    tokens = msgspec.structs.replace(last.tokens, output=max(last.tokens.output, arrived))
    return (*others, msgspec.structs.replace(last, tokens=tokens, unknown=(*last.unknown, "output that was cut off")))


def _charge(
    share: Share, profile: ModelProfile | None, served: str, under: Terms, at: float | None, *, billed: bool
) -> Charge:
    found, model = None, profile.id if profile is not None else share.model or served
    if profile is not None and at is not None:
        prompt = share.tokens.prompt
        found = rates(profile, prompt, at, batch=under.batch, us=under.us, fast=under.fast)
    return Charge(kind=share.kind, model=model, tokens=share.tokens, rates=found, billed=billed)


def _billed(parts: Sequence[Share], *, refused: bool) -> list[bool]:
    """Whether each share is: not a refusal before any output, be it the answer or an attempt that fell back (FB-02)."""
    fell_back = any(share.kind == "fallback_message" for share in parts)
    return [
        not refused and not (fell_back and share.kind == "message" and not share.tokens.output and not share.unknown)
        for share in parts
    ]


def _of_reply(charges: Sequence[Charge]) -> list[Charge]:
    """The samplings that the top-level fields sum up: those of the model that made the reply (TOK-09, TOK-11)."""
    sized = [charge for charge in charges if charge.kind in SIZED]
    return [charge for charge in sized if (charge.kind, charge.model) == (sized[-1].kind, sized[-1].model)]


def _thinking(usage: Mapping[str, Any], charges: Sequence[Charge]) -> tuple[int | None, list[str]]:
    """Thinking tokens of the output; None where they are not told, and named where they cannot be true (TOK-04)."""
    details = usage.get("output_tokens_details")
    value = details.get("thinking_tokens") if isinstance(details, Mapping) else None
    if value is None:
        return None, []
    most = sum(charge.tokens.output for charge in _of_reply(charges))
    if is_count(value) and value <= most:
        return value, []
    return None, ["output_tokens_details.thinking_tokens"]


def _unpriced(charges: Sequence[Charge]) -> list[str]:
    return [f"the price of {charge.model}" for charge in charges if charge.dollars is None]


def _blocks(message: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    return [block for block in blocks_of(message or {}) if isinstance(block, Mapping)]
