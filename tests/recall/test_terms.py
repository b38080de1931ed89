from __future__ import annotations

import sqlite3
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctxwindow.recall import terms


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("parser", {"parser"}),
        ("failing", {"failing", "fail"}),
        ("Running", {"running", "run"}),
        ("cached", {"cached", "cach"}),
        ("caches", {"caches", "cach"}),
        ("cache", {"cache", "cach"}),
        ("queries", {"queries", "query"}),
        ("matches", {"matches", "match"}),
        ("string", {"string"}),
        ("class", {"class"}),
        ("status", {"status"}),
        ("falling", {"falling", "fall"}),
        (
            "src/app/parse_json.py",
            {"src/app/parse_json.py", "src", "app", "parse_json.py", "parse_json", "py", "parse", "pars", "json"},
        ),
        ("__init__", {"__init__", "init"}),
        ("getHTTPResponse2", {"gethttpresponse2", "get", "http", "response", "respons", "2"}),
        ("v1.2.3", {"v1.2.3", "v1", "v", "1", "2", "3"}),
        ("user@example.com", {"user@example.com", "user", "example", "exampl", "com"}),
        ("http://x.y", {"http://x.y", "http", "x.y", "x", "y"}),
        ("Cafe\u0301", {"cafe"}),
        ("naïveCafé", {"naivecafe", "naive", "naiv", "cafe"}),
        ("Straße", {"strasse"}),
        ("\uff21\uff30\uff29", {"api"}),
        ("½", {"1", "2"}),
        ("日本語", {"日", "本", "語", "日本", "本語"}),
        ("API错误2", {"api", "错", "误", "错误", "2"}),
        ("한국어", {"한국어"}),
        ("\ufdfa", {"صلى", "الله", "عليه", "وسلم"}),
    ],
)
def test_pieces(word: str, expected: set[str]) -> None:
    assert set(terms.pieces(word)) == expected


def test_long_words_are_cut_short() -> None:
    assert terms.pieces("a" * 10_000) == ["a" * 128]
    assert terms.pieces("aB1_" * 1_000) == ["ab1_" * 32]
    assert terms.pieces("a/" * 1_000 + "a") == ["a/" * 63 + "a"]


@given(st.text())
@example("½ ㎧ ﷺ Å İ ŉ ǰ")
def test_terms_are_what_the_index_takes_for_one(text: str) -> None:
    """A term never holds white space, and of ASCII only letters, digits and _ . / : @ + -."""
    counts = terms.TermCounter().count(text)
    allowed = set("_./:@+-")
    for term in counts:
        assert term
        assert len(term) <= 3 * terms.MAX_TERM_CHARS  # folding can lengthen a little
        assert all(not c.isascii() or c.isalnum() or c in allowed for c in term)
        assert not any(c.isspace() for c in term)
        term.encode()
    assert set(terms.query_terms(text, 10**6)) == set(counts)


def test_sqlite_cuts_at_the_same_places() -> None:
    text = "src/app/parse_json.py über-cool@x v1.2+3 \u0301 日本語 \ufeff a\u2028b ½ x\x7fy naïve"
    counts = terms.TermCounter().count(text)
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE f USING fts5 (t, content = '', tokenize = \"ascii tokenchars '_./:@+-'\")")
    db.execute("CREATE VIRTUAL TABLE v USING fts5vocab (f, row)")
    db.execute("INSERT INTO f (t) VALUES (?)", (" ".join(Counter(counts).elements()),))
    assert dict(db.execute("SELECT term, cnt FROM v").fetchall()) == counts
    db.close()


@given(st.text(st.sampled_from("ab \n"), max_size=12), st.integers(0, 900))
def test_passages_cover_a_text_without_overlap(text: str, times: int) -> None:
    text = text * times
    spans = list(terms.passages(text))
    assert "".join(text[start:stop] for start, stop in spans) == text
    assert all(0 < stop - start <= terms.PASSAGE_CHARS for start, stop in spans)


def test_passages_end_after_lines_then_words() -> None:
    lines = "some line of text\n" * 200
    assert all(lines[stop - 1] == "\n" for _, stop in terms.passages(lines))
    spaces = "some words of text " * 200
    assert all(spaces[stop - 1] == " " for _, stop in terms.passages(spaces))


def test_the_middle_of_a_very_long_text_is_left_out() -> None:
    text = "x" * (2 * terms.SPAN_CHARS + 5)
    spans = list(terms.passages(text))
    assert sum(stop - start for start, stop in spans) == 2 * terms.SPAN_CHARS
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)


def test_query_terms_are_few_and_in_order() -> None:
    assert terms.query_terms("b a b getX", 10) == ["b", "a", "getx", "get", "x"]
    assert terms.query_terms("one two three", 2) == ["one", "two"]
    assert terms.query_terms("?! \ud800", 5) == []


def test_a_counter_counts_each_text_by_itself() -> None:
    counter = terms.TermCounter()
    assert counter.count("run running run") == {"run": 3, "running": 1}
    assert counter.count("run") == {"run": 1}
