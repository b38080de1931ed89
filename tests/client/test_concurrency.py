"""Many at once: sessions on one store, processes on one file, and tasks that are cancelled wherever they stand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anthropic
import pytest

from ctxwindow import AsyncSession, Policy, Session
from ctxwindow.client import actions
from ctxwindow.conversation import Conversation
from ctxwindow.emulator import Emulator
from ctxwindow.emulator.replies import ReplyLike
from ctxwindow.record.blocks import blocks_of, texts_of
from ctxwindow.stores import SqliteStore, load
from ctxwindow.testing import FakeClaude
from tests.client.agents import Agent, crowd, rounds
from tests.client.bills import charged
from tests.client.child import Forks
from tests.client.driven import MODEL, Driven
from tests.client.loopback import Log, serving

POLICY = Policy(budget=40_000)


# -- many sessions --------------------------------------------------------------------------------------------


async def talk(agent: Agent, store: SqliteStore, client: anthropic.AsyncAnthropic, *, streaming: bool) -> float:
    """Three turns of two rounds with two calls each; what they cost."""
    async with await AsyncSession.open(
        store,
        client=client,
        model=MODEL,
        name=agent.name,
        system=agent.system,
        tools=agent.async_tools,
        policy=POLICY,
        max_tokens=2_000,
        streaming=streaming,
    ) as session:
        replies = [await session.run(agent.task)]
        while not replies[-1].text.startswith(f"Agent {agent.name} is done"):
            replies.append(await session.run("Go on."))
        assert [reply.rounds for reply in replies] == [2, 2, 2]
        for number, lane in agent.asked:
            (hit,) = await session.recall(agent.needle(number, lane), kinds=["tool_result"], k=1)
            assert agent.mark(number, lane) in session.conversation.open(hit.handle)["content"]
        assert session.report().incidents == ()
        return sum(reply.dollars or 0.0 for reply in replies)


def talk_all(sessions: int, database: Path) -> None:
    agents = [rounds(6, name=f"a{number}", per_turn=2, parallel=2, result_tokens=90) for number in range(sessions)]
    log = Log()

    async def all_at_once(url: str) -> list[float]:
        async with (
            anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0, timeout=120) as client,
            asyncio.timeout(180),
        ):
            talks = (talk(agent, store, client, streaming=place % 2 == 0) for place, agent in enumerate(agents))
            return await asyncio.gather(*talks)

    with SqliteStore(database) as store, serving(Emulator(crowd(agents)), log=log) as url:
        spent = asyncio.run(all_at_once(url))
        assert log.refused == []
        # The last turn has a third request, which says that all is done; so has each before it.
        assert len(log.created) == sessions * 9
        for agent, dollars in zip(agents, spent, strict=True):
            assert agent.ran == agent.asked
            mine = [one for one in log.created if one.json["system"][0]["text"] == agent.system]
            alone(agent, load(store, agent.name), [one.body.decode() for one in mine])
            assert dollars == pytest.approx(charged(mine), rel=1e-9)


def alone(agent: Agent, stored: Conversation, bodies: list[str]) -> None:
    """The record is this agent's, whole and in order, and nothing of another is in it or was ever sent (law 11)."""
    results = [
        block["content"]
        for message in stored.messages
        for block in blocks_of(message)
        if block["type"] == "tool_result"
    ]
    assert results == [agent.result(*call) for call in agent.asked]
    assert [message["role"] for message in stored.messages] == ["user", "assistant"] * 9
    said = [text for message in stored.messages for block in blocks_of(message) for text in texts_of(block)]
    for text in (*said, *bodies):
        assert set(re.findall(r"<<(\w+) part", text)) <= {agent.name}
    assert not stored.unanswered


@pytest.mark.parametrize("sessions", [8, pytest.param(24, marks=pytest.mark.long)])
def test_many_sessions_on_one_store(tmp_path: Path, sessions: int) -> None:
    talk_all(sessions, tmp_path / "agents.db")


@pytest.mark.slow
def test_two_hundred_sessions_on_one_store(tmp_path: Path) -> None:
    talk_all(200, tmp_path / "agents.db")


# -- many processes -------------------------------------------------------------------------------------------


class Listener:
    """A model that notes what it is told with a tool, and says that it has heard it."""

    def __init__(self) -> None:
        self._serial = itertools.count(1)

    def __call__(self, body: Mapping[str, Any]) -> ReplyLike:
        last = body["messages"][-1]
        if any(block.get("type") == "tool_result" for block in blocks_of(last)):
            said = next(block for block in blocks_of(body["messages"][-2]) if block["type"] == "tool_use")
            who, number = re.findall(r"(\w+) says (\d+)", said["input"]["text"])[-1]
            return f"Heard {who} {number}."
        text = next(text for block in reversed(blocks_of(last)) for text in texts_of(block))
        identity = f"toolu_{next(self._serial):06}"
        return [{"type": "tool_use", "id": identity, "name": "note", "input": {"text": text}}]


