from __future__ import annotations

import msgspec
import pytest

from ctxwindow import Policy
from ctxwindow.catalog import resolve
from ctxwindow.errors import HistoryError, MisuseError
from ctxwindow.transcripts import Session
from ctxwindow.transcripts.comparison import as_json, compare_policies, outcome_of
from ctxwindow.transcripts.replay import replay
from ctxwindow.transcripts.session import Step
from tests.transcripts.scenes import OPUS, call, lines, reply, result, session, thinking, user

BOUND = "claude-opus-5-5"


def long_session(rounds: int = 14) -> Session:
    steps: list[Step] = [user("Read every file, then tell what entry_round3_7 is.", at=0)]
    for number in range(rounds):
        steps += [reply(thinking(f"{number}."), call(f"t{number}", path=f"src/file_{number}.py"), at=10 * number)]
        steps += [result(f"t{number}", lines(40, f"round{number}"), at=10 * number + 5)]
    return session(*steps, reply(text="entry_round3_7 is in src/file_3.py.", at=10 * rounds))


POLICIES = {"tail": Policy(budget=14_000), "all": Policy(budget=14_000, methods=("summarize_all",))}


def test_a_column_for_each_policy_and_baseline() -> None:
    found = compare_policies(long_session(), POLICIES)
    assert [column.name for column in found.baselines] == ["unmanaged", "threshold", "sliding"]
    assert [column.name for column in found.policies] == ["tail", "all"]
    assert (found.path, found.thread, found.model, found.turns) == ("session.jsonl", "main", OPUS, 1)
    assert [column.sends for column in (*found.baselines, *found.policies)] == [15] * 5


def test_a_policy_is_replayed_as_if_alone() -> None:
    found = compare_policies(long_session(), POLICIES)
    for name, policy, alone in zip(POLICIES, POLICIES.values(), found.replays, strict=True):
        assert alone == replay(long_session(), policy=policy)
        totals, column = alone.totals, next(one for one in found.policies if one.name == name)
        assert column.cost == totals.cost
        assert column.cost_ratio == totals.cost_ratio
        assert column.reference_survival == totals.reference_survival
        assert column.reference_survival_recallable == totals.reference_survival_recallable == 1.0
        assert msgspec.structs.replace(column, cost_ratio=None, threshold_ratio=None) == outcome_of(name, alone)


def test_the_unmanaged_column_is_what_every_replay_says_of_it() -> None:
    found = compare_policies(long_session(), POLICIES)
    unmanaged = found.baselines[0]
    assert unmanaged.cost == found.replays[0].totals.unmanaged_cost
    assert unmanaged.window_peak == found.replays[0].totals.unmanaged_peak
    assert (unmanaged.cost_ratio, unmanaged.edits, unmanaged.reference_survival) == (1.0, {}, 1.0)


def test_ratios_are_to_unmanaged_and_to_the_servers_compaction() -> None:
    found = compare_policies(long_session(), POLICIES)
    unmanaged, threshold, _ = found.baselines
    for column in (*found.baselines, *found.policies):
        assert column.cost is not None
        assert unmanaged.cost is not None
        assert threshold.cost is not None
        assert column.cost_ratio == pytest.approx(column.cost / unmanaged.cost)
        assert column.threshold_ratio == pytest.approx(column.cost / threshold.cost)


def test_each_budget_has_its_sliding_window() -> None:
    policies = {"small": Policy(budget=12_000), "large": Policy(budget=14_000), "default": Policy()}
    found = compare_policies(long_session(), policies)
    names = [column.name for column in found.baselines]
    assert names == ["unmanaged", "threshold", "sliding 12,000", "sliding 14,000", "sliding 1,000,000"]
    small, large, whole = found.baselines[2:]
    assert small.window_peak <= 4_000 < large.window_peak <= 6_000 < whole.window_peak
    assert whole.cost == found.baselines[0].cost


def test_thinking_is_counted_against_the_unmanaged_conversation() -> None:
    """Fourteen blocks; the request after the n-th could have n of them."""
    found = compare_policies(long_session(), POLICIES, model=BOUND)
    for column in (*found.baselines, *found.policies):
        assert column.thinking_kept + column.thinking_lost == sum(range(15))
        assert column.thinking_blocks == 14
    unmanaged, _, sliding = found.baselines
    assert (unmanaged.thinking_lost, unmanaged.thinking_blocks_lost) == (0, 0)
    for column in (sliding, *found.policies):
        assert 0 < column.thinking_blocks_lost <= 14
        assert column.thinking_lost > column.thinking_blocks_lost, "what is lost once is missed by each later request"


def test_two_policies_that_do_nothing_lose_nothing() -> None:
    found = compare_policies(long_session(), {"a": Policy(), "b": Policy(methods=())}, model=BOUND)
    unmanaged = found.baselines[0]
    for column in found.policies:
        assert msgspec.structs.replace(column, name="unmanaged") == unmanaged


def test_an_overflow_ends_one_column_alone() -> None:
    steps = (
        user("Hi", at=0),
        reply(text="Hello.", at=1),
        user("Say it. " * 9_000, at=2),
        reply(text="Too long.", at=3),
    )
    found = compare_policies(session(*steps), {"small": Policy(budget=14_000), "large": Policy(budget=100_000)})
    small, large = found.policies
    assert (small.overflows, small.sends, small.cost_ratio, small.threshold_ratio) == (1, 1, None, None)
    assert (large.overflows, large.sends, large.cost_ratio) == (0, 2, 1.0)


def test_what_has_no_price_has_no_cost() -> None:
    free = msgspec.structs.replace(resolve(OPUS), id="our-model", prices=())
    found = compare_policies(long_session(2), POLICIES, model=free)
    for column in (*found.baselines, *found.policies):
        assert (column.cost, column.cost_ratio, column.threshold_ratio) == (None, None, None)
    assert found.baselines[0].summaries_cost == 0.0, "none was made"


def test_progress_of_every_policy() -> None:
    seen: list[int] = []
    compare_policies(long_session(3), POLICIES, on_send=lambda row, _send, _feed: seen.append(row.number))
    assert seen == [1, 2, 3, 4] * 2


def test_the_json_form() -> None:
    found = compare_policies(long_session(), POLICIES)
    form = as_json(found)
    assert [(column["kind"], column["name"]) for column in form["columns"]] == [
        *(("baseline", name) for name in ("unmanaged", "threshold", "sliding")),
        *(("policy", name) for name in POLICIES),
    ]
    assert form["columns"][3]["reference_survival"] == found.policies[0].reference_survival
    assert form["notes"] == list(found.replays[0].notes)
    assert msgspec.json.decode(msgspec.json.encode(form)) == form


def test_nothing_to_compare() -> None:
    with pytest.raises(MisuseError, match="nothing to compare"):
        compare_policies(long_session(1), {})
    with pytest.raises(HistoryError):
        compare_policies(session(user("Hi"), reply(text="Hello.", model=None)), POLICIES)


def test_the_same_session_gives_the_same_comparison() -> None:
    """Law 8."""
    assert compare_policies(long_session(), POLICIES) == compare_policies(long_session(), POLICIES)
