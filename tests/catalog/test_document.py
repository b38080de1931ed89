from __future__ import annotations

import re
import subprocess
import sys

import msgspec
import pytest

from ctxwindow.catalog import BuiltinTool, Document, ImageTier, ModelProfile, document, models, resolve


def test_the_file_is_decoded_once() -> None:
    assert document() is document()
    assert models() is document().models


def test_importing_the_catalog_does_not_read_it() -> None:
    program = "import sys, ctxwindow.catalog.lookup as l; sys.exit(l.document.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603 - our own line


def test_every_field_has_a_source_with_a_date() -> None:
    """Every field with its source and date."""
    sources = document().sources
    assert all(source.as_of and source.what for source in sources.values())
    key = re.compile("|".join(sorted(map(re.escape, sources), key=len, reverse=True)))
    fields = set(ModelProfile.__struct_fields__) - {"src", "notes"}
    for profile in models():
        assert fields <= profile.src.keys()
        for where, cited in profile.src.items():
            assert key.search(cited), f"{profile.id}.{where} cites no known source: {cited!r}"
        for price in profile.prices:
            assert key.search(price.src), f"{profile.id} price cites no known source: {price.src!r}"
    tables = [document().images.src, document().pdf.src, document().limits.src]
    for cited in [*tables, *(tool.src for tool in document().builtin_tools), *document().src.values()]:
        assert key.search(cited)


def test_every_field_is_written_out() -> None:
    """No shipped model takes a default that is meant for profiles of one's own."""
    raw = msgspec.json.decode(msgspec.json.encode(document()), type=dict[str, object])
    shipped = msgspec.json.decode(_shipped(), type=dict[str, object])
    assert raw == shipped


def _shipped() -> bytes:
    from pkgutil import get_data  # noqa: PLC0415 - only here

    content = get_data("ctxwindow.catalog", "models.json")
    assert content
    return content


