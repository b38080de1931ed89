"""Broken requests: a valid one and one named mutation that breaks a rule."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.testing.bodies import MODELS, exchanges, requests
from ctxwindow.testing.breaking_history import HISTORY
from ctxwindow.testing.breaking_messages import MESSAGES
from ctxwindow.testing.breaking_rounds import ROUNDS
from ctxwindow.testing.breaking_settings import SETTINGS
from ctxwindow.testing.subject import Mutation, Subject

__all__ = ["ALL", "Broken", "broken_requests", "mutate", "mutations", "possible"]

_TABLES: tuple[list[Mutation], ...] = (ROUNDS, MESSAGES, SETTINGS, HISTORY)
ALL: tuple[Mutation, ...] = (*ROUNDS, *MESSAGES, *SETTINGS, *HISTORY)
"""Every mutation."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A request that breaks a rule.

    Attributes:
        request: the body.
        rules: ids of rules; at least one of them is broken, under the newest API version. More may be, these and others.
        mutation: what was done, in words.
        previous: the request before and its reply, as `check` takes them, for mutations that only they show; else None.
    """

    request: dict[str, Any]
    rules: frozenset[str]
    mutation: str
    previous: tuple[dict[str, Any], dict[str, Any]] | None = None


@st.composite
def broken_requests(draw: st.DrawFn, *, models: Sequence[str] = MODELS) -> Broken:
    """Valid requests to which one thing was done that breaks them.

    Args:
        draw: supplied by Hypothesis.
        models: ids of the catalog to choose from.
    """
    if draw(st.booleans()):
        before, after = draw(exchanges(models=models))
        return draw(mutations(after, previous=before))
    return draw(mutations(draw(requests(models=models))))


@st.composite
def mutations(draw: st.DrawFn, request: Mapping[str, Any], *, previous: Mapping[str, Any] | None = None) -> Broken:
    """One mutation of a request of your own, which is not changed: every one that can break it, at every place.

    Args:
        draw: supplied by Hypothesis.
        request: a valid body.
        previous: the request before it, for mutations that only it shows.
    """
    tables = [found for table in _TABLES if (found := possible(request, previous, table))]
    mutation, places = draw(st.sampled_from(draw(st.sampled_from(tables))))
    return mutate(request, previous, mutation, draw(st.integers(0, places - 1)))


def possible(
    request: Mapping[str, Any], previous: Mapping[str, Any] | None, table: Iterable[Mutation]
) -> list[tuple[Mutation, int]]:
    """The mutations of a table that can break a request, each with the number of places where it can."""
    subject = _subject(request, previous)
    counted = [(mutation, sum(1 for _ in mutation.sites(subject))) for mutation in table]
    return [(mutation, places) for mutation, places in counted if places]


def mutate(request: Mapping[str, Any], previous: Mapping[str, Any] | None, mutation: Mutation, place: int) -> Broken:
    """The request with one mutation done to it, at one of its places."""
    subject = _subject(request, previous)
    list(mutation.sites(subject))[place]()
    before = None if subject.before is None else (subject.before, _reply(request, subject.before))
    return Broken(request=subject.body, rules=mutation.rules, mutation=mutation.name, previous=before)


def _reply(request: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The reply to the request before, as far as the request that carries it tells."""
    messages, sent = request["messages"], len(before["messages"])
    said = messages[sent]["content"] if sent < len(messages) and messages[sent]["role"] == "assistant" else []
    return {"role": "assistant", "model": before.get("model"), "content": copy.deepcopy(said)}


def _subject(request: Mapping[str, Any], previous: Mapping[str, Any] | None) -> Subject:
    """Over copies, because mutations change what they get."""
    before = None if previous is None else copy.deepcopy(dict(previous))
    return Subject(body=copy.deepcopy(dict(request)), profile=_profile(request.get("model")), before=before)


def _profile(model: object) -> ModelProfile | None:
    try:
        return resolve(model) if isinstance(model, str) else None
    except UnknownModel:
        return None
