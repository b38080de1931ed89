from __future__ import annotations

import copy
import datetime as dt
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctxwindow.catalog import Document, document, resolve
from ctxwindow.catalog.build import SHIPPED, build, main
from ctxwindow.errors import HistoryError

FACTS = Path(__file__).parents[2].parent / "shared" / "facts" / "catalog.json"

MODEL: dict[str, Any] = {
    "id": "claude-test-1",
    "display_name": "Claude Test 1",
    "line": "test",
    "released": "2026-01-02",
    "aliases": ["claude-test"],
    "bedrock_id": "anthropic.claude-test-1-v1:0",
    "bedrock_id_alt": ["anthropic.claude-test (another endpoint)"],
    "vertex_id": None,
    "foundry_id": None,
    "lifecycle": {
        "state": "active",
        "deprecated_on": None,
        "retires_on": None,
        "not_before": "2027-01-02",
        "retired_on": None,
        "replacement": None,
    },
    "context_window": {"default": 1000, "with_beta": None, "beta_header": None, "note": "a note"},
    "max_output": {"sync": 100, "beta": 200, "beta_header": "more-2026", "batch_300k_beta": False},
    "thinking": {
        "accepts": ["adaptive", "enabled (deprecated)"],
        "when_omitted": "adaptive",
        "always_on": True,
        "display_default": "full text (pre-summary)",
        "prior_turns_default": "keep_all",
        "interleaved": "automatic with adaptive",
        "effort_levels": None,
        "effort_default": None,
        "off_effort_cap": "high (between_tools)",
    },
    "thinking_binding": {"prefix_check": "every account", "account_bound": False, "reads_from": None},
    "features": {
        "context_editing": True,
        "compaction_20260112": True,
        "compaction_on_demand": False,
        "mid_conversation_system": False,
        "mid_conversation_tool_changes": "beta",
        "per_message_effort": False,
        "prefill": False,
        "context_awareness": False,
        "forced_tool_choice": None,
        "sampling_params": "400 on non-default",
        "task_budgets": None,
        "input_plus_max_tokens_over_window": "400 error",
    },
    "cache_min_tokens": None,
    "image_tier": "high",
    "tokenizer": "opus-4.7-era",
    "tool_prompt_tokens": {"auto_none": 1, "any_tool": None},
    "price": {
        "input": 1,
        "output": 2,
        "cache_write_5m": 1.25,
        "cache_write_1h": 2,
        "cache_read": 0.1,
        "batch_multiplier": 0.5,
        "us_inference_multiplier": None,
    },
    "src": {"price": "D-PRICE", "effort": "D-REL", "prior_turns": "inferred"},
    "notes": ["first"],
}


def facts(**changes: Any) -> dict[str, Any]:
    """A facts file of one invented model, whose row `changes` replace (`thinking__accepts=[...]`)."""
    row = copy.deepcopy(MODEL)
    for path, value in changes.items():
        *sections, name = path.split("__")
        target = row
        for section in sections:
            target = target[section]
        target[name] = value
    return {
        "schema_version": 1,
        "generated": "2026-11-22",
        "newest_official_page_read": "2026-10-10",
        "sources": {"D-PRICE": {"what": "Pricing page", "as_of": "2026-10-10", "via": "not shipped"}},
        "models": [row],
        "retired_without_data": [{"id": "claude-0", "retired_on": "2024-11-06"}],
        "platform_rules": {"bedrock": "anthropic.<id>"},
        "beta_headers": ["one-2026-01-01", "two-2026-01-01 (dead)"],
        "token_formulas": {
            "image": {
                "rule": "tokens = ceil(w/28) * ceil(h/28)",
                "tiers": {"standard": {"max_edge_px": 1, "max_tokens": 2}, "high": {"max_edge_px": 3, "max_tokens": 4}},
                "wrapper": "about 3 tokens per image block on top",
                "limits": {
                    "max_dimension_px": 8000,
                    "many_image_rule": "more than 20 images in a request: keep each side <= 2000 px",
                    "per_request": {"1M window": 600, "200k window": 100},
                    "per_image_base64_mb": {"claude_api": 10},
                },
                "src": "D-VISION",
            },
            "pdf": {
                "rule": "per page: text tokens (typically 1,500-3,000) plus the page",
                "pages_per_request": {"1M window": 600},
                "request_mb": 32,
                "src": "D-PDF",
            },
            "tool_use": {
                "per_tool": [{"tool": "bash_20250124", "tokens": {"4.7+": 325, "4.6-": 244}}, {"tool": "web_fetch"}],
                "src": "D-PRICE",
            },
        },
        "request_limits": {
            "request_mb": {"messages": 32},
            "messages_per_request": 100_000,
            "cache_breakpoints": 4,
            "cache_lookback_blocks": 20,
            "batch": {"max_requests": 1, "expires_h": 24, "results_days": 29},
            "web_search_usd_per_1000": 10,
            "src": "D-API",
        },
        "price_history": [],
        "conflicts": [],
    }


def made(facts_file: dict[str, Any]) -> Document:
    return msgspec.json.decode(build(json.dumps(facts_file).encode()), type=Document)


def test_a_row_becomes_a_profile() -> None:
    (profile,) = made(facts()).models
    assert profile.bedrock_ids == ("anthropic.claude-test-1-v1:0", "anthropic.claude-test")
    assert (profile.window, profile.max_output, profile.max_output_batch) == (1000, 100, None)
    assert profile.thinking.accepts == ("adaptive", "enabled")
    assert profile.thinking.deprecated == ("enabled",)
    assert (profile.thinking.display_default, profile.thinking.interleaved) == ("full", "adaptive")
    assert (profile.thinking.effort_levels, profile.thinking.off_effort_cap) == ((), "high")
    assert profile.prefix_check == "all_accounts"
    assert profile.features.mid_conversation_tool_changes
    assert not profile.features.sampling_params
    assert profile.tokenizer == "v4.8"
    assert profile.notes == ("first", "window: a note", "max_output: 200 with the beta more-2026")
    assert profile.src["thinking"] == "D-THINK; RULES RET-01 (prior turns: inferred); D-REL (effort)"


