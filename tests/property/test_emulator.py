"""Checking and emulating agree: what `check` calls clean the emulator accepts, what it flags the emulator rejects."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxwindow.emulator import Emulator
from ctxwindow.rules import API_VERSION, check
from ctxwindow.testing import Broken, broken_requests, mutations, requests
from ctxwindow.testing.broken import ALL, mutate, possible
from tests.emulated import ask

SHIPPED = Path(__file__).parents[1] / "data" / "usage_pairs.jsonl.gz"
Body = dict[str, Any]


def agree(body: Body, version: str = API_VERSION) -> bool:
    """Whether the emulator accepts a body; it must be as `check` says, and the text must be one of its texts.

    The signatures are not the emulator's, so that nothing is known about what this thinking was bound to.
    """
    report, answer = check(body, api_version=version), ask(Emulator(accept_foreign=True), body, version=version)
    if answer.status == 200:
        assert report.violations == ()
        return True
    assert answer.status in (400, 404)
    said = [violation.message for violation in report.violations]
    assert any(message.endswith(answer.error) for message in said), (answer.error, said)
    return False


@given(requests())
def test_what_is_clean_is_accepted(request: Body) -> None:
    """What `check` calls clean, the emulator accepts."""
    assert agree(request)


@settings(max_examples=100)
@given(broken_requests())
def test_what_is_flagged_is_rejected(broken: Broken) -> None:
    """What `check` flags as an error, the emulator rejects, in the words of a violation; what it only warns of passes."""
    agree(broken.request)


SCRUBBED = [
    "compact-2026-01-12",
    "mid-conversation-tool-changes-2026-07-01",
    "advisor-tool-2026-03-01",
    "task-budgets-2026-03-13",
]
"""Betas that a few recorded bodies cannot do without: their recordings hold no headers."""

VERSION = "2023-06-01"
"""Of all recordings; later versions refuse their sampling parameters (VER-04)."""


@cache
def recorded(path: Path = SHIPPED) -> tuple[Body, ...]:
    """Recorded bodies that the API itself answered, of models in the catalog."""
    text = path.read_bytes()
    rows = [json.loads(line) for line in (gzip.decompress(text) if path.suffix == ".gz" else text).splitlines()]
    answered = [row for row in rows if row["http_status"] == 200 and row["endpoint"] == "messages"]
    own = [row for row in answered if row["provider"] == "anthropic" and check(row["request"]).model is not None]
    return tuple({**row["request"], "betas": [*row["betas"], *SCRUBBED]} for row in own)


@pytest.mark.parametrize("number", range(48))
def test_a_recorded_request_is_accepted(number: int) -> None:
    """What the API answered, the emulator accepts."""
    assert len(recorded()) == 48
    assert agree(recorded()[number], VERSION)


@settings(max_examples=100)
@given(st.data())
def test_mutations_of_recorded_requests_are_judged_alike(data: st.DataObject) -> None:
    """Mutations of recorded requests: what `check` flags is rejected, the rest is accepted."""
    agree(data.draw(mutations(data.draw(st.sampled_from(recorded())))).request, VERSION)


@pytest.mark.recorded
def test_all_recorded_requests_and_their_mutations_are_judged_alike(recordings: Path) -> None:
    """The same over all recordings, and over one mutation of each, at its first and its last place."""
    bodies = recorded(recordings / "usage_pairs.jsonl")
    assert len(bodies) == 803
    assert all(agree(body, VERSION) for body in bodies)
    for number, body in enumerate(bodies):
        found = possible(body, None, ALL)
        mutation, places = found[number % len(found)]
        for place in {0, places - 1}:
            agree(mutate(body, None, mutation, place).request, VERSION)