def test_an_unknown_field_is_not_skipped() -> None:
    content = _shipped().replace(b'"window":', b'"windw":', 1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(content, type=Document)


def test_models_stand_by_release() -> None:
    released = [profile.released for profile in models()]
    assert None not in released
    assert released == sorted(released, key=str)
    assert len({profile.id for profile in models()}) == len(models()) == 29


def test_replacements_and_lifecycles_are_consistent() -> None:
    for profile in models():
        if profile.replacement:
            assert resolve(profile.replacement).state == "active"
        assert (profile.state == "retired") == (profile.retired_on is not None)
        assert (profile.state == "active") <= (profile.deprecated_on is None)


def test_thinking_is_consistent() -> None:
    """THINK-02: what is on always accepts neither `disabled` nor `between_tools`."""
    for profile in models():
        thinking = profile.thinking
        assert thinking.always_on == (not {"disabled", "between_tools"} & set(thinking.accepts))
        assert set(thinking.deprecated) <= set(thinking.accepts)
        assert set(thinking.accepts) <= {"adaptive", "enabled", "disabled", "between_tools"}
        assert (thinking.prior_turns == "none") == (thinking.accepts == ("disabled",))
        assert (thinking.effort_default is None) == (not thinking.effort_levels)
        assert thinking.effort_default is None or thinking.effort_default in thinking.effort_levels
    assert resolve("claude-opus-4-6").thinking.deprecated == ("enabled",)
    assert resolve("claude-sonnet-5-5").thinking.off_effort_cap == "high"


def test_windows_and_outputs() -> None:
    """CTX-04, CTX-05, CTX-06: 1M windows with 128k output; 200k windows of the 4.5 models with 64k."""
    assert {(p.window, p.max_output) for p in models() if p.window == 1_000_000} == {(1_000_000, 128_000)}
    assert resolve("claude-sonnet-4-5").window == 200_000
    assert {resolve(m).max_output for m in ("claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5")} == {64_000}
    assert resolve("claude-opus-5").max_output_batch == 300_000
    assert resolve("claude-fable-5").max_output_batch is None


def test_image_and_pdf_numbers() -> None:
    """MEDIA-01, MEDIA-02, MEDIA-04, MEDIA-05."""
    images, pdf = document().images, document().pdf
    assert images.patch_px == 28
    assert images.tiers == {
        "standard": ImageTier(max_edge_px=1568, max_tokens=1568),
        "high": ImageTier(max_edge_px=2576, max_tokens=4784),
    }
    assert (images.max_side_px, images.many_images, images.many_images_side_px) == (8000, 20, 2000)
    assert images.max_per_request == pdf.max_pages == {200_000: 100, 1_000_000: 600}
    assert images.max_base64_mb == {"claude_api": 10, "bedrock_gcp": 5}
    assert (pdf.page_text_tokens_low, pdf.page_text_tokens_high) == (1500, 3000)


def tool(kind: str) -> BuiltinTool:
    return next(tool for tool in document().builtin_tools if kind in tool.types)


@pytest.mark.parametrize(
    ("kind", "model", "tokens"),
    [
        ("bash_20250124", "claude-opus-4-8", 325),
        ("bash_20250124", "claude-opus-4-7", 325),
        ("bash_20250124", "claude-sonnet-4-6", 244),
        ("text_editor_20250728", "claude-sonnet-5", 974),
        ("text_editor_20250728", "claude-haiku-4-5", 745),
        ("text_editor_20250429", "claude-haiku-4-5", 700),
        ("computer_toolset_20260801", "claude-sonnet-5", 4590),
        ("computer_toolset_20260801", "claude-opus-5", 4520),
        ("browser_toolset_20260801", "claude-opus-5", 6610),
        ("computer_20250124", "claude-sonnet-4-5", 735),
        ("memory_20250818", "claude-sonnet-4-5", 1069),
        ("memory_20250818", "claude-opus-5", None),  # never measured: unknown, not guessed
        ("web_search_20250305", "claude-sonnet-4-5", None),  # only a whole request was measured
    ],
)
def test_builtin_tools(kind: str, model: str, tokens: int | None) -> None:
    """PRICE-08: bash tool +325 (4.7+) / +244; computer toolset about 4,500; browser toolset about 6,600."""
    assert tool(kind).tokens_on(resolve(model)) == tokens


def test_builtin_tool_models_are_known() -> None:
    for entry in document().builtin_tools:
        assert all(resolve(model).id == model for model in entry.by_model)
        assert entry.by_tokenizer.keys() <= {"v3", "v4.7", "v4.8"}
    assert tool("computer_toolset_20260801").includes_tool_prompt


def test_tool_prompts() -> None:
    """PRICE-08: tool-use system prompt tokens (auto,none / any,tool)."""
    expected = {
        "claude-opus-5": (286, 406),
        "claude-opus-5-5": (286, None),
        "claude-opus-4-8": (290, 410),
        "claude-opus-4-7": (675, 804),
        "claude-sonnet-4-6": (497, 589),
        "claude-haiku-4-5": (496, 588),
        "claude-sonnet-5": (354, 474),
        "claude-opus-4-1": (313, 315),
        "claude-3-5-haiku-latest": (264, 355),
        "claude-fable-5-2": (None, None),
    }
    found = {model: resolve(model).tool_prompt for model in expected}
    assert {model: (prompt.auto_none, prompt.any_tool) for model, prompt in found.items()} == expected


def test_cache_minimums() -> None:
    """CACHE-08: minimum cacheable prefix."""
    expected = {
        512: ("claude-opus-5", "claude-opus-5-5", "claude-fable-5-1", "claude-sonnet-5-5", "claude-haiku-5-5"),
        1024: ("claude-opus-4-8", "claude-opus-4-1", "claude-sonnet-5", "claude-sonnet-4-6", "claude-sonnet-4-5"),
        2048: ("claude-opus-4-7", "claude-mythos-preview", "claude-3-5-haiku-20241022"),
        4096: ("claude-opus-4-6", "claude-opus-4-5", "claude-haiku-4-5"),
    }
    for tokens, names in expected.items():
        assert {resolve(name).cache_min_tokens for name in names} == {tokens}
    assert resolve("claude-fable-5-2").cache_min_tokens is None  # not seen in any text


def test_limits_and_headers() -> None:
    """CTX-18, CTX-19, CACHE-02, CACHE-06; CTX-12: the 1M beta is dead."""
    limits = document().limits
    assert limits.messages == 100_000
    assert limits.body_mb["messages_and_count_tokens"] == 32
    assert (limits.cache_breakpoints, limits.cache_lookback_blocks) == (4, 20)
    dead = {header.name for header in document().beta_headers if header.dead}
    assert dead == {"context-1m-2025-08-07"}
    assert {"compact-2026-09-04", "thinking-binding-controls-2026-08-01"} < {h.name for h in document().beta_headers}
    assert [event.date for event in document().price_history] == sorted(e.date for e in document().price_history)
    assert document().conflicts
