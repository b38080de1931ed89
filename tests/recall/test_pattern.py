from __future__ import annotations

import re
import time
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctxwindow.recall.pattern import LONGEST_PATTERN, parse

LINES = st.text(st.sampled_from("ab_ -.1(é\ud800"), max_size=12)
ATOMS = st.sampled_from(
    ["a", "b", "1", "é", ".", r"\.", r"\d", r"\w", r"\s", r"\W", "[ab]", "[^a]", "[a-z_]", r"[\d.]", r"[\[\]-]", "[]a]", r"\(", "{", "a{", "-", r"\x61", r"\u00e9"]
)  # fmt: skip
ANCHORS = st.sampled_from(["^", "$", r"\b", r"\B"])
REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "{1,3}", "*?", "+?", "{1,2}?", "{,2}", "{,}"])


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.builds("({}{})".format, st.sampled_from(["", "?:"]), inner)
    return st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("{}|{}".format, inner, inner),
        group,
        st.builds("{}{}".format, group | ATOMS, REPEATS),
    )


PATTERNS = st.recursive(ATOMS | ANCHORS | st.builds("{}{}".format, ATOMS, REPEATS), _grown, max_leaves=8)


@given(st.sampled_from(["", "(?i)"]), PATTERNS, st.lists(LINES, min_size=1, max_size=6))
@example("", "(a|b)*", ["", "ab"])
@example("", "a$|^b", ["ba", "ab"])
@example("(?i)", "A", ["a"])
@example("", r"\Ba", ["a", "ba"])
def test_it_says_what_re_says(flag: str, pattern: str, lines: list[str]) -> None:
    parsed = parse(flag + pattern)
    if parsed is None:
        return
    known = re.compile(flag + pattern)
    for line in lines:
        if not line and r"\B" in pattern:
            continue  # `re` says no before Python 3.14, and yes since
        assert parsed.finds(line) == (known.search(line) is not None), (flag + pattern, line)


@pytest.mark.parametrize(
    "pattern",
    [
        "", "def parse_.*\\(", r"\bTODO\b.*\d{4}", "(error|warning): .+", "^class [A-Z]\\w+(\\(.*\\))?:$", "a.b", r"src/[\w/]+\.py:\d+",
        "(?:a|b)+c?", "{}", "x{,3}",
    ],
)  # fmt: skip
def test_what_people_write_is_taken(pattern: str) -> None:
    assert parse(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    [
        "(a", "a)", "[a", "*a", "a**", "a++", "(?=a)", "(?P<x>a)", r"(a)\1", r"\Qa", "(?s).", "a(?i)b", "a{3,1}", "(a{99}){99}", "^*",
        r"\N{DASH}", "[[a]", "[a--b]", "[z-a]", "x" * (LONGEST_PATTERN + 1), "\\",
    ],
)  # fmt: skip
def test_what_could_blow_up_or_is_no_pattern_is_not_taken(pattern: str) -> None:
    assert parse(pattern) is None


@given(st.text(max_size=60))
def test_any_text_is_a_pattern_or_none(text: str) -> None:
    parsed = parse(text)
    assert parsed is None or parsed.finds("some line") in {True, False}


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)+$", "(.*)*x", ".*.*.*.*.*x", "(a*)*b", "([a-z]+)+[0-9]", "(a?){99}a{99}$"]
)
def test_time_is_linear(pattern: str) -> None:
    """Each takes `re` longer than anybody waits."""
    parsed = parse(pattern)
    assert parsed is not None
    start = time.process_time()
    assert parsed.finds("a" * 100_000 + "!") is False
    assert time.process_time() - start < 5


def test_a_pattern_that_is_in_ever_new_states_gives_up() -> None:
    """Its automaton has half a million states; the text leads through as many as there are characters."""
    parsed = parse("(a|b)*a(a|b){18}x")
    assert parsed is not None
    random = Random(7)  # noqa: S311 - a text, no secret
    line = "".join(random.choice("ab") for _ in range(200_000))
    start = time.process_time()
    assert parsed.finds(line) is None
    assert parsed.finds("a" + "b" * 18 + "x") in {True, None}
    assert time.process_time() - start < 10
