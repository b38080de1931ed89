"""The public API as users type it. Checked by mypy and pyright in strict mode, never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, assert_never, assert_type

from anthropic import Anthropic, AsyncAnthropic, beta_tool

import ctxwindow
from ctxwindow import (
    AsyncSession,
    AsyncSessionStream,
    BlockCost,
    Compact,
    Conversation,
    Count,
    Decision,
    Effect,
    Expense,
    Limits,
    Middleware,
    Policy,
    Repair,
    Report,
    Send,
    Session,
    SessionReport,
    SessionStream,
    Spending,
    Spill,
    Summarize,
    ThinkingState,
    Violation,
    Window,
)
from ctxwindow.catalog import ModelProfile, models, resolve
from ctxwindow.conversation import Conversation as Engine
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


@beta_tool
def add(one: int, other: int) -> str:
    """Add two numbers."""
    return str(one + other)


def read_file(path: str) -> str:
    """Read a file."""
    return path


async def fetch(url: str) -> str:
    """Fetch a page."""
    return url


def approve(call: Mapping[str, Any]) -> bool | str:
    return call["name"] == "read_file" or "Not now."


async def approve_later(call: Mapping[str, Any]) -> bool:
    return approve(call) is True


def session() -> None:
    tools = [read_file, add, {"name": "ask", "input_schema": {"type": "object"}}]
    limits = Limits(rounds=20, seconds=60, dollars=1.5, tool_seconds=10.0)
    with Session.open(
        "agent.db",
        client=Anthropic(),
        model="claude-opus-5-5",
        system="Be brief.",
        tools=tools,
        policy=Policy(budget=200_000),
        settings={"thinking": {"type": "adaptive"}},
        surface="stable",
        streaming=True,
        limits=limits,
        approve=approve,
        busy="raise",
    ) as talk:
        assert_type(talk, Session)
        reply = talk.send("Hello.")
        assert_type(reply, ctxwindow.Reply)
        assert_type(reply.text, str)
        assert_type(reply.stopped, Literal["reply", "calls", "rounds", "seconds", "dollars"])
        assert_type(reply.calls, tuple[Any, ...])
        assert_type(reply.dollars, float | None)
        assert_type(talk.run([{"type": "text", "text": "Go."}], limits=limits, approve=approve), ctxwindow.Reply)
        assert_type(talk.resume(interrupted="run"), ctxwindow.Reply | None)
        with talk.stream("Hello.", run=True) as stream:
            assert_type(stream, SessionStream)
            for text in stream.text_stream:
                assert_type(text, str)
            for event in stream:
                if event.type == "text":
                    assert_type(event.text, str)
            assert_type(stream.reply, ctxwindow.Reply)
        assert_type(talk.recall("parse_config", k=3), list[Recalled])
        assert_type(talk.report(), SessionReport)
        assert_type(talk.cost, Spending)
        assert_type(talk.window, Window)
        assert_type(talk.open_calls, tuple[dict[str, Any], ...])
        assert_type(talk.conversation, Conversation)
        talk.configure(model="claude-sonnet-5-5")
        talk.pin(0)
        talk.unpin(0)
        talk.rewind(send=1)


async def session_awaited(store: Store) -> None:
    async with await AsyncSession.open(store, client=AsyncAnthropic(), tools=[read_file, fetch]) as talk:
        assert_type(talk, AsyncSession)
        assert_type(await talk.send("Hello."), ctxwindow.Reply)
        assert_type(await talk.run("Go.", approve=approve_later), ctxwindow.Reply)
        assert_type(await talk.resume(), ctxwindow.Reply | None)
        async with talk.stream("Hello.") as stream:
            assert_type(stream, AsyncSessionStream)
            async for text in stream.text_stream:
                assert_type(text, str)
            assert_type(await stream.until_done(), ctxwindow.Reply)
        assert_type(await talk.recall("parse_config"), list[Recalled])


def middleware() -> None:
    client = Anthropic(middleware=[Middleware("agent.db", policy=Policy(budget=200_000))])
    with ctxwindow.conversation("ticket-17"):  # the function, next to the package of that name
        client.messages.create(model="claude-opus-5-5", max_tokens=10, messages=[{"role": "user", "content": "Hello."}])
    assert_type(Engine.start(model="claude-opus-5-5"), Conversation)
    AsyncAnthropic(middleware=[Middleware(MemoryStore())])
