from __future__ import annotations

import copy
from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.rules import View
from ctxwindow.rules.enforcement import enforced_as, thinking_states
from tests.rules.test_prefix import conversation, without_thinking

BOUND, EVERY_ACCOUNT = "claude-opus-5-5", "claude-fable-5-2"


def view(asked: str | None = None, *, model: str = BOUND, **options: Any) -> View:
    thinking = {"type": "adaptive"} | ({} if asked is None else {"block_binding": {"prefix_mismatch_behavior": asked}})
    request = {**conversation(3), "thinking": thinking}
    return View.of(request, profile=resolve(model), **options)


@pytest.mark.parametrize(
    ("given", "asked", "model", "enforced"),
    [
        ("auto", None, BOUND, "error"),
        ("auto", "drop_block", BOUND, "drop_block"),
        ("auto", "error", BOUND, "error"),
        ("auto", "nonsense", BOUND, "error"),
        ("error", "drop_block", BOUND, "error"),
        ("drop_block", None, BOUND, "drop_block"),
        ("off", None, BOUND, "off"),
        ("off", "error", BOUND, "error"),  # BIND-27: the field opts in
        ("off", None, EVERY_ACCOUNT, "error"),
    ],
)
def test_bind_04_who_is_checked(given: Any, asked: str | None, model: str, enforced: str) -> None:
    """BIND-04: on by default for new accounts, on older ones when asked for, on Fable 5.2 for every account."""
    assert enforced_as(view(asked, model=model, enforcement=given)) == enforced


def test_without_an_exchange_nothing_is_said() -> None:
    assert thinking_states(view()) == ()


def test_states_are_found_once() -> None:
    one = view(previous=conversation(2))
    assert thinking_states(one) is thinking_states(one) is one.thinking


def test_bind_09_all_that_is_behind_a_stale_block_counts_as_lost() -> None:
    """BIND-09: how much is dropped is documented in three ways; the most is assumed."""
    old = conversation(3)
    edited = copy.deepcopy(old)
    edited["messages"][3]["content"].insert(0, {"type": "text", "text": "new"})  # before the second block only
    edited["messages"] = edited["messages"][:4]
    later = without_thinking(edited)
    later["messages"][3]["content"].append(copy.deepcopy(old["messages"][5]["content"][0]))

    def told(enforcement: Any) -> list[tuple[str, str | None]]:
        states = thinking_states(
            View.of(later, profile=resolve(BOUND), previous=old, enforcement=enforcement),
        )
        return [(state.state, state.rule) for state in states]

    assert told("error")[0] == told("drop_block")[0] == ("valid", None)
    assert told("drop_block")[1][0] == "stale"
    assert all(state == "stale" for state, _ in told("drop_block")[1:])
    untouched = View.of(old, profile=resolve(BOUND), previous=old, enforcement="drop_block")
    assert all(state.valid for state in thinking_states(untouched))
