"""Sessions that block and that await have the same surface, member by member and parameter by parameter."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from ctxwindow.client.async_session import AsyncSession
from ctxwindow.client.session import Session
from ctxwindow.client.streams import AsyncSessionStream, SessionStream

PAIRS = [(Session, AsyncSession), (SessionStream, AsyncSessionStream)]
IN_MEMORY = {"stream"}
"""Methods that wait for nothing by themselves."""


def members(kind: type) -> dict[str, Any]:
    """What a class has for its users: names without an underscore, wherever they are defined."""
    return {name: inspect.getattr_static(kind, name) for name in dir(kind) if not name.startswith("_")}


def plain(member: Any) -> Any:
    return member.__func__ if isinstance(member, classmethod) else member


@pytest.mark.parametrize(("blocks", "awaits"), PAIRS)
def test_the_same_members(blocks: type, awaits: type) -> None:
    assert members(blocks).keys() == members(awaits).keys()
    assert {"Session": 15, "SessionStream": 6}[blocks.__name__] <= len(members(blocks))


CASES = [
    (blocks, awaits, name)
    for blocks, awaits in PAIRS
    for name, member in members(blocks).items()
    if inspect.isfunction(plain(member))
]


@pytest.mark.parametrize(("blocks", "awaits", "name"), CASES)
def test_the_same_parameters(blocks: type, awaits: type, name: str) -> None:
    one, other = plain(members(blocks)[name]), plain(members(awaits)[name])
    parameters = [inspect.signature(function).parameters.values() for function in (one, other)]
    ours, theirs = ([(p.name, p.kind, p.default) for p in found] for found in parameters)
    assert ours == theirs
    hints = [[str(p.annotation).replace("Async", "") for p in found] for found in parameters]
    assert hints[0] == hints[1]


@pytest.mark.parametrize(("blocks", "awaits", "name"), CASES)
def test_what_waits_is_awaited(blocks: type, awaits: type, name: str) -> None:
    one, other = plain(members(blocks)[name]), plain(members(awaits)[name])
    assert not inspect.iscoroutinefunction(one)
    assert inspect.iscoroutinefunction(other) == (one is not other and name not in IN_MEMORY)


@pytest.mark.parametrize(("blocks", "awaits", "name"), CASES)
def test_both_are_documented(blocks: type, awaits: type, name: str) -> None:
    one, other = (inspect.getdoc(plain(members(kind)[name])) for kind in (blocks, awaits))
    assert one
    assert other
