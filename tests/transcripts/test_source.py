from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctxwindow.errors import HistoryError
from ctxwindow.transcripts.source import decode, parse, parse_line

QUICK = settings(max_examples=50, deadline=None)  # no deadline: the machine may be busy

texts = st.text(max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(texts, values, min_size=1, max_size=3)


@QUICK
@given(values)
def test_json_is_kept_exact(value: Any) -> None:
    """Numbers and texts are what Python's json makes of them."""
    assert parse(json.dumps(value), "f") == value
    assert parse(json.dumps(value, ensure_ascii=False), "f") == value
    assert parse_line(json.dumps(value), "f:1", last=False) == ([value], False)


def test_large_numbers_and_lone_surrogates_are_kept() -> None:
    text = '{"n": 123456789012345678901234567890, "f": 0.1, "s": "\\ud800", "e": 1e3}'
    assert parse(text, "f") == {"n": 123456789012345678901234567890, "f": 0.1, "s": "\ud800", "e": 1000.0}


@QUICK
@given(objects, st.booleans(), st.integers(min_value=0))
@example({"a": "\ud83d"}, True, 8)
@example({"a": 1.5e300}, True, 0)
@example({"": [True, False, None, -1]}, True, 0)
def test_every_beginning_of_an_object_is_a_line_that_breaks_off(
    value: dict[str, Any], escaped: bool, start: int
) -> None:
    """The last line of a session still being written is JSON that was cut off, wherever it was cut."""
    whole = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "replace")
    cuts = range(1, len(whole)) if len(whole) < 40 else [1 + start % (len(whole) - 1)]
    for cut in cuts:
        part = decode(whole[:cut], "f:2", last=True)
        assert parse_line(part, "f:2", last=True) == ([], True)
        if "\N{REPLACEMENT CHARACTER}" not in part:
            with pytest.raises(HistoryError, match="not JSON"):
                parse_line(part, "f:2", last=False)
            with pytest.raises(HistoryError, match="ends in the middle"):
                parse(part, "f")


@QUICK
@given(st.lists(objects, min_size=1, max_size=3), st.sampled_from(["", " ", "\t\r"]))
def test_objects_on_one_line_are_all_read(found: list[dict[str, Any]], between: str) -> None:
    """A lost line end loses no row."""
    line = between + between.join(map(json.dumps, found)) + between
    assert parse_line(line, "f:1", last=False) == (found, False)
    assert parse_line(line + '{"x": tr', "f:1", last=True) == (found, True)


@pytest.mark.parametrize(
    "line", ["x", '{"a": 1} x', '{"a": nul!', "{a", '{"a": +', '{"a": "\\q', '{"a": 1}\N{REPLACEMENT CHARACTER}']
)
def test_a_last_line_that_is_no_beginning_of_json_is_refused(line: str) -> None:
    with pytest.raises(HistoryError, match=r"f:9: not JSON \(.*, column \d+\)\. Mend or remove this line\."):
        parse_line(line, "f:9", last=True)


def test_the_column_counts_from_the_start_of_the_line() -> None:
    with pytest.raises(HistoryError, match="column 11"):
        parse_line('  {"a": 1}x', "f:1", last=False)


def test_a_cut_character_is_only_forgiven_at_the_end_of_the_last_line() -> None:
    assert decode('{"a": "é'.encode()[:-1], "f:1", last=True) == '{"a": "\N{REPLACEMENT CHARACTER}'
    for raw, last in [('{"a": "é'.encode()[:-1], False), (b'{"a": "\xc3 "', True)]:
        with pytest.raises(HistoryError, match="byte 8 is not UTF-8"):
            decode(raw, "f:1", last=last)


def test_a_byte_order_mark_is_only_taken_off_the_start_of_the_file() -> None:
    assert decode(b"\xef\xbb\xbf{}", "f:1", first=True) == "{}"
    with pytest.raises(HistoryError, match="not JSON"):
        parse_line(decode(b"\xef\xbb\xbf{}", "f:2"), "f:2", last=False)
