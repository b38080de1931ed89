from __future__ import annotations

import inspect

import pytest

from ctxwindow import errors
from ctxwindow.errors import CtxwindowError, UnknownModel, WindowOverflow


def test_one_line_with_path_rule_and_remedy() -> None:
    error = CtxwindowError("it is broken.", rule="TOOL-01", path="messages.3", remedy="Mend it.")
    assert str(error) == "messages.3: it is broken. [TOOL-01] Mend it."
    assert error.as_dict() == {
        "error": "CtxwindowError",
        "message": "it is broken.",
        "rule": "TOOL-01",
        "path": "messages.3",
        "remedy": "Mend it.",
    }
    assert str(CtxwindowError("it is broken.")) == "it is broken."


def test_near_names_are_listed() -> None:
    assert "claude-opus-5" in str(UnknownModel("claude-opos-5", ("claude-opus-5",)))
    assert "models()" in str(UnknownModel("gpt"))


def test_the_floor_is_listed_largest_first() -> None:
    error = WindowOverflow(need=10, limit=5, floor={"system": 2, "messages.0": 8})
    assert list(error.floor) == ["messages.0", "system"]


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_ours_and_documented(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, CtxwindowError)
    assert inspect.getdoc(kind)
    assert name in (errors.__doc__ or "")
