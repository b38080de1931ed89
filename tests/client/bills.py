"""What the emulator charged, worked out from its answers with nothing of the library but the published prices.

assert session.cost.dollars == pytest.approx(charged(log.created))
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from ctxwindow.catalog import resolve
from ctxwindow.catalog.profile import Price
from ctxwindow.record import from_json
from ctxwindow.record.blocks import blocks_of, texts_of
from ctxwindow.record.streamed import Streamed
from ctxwindow.summarize.instruction import ASKED
from tests.client.loopback import Exchange

__all__ = ["asked", "charged", "is_compaction", "is_reply", "is_summary", "message_of", "paid_prompt", "prompt"]

_MILLION = 1_000_000


def message_of(exchange: Exchange) -> dict[str, Any]:
    """The message of an answer, streamed or not."""
    if not exchange.response_headers["content-type"].startswith("text/event-stream"):
        message: dict[str, Any] = exchange.answer
        return message
    streamed = Streamed()
    for line in exchange.response.splitlines():
        if line.startswith(b"data: "):
            streamed.feed(from_json(line.removeprefix(b"data: ")))
    assert streamed.complete, "the answer did not come whole"
    assert streamed.message is not None
    return streamed.message


def is_compaction(exchange: Exchange) -> bool:
    """Whether a compaction on demand was asked for."""
    return exchange.json.get("compaction") is not None


def is_reply(exchange: Exchange) -> bool:
    """Whether the next message of a conversation was asked for."""
    return not is_compaction(exchange) and not is_summary(exchange.json)


def is_summary(body: Mapping[str, Any]) -> bool:
    """Whether a body asks for a summary by the model."""
    return any(ASKED in text for block in blocks_of(body["messages"][-1]) for text in texts_of(block))


def prompt(exchange: Exchange) -> int:
    """Tokens of the prompt by the emulator's own count."""
    return sum(_prompt(usage) for usage in _samplings(exchange))


def asked(exchange: Exchange) -> int:
    """Tokens that prompt and output may take together."""
    return prompt(exchange) + int(exchange.json["max_tokens"])


def charged(exchanges: Iterable[Exchange]) -> float:
    """Dollars for all answers that were no errors."""
    return sum(
        _paid_prompt(exchange, usage) + int(usage["output_tokens"]) * _price(exchange).rate("output") / _MILLION
        for exchange in exchanges
        if exchange.status == 200
        for usage in _samplings(exchange)
    )


def paid_prompt(exchange: Exchange) -> float:
    """Dollars for the prompt of one answer."""
    return sum(_paid_prompt(exchange, usage) for usage in _samplings(exchange))


def _samplings(exchange: Exchange) -> list[Mapping[str, Any]]:
    """The usage of each sampling (TOK-07, TOK-08): without iterations there is one, of the reply."""
    usage = message_of(exchange)["usage"]
    return usage.get("iterations") or [usage]


def _prompt(usage: Mapping[str, Any]) -> int:
    return int(usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"])


def _paid_prompt(exchange: Exchange, usage: Mapping[str, Any]) -> float:
    price = _price(exchange)
    assert price.tier is None or _prompt(usage) <= price.tier.over_prompt_tokens, "a higher price than these sums know"
    written = usage["cache_creation"]
    dollars: float = (
        usage["input_tokens"] * price.rate("input")
        + usage["cache_read_input_tokens"] * price.rate("cache_read")
        + written["ephemeral_5m_input_tokens"] * price.rate("cache_write_5m")
        + written["ephemeral_1h_input_tokens"] * price.rate("cache_write_1h")
    ) / _MILLION
    return dollars


def _price(exchange: Exchange) -> Price:
    return resolve(exchange.json["model"]).price_at(datetime.datetime.now(tz=datetime.UTC).date())