def processes(
    forks: Forks, database: Path, *, turns: int, names: list[str], busy: str = "wait", seconds: float = 60.0
) -> list[int]:
    """Four processes at once, each on the conversation of its name; how often each was refused."""
    log = Log()
    with serving(Emulator(Listener()), log=log) as url:
        children = [
            forks.run(
                "tests.client.scripts:say",
                base_url=url,
                database=str(database),
                name=name,
                who=f"p{place}",
                turns=turns,
                busy=busy,
            )
            for place, name in enumerate(names)
        ]
        for child in children:
            assert child.wait(timeout=seconds) == 0, child.output
    assert log.refused == []
    assert len(log.created) == len(names) * turns * 2, "no request was sent twice"
    with SqliteStore(database) as store:
        stored = {name: load(store, name) for name in names}
        assert sum(one.spending.dollars or 0.0 for one in stored.values()) == pytest.approx(charged(log.created))
        for name, one in stored.items():
            heard(one, [f"p{place}" for place, other in enumerate(names) if other == name], turns)
            with store.hold(name) as hold:  # type: ignore[union-attr]
                assert hold is not None
    return [child.result for child in children]


def heard(stored: Conversation, speakers: list[str], turns: int) -> None:
    """Every turn of every speaker is in the record once, whole, and in the speaker's order."""
    texts = told(stored)
    said = [re.findall(r"(\w+) says (\d+)", text)[0] for text in texts[::4]]
    for speaker in speakers:
        assert [number for who, number in said if who == speaker] == [str(turn) for turn in range(1, turns + 1)]
    assert len(said) == len(speakers) * turns
    for (who, number), place in zip(said, itertools.count(0, 4), strict=False):
        line = f"{who} says {number}."
        assert texts[place : place + 4] == [line, line, f"Noted: {line}", f"Heard {who} {number}."]
    assert len(stored.messages) == len(texts)


def told(conversation: Conversation) -> list[str]:
    """What was said, called and returned, in order."""
    blocks = [block for message in conversation.messages for block in blocks_of(message) if block["type"] != "thinking"]
    return [block.get("text") or block.get("content") or block["input"]["text"] for block in blocks]


DIFFERENT, SAME = ["a", "b", "c", "d"], ["one"] * 4


def test_processes_on_different_conversations_of_one_file(forks: Forks, tmp_path: Path) -> None:
    assert processes(forks, tmp_path / "all.db", turns=6, names=DIFFERENT) == [0] * 4


def test_processes_on_one_conversation_wait_for_each_other(forks: Forks, tmp_path: Path) -> None:
    assert processes(forks, tmp_path / "all.db", turns=6, names=SAME) == [0] * 4


def test_processes_on_one_conversation_are_told_of_each_other(forks: Forks, tmp_path: Path) -> None:
    assert any(processes(forks, tmp_path / "all.db", turns=6, names=SAME, busy="raise"))


@pytest.mark.slow
@pytest.mark.parametrize(("names", "busy"), [(DIFFERENT, "wait"), (SAME, "wait"), (SAME, "raise")])
def test_processes_for_fifty_turns(forks: Forks, tmp_path: Path, names: list[str], busy: str) -> None:
    processes(forks, tmp_path / "all.db", turns=50, names=names, busy=busy, seconds=300)


@pytest.mark.parametrize("shared", [True, False])
def test_two_sessions_in_threads_on_one_conversation(tmp_path: Path, shared: bool) -> None:
    fake, turns = FakeClaude(Listener()), 10
    errors: list[BaseException] = []

    def work(who: str, store: Any) -> None:
        def note(text: str) -> str:
            """Note a text."""
            return f"Noted: {text}"

        try:
            with (
                fake.client(max_retries=0) as client,
                Session.open(store, client=client, model=MODEL, tools=[note], policy=POLICY) as session,
            ):
                for turn in range(1, turns + 1):
                    assert session.run(f"{who} says {turn}.").text == f"Heard {who} {turn}."
        except BaseException as error:  # noqa: BLE001 - it is told by the test
            errors.append(error)

    with SqliteStore(tmp_path / "a.db") as store:
        threads = [
            threading.Thread(target=work, args=(who, store if shared else tmp_path / "a.db")) for who in ("p0", "p1")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert errors == []
        heard(load(store, "main"), ["p0", "p1"], turns)
    assert len(fake.requests) == 2 * turns * 2


# -- cancelled ------------------------------------------------------------------------------------------------


class Cancelling:
    """In place of a session's performer: cancels the task at one of its actions.

    Args:
        performer: of the session.
        at: number of the action, from 1.
        when: before it is begun, or a moment after.
    """

    def __init__(self, performer: Any, at: int, when: str) -> None:
        self._performer, self._at, self._when = performer, at, when
        self.hit: actions.Action | None = None
        self._count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._performer, name)

    async def perform(self, action: actions.Action) -> Any:
        self._count += 1
        if self._count != self._at:
            return await self._performer.perform(action)
        self.hit = action
        task = asyncio.current_task()
        assert task is not None
        if self._when == "before":
            task.cancel()
        elif self._when == "at once":
            asyncio.get_running_loop().call_soon(task.cancel)
        else:
            asyncio.get_running_loop().call_later(0.001, task.cancel)
        found = await self._performer.perform(action)
        await asyncio.sleep(0.01)  # it was done before the cancellation came
        return found


