"""The public API as users type it. Checked by mypy and pyright in strict mode, never run."""

from __future__ import annotations

from typing import Any, assert_never, assert_type

from anthropic import Anthropic, AsyncAnthropic

import ctxwindow
from ctxwindow import (
    BlockCost,
    Compact,
    Conversation,
    Count,
    Decision,
    Effect,
    Expense,
    Policy,
    Repair,
    Report,
    Send,
    Spending,
    Spill,
    Summarize,
    ThinkingState,
    Violation,
    Window,
)
from ctxwindow.catalog import ModelProfile, models, resolve
from ctxwindow.emulator import Emulator, Fault, Reply, Request, Response
from ctxwindow.recall import Embedder, Excerpt, Recalled, Vectors
from ctxwindow.stores import Hit, MemoryStore, SqliteStore, Store, keep, load
from ctxwindow.summarize import Extractive, Summarizer
from ctxwindow.testing import FakeClaude


def embed() -> None:
    chat = Conversation.start(
        model="claude-opus-5-5", system="Be brief.", policy=Policy(budget=200_000, spill=Spill(share=0.2))
    )
    assert_type(chat.append({"role": "user", "content": "Hello."}), int)
    decision = chat.plan(max_tokens=1_000, now=0.0)
    assert_type(decision, Send | Summarize | Compact | Count)
    carry_out(decision)
    assert_type(chat.window, Window)
    assert_type(chat.messages, tuple[dict[str, Any], ...])
    assert_type(chat.spending, Spending)
    assert_type(chat.spending.dollars, float | None)
    assert_type(chat.spending.sends, tuple[Expense, ...])
    assert_type(chat.spending.blocks, tuple[BlockCost, ...])


def remember(chat: Conversation, model: Embedder) -> None:
    found = chat.recall("parse_config", k=3, kinds={"text"}, since=0.0, embedder=model)
    assert_type(found, list[Recalled])
    assert_type(found[0].message, int | None)
    assert_type(chat.recall(embedder=Vectors(model)), list[Recalled])
    assert_type(chat.open("m2.0"), dict[str, Any])
    assert_type(chat.open_lines("m2.0", 1, 20), Excerpt)
    assert_type(chat.open_matches("m2.0", "def .*").lines[0].text, str)
    assert_type(chat.answer_recall({"type": "tool_use", "id": "t", "name": "recall", "input": {}}), dict[str, Any])


def carry_out(decision: Decision) -> None:
    match decision:
        case Send():
            assert_type(decision.request, dict[str, Any])
            assert_type(decision.window.tokens, int)
            assert_type(decision.forecast.warm, float | None)
        case Summarize():
            assert_type(decision.segment.messages, tuple[dict[str, Any], ...])
        case Compact():
            assert_type(decision.request, dict[str, Any])
        case Count():
            assert_type(decision.fingerprint, str)
        case _:
            assert_never(decision)


def store(chat: Conversation) -> None:
    stores: list[Store] = [MemoryStore(), SqliteStore("agent.db")]
    for one in stores:
        assert_type(keep(one, "a", chat), int)
        assert_type(load(one, "a"), Conversation)
        assert_type(one.search("a", "query"), list[Hit])


def single(request: dict[str, Any]) -> None:
    assert_type(ctxwindow.count(request), Window)
    report = ctxwindow.check(request)
    assert_type(report, Report)
    assert_type(report.ok, bool)
    assert_type(report.violations, tuple[Violation, ...])
    assert_type(report.thinking, tuple[ThinkingState, ...])
    effect = ctxwindow.compare(request, request, age=60.0)
    assert_type(effect, Effect)
    assert_type(effect.cost_warm, float | None)
    assert_type(effect.warm.read, int)
    assert_type(effect.thinking, tuple[ThinkingState, ...])
    assert_type(report.explain(), str)
    assert_type(ctxwindow.check(request, previous=(request, {"content": []}), enforcement="drop_block"), Report)
    assert_type(ctxwindow.repair(request, stop_reason="max_tokens"), tuple[dict[str, Any], list[Repair]])
    assert_type(resolve("claude-opus-5-5"), ModelProfile)
    assert_type(models(), tuple[ModelProfile, ...])


def summarizer() -> Summarizer:
    return Extractive()


def emulate() -> None:
    fake = FakeClaude(["Hello.", Reply(content=[]), Fault(status=529)], clock=lambda: 0.0, new_account=False)
    assert_type(fake.client(max_retries=0), Anthropic)
    assert_type(fake.async_client(), AsyncAnthropic)
    assert_type(fake.emulator, Emulator)
    assert_type(fake.requests, list[Request])
    assert_type(fake.emulator.handle(Request(method="GET", path="/v1/models"), at=0.0), Response)
