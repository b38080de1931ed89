"""A test named after a rule quotes that rule."""

from __future__ import annotations

import re

import pytest

from ctxwindow.rules import rule


@pytest.fixture(autouse=True)
def _quotes_its_rule(request: pytest.FixtureRequest) -> None:
    """`test_tool_01` has the sentence of TOOL-01 as its docstring, word for word."""
    named = re.fullmatch(r"test_([a-z]+)_(\d\d)", request.function.__name__)
    if named:
        sentence = rule(f"{named[1].upper()}-{named[2]}").sentence
        assert " ".join((request.function.__doc__ or "").split()) == sentence
