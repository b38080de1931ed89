from __future__ import annotations

import msgspec

from ctxwindow import Policy
from ctxwindow.cli.compared import rows
from ctxwindow.transcripts.comparison import compare_policies
from tests.transcripts.test_comparison import long_session


def test_every_column_has_a_cell_in_every_row() -> None:
    found = compare_policies(long_session(), {"a": Policy(budget=14_000), "b": Policy()})
    table = rows(found)
    assert {len(row) for row in table} == {1 + len(found.baselines) + 2}
    cells = {row[0].strip(): row[1:] for row in table}
    assert cells["requests"] == ("15",) * len(cells["requests"])
    assert cells["to unmanaged"][0] == "1.00"
    assert cells["distinct blocks"][0] == "0 of 14"
    assert cells["there or recallable"][-2:] == ("100.0 %", "100.0 %")


def test_what_is_not_known_is_a_dash() -> None:
    found = compare_policies(long_session(2), {"a": Policy()})
    unknown = msgspec.structs.replace(found.policies[0], cost=None, cost_ratio=None, summaries_cost=None)
    cells = {row[0].strip(): row[-1] for row in rows(msgspec.structs.replace(found, policies=(unknown,)))}
    assert [cells[name] for name in ("cost, modelled", "of it for summaries", "to unmanaged")] == ["-"] * 3
