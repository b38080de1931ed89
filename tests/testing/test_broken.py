from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from ctxwindow.catalog import models
from ctxwindow.rules import check, rule
from ctxwindow.testing import exchanges, mutations, requests
from ctxwindow.testing.breaking_history import HISTORY
from ctxwindow.testing.broken import ALL, mutate, possible
from ctxwindow.testing.subject import Mutation

Body = dict[str, Any]
THINKERS = [profile.id for profile in models() if profile.bound] + ["claude-opus-4-8"]


@pytest.mark.slow
@pytest.mark.parametrize("mutation", ALL, ids=lambda mutation: mutation.name)
def test_each_mutation_finds_a_request_to_break(mutation: Mutation) -> None:
    """None is never made: some generated request has a place for it."""
    pairs = exchanges(models=THINKERS) if mutation in HISTORY else requests().map(lambda request: (None, request))
    once = settings(max_examples=2_000, phases=[Phase.generate])
    previous, request = find(pairs, lambda pair: bool(possible(pair[1], pair[0], [mutation])), settings=once)
    broken = mutate(request, previous, mutation, 0)
    report = check(broken.request, previous=broken.previous)
    assert {violation.rule for violation in (*report.violations, *report.warnings)} & broken.rules


@given(requests(), st.data())
def test_mutations_leave_the_request_alone(request: Body, data: st.DataObject) -> None:
    """`mutations` works on a copy."""
    before = copy.deepcopy(request)
    broken = data.draw(mutations(request))
    assert request == before
    assert broken.request != before


def test_mutations_name_rules_that_exist() -> None:
    """Each mutation expects rules of the registry, and has a name of its own."""
    for mutation in ALL:
        assert [rule(identity).id for identity in sorted(mutation.rules)] == sorted(mutation.rules)
    assert len({mutation.name for mutation in ALL}) == len(ALL)


def test_a_model_that_is_not_known_is_asked_nothing_of() -> None:
    """Mutations that depend on the model are left out where it is not in the catalog."""
    request = {"model": "claude-of-tomorrow", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi."}]}
    names = {mutation.name for mutation, _ in possible(request, None, ALL)}
    assert "empty a message" in names
    assert not names & {"more output than there is", "thinking that the model refuses", "prefill where it is refused"}
