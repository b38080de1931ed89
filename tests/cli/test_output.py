from __future__ import annotations

import json

import pytest

from ctxwindow.cli.output import dollars, fail, few, percent, plain, print_json, wants_json
from ctxwindow.errors import InvalidRequest


def test_plain_text_holds_nothing_that_a_terminal_obeys() -> None:
    told = plain("a\nb\x1b[31mred\u202ereversed\ud800\x07é日")
    assert told == "a b [31mred reversed  é日"


def test_a_long_text_says_what_is_left_out() -> None:
    told = few("a" * 400 + "b" * 400, 100)
    assert told.startswith("a" * 50)
    assert told.endswith("b" * 50)
    assert "(700 characters left out)" in told
    assert few("short") == "short"


def test_an_error_is_one_line_and_its_notes_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    error = InvalidRequest("it is\nbroken.", rule="MSG-01", path="a\x1b[1m.json", remedy="Mend it.")
    for number in range(9):
        error.add_note(f"note\n{number}")
    assert fail(error, as_json=False) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, *also = err.splitlines()
    assert first == "ctxwindow: a [1m.json: it is broken. [MSG-01] Mend it."
    assert also == [f"  also: note {number}" for number in range(5)]


def test_an_error_is_json_on_standard_output_too(capsys: pytest.CaptureFixture[str]) -> None:
    fail(InvalidRequest("it is broken.", rule="MSG-01", path="p", remedy="Mend it."), as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "error": "InvalidRequest",
        "message": "it is broken.",
        "rule": "MSG-01",
        "path": "p",
        "remedy": "Mend it.",
    }
    assert len(err.splitlines()) == 1


def test_json_is_ascii_so_that_any_encoding_carries_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "日\ud800"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"name": "日\ud800"}


@pytest.mark.parametrize(
    ("amount", "told"), [(None, "-"), (0.01234, "$0.0123"), (12.5, "$12.50"), (1234.0, "$1,234.00")]
)
def test_dollars(amount: float | None, told: str) -> None:
    assert dollars(amount) == told


def test_percent() -> None:
    assert percent(None) == "-"
    assert percent(0.1234) == "12.3 %"
    assert percent(-0.0012, 2) == "-0.12 %"


def test_json_is_seen_wherever_it_stands() -> None:
    assert wants_json(["count", "--json", "x"])
    assert not wants_json(["count", "x"])