def test_sources_are_shipped_without_how_they_were_reached() -> None:
    built = build(json.dumps(facts()).encode())
    assert b"not shipped" not in built
    assert made(facts()).sources["D-PRICE"].as_of == "2026-10-10"
    assert {"RULES", "CTOK"} < made(facts()).sources.keys()


def test_the_order_of_the_facts_does_not_matter() -> None:
    """The same facts give the same file, byte for byte, whatever the order of their models and sources."""
    one = facts()
    one["models"].append(
        {**copy.deepcopy(MODEL), "id": "claude-test-0", "aliases": [], "bedrock_id": None, "bedrock_id_alt": []}
    )
    other = copy.deepcopy(one)
    other["models"].reverse()
    other["sources"] = dict(reversed({**other["sources"], "D-A": {"what": "a", "as_of": "b"}}.items()))
    one["sources"]["D-A"] = {"what": "a", "as_of": "b"}
    built = build(json.dumps(one).encode())
    assert built == build(json.dumps(other).encode())
    assert built.endswith(b"}\n")
    assert [profile.id for profile in made(one).models] == ["claude-test-0", "claude-test-1"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"thinking__interleaved": "sometimes"}, "sometimes"),
        ({"features__sampling_params": "maybe"}, "maybe"),
        ({"tokenizer": "opus-9-era"}, "opus-9-era"),
        ({"features__telepathy": True}, "does not read telepathy"),
        ({"weight": 5}, "does not read weight"),
        ({"context_window__default": "large"}, "window"),
        ({"price__fast": {"input": 1, "output": 2}}, "no dates are known"),
        ({"price__long_context": {"input_mult": 2}}, "no dates are known"),
        ({"image_tier": None}, "image_tier"),
    ],
)
def test_what_is_not_understood_stops_the_build(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(HistoryError, match=reason):
        made(facts(**changes))


def test_one_name_for_two_models_stops_the_build() -> None:
    doubled = facts()
    doubled["models"].append({**copy.deepcopy(MODEL), "id": "claude-test-2"})
    with pytest.raises(HistoryError, match="is a name of claude-test-1 and of claude-test-2"):
        made(doubled)


def test_a_decision_does_not_outlive_its_doubt() -> None:
    settled = facts(id="claude-sonnet-5", features__task_budgets=False)
    with pytest.raises(HistoryError, match="the facts now say False") as outlived:
        made(settled)
    assert outlived.value.path == "claude-sonnet-5.features.task_budgets"
    disputed = made(facts(id="claude-sonnet-5", features__task_budgets=True)).models[0]
    assert disputed.features.task_budgets is False
    assert disputed.src["features.task_budgets"] == "RULES TB-01"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema_version": 2}', b'{"schema_version": 1}'])
def test_what_is_no_facts_file_is_refused(content: bytes) -> None:
    with pytest.raises(HistoryError):
        build(content)


def test_the_command_writes_checks_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = tmp_path / "facts.json", tmp_path / "models.json"
    source.write_text(json.dumps(facts()))
    arguments = [str(source), "-o", str(output)]
    assert main([*arguments, "--check"]) == 1  # nothing there yet
    assert not output.exists()
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    output.write_bytes(output.read_bytes().replace(b'"window": 1000', b'"window": 1001'))
    capsys.readouterr()
    assert main([*arguments, "--check"]) == 1
    message = capsys.readouterr().err
    number = int(message.removeprefix(f"{output}:").split(":")[0])
    assert "1001" in output.read_text().splitlines()[number - 1]


@pytest.mark.parametrize("content", [None, "{", '{"schema_version": 3}'])
def test_the_command_reports_bad_facts_in_a_line(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "facts.json"
    if content is not None:
        source.write_text(content)
    assert main([str(source), "-o", str(tmp_path / "models.json")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("build: ")
    assert message.count("\n") == 1
    assert str(source) in message


needs_facts = pytest.mark.skipif(not FACTS.exists(), reason="the facts are not here")


@pytest.mark.recorded
@needs_facts
def test_the_shipped_file_is_what_the_facts_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FACTS), "--check"]) == 0, capsys.readouterr().err
    assert build(FACTS.read_bytes()) == SHIPPED.read_bytes()


@pytest.mark.recorded
@needs_facts
def test_the_shipped_numbers_are_the_facts() -> None:
    rows = json.loads(FACTS.read_bytes())["models"]
    day = dt.date(2026, 11, 22)
    for row in rows:
        profile = resolve(row["id"])
        assert profile.window == row["context_window"]["default"]
        assert profile.max_output == row["max_output"]["sync"]
        assert profile.cache_min_tokens == row["cache_min_tokens"]
        assert profile.features.prefill == row["features"]["prefill"]
        assert [profile.tool_prompt.auto_none, profile.tool_prompt.any_tool] == list(row["tool_prompt_tokens"].values())
        if row["price"]["input"] is None:
            assert profile.prices == ()
            continue
        price = profile.price_at(day)
        for rate in ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read", "batch_multiplier"):
            assert getattr(price, rate) == row["price"][rate]
        assert price.us_multiplier == row["price"]["us_inference_multiplier"]
    assert len(rows) == len(document().models)
