"""The SDK's own tool runner, unmodified, over real HTTP: a hundred rounds in a window that holds a dozen."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import anthropic
import pytest
from anthropic import beta_async_tool, beta_tool

from ctxwindow import Conversation, Middleware, Policy
from ctxwindow.emulator import Emulator
from ctxwindow.record.events import Sent
from ctxwindow.stores import MemoryStore, load
from tests.client.agents import Agent, crowd, rounds, varied
from tests.client.loopback import Log, serving

BUDGET, MAX_TOKENS, ROUNDS = 40_000, 2_000, 100
MODELS = {"last turn only": "claude-haiku-4-5", "keeps all": "claude-opus-4-8", "bound": "claude-opus-5-5"}

Threads = Literal["threads", "no threads"]


def arguments(agent: Agent, model: str, threads: Threads) -> dict[str, Any]:
    manual = model == MODELS["last turn only"]
    thinking = {"type": "enabled", "budget_tokens": 1_024} if manual else {"type": "adaptive"}
    return {
        "model": model,
        "max_tokens": MAX_TOKENS,
        "system": agent.system,
        "messages": [{"role": "user", "content": agent.task}],
        "thinking": thinking,
        **({"thread": False} if threads == "no threads" else {}),
    }


def run(client: anthropic.Anthropic, agent: Agent, given: dict[str, Any], *, stream: bool) -> Any:
    """As a user writes it."""
    tools = [beta_tool(function) for function in agent.tools]
    reply: Any = None
    for reply in client.beta.messages.tool_runner(tools=tools, stream=stream, **given):
        if stream:
            for _ in reply:
                pass
            reply = reply.get_final_message()  # noqa: PLW2901
    return reply


async def arun(client: anthropic.AsyncAnthropic, agent: Agent, given: dict[str, Any], *, stream: bool) -> Any:
    """The same, awaited."""
    tools: Any = [beta_async_tool(function) for function in agent.async_tools]
    reply: Any = None
    async for reply in client.beta.messages.tool_runner(tools=tools, stream=stream, **given):
        if stream:
            async for _ in reply:
                pass
            reply = await reply.get_final_message()  # noqa: PLW2901
    return reply


def by_hand(client: anthropic.Anthropic, agent: Agent, given: dict[str, Any], *, stream: bool) -> Any:
    """The loop that users write where they have no runner: on the stable surface, with a list of their own."""
    tools = {function.__name__: beta_tool(function) for function in agent.tools}
    messages = list(given["messages"])
    body = {**given, "messages": messages, "tools": [tool.to_dict() for tool in tools.values()]}
    while True:
        if stream:
            with client.messages.stream(**body) as streamed:
                reply = streamed.get_final_message()
        else:
            reply = client.messages.create(**body)
        messages.append({"role": "assistant", "content": reply.content})
        calls: list[Any] = [block for block in reply.content if block.type == "tool_use"]
        if not calls:
            return reply
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": tools[call.name].call(call.input)}
            for call in calls
        ]
        messages.append({"role": "user", "content": results})


def check(agent: Agent, log: Log, record: Conversation, reply: Any) -> None:
    """Nothing was refused, the budget was kept at every send, all is in the record."""
    assert "is done" in reply.content[-1].text
    assert agent.ran == agent.asked
    assert log.refused == []
    sent = [event for event in record.events if isinstance(event, Sent)]
    assert len(sent) == len(agent.ran) // 2 + 1
    assert max(event.tokens for event in sent) <= BUDGET - MAX_TOKENS
    billed = [_prompt(event.usage) for event in record.replies.values()]
    assert max(billed) <= BUDGET - MAX_TOKENS
    results = [block["content"] for message in record.messages for block in message["content"] if _is_result(block)]
    assert results == [agent.result(*call) for call in agent.asked]
    assert record.compactions
    assert not any("thread" in exchange.json for exchange in log.created)


def _prompt(usage: Any) -> int:
    return sum(
        usage.get(key) or 0 for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )


def _is_result(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_result"


def only(store: MemoryStore) -> Conversation:
    [info] = store.conversations()
    return load(store, info.id)


def work(model: str, threads: Threads, *, stream: bool, way: Any = run, parts: int = ROUNDS) -> None:
    agent, log, store = rounds(parts, result_tokens=varied(4_000), parallel=2), Log(), MemoryStore()
    with serving(Emulator(agent.reply), log=log) as url:
        middleware = [Middleware(store, policy=Policy(budget=BUDGET))]
        with anthropic.Anthropic(api_key="k", base_url=url, max_retries=0, middleware=middleware) as client:
            reply = way(client, agent, arguments(agent, model, threads), stream=stream)
    check(agent, log, only(store), reply)


async def awork(threads: Threads, *, stream: bool, parts: int = ROUNDS) -> None:
    agent, log, store = rounds(parts, result_tokens=varied(4_000), parallel=2), Log(), MemoryStore()
    with serving(Emulator(agent.reply), log=log) as url:
        middleware = [Middleware(store, policy=Policy(budget=BUDGET))]
        async with anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0, middleware=middleware) as client:
            reply = await arun(client, agent, arguments(agent, MODELS["bound"], threads), stream=stream)
    check(agent, log, only(store), reply)


def test_a_hundred_rounds() -> None:
    work(MODELS["bound"], "threads", stream=True)


def test_many_rounds_awaited() -> None:
    asyncio.run(awork("no threads", stream=False, parts=40))


def test_many_rounds_by_hand_on_the_stable_surface() -> None:
    work(MODELS["last turn only"], "threads", stream=False, way=by_hand, parts=80)


@pytest.mark.long
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("threads", ["threads", "no threads"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_a_hundred_rounds_on_every_model(model: str, threads: Threads, *, stream: bool) -> None:
    work(model, threads, stream=stream)


@pytest.mark.long
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("threads", ["threads", "no threads"])
def test_a_hundred_rounds_awaited_in_every_way(threads: Threads, *, stream: bool) -> None:
    asyncio.run(awork(threads, stream=stream))


@pytest.mark.long
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_a_hundred_rounds_by_hand_on_every_model(model: str, *, stream: bool) -> None:
    work(model, "threads", stream=stream, way=by_hand)


def test_two_runners_interleaved_on_one_client() -> None:
    agents = [rounds(20, name=name, result_tokens=1_000, parallel=2) for name in ("a", "b")]
    log, store = Log(), MemoryStore()

    async def talk(url: str) -> None:
        middleware = [Middleware(store, policy=Policy(budget=BUDGET))]
        async with anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0, middleware=middleware) as client:
            await asyncio.gather(
                *(arun(client, one, arguments(one, MODELS["bound"], "threads"), stream=False) for one in agents)
            )

    with serving(Emulator(crowd(agents)), log=log) as url:
        asyncio.run(talk(url))
    assert log.refused == []
    assert len(store.conversations()) == 2
    assert all(agent.ran == agent.asked for agent in agents)
    assert {load(store, info.id).recorded for info in store.conversations()} == {2 * 21}


def test_a_thread_goes_on_after_a_restart() -> None:
    """The server knows of no thread, and the SDK sends everything: the record is found by it (THR-03)."""
    agent, log, store = rounds(6, result_tokens=300), Log(), MemoryStore()
    with serving(Emulator(agent.reply), log=log) as url:
        client = anthropic.Anthropic(api_key="k", base_url=url, max_retries=0, middleware=[Middleware(store)])
        runner = client.beta.messages.tool_runner(
            tools=[beta_tool(function) for function in agent.tools], **arguments(agent, MODELS["bound"], "threads")
        )
        for number, _ in enumerate(runner):
            if number == 2:
                client._middleware[0]._recogniser.registry._managed.clear()  # type: ignore[union-attr]
        client.close()
    assert [exchange.status for exchange in log.refused] == [404]
    assert agent.ran == agent.asked
    assert only(store).recorded == 14
