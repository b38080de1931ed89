from __future__ import annotations

import copy
from typing import Any

import pytest

from ctxwindow.errors import InvalidRequest
from ctxwindow.window.countable import countable
from tests.odd import nested

HI = {"role": "user", "content": "Hello, Claude"}


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("tools", {"a": 1}, "tools"),
        ("tools", "x", "tools"),
        ("tools", [{"name": "a"}, None], "tools.1"),
        ("system", 5, "system"),
        ("system", {"type": "text"}, "system"),
        ("messages", 7, "messages"),
        ("messages", {"a": 1}, "messages"),
        ("model", {"secret": 1}, "model"),
        ("metadata", {"a": float("nan")}, "metadata.a"),
        ("metadata", nested(2_000), "metadata.0.0.0.0.0"),
    ],
)
def test_what_cannot_be_counted_is_named(field: str, value: Any, path: str) -> None:
    request = {"model": "claude-opus-5", "messages": [HI], field: value}
    with pytest.raises(InvalidRequest) as refused:
        countable(request)
    assert refused.value.path == path
    assert refused.value.remedy
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("odd", [None, 5, "x", [HI]])
def test_what_is_no_object_is_no_request(odd: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"before: a request is an object"):
        countable(odd, "before")


def test_what_may_be_left_out_may_be_null() -> None:
    request = {"model": "claude-opus-5", "messages": [HI], "system": None, "tools": None}
    kept = copy.deepcopy(request)
    assert countable(request) is request
    assert request == kept
    assert countable({}) == {}
