"""Somebody who works with an agent, and does after each fault what a user would do: `resume`, or open it again.

    ended = work(base_url=url, database="a.db", journal="ran", agent={"parts": 8}, model="claude-opus-5-5")

The same in this process and in a child (`tests.client.child`): what it takes and gives can be said in JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import anthropic
import httpx2

from ctxwindow import AsyncSession, Conversation, EndpointError, Policy, Session, StreamCut
from ctxwindow.client.performing import AsyncClientPerformer, ClientPerformer
from ctxwindow.client.tools import Toolbox
from ctxwindow.client.watching import Watch
from ctxwindow.record.blocks import blocks_of, texts_of
from ctxwindow.stores import SqliteStore
from ctxwindow.summarize import Chain
from tests.client import child
from tests.client.agents import Agent
from tests.client.breaking import quick_retries

__all__ = ["POINTS", "turns", "work"]

FAULTS = (anthropic.APIError, httpx2.HTTPError, StreamCut, EndpointError)
"""What an operation may raise when something goes wrong outside: `Session.send` says so. Anything else is a bug."""

ATTEMPTS = 60

POINTS: dict[str, tuple[Any, str]] = {
    "hold": (SqliteStore, "hold"),
    "append to the store": (SqliteStore, "append"),
    "plan": (Conversation, "plan"),
    "append": (Conversation, "append"),
    "request": (ClientPerformer, "create"),
    "request, async": (AsyncClientPerformer, "create"),
    "event of a stream": (Watch, "take"),
    "checkpoint": (Watch, "checkpoint"),
    "receive": (Conversation, "receive"),
    "cut": (Conversation, "cut"),
    "tool": (Agent, "_run"),
    "answered": (Conversation, "answered"),
    "summary comes": (Chain, "answered"),
    "summarized": (Conversation, "summarized"),
    "compacted": (Conversation, "compacted"),
}
"""Moments at which a process may die: before or after a call of these."""


def turns(agent: Agent, parts: int, per_turn: int | None) -> list[str]:
    """What the user says, in order."""
    more = (parts - 1) // per_turn if per_turn else 0
    return [agent.task, *(f"Go on, for the {time}. time." for time in range(1, more + 1))]


def work(*, die: Mapping[str, Any] | None = None, count: bool = False, **given: Any) -> dict[str, Any]:
    """Work until the agent is done.

    Args:
        die: the point at which this process ends by SIGKILL: `point`, `call`, `when`.
        count: whether to count the calls of each point instead.
        given: of `_User`.

    Returns:
        `text`: the agent's last words; `errors`: what was raised on the way; `interrupts`: operations that were cancelled, and streams that were left;
        `calls`: of each point, where they were counted.
    """
    calls = child.count_calls(POINTS) if count else {}
    if die is not None:
        owner, method = POINTS[die["point"]]
        child.die_at(owner, method, call=die["call"], when=die["when"])
    user = _User(**given)
    with quick_retries():
        if user.asynchronous:
            asyncio.run(user.work_async())
        else:
            user.work()
    return {"text": user.text, "errors": user.errors, "interrupts": user.interrupts, "calls": calls}


class _User:
    """What somebody knows who works with one agent."""

    def __init__(
        self,
        *,
        base_url: str,
        database: str,
        journal: str,
        agent: Mapping[str, Any],
        model: str,
        policy: Mapping[str, Any],
        max_tokens: int = 1_000,
        asynchronous: bool = False,
        way: str = "run",
        streaming: bool | None = None,
        surface: str = "beta",
        interrupted: Literal["tell", "run"] = "tell",
        checkpoint: float = 0.0,
        timeout: float = 20.0,
        reopens: float = 1.0,
        cancels: tuple[float, ...] = (),
        leaves: tuple[int, ...] = (),
        seed: int = 0,
    ) -> None:
        self.text = ""
        self.errors: list[str] = []
        self.interrupts = 0
        self.asynchronous = asynchronous
        self._agent = Agent(**agent, journal=Path(journal))
        self._turns = turns(self._agent, agent["parts"], agent.get("per_turn"))
        tools: Any = self._agent.async_tools if asynchronous else self._agent.tools
        self._function = self._agent.tools[0]
        self._base_url, self._timeout = base_url, timeout
        self._opening: dict[str, Any] = {
            "store": database,
            "model": model,
            "system": self._agent.system,
            # Who runs the calls himself declares them; the session hands them back.
            "tools": Toolbox(tools).definitions if way == "send" else tools,
            "policy": Policy.parse(dict(policy)),
            "max_tokens": max_tokens,
            "streaming": streaming,
            "surface": surface,
            "checkpoint": checkpoint,
        }
        self._way, self._interrupted, self._reopens = way, interrupted, reopens
        self._cancels, self._leaves = list(cancels), list(leaves)
        self._chance = random.Random(seed)  # noqa: S311 - a test

    # -- what comes next -----------------------------------------------------------------------------------

    def _ended(self, conversation: Conversation) -> bool:
        """Whether the agent has said that it is done."""
        if conversation.unanswered or not conversation.messages:
            return False
        last = next(m for m in reversed(conversation.messages) if m["role"] == "assistant")
        self.text = "".join(text for block in blocks_of(last) for text in texts_of(block))
        return "is done: " in self.text

    def _next_turn(self, conversation: Conversation) -> str:
        """The first of the user's turns that is not in the record."""
        said = {
            block.get("text")
            for message in conversation.messages
            if message["role"] == "user"
            for block in blocks_of(message)
        }
        left = [turn for turn in self._turns if turn not in said]
        assert left, "nothing is open, all was said, and the agent is not done"
        return left[0]

    def _results(self, conversation: Conversation) -> list[dict[str, Any]]:
        """The results of the calls that nobody has answered, by the caller himself."""
        return [
            {"type": "tool_result", "tool_use_id": call["id"], "content": self._function(**call["input"])}
            for call in conversation.open_calls
            if call["id"] not in conversation.answers
        ]

    def _leaves_now(self) -> bool:
        """Whether the reader of a stream leaves it after this event."""
        if not self._leaves:
            return False
        self._leaves[0] -= 1
        if self._leaves[0] >= 0:
            return False
        self._leaves.pop(0)
        self.interrupts += 1
        return True

    def _failed(self, error: Exception) -> bool:
        """Note a fault; whether the session is to be opened again."""
        self.errors.append(type(error).__name__)
        assert len(self.errors) < ATTEMPTS, f"it does not end: {self.errors[-5:]}"
        return self._chance.random() < self._reopens

    # -- the work, twice: a test of the same surface -------------------------------------------------------

    def work(self) -> None:
        with (
            anthropic.Anthropic(api_key="k", base_url=self._base_url, timeout=self._timeout) as client,
            contextlib.ExitStack() as stack,
        ):
            session = stack.enter_context(Session.open(client=client, **self._opening))
            while True:
                try:
                    self._operations(session)
                except FAULTS as error:
                    if self._failed(error):
                        session.close()
                        session = stack.enter_context(Session.open(client=client, **self._opening))
                else:
                    return

    def _operations(self, session: Session) -> None:
        while True:
            session.resume(interrupted=self._interrupted)
            if self._ended(session.conversation):
                return
            if session.open_calls:
                session.send(self._results(session.conversation))
            elif self._way == "stream":
                with session.stream(self._next_turn(session.conversation), run=True) as stream:
                    for _ in stream:
                        if self._leaves_now():
                            break
            elif self._way == "send":
                session.send(self._next_turn(session.conversation))
            else:
                session.run(self._next_turn(session.conversation))

    async def work_async(self) -> None:
        async with (
            anthropic.AsyncAnthropic(api_key="k", base_url=self._base_url, timeout=self._timeout) as client,
            contextlib.AsyncExitStack() as stack,
        ):
            session = await stack.enter_async_context(await AsyncSession.open(client=client, **self._opening))
            while True:
                try:
                    await self._interruptibly(session)
                except FAULTS as error:
                    if self._failed(error):
                        await session.close()
                        session = await stack.enter_async_context(
                            await AsyncSession.open(client=client, **self._opening)
                        )
                else:
                    return

    async def _interruptibly(self, session: AsyncSession) -> None:
        """The operations, cancelled after the times that are planned."""
        while self._cancels:
            try:
                async with asyncio.timeout(self._cancels.pop(0)):
                    await self._operations_async(session)
                    return
            except TimeoutError:
                self.interrupts += 1
        await self._operations_async(session)

    async def _operations_async(self, session: AsyncSession) -> None:
        while True:
            await session.resume(interrupted=self._interrupted)
            if self._ended(session.conversation):
                return
            if session.open_calls:
                await session.send(self._results(session.conversation))
            elif self._way == "stream":
                async with session.stream(self._next_turn(session.conversation), run=True) as stream:
                    async for _ in stream:
                        if self._leaves_now():
                            break
            elif self._way == "send":
                await session.send(self._next_turn(session.conversation))
            else:
                await session.run(self._next_turn(session.conversation))
