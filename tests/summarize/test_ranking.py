from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.record.identifiers import identifiers
from ctxwindow.summarize.ranking import Line, cover, lone_names, offer, recency, weights
from ctxwindow.summarize.source import Work


def line(text: str, *, work: Work = "tool", message: int = 0, order: int = 0) -> Line:
    names = tuple(dict.fromkeys(identifiers(text)))
    return Line(text=text, kind="result", work=work, message=message, order=order, heading=0, names=names)


def lone(*texts: str, work: Work = "assistant") -> list[str]:
    return [found.text for found in lone_names([line(text, work=work) for text in texts], 5)]


def test_recency_falls_towards_the_oldest() -> None:
    ages = [recency(message, 10, 20) for message in range(10, 21)]
    assert ages == sorted(ages)
    assert ages[-1] == 1.0
    assert recency(4, 4, 4) == 1.0


def test_weights_prefer_new_and_frequent_and_used_names() -> None:
    found = [
        line("old_name", message=0),
        line("new_name", message=9),
        line("often_name often_name", message=9),
        line("often_name", message=9),
        line("used_name", message=9, work="assistant"),
    ]
    weigh = weights(found, 0, 9)
    assert weigh["old_name"] < weigh["new_name"] < weigh["often_name"] < weigh["used_name"]


def test_what_may_stand_alone() -> None:
    assert lone("see src/a.py and fooBar") == ["src/a.py", "fooBar"]
    assert lone("`plain` 'Word' \"two words\" 2026 #12") == []
    assert lone("only_printed once", work="tool") == []
    assert lone("only_printed twice", "and only_printed again", work="tool") == ["only_printed"]


def test_a_lone_path_stands_for_its_last_part_too() -> None:
    (found,) = lone_names([line("/srv/app/main.py", work="user")], 5)
    assert found.names == ("/srv/app/main.py", "main.py")
    assert (found.heading, found.kind) == (5, None)


def test_cover_offers_the_densest_first_and_nothing_without_worth() -> None:
    lines = [line("aaaaaaaaaa"), line("bb"), line("cccc")]
    worth = {"aaaaaaaaaa": 3.0, "bb": 2.0, "cccc": 0.0}
    taken: list[str] = []

    def take(candidate: Line) -> bool:
        taken.append(candidate.text)
        return True

    cover(lines, lambda candidate: worth[candidate.text], take)
    assert taken == ["bb", "aaaaaaaaaa"]


def test_a_name_once_kept_adds_nothing() -> None:
    lines = [line("alpha_1 beta_2"), line("alpha_1 x"), line("gamma_3 alpha_1 y")]
    kept: set[str] = set()
    taken: list[str] = []

    def take(candidate: Line) -> bool:
        kept.update(candidate.names)
        taken.append(candidate.text)
        return True

    cover(lines, lambda candidate: len(set(candidate.names) - kept), take)
    assert taken == ["alpha_1 beta_2", "gamma_3 alpha_1 y"]


def test_both_stop_when_nothing_fits_any_more() -> None:
    lines = [line(f"name_{number}") for number in range(1_000)]
    tried: list[str] = []

    def refuse(candidate: Line) -> bool:
        tried.append(candidate.text)
        return False

    offer(lines, refuse)
    assert len(tried) < 50
    tried.clear()
    cover(lines, lambda _: 1.0, refuse)
    assert len(tried) < 50


@given(st.lists(st.lists(st.integers(0, 12), max_size=4), max_size=12))
def test_property_lazy_greedy_is_greedy(holdings: list[list[int]]) -> None:
    """Each line taken is, at its turn, one that adds most for its length; ties go to the first."""
    lines = [
        Line(text="x" * (3 + len(set(held))), kind="result", work="tool", message=0, order=place, heading=0,
             names=tuple(dict.fromkeys(f"n{name}" for name in held)))
        for place, held in enumerate(holdings)
    ]  # fmt: skip
    kept: set[str] = set()
    taken: list[int] = []

    def worth(candidate: Line) -> float:
        return len(set(candidate.names) - kept)

    def take(candidate: Line) -> bool:
        best = max(lines, key=lambda other: (worth(other) / (len(other.text) + 6), -other.order))
        assert best is candidate
        kept.update(candidate.names)
        taken.append(candidate.order)
        return True

    cover(lines, worth, take)
    assert kept == {f"n{name}" for held in holdings for name in held}
    assert len(taken) == len(set(taken))
