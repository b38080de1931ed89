from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.recall.opening import Line
from ctxwindow.recall.paging import PAGE_BYTES, fitting, page_of, rows

TEXTS = st.lists(
    st.text(st.sampled_from("ab 配🙂\ud800"), max_size=40).flatmap(lambda part: st.integers(0, 200).map(part.__mul__)),
    max_size=30,
)


@given(TEXTS)
def test_the_pages_together_are_the_whole(texts: list[str]) -> None:
    shown = list(rows(Line(number, text) for number, text in enumerate(texts, start=1)))
    _, pages = page_of(shown, 1)
    whole = [row for page in range(1, pages + 1) for row in page_of(shown, page)[0]]
    assert whole == shown
    again: dict[int, str] = {}
    for number, row in whole:
        again[number] = again.get(number, "") + row.split("\t", 1)[1]
    assert list(again.values()) == texts
    for page in range(1, pages + 1):
        text = "\n".join(row for _, row in page_of(shown, page)[0])
        assert len(text.encode("utf-8", "surrogatepass")) <= PAGE_BYTES
    assert page_of(shown, pages + 1) == ([], pages)


def test_a_line_that_matches_has_a_colon() -> None:
    assert [row for _, row in rows([Line(7, "a"), Line(8, "b", matches=True)])] == ["7\ta", "8:\tb"]


@given(TEXTS, st.integers(1, 5_000))
def test_what_fits_is_the_beginning_and_never_nothing(texts: list[str], tokens: int) -> None:
    shown = list(rows(Line(number, text) for number, text in enumerate(texts, start=1)))
    kept = fitting(shown, tokens, len)
    assert kept == shown[: len(kept)]
    assert bool(kept) == bool(shown)
    assert len(kept) == 1 or len("\n".join(text for _, text in kept)) <= tokens
