"""An agent at work in a session over real HTTP, on any surface, and what has to be true of it afterwards.

worked = work(Case("claude-opus-5-5", api="async", streaming=True), tmp_path / "agent.db")
check(worked)
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anthropic
import pytest

from ctxwindow import AsyncSession, Policy, Session
from ctxwindow.client.seen import Seen
from ctxwindow.emulator import Emulator
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Received
from ctxwindow.window import Spending
from tests.client.agents import Agent, rounds, varied
from tests.client.bills import asked, charged, is_compaction, is_reply, message_of, paid_prompt
from tests.client.loopback import Log, serving

__all__ = ["BUDGET", "MODELS", "Case", "Worked", "check", "check_money", "check_recall", "check_record", "work"]

BUDGET = 40_000

MODELS: dict[str, dict[str, Any]] = {
    "claude-sonnet-4-5": {"thinking": {"type": "enabled", "budget_tokens": 1_024}},  # last turn's thinking only
    "claude-opus-4-6": {"thinking": {"type": "adaptive"}},  # keeps all thinking
    "claude-opus-5": {"thinking": {"type": "adaptive"}},  # keeps all thinking
    "claude-opus-5-5": {},  # thinking is bound to what stands before it
}
"""Model -> settings with which it thinks."""


@dataclass(frozen=True)
class Case:
    """One way to run an agent."""

    model: str
    api: Literal["sync", "async"] = "sync"
    streaming: bool = False
    surface: Literal["beta", "stable"] = "beta"
    rounds: int = 300
    parallel: int = 1

    def __str__(self) -> str:
        """For the name of a test."""
        return f"{self.model}-{self.api}-{'stream' if self.streaming else 'whole'}-{self.surface}-{self.rounds}"


@dataclass
class Worked:
    """What came of it."""

    case: Case
    agent: Agent
    log: Log
    reply: Any = None
    messages: tuple[dict[str, Any], ...] = ()
    spending: Spending | None = None
    methods: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    """Of processor time: of the agent, the SDK, this library and the emulator together."""
    looked: Any = None

    @property
    def row(self) -> str:
        """The figures of the run, as a row of a table."""
        case, created = self.case, self.log.created
        assert self.spending is not None
        sends = [one for one in created if is_reply(one)]
        forecast = sum(send.forecast or 0.0 for send in self.spending.sends)
        bill = sum(paid_prompt(one) for one in sends)
        methods = ", ".join(f"{method} {times}" for method, times in sorted(self.methods.items()))
        return (
            f"| {case.model} | {case.api} | {'stream' if case.streaming else 'whole'} | {case.surface} | {self.reply.rounds}"
            f" | {self.seconds:.1f} | {len(created)} | {len(self.log.refused)} | {methods}"
            f" | {max(map(asked, sends)):,} | ${charged(created):.4f} | {self.spending.forecast_error:.2%}"
            f" | {(forecast - bill) / bill:+.2%} |"
        )


def work(case: Case, database: Path, look: Callable[[Seen, Agent], Any] | None = None) -> Worked:
    """Let an agent do its work in one `run`; `look` sees the session before it is closed."""
    agent = rounds(case.rounds, result_tokens=varied(), parallel=case.parallel)
    worked = Worked(case=case, agent=agent, log=Log())
    with serving(Emulator(agent.reply), log=worked.log) as url:
        start = time.process_time()
        if case.api == "sync":
            _work(worked, url, database, look)
        else:
            asyncio.run(_awork(worked, url, database, look))
        worked.seconds = time.process_time() - start
    return worked


def _settings(case: Case, agent: Agent) -> dict[str, Any]:
    return {
        "model": case.model,
        "system": agent.system,
        "tools": agent.tools if case.api == "sync" else agent.async_tools,
        "policy": Policy(budget=BUDGET),
        "settings": MODELS[case.model],
        "max_tokens": 2_000,
        "surface": case.surface,
        "streaming": case.streaming,
    }


def _work(worked: Worked, url: str, database: Path, look: Callable[[Seen, Agent], Any] | None) -> None:
    case, agent = worked.case, worked.agent
    with (
        anthropic.Anthropic(api_key="k", base_url=url, max_retries=0) as client,
        Session.open(database, client=client, **_settings(case, agent)) as session,
    ):
        worked.reply = session.run(agent.task)
        _saw(worked, session, look)


async def _awork(worked: Worked, url: str, database: Path, look: Callable[[Seen, Agent], Any] | None) -> None:
    case, agent = worked.case, worked.agent
    async with (
        anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0) as client,
        await AsyncSession.open(database, client=client, **_settings(case, agent)) as session,
    ):
        worked.reply = await session.run(agent.task)
        _saw(worked, session, look)


def _saw(worked: Worked, session: Seen, look: Callable[[Seen, Agent], Any] | None) -> None:
    engine = session.conversation
    worked.messages, worked.spending = engine.messages, session.cost
    worked.methods = Counter(edit.method for edit in engine.compactions)
    if look is not None:
        worked.looked = look(session, worked.agent)
    report = session.report()
    assert report.incidents == ()
    assert report.dollars == session.cost.dollars


# -- what has to be true --------------------------------------------------------------------------------------


def check(worked: Worked) -> None:
    """No request was refused, each kept the budget, every call ran once, and the record and the money are right."""
    assert worked.log.refused == []
    assert worked.reply.stopped == "reply"
    assert worked.reply.rounds == worked.case.rounds
    assert worked.reply.text == f"Agent a is done: {worked.case.rounds} parts were inspected."
    sends = [one for one in worked.log.created if is_reply(one)]
    assert len(sends) == worked.case.rounds + 1
    assert max(asked(one) for one in sends) <= BUDGET
    # What compacts reads a part of a request that was in the budget, and may write more than a reply.
    assert all(asked(one) <= BUDGET * 1.5 for one in worked.log.created)
    assert worked.agent.ran_all, worked.agent.ran
    check_record(worked)
    check_money(worked)


def check_record(worked: Worked) -> None:
    """The record is what was said, on either side, in its order and character for character."""
    agent, record = worked.agent, list(worked.messages)
    said = [message_of(one)["content"] for one in worked.log.created if is_reply(one)]
    assert record[0] == {"role": "user", "content": agent.task}
    assert [message["content"] for message in record[1::2]] == said
    assert {message["role"] for message in record[1::2]} == {"assistant"}
    assert [message["role"] for message in record[::2]] == ["user"] * (worked.case.rounds + 1)
    calls = [block["id"] for message in record[1::2] for block in blocks_of(message) if block["type"] == "tool_use"]
    results = [block for message in record[2::2] for block in blocks_of(message)]
    assert [block["tool_use_id"] for block in results] == calls
    assert [block["content"] for block in results] == [agent.result(*call) for call in agent.asked]
    assert len(set(calls)) == len(calls)


def check_money(worked: Worked) -> None:
    """What the session tells is what the emulator charged, and what was forecast is within 2 % of it.

    Compared are the dollars of each prompt, all of its tokens by their prices: as forecast when it was sent, from its
    estimated size and from what should be in the cache by the clock; and as its bill tells. The output is in no
    forecast, for nobody knows how much the model will say. `forecast_error` is the median of the errors of single sends, so
    it would hide a few bad ones; therefore each send, and the sums of both, are compared too.
    """
    created, spending = worked.log.created, worked.spending
    assert spending is not None
    bill = charged(created)
    assert spending.dollars == pytest.approx(bill, rel=1e-9)
    assert worked.reply.dollars == pytest.approx(bill, rel=1e-9)
    assert spending.summaries == pytest.approx(charged(one for one in created if is_compaction(one)), rel=1e-9)
    assert spending.unknown == {}
    assert spending.unpriced == 0
    sends = [one for one in created if is_reply(one)]
    prompts = [paid_prompt(one) for one in sends]
    assert [send.prompt_dollars for send in spending.sends] == pytest.approx(prompts, rel=1e-9)
    assert spending.forecast_error is not None
    assert spending.forecast_error < 0.02
    assert sum(send.forecast or 0.0 for send in spending.sends) == pytest.approx(sum(prompts), rel=0.02)
    assert max(abs(send.error or 0.0) for send in spending.sends) < 0.02


def check_recall(session: Seen, agent: Agent, *, every: int = 1) -> int:
    """Everything can be had back: each result and text by its handle, and each result by a word in it; how many were.

    Args:
        session: after its work.
        agent: who did it.
        every: which results are searched for; all are opened.
    """
    engine = session.conversation
    found = 0
    for index, message in enumerate(engine.messages):
        blocks = blocks_of(message)
        for place, block in enumerate(blocks):
            if block["type"] in ("text", "tool_result", "tool_use"):
                assert engine.open(f"m{index}.{place}") == block
                found += 1
    for number, lane in agent.asked[::every]:
        (hit,) = engine.recall(agent.needle(number, lane), k=1, kinds=["tool_result"])
        assert engine.open(hit.handle)["content"] == agent.result(number, lane)
    received = [event for event in engine.events if isinstance(event, Received)]
    assert not any(event.cut for event in received)
    return found
