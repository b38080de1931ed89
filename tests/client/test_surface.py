"""Both sessions, and both streams, have one surface: the same names, parameters, defaults and words."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from ctxwindow.client.async_session import AsyncSession
from ctxwindow.client.session import Session
from ctxwindow.client.streams import AsyncSessionStream, SessionStream

PAIRS = [(Session, AsyncSession), (SessionStream, AsyncSessionStream)]

AWAITED = {"__enter__": "__aenter__", "__exit__": "__aexit__", "__iter__": "__aiter__"}
"""Names that Python has in two kinds."""

WORDS = {"client", "tools"}
"""Arguments that the two describe in words of their own: whose client it is, and that async functions are tools too."""

TYPES = {
    "Anthropic": "AsyncAnthropic",
    "SessionStream": "AsyncSessionStream",
    "Iterator": "AsyncIterator",
    "Session": "AsyncSession",
}


def surface(kind: type) -> dict[str, Any]:
    """The public names of a class, and those that `with` and `for` use."""
    names = {name for name in dir(kind) if not name.startswith("_")} | {
        name for name in (*AWAITED, *AWAITED.values()) if name in vars(kind)
    }
    return {name: inspect.getattr_static(kind, name) for name in names}


def function(member: Any) -> Any:
    if isinstance(member, classmethod):
        return member.__func__
    return member.fget if isinstance(member, property) else member


@pytest.mark.parametrize(("blocks", "awaits"), PAIRS)
def test_the_same_names(blocks: type, awaits: type) -> None:
    assert {AWAITED.get(name, name) for name in surface(blocks)} == set(surface(awaits))


def members(blocks: type, awaits: type) -> list[tuple[str, Any, Any]]:
    awaited = surface(awaits)
    return [(name, member, awaited[AWAITED.get(name, name)]) for name, member in sorted(surface(blocks).items())]


MEMBERS = [
    pytest.param(one, other, id=f"{pair[0].__name__}.{name}")
    for pair in PAIRS
    for name, one, other in members(*pair)
    if callable(function(one))
]


def test_what_is_walked() -> None:
    """That the walk is not over nothing."""
    names = {str(member.id) for member in MEMBERS}
    assert {
        "Session.open",
        "Session.send",
        "Session.run",
        "Session.stream",
        "Session.resume",
        "Session.report",
    } <= names
    assert {"SessionStream.text_stream", "SessionStream.until_done", "SessionStream.__iter__"} <= names


@pytest.mark.parametrize(("one", "other"), MEMBERS)
def test_the_same_parameters(one: Any, other: Any) -> None:
    assert type(one) is type(other), "a method, a class method, or a property"
    mine, yours = (inspect.signature(function(member)) for member in (one, other))
    assert list(mine.parameters) == list(yours.parameters)
    for name, parameter in mine.parameters.items():
        twin = yours.parameters[name]
        assert (parameter.kind, parameter.default) == (twin.kind, twin.default), name
        assert told(parameter.annotation) == told(twin.annotation), name
    assert told(mine.return_annotation) == told(yours.return_annotation)


def told(annotation: Any) -> str:
    """A type, by the word that both have for it."""
    text = str(annotation)
    for word, twin in TYPES.items():
        text = text.replace(twin, word)
    return text.replace("Beta" + "AsyncMessageStream", "BetaMessageStream")


@pytest.mark.parametrize(("one", "other"), MEMBERS)
def test_the_same_words(one: Any, other: Any) -> None:
    mine, yours = (inspect.getdoc(function(member)) or "" for member in (one, other))
    assert mine or function(one).__name__.startswith("__")
    left = [line for line in _lines(mine) if line not in _lines(yours)]
    assert all(line.partition(":")[0] in WORDS for line in left), left


def _lines(text: str) -> list[str]:
    """Lines as both would have them: an example awaits in one of them."""
    for word in ("await ", "async "):
        text = text.replace(word, "")
    for word, twin in TYPES.items():
        text = text.replace(twin, word)
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize(("blocks", "awaits"), PAIRS)
def test_what_does_io_is_awaited_and_what_looks_is_not(blocks: type, awaits: type) -> None:
    """A property and a report do not wait, and a stream only when it is entered; what may send, write or search long does."""
    immediate = {"report", "stream", "__aiter__"}
    for name, member in surface(awaits).items():
        if isinstance(member, property) or name in immediate:
            continue
        assert inspect.iscoroutinefunction(function(member)), name
    for name, member in surface(blocks).items():
        assert not inspect.iscoroutinefunction(function(member)), name
