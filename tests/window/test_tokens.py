from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.window import tokens as module
from ctxwindow.window.tiling import tiling
from ctxwindow.window.tokens import Count, Tokenizer, count_text, estimate_text, have_exact

TOKENIZERS: tuple[Tokenizer, ...] = ("v3", "v4.7", "v4.8")
TEXTS = st.text(st.characters(codec=None), max_size=200)
"""Any code point, lone surrogates and NUL included."""
COUNTS = st.builds(
    lambda low, middle, high, exact: Count(low + middle, low, low + middle + high, exact),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.booleans(),
)

needs_ctok = pytest.mark.skipif(not have_exact(), reason="ctok is not installed")


@pytest.fixture
def _without_ctok(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Python 3.11."""
    monkeypatch.setattr(module, "_counts", type(module._counts)())
    monkeypatch.setattr(module, "have_exact", lambda: False)


# ---- counts add up


@given(COUNTS, COUNTS, COUNTS)
def test_adding_counts(a: Count, b: Count, c: Count) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Count(0, 0, 0, exact=True) == a
    total = a + b
    assert total.low <= total.tokens <= total.high
    assert total.exact == (a.exact and b.exact)


def test_a_count_adds_to_counts_only() -> None:
    with pytest.raises(TypeError):
        Count(1, 1, 1, exact=True) + 1


# ---- exact counts


@needs_ctok
@pytest.mark.parametrize(
    ("text", "v3", "v47", "v48"),
    [
        # Recorded by the authors of ctok: whole messages less their frames of 7, 11 and 6 tokens.
        ("hello, world", 3, 4, 4),
        # The message opens with a word mark in v3 and v4.7, which costs a token before a digit.
        ("1", 2, 2, 1),
        ("a", 1, 1, 1),
        ("it's", 2, 2, 2),
    ],
)
def test_a_text_alone(text: str, v3: int, v47: int, v48: int) -> None:
    for tokenizer, tokens in zip(TOKENIZERS, (v3, v47, v48), strict=True):
        assert count_text(text, tokenizer) == Count(tokens, tokens, tokens, exact=True)


@needs_ctok
def test_with_a_vocabulary_that_allows_no_cuts_ctok_counts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "It's 3 o'clock, \n said the 時計."
    wanted = [count_text(text, tokenizer) for tokenizer in TOKENIZERS]
    for family in ("v3", "v4.7"):
        monkeypatch.setattr(tiling(family), "separable", False)
        monkeypatch.setattr(tiling(family), "count", None)
    assert [module._count(text, tokenizer) for tokenizer in TOKENIZERS] == wanted


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_no_text_is_no_tokens(tokenizer: Tokenizer) -> None:
    assert count_text("", tokenizer) == Count(0, 0, 0, exact=True)
    assert estimate_text("", tokenizer).tokens == 0


@given(TEXTS, st.sampled_from(TOKENIZERS))
def test_any_text_is_counted(text: str, tokenizer: Tokenizer) -> None:
    for count in (count_text(text, tokenizer), estimate_text(text, tokenizer)):
        assert 0 <= count.low <= count.tokens <= count.high


@given(TEXTS, st.sampled_from(TOKENIZERS))
def test_counting_again_changes_nothing(text: str, tokenizer: Tokenizer) -> None:
    assert count_text(text, tokenizer) == count_text("".join(list(text)), tokenizer)


@needs_ctok
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_lone_surrogates_count_as_the_replacement_character(tokenizer: Tokenizer) -> None:
    assert count_text("a\ud800b\udfff", tokenizer) == count_text("a\ufffdb\ufffd", tokenizer)


@needs_ctok
def test_the_limit_of_exact_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXACT_LIMIT", 4_000)
    text = "limited " * 500
    assert count_text(text, "v3").exact
    longer = count_text(text + ".", "v3")
    assert not longer.exact
    assert longer == estimate_text(text + ".", "v3")


@needs_ctok
def test_marks_without_end_are_estimated_in_time() -> None:
    """Normalization is quadratic in a run of marks of changing class."""
    began = time.perf_counter()
    assert not count_text("e" + "\u0316\u0301" * 32_000, "v3").exact
    assert time.perf_counter() - began < 60, "a hang, not a speed"
    assert not count_text("\u0f73" * 1_100, "v3").exact  # no mark by its class, but it falls apart into two
    assert count_text("ệ́" * 900 + "🎉" * 1_100, "v3").exact  # many marks, but no run of them


@needs_ctok
@pytest.mark.parametrize("text", ["\n", "-", "x", "é", "Zm9v", "0a", "文", "⚖️", "- \n"])
def test_a_long_text_of_any_kind_is_counted_in_time(text: str) -> None:
    began = time.perf_counter()
    assert count_text((text * 200_000)[:200_000], "v3").exact
    assert time.perf_counter() - began < 60, "a hang, not a speed"


# ---- without ctok


@pytest.mark.usefixtures("_without_ctok")
def test_without_ctok_texts_are_estimated() -> None:
    count = count_text("The quick brown fox jumps over the lazy dog.", "v3")
    assert count == estimate_text("The quick brown fox jumps over the lazy dog.", "v3")
    assert not count.exact


def test_v48_is_estimated_with_the_vocabulary_of_v47() -> None:
    text = "Some text, with 123 numbers and a getUserName() call.\n" * 9
    assert estimate_text(text, "v4.8") == estimate_text(text, "v4.7") != estimate_text(text, "v3")


@needs_ctok
def test_importing_and_asking_loads_no_vocabulary() -> None:
    code = (
        "import sys, ctxwindow.window.tokens as t\n"
        "assert 'ctok' not in sys.modules\n"
        "t.estimate_text('a b c', 'v3')\n"
        "assert 'ctok' not in sys.modules\n"
        "assert t.have_exact()\n"
        "assert not sys.modules['ctok'].main._document.cache_info().currsize\n"
        "assert t.count_text('a b c', 'v3').exact\n"
        "assert sys.modules['ctok'].main._document.cache_info().currsize == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])  # noqa: S603


# ---- what is remembered


def test_counts_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_counts", type(module._counts)())
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    counted: list[str] = []

    def counting(text: str, tokenizer: Tokenizer) -> Count:
        counted.append(f"{tokenizer} {text}")
        return Count(len(text), len(text), len(text), exact=True)

    monkeypatch.setattr(module, "_count", counting)
    for text in ("a", "b", "c", "a", "d", "a", "b"):
        assert count_text(text, "v3").tokens == 1
    # When d came, b had gone unused for longest.
    assert counted == ["v3 a", "v3 b", "v3 c", "v3 d", "v3 b"]
    count_text("a", "v4.7")
    assert counted[-1] == "v4.7 a"


def test_texts_are_remembered_by_their_hash() -> None:
    text = "\ud800" * 1_000 + "x" * 100_000
    count_text(text, "v3")
    assert max(len(key) for _, key in module._counts) == 16
    assert text not in repr(module._counts)


# ---- against recordings


def _conversations(folder: Path) -> Iterator[tuple[str, list[str], int]]:
    """Requests to Claude 3 to 4.6 of nothing but text: roles, texts, prompt tokens."""
    newer = ("opus-4-7", "opus-4-8", "sonnet-5", "opus-5", "fable-5", "haiku-5")
    seen: set[str] = set()
    with (folder / "usage_pairs.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            pair: dict[str, Any] = json.loads(line)
            request = pair.get("request") or {}
            plain = (
                not {"system", "tools", "thinking", "output_config", "tool_choice", "output_format"} & request.keys()
            )
            total = pair.get("total_prompt_tokens") or pair.get("input_tokens")
            model = pair.get("response_model") or pair["model"]
            if (
                not plain
                or pair.get("suspect")
                or not pair.get("self_contained")
                or not total
                or pair["request_key"] in seen
            ):
                continue
            if any(name in model for name in newer) or not model.startswith("claude-") or model.startswith("claude-2"):
                continue
            roles, texts = "", []
            for message in request["messages"]:
                content = message["content"]
                blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
                if all(block.get("type") == "text" for block in blocks):
                    roles += message["role"][0]
                    texts.append("".join(block["text"] for block in blocks))
            if len(texts) == len(request["messages"]):
                seen.add(pair["request_key"])
                yield roles, texts, total


@needs_ctok
@pytest.mark.recorded
def test_recorded_requests_add_up(recordings: Path) -> None:
    """A message is its text and a constant: 7 for the first, 3 for each one more (data of 2024 to 2026)."""
    frames = {"u": 7, "uau": 13, "uauau": 19}
    rest: dict[str, Counter[int]] = {roles: Counter() for roles in frames}
    for roles, texts, total in _conversations(recordings):
        if roles in frames:
            rest[roles][total - sum(count_text(text, "v3").tokens for text in texts)] += 1
    for roles, frame in frames.items():
        seen = sum(rest[roles].values())
        assert seen >= 3, roles
        assert rest[roles][frame] / seen >= 0.95, (roles, rest[roles])


@needs_ctok
@pytest.mark.recorded
def test_recorded_requests_lie_within_the_estimate(recordings: Path) -> None:
    inside = [
        estimate.low <= total - 7 <= estimate.high
        for roles, texts, total in _conversations(recordings)
        if roles == "u"
        for estimate in [estimate_text(texts[0], "v3")]
    ]
    assert len(inside) >= 50
    assert sum(inside) / len(inside) >= 0.9
