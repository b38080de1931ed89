from __future__ import annotations

from typing import Any

from ctxwindow.tiers.offers import Offer, cannot
from ctxwindow.tiers.table import lines
from tests.tiers.scenes import OPUS_55, Session


def _offer(method: str, **fields: Any) -> Offer:
    return Offer(method=method, able=True, why="", **fields)


TABLE = (
    _offer("leave alone", after=150_000, first=0.03, then=0.03, over=0.6),
    _offer(
        "clear_tool_uses", after=90_000, frees=60_000, breaks="cache", first=0.3, then=0.018, over=0.642, pays_back=24
    ),
    cannot("compact", "Bedrock has no on-demand compaction [CMP-16]"),
    _offer(
        "summarize_all", after=9_000, frees=141_000, breaks="epoch", thinking=2_000,
        paid=0.05, first=0.04, then=0.0018, over=0.1242, lost=0.04, pays_back=3,
    ),
    _offer("drop", after=9_500, frees=140_500, breaks="epoch", paid=None),
)  # fmt: skip

SHOWN = """\
   method             after    frees  breaks   thinking lost  first send  each later  over 20  pays back
   leave alone      150,000        0  nothing              0     $0.0300     $0.0300  $0.6000          -
   clear_tool_uses   90,000   60,000  cache                0     $0.3000     $0.0180  $0.6420   24 sends
   compact          cannot: Bedrock has no on-demand compaction [CMP-16]
>  summarize_all      9,000  141,000  epoch            2,000     $0.0900     $0.0018  $0.1642    3 sends
   drop               9,500  140,500  epoch                0           ?           ?        ?      never"""


def test_the_table_in_equal_columns() -> None:
    """What is paid for the edit is part of its first send, and lost thinking of the sum."""
    assert "\n".join(lines(TABLE, "summarize_all", 20)) == SHOWN


def test_what_was_left_alone_is_marked() -> None:
    shown = lines(TABLE, None, 20)
    assert [line[0] for line in shown] == [" ", ">", " ", " ", " ", " "]


def test_explain_shows_the_table_that_the_edits_came_from() -> None:
    session = Session(OPUS_55, tools=None, budget=5_000, high=0.85, methods=("summarize_all", "compact"))
    while not session.conversation.epoch:
        session.user("word " * 300)
        session.say("word " * 100)
    text = next(send for send in session.sends if send.epoch == 1).explain().splitlines()
    assert text[0].startswith(f"send {len(session.sends)}, epoch 1: ")
    head = next(place for place, line in enumerate(text) if line.split()[:2] == ["method", "after"])
    assert [line.split()[0 if line[2] != ">" else 1] for line in text[head + 1 :]] == [
        "leave", "summarize_all", "compact"
    ]  # fmt: skip
    assert "over 20" in text[head]
    assert [line[2] for line in text[head + 1 :]].count(">") == 1


def test_explain_without_a_table_says_why_there_is_none() -> None:
    session = Session(OPUS_55, tools=None)
    session.user()
    assert session.ready().explain().splitlines()[-1] == "  left alone: under every mark, so nothing was weighed"
