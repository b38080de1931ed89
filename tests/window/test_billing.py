from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ctxwindow.catalog import resolve
from ctxwindow.testing import json_values
from ctxwindow.window import Bill
from ctxwindow.window.billing import Terms, input_weight, shares, terms


def entry(kind: str, sent: int, output: int, read: int = 0, model: str | None = None) -> dict[str, Any]:
    return {
        "type": kind,
        "input_tokens": sent,
        "cache_read_input_tokens": read,
        "output_tokens": output,
        **({} if model is None else {"model": model}),
    }


def test_v_tok_2() -> None:
    """TOK-08, RATE-07: a compaction is billed beside the reply; 203,000 in, 4,500 out."""
    iterations = [entry("compaction", 180_000, 3_500), entry("message", 23_000, 1_000)]
    found = shares({"input_tokens": 23_000, "output_tokens": 1_000, "iterations": iterations})
    assert sum(share.tokens.prompt for share in found) == 203_000
    assert sum(share.tokens.output for share in found) == 4_500


def test_v_tok_3() -> None:
    """TOK-07, TOK-08: an advisor is billed at its own model's price; the rest is the top-level usage."""
    iterations = [
        entry("message", 412, 89),
        entry("advisor_message", 823, 1_612, model="claude-opus-5"),
        entry("message", 1_348, 442, read=412),
    ]
    top = {"input_tokens": 1_760, "cache_read_input_tokens": 412, "output_tokens": 531}
    found = shares({**top, "iterations": iterations})
    own = [share.tokens for share in found if share.model is None]
    assert [share.kind for share in found] == ["message", "advisor_message", "message"]
    assert (sum(t.uncached for t in own), sum(t.read for t in own), sum(t.output for t in own)) == (1_760, 412, 531)
    assert [(share.model, share.tokens) for share in found if share.model] == [
        ("claude-opus-5", Bill(uncached=823, output=1_612))
    ]


def test_models_are_never_mixed() -> None:
    """TOK-11, RATE-07: each attempt of a fallback is a share of its model's."""
    tried, served = "claude-opus-5-5", "claude-opus-5"
    iterations = [entry("message", 100, 0, model=tried), entry("fallback_message", 110, 40, model=served)]
    found = shares({"input_tokens": 110, "output_tokens": 40, "iterations": iterations})
    assert [(share.model, share.tokens.prompt, share.tokens.output) for share in found] == [
        (tried, 100, 0),
        (served, 110, 40),
    ]


def test_a_usage_without_iterations_is_one_share() -> None:
    (share,) = shares({"input_tokens": 5, "cache_creation_input_tokens": 7, "output_tokens": 3, "iterations": []})
    assert (share.kind, share.model, share.tokens) == ("message", None, Bill(uncached=5, written_5m=7, output=3))
    assert shares(None) == ()


def test_what_was_written_is_told_once_or_twice() -> None:
    """TOK-02: the sum, and its parts."""
    parts = {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 60}
    usage = {"input_tokens": 1, "output_tokens": 1}
    for fields in ({"cache_creation": parts}, {"cache_creation": parts, "cache_creation_input_tokens": 100}):
        (share,) = shares({**usage, **fields})
        assert (share.tokens.written_5m, share.tokens.written_1h, share.unknown) == (40, 60, ())


def test_a_field_that_cannot_be_read_is_named_and_the_others_are_kept() -> None:
    (share,) = shares({"input_tokens": -1, "cache_read_input_tokens": 7, "output_tokens": None})
    assert share.tokens == Bill(read=7)
    assert share.unknown == ("input_tokens", "output_tokens")


def test_terms_of_a_response() -> None:
    """PRICE-02, PRICE-09"""
    assert (
        terms(None) == terms({}) == terms({"speed": "standard", "inference_geo": "", "service_tier": None}) == Terms()
    )
    told = {"service_tier": "batch", "inference_geo": "us", "speed": "fast"}
    assert terms({**told, "server_tool_use": {"web_search_requests": 2}}) == Terms(
        batch=True, us=True, fast=True, searches=2
    )
    odd = terms({"service_tier": "priority", "inference_geo": 7})
    assert (odd.priced, odd.unknown) == (False, ("the price of this service_tier", "the price of this inference_geo"))


@pytest.mark.parametrize(
    ("model", "weight"), [("claude-opus-5-5", 2_000_000), ("claude-3-5-haiku-20241022", 10_000_000)]
)
def test_reads_do_not_count_for_the_rate_limit(model: str, weight: int) -> None:
    """RATE-02: a limit of 2M a minute lets 10M through where 80% are read from the cache; but not on Haiku 3.5."""
    tokens = Bill(uncached=1_500_000, written_5m=500_000, read=8_000_000)
    assert tokens.prompt == 10_000_000
    assert input_weight(resolve(model), tokens) == weight


@given(json_values())
def test_any_json_is_read_without_an_error(value: Any) -> None:
    for usage in (value, {"iterations": value}, {"iterations": [value]}, {"input_tokens": value}):
        assert all(share.tokens.prompt >= 0 for share in shares(usage))
    for field in ("service_tier", "inference_geo", "speed", "server_tool_use", "fallback_credit"):
        assert terms({field: value}).searches >= 0
