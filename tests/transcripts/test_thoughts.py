from __future__ import annotations

import itertools
from typing import Any

from ctxwindow import Conversation, Policy
from ctxwindow.transcripts.thoughts import Losses, Thoughts, ThoughtTally
from tests.driver import plan
from tests.transcripts.scenes import OPUS, SONNET, lines, thinking


def counted(model: str, turns: int, **settings: Any) -> list[dict[int, int]]:
    """What counts at each send: every turn is a question and a reply with a thinking block."""
    conversation = Conversation.start(model=model, policy=Policy(**settings))
    thoughts, found = Thoughts(), []
    for turn in range(turns):
        conversation.append({"role": "user", "content": lines(30, f"turn{turn}")})
        send = plan(conversation)
        found.append(dict(thoughts.take(send.window, conversation.hot(), len(send.request["messages"]))))
        reply = [thinking(f"{turn}."), {"type": "text", "text": "Done."}]
        conversation.receive({"content": reply, "stop_reason": "end_turn"})
    return found


def test_where_all_is_kept_it_counts_from_its_message_on() -> None:
    assert counted(OPUS, 4) == [{}, {1: 1}, {1: 1, 3: 1}, {1: 1, 3: 1, 5: 1}]


def test_where_the_last_turn_alone_keeps_it_a_new_turn_ends_it() -> None:
    """RET-02."""
    assert counted(SONNET, 4) == [{}, {}, {}, {}]


def test_after_a_compaction_the_head_is_no_message_of_the_record() -> None:
    found = counted(OPUS, 12, budget=4_000, low=0.4, methods=("summarize_keep_tail", "summarize_all"))
    assert any(len(now) < len(before) for before, now in itertools.pairwise(found)), "something was left out"
    for number, now in enumerate(found):
        # What counts is the thinking of the newest replies, each at its own place in the record.
        assert list(now) == list(range(2 * number - 1, 0, -2))[: len(now)][::-1]


def test_losses_by_hand() -> None:
    losses = Losses()
    assert losses.compare({1: 2, 3: 1}, {1: 2, 3: 1}) == ThoughtTally(kept=3, lost=0)
    assert (losses.blocks, losses.blocks_lost) == (3, 0)
    assert losses.compare({1: 2, 3: 1, 5: 1}, {1: 1, 5: 1}) == ThoughtTally(kept=2, lost=2)
    assert losses.compare({1: 2, 3: 1, 5: 1}, {5: 1}) == ThoughtTally(kept=1, lost=3)
    assert (losses.blocks, losses.blocks_lost) == (4, 3), "each counts once"


def test_what_would_not_count_anyway_is_no_loss() -> None:
    losses = Losses()
    assert losses.compare({}, {1: 1}) == ThoughtTally(kept=0, lost=0)
    assert (losses.blocks, losses.blocks_lost) == (0, 0)
