"""Summaries, compactions and counts are made by the way of the caller's request, beside it."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Policy
from ctxwindow.emulator import Fault
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Compacted, Counted, Declined
from tests.client.middleware.callers import Bench, Caller

pytest.importorskip("anthropic")

pytestmark = pytest.mark.usefixtures("quickly")

SUMMARY = "The user asks what comes next."


def converse(bench: Bench, *, stream: bool = False, questions: int = 24) -> Caller:
    caller = Caller(bench, max_tokens=8_000)
    for number in range(questions):
        caller.messages.append({"role": "user", "content": f"Question {number}: what comes next? " * 60})
        if stream:
            with caller.client.beta.messages.stream(messages=caller.messages, **caller.settings) as stream_:
                caller.messages.append({"role": "assistant", "content": stream_.get_final_message().content})
        else:
            caller.send()
    return caller


@pytest.mark.parametrize("stream", [False, True])
def test_the_server_compacts(stream: bool) -> None:
    policy = Policy(budget=20_000, methods=("compact", "summarize_all"), prefer="order", warm={"tokens": 500})
    bench = Bench(lambda body: "Yes.", policy=policy, emulator={"summaries": lambda _: SUMMARY})
    converse(bench, stream=stream)
    record = bench.record()
    assert {edit.method for edit in record.compactions} == {"compact"}
    compactions = [request for request in bench.fake.requests if request.json.get("compaction")]
    assert len(compactions) == len(record.compactions)
    assert not any(request.json.get("stream") for request in compactions)
    assert all("compact-" in request.headers["anthropic-beta"] for request in compactions)


def test_claude_writes_the_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    written = list[int]()

    def reply(body: Any) -> Any:
        if "summar" in str(blocks_of(body["messages"][-1])[-1].get("text")).lower():
            written.append(1)
            return Fault(status=529, retry_after=0.001) if len(written) == 1 else SUMMARY
        return "Yes."

    policy = Policy(
        budget=20_000, methods=("summarize_all",), prefer="order", warm={"tokens": 2_000, "writer": "claude"}
    )
    bench = Bench(reply, policy=policy)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    converse(bench)
    record = bench.record()
    assert {edit.method for edit in record.compactions} == {"summarize_all"}
    assert len(written) > 1
    assert record.summaries_paid > 0


def test_a_compaction_that_fails_is_no_reason_to_fail() -> None:
    policy = Policy(budget=20_000, methods=("compact", "summarize_all"), prefer="order", warm={"tokens": 500})
    bench = Bench(lambda body: "Yes.", policy=policy, emulator={"summaries": lambda _: Fault(status=400)})
    converse(bench)
    record = bench.record()
    assert any(isinstance(event, Declined) and event.method == "compact" for event in record.events)
    assert any(isinstance(event, Compacted) for event in record.events)


def test_an_exact_count_is_made() -> None:
    bench = Bench(lambda body: "Yes.", policy=Policy(budget=100_000, exact_counts=True))
    caller = Caller(bench)
    source = {"type": "url", "url": "https://example.com/report.pdf"}  # nobody here knows how large it is
    caller.messages = [{"role": "user", "content": [{"type": "document", "source": source}]}]
    caller.ask("What is in it?")
    assert any(isinstance(event, Counted) and event.tokens for event in bench.record().events)
    assert [request.path.partition("?")[0] for request in bench.fake.requests] == [
        "/v1/messages/count_tokens",
        "/v1/messages",
    ]


def test_what_nobody_could_take_is_not_asked_for() -> None:
    bench = Bench(lambda body: "Yes.", policy=Policy(budget=20_000, recall=True, background=0.8))
    converse(bench, questions=12)
    assert bench.record().policy.recall is False
    assert not any(request.json.get("tools") for request in bench.fake.requests)
