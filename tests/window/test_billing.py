from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ctxwindow.catalog import resolve
from ctxwindow.testing import json_values
from ctxwindow.window import Bill
from ctxwindow.window.billing import Share, Terms, believed, input_weight, shares, terms
from ctxwindow.window.usage import MOST_TOKENS


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


ENTRY = {"type": "message", "input_tokens": 60, "output_tokens": 2}


@pytest.mark.parametrize(
    ("iterations", "tokens", "unknown"),
    [
        (["x"], [(100, 5)], ["iterations"]),
        ("x", [(100, 5)], ["iterations"]),
        ([{}], [(100, 5)], ["iterations"]),
        ([ENTRY, {"type": "message"}], [(100, 5)], ["iterations"]),
        ([{**ENTRY, "type": "compaction"}, None], [(60, 2), (100, 5)], ["iterations"]),
        ([{**ENTRY, "type": "compaction"}], [(60, 2), (100, 5)], ["iterations"]),
        ([{**ENTRY, "type": "unheard_of"}], [(100, 5)], ["iterations"]),
        ([{**ENTRY, "output_tokens": -1}], [(60, 0)], ["output_tokens"]),
        ([ENTRY, {"type": "compaction"}], [(60, 2), (0, 0)], ["input_tokens", "output_tokens"]),
    ],
)
def test_iterations_that_cannot_be_read_leave_the_top_level(
    iterations: Any, tokens: list[tuple[int, int]], unknown: list[str]
) -> None:
    """TOK-08, TOK-09: which sums up the messages, and leaves out the others."""
    found = shares({"input_tokens": 100, "output_tokens": 5, "iterations": iterations})
    assert [(share.tokens.prompt, share.tokens.output) for share in found] == tokens
    assert [what for share in found for what in share.unknown] == unknown


def test_without_a_top_level_what_is_left_of_iterations_is_billed() -> None:
    (share,) = shares({"iterations": [ENTRY, "x"]})
    assert (share.tokens, share.unknown) == (Bill(uncached=60, output=2), ("iterations",))


@pytest.mark.parametrize(
    ("total", "short", "hourly", "written", "unknown"),
    [
        (-5, 1_000, None, (1_000, 0), ("cache_creation_input_tokens",)),
        (6_000, None, 5_000, (1_000, 5_000), ()),
        (6_000, 5_000, None, (5_000, 1_000), ()),
        (6_000, None, None, (6_000, 0), ()),
        (100, 1_000, 5_000, (100, 0), ("cache_creation (not the sum of its parts)",)),
        (100, None, 5_000, (100, 0), ("cache_creation (not the sum of its parts)",)),
        (10_345, 0, 0, (10_345, 0), ("cache_creation (not the sum of its parts)",)),
        (9_000, 1_000, 5_000, (4_000, 5_000), ("cache_creation (not the sum of its parts)",)),
    ],
)
def test_what_was_written_is_what_sum_and_parts_agree_on(
    total: Any, short: Any, hourly: Any, written: tuple[int, int], unknown: tuple[str, ...]
) -> None:
    """TOK-02"""
    parts = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": hourly}
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation": parts}
    (share,) = shares({**usage, "cache_creation_input_tokens": total})
    assert (share.tokens.written_5m, share.tokens.written_1h) == written
    assert share.unknown == unknown


def test_what_no_usage_can_count_is_too_large() -> None:
    """The same limit as for sizes."""
    (share,) = shares({"input_tokens": MOST_TOKENS, "output_tokens": MOST_TOKENS + 1})
    assert (share.tokens, share.unknown) == (Bill(uncached=MOST_TOKENS), ("output_tokens (too large)",))
    many = terms({"server_tool_use": {"web_search_requests": 1_001}})
    assert (many.searches, many.unknown) == (0, ("server_tool_use.web_search_requests (too large)",))


def test_what_a_model_cannot_have_taken_is_not_believed() -> None:
    """CTX-04, CTX-06, MSG-13: its window is a million tokens."""
    opus = resolve("claude-opus-5-5")

    def of(tokens: Bill) -> tuple[Bill, tuple[str, ...]]:
        found = believed(Share(kind="message", model=None, tokens=tokens), opus, 1_000)
        return found.tokens, found.unknown

    assert of(Bill(uncached=10_000_000, output=1_000)) == (Bill(uncached=10_000_000, output=1_000), ())
    assert of(Bill(uncached=3, read=10_000_001, output=1_001)) == (
        Bill(uncached=3),
        ("cache_read_input_tokens (too large)", "output_tokens (too large)"),
    )
    together, unknown = of(Bill(uncached=6_000_000, written_1h=6_000_000, output=5))
    assert together == Bill(output=5)
    assert set(unknown) == {
        "input_tokens (too large)",
        "cache_read_input_tokens (too large)",
        "cache_creation_input_tokens (too large)",
    }


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
