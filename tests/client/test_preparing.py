"""Summaries and compactions that fail: another method is taken, what was paid for is told, and the conversation goes on."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from ctxwindow import Policy
from ctxwindow.emulator.faults import Fault
from ctxwindow.record.events import Compacted, Declined
from ctxwindow.testing import FakeClaude
from tests.client.driven import Driven, Open, Script, refused

CODES = [
    "compaction_incomplete_turn",
    "compaction_block_ambiguous",
    "compaction_block_misplaced",
    "compaction_content_mismatch",
    "compaction_signature_invalid",
    "compaction_tool_changes_mismatch",
    "compaction_too_many_tool_references",
    "compaction_nothing_to_summarize",
]

COMPACT = Policy(budget=16_000, methods=("compact", "summarize_all"), prefer="order")


def long_talk(opened: Open, fake: FakeClaude, **given: Any) -> Driven:
    """A conversation that has just been shrunk for the first time, from 16,000 tokens."""
    driven = opened(fake, **{"policy": COMPACT, "max_tokens": 1_000, **given})
    for number in range(40):
        driven.send(f"Question {number}. " + "term " * 600)
        if driven.conversation.compactions:
            break
    return driven


def methods(driven: Driven) -> list[str]:
    return [event.method for event in driven.stored().events if isinstance(event, Compacted)]


def declined(driven: Driven) -> list[Declined]:
    return [event for event in driven.stored().events if isinstance(event, Declined)]


@pytest.mark.parametrize("code", CODES)
def test_a_compaction_that_is_refused(opened: Open, code: str) -> None:
    """CMP-19 to CMP-26: not asked again as it was; the next method takes its place."""
    summaries = Script(refused(f"{code}: something", code=code))
    driven = long_talk(opened, FakeClaude(summaries=summaries))
    assert len(summaries.bodies) == 1
    assert methods(driven)[0] == "summarize_all"
    assert "400" in declined(driven)[0].why
    assert "compact: no summary came of it (400, invalid_request_error); another method" in str(driven.report())
    driven.goes_on()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "stop"),
        (Fault(status=529, code="compaction_unavailable"), "529"),
        (Fault(status=500), "500"),
        (Fault(kind="timeout"), "no status"),
        (refused("prompt is too long: 210000 tokens > 200000 maximum"), "400"),
    ],
    ids=["nothing", "unavailable", "500", "timeout", "too long"],
)
def test_a_compaction_that_does_not_come(opened: Open, answer: Any, why: str) -> None:
    """CMP-26, CMP-27: history stays until a block with content is there; what it cost is told."""
    summaries = Script(answer)
    driven = long_talk(opened, FakeClaude(summaries=summaries))
    assert methods(driven)[0] == "summarize_all"
    told = declined(driven)
    assert len(told) == 1
    assert (told[0].cost > 0) == (answer == "")
    driven.goes_on()


def test_a_compaction_that_is_unavailable_is_the_sdks_to_try_again(opened: Open) -> None:
    """CMP-26."""
    fault = Fault(status=529, code="compaction_unavailable", retry_after=0.01)
    summaries = Script(fault, fault)
    driven = long_talk(opened, FakeClaude(summaries=summaries), retries=2)
    assert len(summaries.bodies) >= 3
    assert methods(driven)[0] == "compact"
    assert not declined(driven)
    driven.goes_on()


@pytest.mark.parametrize(
    "code",
    [
        "compaction_block_ambiguous",
        "compaction_block_misplaced",
        "compaction_content_mismatch",
        "compaction_signature_invalid",
        "compaction_tool_changes_mismatch",
    ],
)
def test_a_block_that_is_refused_gives_way_to_its_text(opened: Open, code: str) -> None:
    """CMP-20 to CMP-25, on a request that carries it: the same body is not sent again, and the summary is not lost."""
    script = Script()
    driven = long_talk(opened, FakeClaude(script, summaries=Script("They spoke of terms.")))
    assert methods(driven) == ["compact"]
    script.entries = [refused(f"messages.0.content.0: {code}: something", code=code), "Well."]
    assert driven.send("Go on.").text == "Well."
    assert methods(driven) == ["compact", "restart"]
    assert "compaction" in str(script.bodies[-2]["messages"][0])
    assert "They spoke of terms." in str(script.bodies[-1]["messages"][0])
    assert not _blocks(script.bodies[-1])
    assert [event.why for event in declined(driven)] == ["400, the API does not take its block"]
    driven.goes_on()


def _blocks(body: Any) -> list[Any]:
    return [
        block
        for message in body["messages"]
        for block in message["content"]
        if isinstance(block, dict) and block["type"] == "compaction"
    ]


def test_a_block_that_is_refused_where_there_is_none(opened: Open) -> None:
    script = Script(refused("compaction_signature_invalid: x", code="compaction_signature_invalid"))
    driven = opened(FakeClaude(script))
    with pytest.raises(anthropic.BadRequestError) as caught:
        driven.send("Hello.")
    assert "[CMP-24]" in caught.value.__notes__[0]
    driven.goes_on()


CLAUDE = Policy(budget=16_000, methods=("summarize_all",), warm={"writer": "claude"})


def by_claude(*entries: Any) -> tuple[FakeClaude, Script]:
    """Answers summaries as the script says, and turns always."""
    summaries = Script(*entries)

    def replies(body: Any) -> Any:
        content = body["messages"][-1]["content"]
        last = content if isinstance(content, str) else content[-1]["text"]
        return f"Indeed, {last[:12]}" if last.startswith(("Question", "And now?")) else summaries(body)

    return FakeClaude(replies), summaries


@pytest.mark.parametrize(
    "error", [refused("Overloaded", 529), refused("Bad", 400), Fault(kind="timeout"), Fault(kind="html")]
)
def test_a_summary_that_does_not_come_is_written_offline(opened: Open, error: Any) -> None:
    fake, summaries = by_claude(*[error] * 3)
    driven = long_talk(opened, fake, policy=CLAUDE)
    assert summaries.bodies
    edits = [event for event in driven.stored().events if isinstance(event, Compacted)]
    assert "extractive" in edits[0].by
    driven.goes_on()


@pytest.mark.parametrize("status", [401, 402, 403])
def test_where_no_request_gets_through_nothing_is_summarised(opened: Open, status: int) -> None:
    """A key that is wrong is no reason to give detail away."""
    fake, _ = by_claude(refused("No.", status))
    with pytest.raises(anthropic.APIStatusError):
        long_talk(opened, fake, policy=CLAUDE)
    driven = opened(fake, policy=CLAUDE)
    assert methods(driven) == []
    assert driven.resume().text
    assert len(methods(driven)) == 1
    driven.goes_on()