async def note(text: str) -> str:
    """Note a text."""
    await asyncio.sleep(0.003)
    return f"Noted: {text}"


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("when", ["before", "at once", "soon"])
def test_a_task_is_cancelled_at_any_of_its_actions(tmp_path: Path, when: str, streaming: bool) -> None:
    hit = set[str]()
    for at in itertools.count(1):
        fake = FakeClaude(Listener())
        driven = Driven("async", tmp_path / f"{at}.db", fake, tools=[note], policy=POLICY, streaming=streaming)
        performer = driven.session._performer
        cancelling = driven.session._performer = Cancelling(performer, at, when)
        try:
            reply = driven.run("p0 says 1.")
        except asyncio.CancelledError:
            reply = None
        driven.session._performer = performer
        assert (reply is None) == (cancelling.hit is not None)
        if reply is None:
            hit.add(type(cancelling.hit).__name__)
        went_on(driven, begun=bool(driven.conversation.recorded))
        driven.shut()
        if reply is not None:
            break
    assert hit == {"Blocking", "Create", "StartTools", "NextResult"}


def went_on(driven: Driven, *, begun: bool) -> None:
    """After a cancellation: what was begun is ended by `resume`, what was not can be said again; then all is there once."""
    fake = driven.fake
    driven.resume(interrupted="run")
    if not begun:
        driven.run("p0 says 1.")
    assert driven.run("p0 says 2.").text == "Heard p0 2."
    said = told(driven.conversation)
    assert said.count("p0 says 1.") == said.count("p0 says 2.") == 2, "said once, and noted once"
    assert said.count("Noted: p0 says 2.") == 1
    calls = [
        block["id"] for one in driven.conversation.messages for block in blocks_of(one) if block["type"] == "tool_use"
    ]
    sent = [
        block["id"]
        for one in fake.requests[-1].json["messages"]
        for block in blocks_of(one)
        if block["type"] == "tool_use"
    ]
    assert len(set(sent)) == len(sent) == 2, "each round is sent once"
    assert set(sent) <= set(calls)
    assert driven.stored().events == driven.conversation.events
    assert not driven.conversation.unanswered
    with SqliteStore(driven.path) as store, store.hold("main") as hold:  # type: ignore[union-attr]
        assert hold is not None


def cancel_in(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    with contextlib.suppress(RuntimeError):  # it has ended, and its loop too
        loop.call_soon_threadsafe(task.cancel)


@pytest.mark.parametrize("way", ["send", "stream", "left"])
def test_a_reply_is_cancelled_in_the_middle_of_its_stream(tmp_path: Path, way: str) -> None:
    """What had arrived is evidence, and paid for; `resume` has the model go on from it, in one further request."""
    log, story = Log(), "It was a dark night, and nobody slept. " * 200

    async def tell(url: str) -> None:
        async with (
            anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0) as client,
            await AsyncSession.open(
                tmp_path / "a.db", client=client, model=MODEL, policy=POLICY, max_tokens=2_000, streaming=True
            ) as session,
        ):
            loop = asyncio.get_running_loop()

            async def read() -> None:
                if way == "send":
                    await session.send("Tell me a story.")
                    return
                async with session.stream("Tell me a story.") as stream:
                    async for event in stream:
                        if way == "left" and event.type == "text":
                            return

            reading = asyncio.create_task(read())
            log.at(1, lambda: cancel_in(loop, reading), parts=30)
            if way == "left":
                await reading
            else:
                with pytest.raises(asyncio.CancelledError):
                    await reading
            assert session.report().open == "cut"
            hold = session._held.store.hold("main")
            assert hold is not None
            hold.release()
            evidence = told(session.conversation)[-1]
            assert story.startswith(evidence)
            assert 0 < len(evidence) < len(story)
            reply = await session.resume()
            assert reply is not None
            assert reply.text == "The end."
            assert session.report().open is None
            assert session.conversation.unkept == ()
            assert session.conversation.events == load(session._held.store, "main").events
            assert session.cost.unknown == {"output that was cut off": 1}

    replies: list[ReplyLike] = [story, "The end."]
    with serving(Emulator(replies), log=log, pace=0.002) as url:
        asyncio.run(tell(url))
    assert len(log.created) == 2
    assert log.refused == []
