from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctxwindow.catalog.build_tables import tables
from ctxwindow.errors import HistoryError

FACTS = Path(__file__).parents[2].parent / "shared" / "facts" / "catalog.json"

pytestmark = [
    pytest.mark.recorded,
    pytest.mark.skipif(not FACTS.exists(), reason="the facts are not here"),
]


@pytest.fixture
def facts() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(FACTS.read_bytes())
    return read


def test_numbers_are_read_out_of_sentences(facts: dict[str, Any]) -> None:
    made = tables(facts)
    assert made["images"]["patch_px"] == 28
    assert made["images"]["block_tokens"] == 3
    assert made["images"]["max_per_request"] == {1_000_000: 600, 200_000: 100}
    assert made["pdf"]["page_text_tokens_high"] == 3000


def test_a_sentence_that_reads_otherwise_stops_the_build(facts: dict[str, Any]) -> None:
    facts["token_formulas"]["image"]["rule"] = "tokens = w * h / 750"
    with pytest.raises(HistoryError) as stopped:
        tables(facts)
    assert stopped.value.path == "token_formulas.image.rule"


def test_a_new_tool_stops_the_build(facts: dict[str, Any]) -> None:
    facts["token_formulas"]["tool_use"]["per_tool"].append({"tool": "juggling_20270101", "tokens": {}})
    with pytest.raises(KeyError, match="juggling"):
        tables(facts)


def test_every_tool_of_the_facts_but_web_fetch_is_shipped(facts: dict[str, Any]) -> None:
    shipped = {kind for tool in tables(facts)["builtin_tools"] for kind in tool["types"]}
    named = {row["tool"].split(" ")[0].split("_2")[0] for row in facts["token_formulas"]["tool_use"]["per_tool"]}
    assert {kind.split("_2")[0] for kind in shipped} == named - {"web_fetch"}


def test_a_header_with_an_unknown_remark_stops_the_build(facts: dict[str, Any]) -> None:
    facts["beta_headers"].append("new-2027-01-01 (asleep)")
    with pytest.raises(KeyError, match="asleep"):
        tables(facts)
