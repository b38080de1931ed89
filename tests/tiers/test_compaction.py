from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.record.events import Compacted, Declined, Edited
from ctxwindow.tiers.compaction import Adopted, Refused, read_compaction, server_compaction
from tests.tiers.scenes import OPUS_55

PROFILE = resolve(OPUS_55)
NOVEMBER = 1_795_132_800.0
"""2026-11-20: Opus 5.5 at $4 for input and $20 for output, for a million tokens."""

BLOCK: dict[str, Any] = {"type": "compaction", "content": "They read src/app.py.", "signature": "s"}
USAGE: dict[str, Any] = {"input_tokens": 0, "output_tokens": 0, "iterations": [{"type": "compaction", "input_tokens": 1_000, "output_tokens": 100}]}  # fmt: skip
ARMED = Edited(method="compact_threshold", trigger=50_000, before=60_000, target=20_000)


def test_a_block_is_adopted_with_its_price() -> None:
    """CMP-16: the top level says 0; the iterations say what it cost."""
    reply = {"content": [BLOCK], "usage": USAGE, "model": "claude-opus-5-5", "stop_reason": "compaction"}
    found = read_compaction(reply, PROFILE, NOVEMBER)
    assert isinstance(found, Adopted)
    assert (found.block, found.summary, found.by) == (BLOCK, BLOCK["content"], "claude-opus-5-5")
    assert found.cost == pytest.approx((1_000 * 4 + 100 * 20) / 1e6)


@pytest.mark.parametrize("reply", [None, "x", {}, {"content": 7}, {"content": [7]}, {"usage": "x", "stop_reason": 7}])
def test_what_is_no_reply_is_no_summary(reply: Any) -> None:
    found = read_compaction(reply, PROFILE, None)
    assert isinstance(found, Refused)
    assert found == Refused(why="no summary, stop_reason unknown", cost=0.0)


def test_a_reply_without_a_summary_is_paid_all_the_same() -> None:
    """CMP-27."""
    found = read_compaction({"content": [], "stop_reason": "refusal", "usage": USAGE}, PROFILE, NOVEMBER)
    assert isinstance(found, Refused)
    assert found.why == "no summary, stop_reason refusal"
    assert found.cost == pytest.approx(0.006)


def test_a_block_that_cannot_go_back_is_none() -> None:
    """CMP-05: it goes back byte for byte, and no request can carry half of a character. It is paid all the same."""
    half = {**BLOCK, "content": "They read \ud83d."}
    found = read_compaction({"content": [half], "usage": USAGE, "stop_reason": "compaction"}, PROFILE, NOVEMBER)
    assert isinstance(found, Refused)
    assert found.cost == pytest.approx(0.006)
    assert isinstance(_threshold([{**OPENED, "content": "They read \ud83d."}, TEXT]), Declined)


def test_what_the_api_says_is_told_in_short() -> None:
    found = read_compaction({"content": [], "stop_reason": "x" * 1_000}, PROFILE, None)
    assert isinstance(found, Refused)
    assert len(found.why) < 100


def _threshold(content: Any, **more: Any) -> Compacted | Declined:
    usage = {"input_tokens": 9, "output_tokens": 9, "iterations": [*USAGE["iterations"], {"type": "message", "input_tokens": 7, "output_tokens": 7}]}  # fmt: skip
    reply = {"content": content, "usage": usage, "stop_reason": "end_turn", **more}
    return server_compaction(ARMED, reply, 12, PROFILE, NOVEMBER)


TEXT = {"type": "text", "text": "Done."}
OPENED = {"type": "compaction", "content": "They read src/app.py.", "encrypted_content": "e"}


def test_a_block_in_a_reply_ends_the_epoch_before_it() -> None:
    """CMP-02: what stands before the reply is ignored. CMP-10: only the compaction's iteration is its price."""
    found = _threshold([OPENED, TEXT])
    assert isinstance(found, Compacted)
    assert (found.first, found.end, found.tail) == (0, 12, 12)
    assert (found.method, found.summary, found.by) == ("compact_threshold", OPENED["content"], OPUS_55)
    assert found.cost == pytest.approx(0.006)
    assert found.names == ("src/app.py",)
    assert (found.before, found.target) == (60_000, 20_000)
    assert found.block is None, "it goes back in its reply"


def test_of_several_blocks_the_last_counts() -> None:
    """CMP-03, CMP-11."""
    found = _threshold([OPENED, TEXT, {**OPENED, "content": "Newer."}, TEXT])
    assert isinstance(found, Compacted)
    assert found.summary == "Newer."


@pytest.mark.parametrize(
    ("content", "more"),
    [
        ([{"type": "compaction", "content": None}, TEXT], {}),
        ([{"type": "compaction", "content": ""}, TEXT], {}),
        ([TEXT], {}),
        ([], {}),
        ([OPENED, TEXT], {"stop_reason": "refusal"}),
    ],
)
def test_without_content_or_a_reply_that_can_be_used_it_is_declined(content: list[Any], more: dict[str, Any]) -> None:
    """CMP-04: a null block is a no-op."""
    found = _threshold(content, **more)
    assert isinstance(found, Declined)
    assert found.method == "compact_threshold"
    assert found.cost == pytest.approx(0.006)
