from __future__ import annotations

import pytest

from ctxwindow.summarize.negation import marks


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Delete it.", ()),
        ("Do **not** delete it.", (("not", "delete"),)),
        ("You mustn't delete it", (("not", "delete"),)),
        ("Don\u2019t.", (("not", ""),)),
        ("Only a, never b", (("only", "a"), ("not", "b"))),
        ("N'effacez pas tout", (("not", "effacez"), ("not", "tout"))),
        ("Niemals ohne Test", (("not", "ohne"), ("not", "test"))),
        ("\u4e0d\u8981\u5220\u9664", (("not", "\u4e0d"),)),
        ("", ()),
        (")", ()),
    ],
)
def test_marks(text: str, found: tuple[tuple[str, str], ...]) -> None:
    assert marks(text) == found


def test_which_words_are_negated_matters() -> None:
    assert marks("not a but b") != marks("a but not b")
    assert marks("only a") != marks("not a")
