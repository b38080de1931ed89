from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.record.identifiers import LONGEST, QUOTED, identifier_set, identifiers, identifiers_of, known_identifiers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see src/foo.py:42 and ./cmd/root.go.", ["src/foo.py", "cmd/root.go"]),
        ("/etc/hosts, ~/notes.txt, ../up.md, src/", ["/etc/hosts", "~/notes.txt", "../up.md", "src/"]),
        (r"open C:\tools\run.exe now", [r"C:\tools\run.exe"]),
        ("(https://example.org/a?b=1)", ["https://example.org/a?b=1"]),
        ("os.path.join, app.py, v1.2.3, 1.4.2", ["os.path.join", "app.py", "v1.2.3", "1.4.2"]),
        ("snake_case __init__ camelCase HTTPServer MAX_SIZE TIMEOUT", ["snake_case", "__init__", "camelCase", "HTTPServer", "MAX_SIZE", "TIMEOUT"]),
        ("toolu_01AbC 05fdd18 ENT-64 sha256", ["toolu_01AbC", "05fdd18", "ENT-64", "sha256"]),
        ("550e8400-e29b-41d4-a716-446655440000", ["550e8400-e29b-41d4-a716-446655440000"]),
        ("#123 in owner/repo#45", ["#123", "owner/repo#45"]),
        ("1234 12,345 2026-11-20 1500ms", ["1234", "12,345", "2026-11-20", "1500ms"]),
        ("say \"two words\" or 'three of them' or `go test ./...`", ["two words", "three of them", "go test ./..."]),
        ('{"file_path": "/a/b.go"}', ["file_path", "/a/b.go"]),
        ("`run src/a.py --fast`", ["run src/a.py --fast", "src/a.py"]),
        ("docs/a.md#usage", ["docs/a.md"]),
        ("请修改src/main.py文件 共1234个", ["src/main.py", "1234"]),
        ("/home/jürgen/größe.txt", ["/home/jürgen/größe.txt"]),
        (r'"cd src\nls a_b"', [r"cd src\nls a_b", "a_b"]),
    ],
)  # fmt: skip
def test_names_what_a_reader_would_look_up(text: str, expected: list[str]) -> None:
    assert list(identifiers(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "plain words, e.g. these (i.e. nothing), and/or those at 3.14 or 999 of 10/12",
        "don't touch the dogs' food; it's well-known",
        "wait...what ### ---- // .. ~ 2nd 500ms 1.5GB IDs",
        "</div> <br> M12 2C6.477",
        '"ab" \'x\' `` "" "   "',
        "",
    ],
)
def test_prose_has_no_identifiers(text: str) -> None:
    assert list(identifiers(text)) == []


def test_quoted_strings_have_a_length() -> None:
    shortest, longest = QUOTED
    assert identifier_set(f'"{"a" * shortest}"') == {"a" * shortest}
    assert identifier_set(f'"{"a" * (shortest - 1)}"') == frozenset()
    assert identifier_set(f'"{"a b" * longest}"') == frozenset()
    assert identifier_set('"a b\nc d"') == frozenset()


def test_a_run_too_long_for_a_name_is_data() -> None:
    assert identifier_set("a_" * (LONGEST // 2)) == {"a_" * (LONGEST // 2)}
    assert identifier_set("a_" * LONGEST) == frozenset()


def test_each_as_often_as_it_stands_there() -> None:
    assert list(identifiers("a_b c_d a_b")) == ["a_b", "c_d", "a_b"]
    assert identifier_set("a_b c_d a_b") == {"a_b", "c_d"}


def test_a_long_text_is_split_where_no_name_is() -> None:
    lines = [f'name_{number} "quoted {number}" /a/b{number}.py' for number in range(6_000)]
    whole = list(identifiers("\n".join(lines)))
    assert whole == [name for line in lines for name in identifiers(line)]


def test_memory_is_bounded_and_does_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(known_identifiers.__globals__, "MEMORY", 3)
    known: dict[str, tuple[str, ...]] = {}
    for text in ("a_b c_d", "e_f g_h", "a_b"):
        assert list(known_identifiers(text, known)) == text.split()
    assert len(known) <= 3


ALPHABET = st.sampled_from(list("aZ09_-./\\~@#+:\"'` \n,(){}\u00e4\u4e2d"))


@given(st.text(ALPHABET, max_size=200))
def test_property_every_identifier_stands_in_the_text(text: str) -> None:
    """Everything yielded stands literally in the text."""
    for name in identifiers(text):
        assert name
        assert name in text
        assert "\n" not in name
        assert name == name.strip()


@given(st.lists(st.text(ALPHABET, max_size=40), max_size=6))
def test_property_no_identifier_spans_a_line_end(lines: list[str]) -> None:
    """A quoted string has no newline; neither has anything else."""
    parts = [part for line in lines for part in line.split("\n")]
    assert list(identifiers("\n".join(parts))) == [name for part in parts for name in identifiers(part)]


@given(st.text(ALPHABET, max_size=120), st.text(ALPHABET, max_size=120))
def test_property_remembering_changes_nothing(one: str, two: str) -> None:
    known: dict[str, tuple[str, ...]] = {}
    assert [*known_identifiers(one, known), *known_identifiers(two, known)] == [*identifiers(one), *identifiers(two)]


ADVERSARIAL = {
    "letters": "a",
    "double quotes": '"',
    "single quotes": "'",
    "backticks": "`",
    "slashes": "/",
    "backslashes": "\\",
    "dots": ".",
    "open quotes": ' "a',
    "open single quotes": " 'a",
    "closed before a letter": "'a",
    "mixed quotes": "\"'`",
    "drives": "C:\\",
    "commas": "1,",
    "thousands": ",111",
    "addresses": "http://",
    "issues": "#1",
    "hyphens": "a-",
    "escapes": "\\n",
    "closing tags": "</a",
    "no spaces": "\u4e2d",
}


@pytest.mark.parametrize("unit", ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
def test_time_is_linear(unit: str) -> None:
    """Four times the text takes no more than some four times as long: quadratic time would be sixteen."""

    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            for _ in identifiers(text):
                pass
            best = min(best, time.process_time() - began)
        return best

    small, large = seconds(50_000), seconds(200_000)
    assert large < 10 * small + 0.01


def test_what_a_summary_keeps_is_listed_once_in_order_and_bounded() -> None:
    text = "b_2 then a_1, b_2 again and src/c.py"
    assert identifiers_of(text) == ("b_2", "a_1", "src/c.py")
    assert identifiers_of(text, most=2) == ("b_2", "a_1")
    assert identifiers_of("") == ()
