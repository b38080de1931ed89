from __future__ import annotations

from typing import Any

from ctxwindow.record.events import Compacted
from ctxwindow.tiers.warm import Place, instead_of_all, next_summary, text_of
from tests.tiers.scenes import OPUS_46, Session


def _edit(first: int, end: int, **fields: Any) -> Compacted:
    base: dict[str, Any] = {
        "method": "summarize_keep_tail", "first": first, "end": end, "tail": end, "instruction": None, "carried": None,
        "strip_thinking": False, "summary": f"{first} to {end}", "by": "x", "tokens": 400, "before": 9, "target": 9,
    }  # fmt: skip
    return Compacted(**{**base, **fields})


A, B, C = _edit(0, 4), _edit(4, 9), _edit(9, 12)


def _situation(warm: tuple[Compacted, ...], limit: int = 4_000, **policy: Any) -> Any:
    session = Session(OPUS_46, tools=None, warm={"share": 0.3, "tokens": 600, **policy})
    session.user()
    now = session.situation(warm=warm)
    return session.situation(warm=warm, limit=limit + now.fixed)


def test_the_first_summary_stands_for_everything_so_far() -> None:
    assert next_summary(_situation(()), 600) == Place(0, 600, 1)


def test_summaries_stand_side_by_side_while_their_share_lasts() -> None:
    """The share of 4,000 tokens is 1,200; 400 are taken, so there are 800 and all 600 that are wanted."""
    assert next_summary(_situation((A,)), 600) == Place(4, 600, 1)


def test_a_shorter_one_is_taken_as_long_as_it_is_half_of_what_was_wanted() -> None:
    """Two take 800 of 1,200: 400 are left, more than half of 600."""
    assert next_summary(_situation((A, B)), 600) == Place(9, 400, 1)


def test_when_the_share_is_full_all_go_into_one_of_the_next_level() -> None:
    assert next_summary(_situation((A, B, C)), 600) == Place(0, 600, 2)
    assert next_summary(_situation((_edit(0, 9, level=2, tokens=1_000),)), 600) == Place(0, 600, 3)


def test_levels_end_where_the_policy_says() -> None:
    full = (_edit(0, 9, level=3, tokens=1_000),)
    assert next_summary(_situation(full), 600).level == 3
    assert next_summary(_situation(full, levels=5), 600).level == 4


def test_with_one_level_there_is_one_summary() -> None:
    assert next_summary(_situation((A,), levels=1), 600) == Place(0, 600, 1)


def test_nothing_stands_beside_a_block_of_the_servers_or_a_gap() -> None:
    block = {"type": "compaction", "content": "x", "signature": "s"}
    for warm in ((_edit(0, 4, method="compact", block=block),), (A, _edit(4, 9, method="drop", summary="", level=0))):
        assert next_summary(_situation(warm), 600).first == 0
    assert instead_of_all(_situation((A, B)), 500) == Place(0, 500, 2)


def test_what_a_summary_of_everything_is_given() -> None:
    """What was dropped, and what stands behind a block in a reply, comes as it was."""
    gone = _edit(4, 9, method="drop", summary="", by="", level=0)
    threshold = _edit(0, 6, method="compact_threshold", summary="in the reply")
    assert text_of(()) == (None, 0)
    assert text_of((A,)) == ("0 to 4", 4)
    assert text_of((A, B)) == ("0 to 4\n\n4 to 9", 9)
    assert text_of((A, gone)) == ("0 to 4", 4)
    assert text_of((gone,)) == (None, 0)
    assert text_of((threshold,)) == (None, 6)
    assert text_of((_edit(0, 4, summary=" "),)) == (None, 4)


def test_levels_as_a_conversation_goes_on() -> None:
    """Side by side until the share is full, then together; every head names ranges that follow each other from 0 on."""
    session = Session(
        OPUS_46,
        tools=None,
        settings={},
        budget=6_000,
        high=0.9,
        low=0.7,
        hot={"tokens": 200},
        warm={"share": 0.3, "tokens": 500},
        methods=("summarize_keep_tail",),
    )
    seen: list[tuple[int, ...]] = []
    while session.conversation.epoch < 9:
        session.user("word " * 200)
        session.say("word " * 100)
        warm = session.conversation._state.warm
        levels = tuple(edit.level for edit in warm)
        if levels and levels != (seen[-1] if seen else None):
            seen.append(levels)
            assert warm[0].first == 0
            assert [edit.first for edit in warm[1:]] == [edit.end for edit in warm[:-1]]
            head = session.conversation.wire[0]["content"]
            told = [f"[Summary of messages {edit.first} to {edit.end - 1} of" for edit in warm]
            assert [block["text"].split(" this")[0] for block in head][: len(warm)] == told
            room = session.situation().room
            assert sum(edit.tokens for edit in warm) <= max(500, int(room * 0.3))
    assert (1, 1) in seen
    assert (2,) in seen, "they were never put together"
    assert max(max(levels) for levels in seen) <= 3
