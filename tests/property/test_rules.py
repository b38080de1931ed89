"""Rules over whole requests: what is valid is clean, what is broken is flagged, and nothing is ever raised."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ctxwindow.catalog import models
from ctxwindow.rules import check, find_violations
from ctxwindow.testing import Broken, broken_requests, exchanges, json_values, requests
from ctxwindow.testing.broken import ALL, mutate, possible

Body = dict[str, Any]
BOUND = [profile.id for profile in models() if profile.bound]


def flagged(broken: Broken) -> set[str]:
    report = check(broken.request, previous=broken.previous)
    return {violation.rule for violation in (*report.violations, *report.warnings)}


@given(requests())
def test_a_generated_request_is_clean(request: Body) -> None:
    """What `requests()` yields breaks no rule that the API answers with an error."""
    assert check(request).violations == ()


@given(exchanges())
def test_the_next_request_is_clean(pair: tuple[Body, Body]) -> None:
    """A request that only appends to the one before breaks nothing, and all its thinking stays valid."""
    before, after = pair
    assert check(before).violations == ()
    said = after["messages"][len(before["messages"])]
    for previous in (before, (before, {**said, "model": before["model"]})):
        report = check(after, previous=previous)
        assert report.violations == ()
        assert [state for state in report.thinking if not state.valid] == []


@settings(max_examples=100)
@given(broken_requests())
def test_a_broken_request_is_flagged(broken: Broken) -> None:
    """Every example of `broken_requests()` is flagged with one of the rules that it names."""
    assert flagged(broken) & broken.rules, broken.mutation


@settings(max_examples=20)
@given(exchanges(models=BOUND), requests(), st.data())
def test_every_mutation_is_flagged_wherever_it_is_made(
    pair: tuple[Body, Body], single: Body, data: st.DataObject
) -> None:
    """Each mutation that can break a request is flagged with its rule, at any place."""
    for request, previous in ((pair[1], pair[0]), (single, None)):
        for mutation, places in possible(request, previous, ALL):
            broken = mutate(request, previous, mutation, data.draw(st.integers(0, places - 1)))
            assert flagged(broken) & broken.rules, broken.mutation


@given(requests(), st.data())
def test_nothing_is_raised_for_arbitrary_json_in_any_place(request: Body, data: st.DataObject) -> None:
    """Whatever stands in any one place of a request, checking reports and never raises."""
    body: Any = copy.deepcopy(request)
    spot: Any = body
    while isinstance(spot, (dict, list)) and spot:
        key = data.draw(st.sampled_from(sorted(spot) if isinstance(spot, dict) else range(len(spot))))
        if not isinstance(spot[key], (dict, list)) or not spot[key] or data.draw(st.booleans()):
            spot[key] = data.draw(json_values())
            break
        spot = spot[key]
    for violation in find_violations(body, previous=request):
        assert violation.message
        assert violation.remedy
    find_violations(request, previous=body)


@given(json_values(), json_values())
def test_nothing_is_raised_for_arbitrary_json(body: Any, previous: Any) -> None:
    """A body that is no request at all is reported, not raised."""
    request = body if isinstance(body, dict) else {"messages": body, "model": "claude-opus-5-5"}
    assert find_violations(request, previous=previous if isinstance(previous, dict) else None)
