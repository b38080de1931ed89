"""Scripted models for the emulator, with the tools that they call.

    agent = rounds(300, result_tokens=varied(), parallel=2)
    with serving(Emulator(agent.reply), ...) as base_url:
        ...                               # a client with agent.tools, agent.system and the user turn agent.task
    assert agent.ran == agent.asked       # every call once, in order
    for call in agent.asked: agent.result(*call)   # what must be in the record, character for character

A model knows of no state but the request, as the real one: how far it is it reads from marks in the calls and results
that the request holds. The number of messages would not do, for the history is shrunk, and neither would a count of
replies, for some get lost on the way. Only where no mark is left (all of it was summarised) it remembers the last one.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from ctxwindow.catalog import resolve
from ctxwindow.emulator import ReplyLike
from ctxwindow.emulator.replies import thinks
from ctxwindow.record.blocks import blocks_of, texts_of
from ctxwindow.rules.frame import Frame

__all__ = ["Agent", "crowd", "rounds", "varied"]

TOOL = "inspect_part"
_MARK = "<<{name} part {number}.{lane}>>"
_WORDS = (
    "anchor",
    "basin",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "garnet",
    "harbor",
    "island",
    "juniper",
    "kettle",
    "lantern",
    "meadow",
    "nectar",
    "orchard",
    "pebble",
    "quartz",
    "ridge",
    "saddle",
    "timber",
    "umber",
    "valley",
    "willow",
    "yarrow",
    "zephyr",
)
_TOKENS_A_LINE = 38
"""Of the lines of a result with the newer tokenizer, where they are most; with the older one it is 26."""


def varied(largest: int = 20_000, *, every: int = 25) -> Callable[[int, int], int]:
    """Sizes of results as agents have them: mostly small, some of thousands of tokens, few of the largest.

    Args:
        largest: tokens.
        every: which result is that large.
    """

    def tokens(number: int, lane: int) -> int:
        place = number * 7 + lane
        if place % every == every - 1:
            return largest
        return largest // 8 if place % 5 == 4 else 60 + place % 9 * 40

    return tokens


class Agent:
    """A model that works its way through numbered parts, some of them in a round, and the tool for that.

    Attributes:
        name: stands in its system prompt, in its calls and in every result.
        system: the system prompt that tells it from other agents (`crowd`).
        task: a first user turn.
        ran: calls of the tool as they were carried out, as (number, lane).
    """

    def __init__(
        self,
        parts: int,
        *,
        name: str = "a",
        result_tokens: int | Callable[[int, int], int] = 300,
        parallel: int = 1,
        thinking: bool = True,
        per_turn: int | None = None,
        journal: Path | None = None,
    ) -> None:
        """An agent at its beginning.

        Args:
            parts: rounds until it is done.
            name: letters and digits.
            result_tokens: of each result, at most (with an older tokenizer it is a third less), or a function of number (from 1) and lane (from 0).
            parallel: calls in a round.
            thinking: whether replies begin with thinking, where the request thinks.
            per_turn: it ends its turn after so many rounds, and wants to be told to go on; None: when all is done.
            journal: a file to which each call that is carried out adds a line, `number lane`: what outlives a process.
        """
        assert re.fullmatch(r"[A-Za-z0-9]+", name), "a name is of letters and digits"
        self.name = name
        self.system = f"You are agent {name}. Inspect every part."
        self.task = f"Inspect the {parts} parts, one after the other."
        self.ran: list[tuple[int, int]] = []
        self._parts, self._parallel, self._thinking, self._per_turn = parts, parallel, thinking, per_turn
        self._size = result_tokens if callable(result_tokens) else lambda number, lane: result_tokens
        self._marks = re.compile(
            re.escape(_MARK).replace(r"\{name\}", name).replace(r"\{number\}", r"(\d+)").replace(r"\{lane\}", r"\d+")
        )
        self._journal = journal
        self._furthest = 0
        self._serial = count(1)
        self._lock = threading.Lock()

    # -- the model ----------------------------------------------------------------------------------------

    def reply(self, body: Mapping[str, Any]) -> ReplyLike:
        """What it says to a request: the next calls, or that it is done. Pass this to `Emulator`."""
        with self._lock:
            done = self._done(body)
            # TOOL-04: an id is never used twice, not even for a call of which the first reply was lost.
            serial = next(self._serial)
        pausing = self._per_turn is not None and done and done % self._per_turn == 0 and _in_round(body)
        if done >= self._parts:
            content = [_text(f"Agent {self.name} is done: {done} parts were inspected.")]
        elif pausing:
            content = [_text(f"Parts up to {done} are inspected. Shall I go on?")]
        else:
            content = self._calls(done + 1, serial)
        if self._thinking and _thinks(body):
            content.insert(0, {"type": "thinking", "thinking": f"After part {done} of {self._parts}. Turn {serial}."})
        return content

    def _calls(self, number: int, serial: int) -> list[dict[str, Any]]:
        calls = [
            {
                "type": "tool_use",
                "id": f"toolu_{self.name}_{serial:05}_{lane}",
                "name": TOOL,
                "input": {"agent": self.name, "number": number, "lane": lane},
            }
            for lane in range(self._parallel)
        ]
        return [_text(f"Now part {number}."), *calls]

    def _done(self, body: Mapping[str, Any]) -> int:
        """The highest part that this request has the result of, or that a summary in it tells of."""
        found = [int(number) for message in body["messages"] for number in self._told(message)]
        answered = {
            block.get("tool_use_id")
            for message in body["messages"]
            for block in blocks_of(message)
            if block.get("type") == "tool_result"
        }
        found += [
            block["input"]["number"]
            for message in body["messages"]
            for block in blocks_of(message)
            if block.get("type") == "tool_use" and block["id"] in answered and "number" in (block.get("input") or {})
        ]
        done = max(found, default=self._furthest)
        self._furthest = max(self._furthest, done)
        return done

    def _told(self, message: Mapping[str, Any]) -> Iterator[str]:
        for block in blocks_of(message):
            for text in texts_of(block):
                yield from self._marks.findall(text)

    # -- its tool -----------------------------------------------------------------------------------------

    @property
    def asked(self) -> list[tuple[int, int]]:
        """All calls that it ever asks for, as (number, lane), in order."""
        return [(number, lane) for number in range(1, self._parts + 1) for lane in range(self._parallel)]

    @property
    def ran_all(self) -> bool:
        """Whether every call was run once, round after round; the calls of one round run in threads, in any order."""
        in_turn = [number for number, _ in self.ran] == [number for number, _ in self.asked]
        return in_turn and sorted(self.ran) == self.asked

    @property
    def tools(self) -> list[Callable[..., str]]:
        """Its tool as a plain function, with annotations and a docstring."""

        def inspect_part(agent: str, number: int, lane: int) -> str:
            """Inspect one part.

            Args:
                agent: who asks.
                number: of the part, from 1 on.
                lane: which side of it, from 0 on.
            """
            return self._run(agent, number, lane)

        return [inspect_part]

    @property
    def async_tools(self) -> list[Callable[..., Awaitable[str]]]:
        """The same as a coroutine function."""

        async def inspect_part(agent: str, number: int, lane: int) -> str:
            """Inspect one part.

            Args:
                agent: who asks.
                number: of the part, from 1 on.
                lane: which side of it, from 0 on.
            """
            return self._run(agent, number, lane)

        return [inspect_part]

    def _run(self, agent: str, number: int, lane: int) -> str:
        assert agent == self.name, "a call of another agent"
        with self._lock:
            self.ran.append((number, lane))
            if self._journal is not None:
                with self._journal.open("a", encoding="utf-8") as file:
                    file.write(f"{number} {lane}\n")
        return self.result(number, lane)

    def mark(self, number: int, lane: int) -> str:
        """What stands at the head of that result, and nowhere else."""
        return _MARK.format(name=self.name, number=number, lane=lane)

    def needle(self, number: int, lane: int) -> str:
        """A word that stands in the middle of that result, and nowhere else: something to search for."""
        return f"serial{random.Random(f'{self.name}/{number}/{lane}').getrandbits(48):012x}"  # noqa: S311

    def result(self, number: int, lane: int) -> str:
        """What the tool returns for a part: the same text every time."""
        chance = random.Random(f"{self.name}.{number}.{lane}")  # noqa: S311 - a text, no secret
        lines = [
            f"{line:04} {' '.join(chance.choices(_WORDS, k=12))} {chance.randrange(1000)}"
            for line in range(max(1, self._size(number, lane) // _TOKENS_A_LINE))
        ]
        lines.insert(len(lines) // 2, self.needle(number, lane))
        return "\n".join((self.mark(number, lane), *lines))


def rounds(n: int, **settings: Any) -> Agent:
    """An agent that calls its tool for `n` rounds and then ends its turn. The settings are those of `Agent`."""
    return Agent(n, **settings)


def crowd(agents: Iterable[Agent]) -> Callable[[Mapping[str, Any]], ReplyLike]:
    """One model for many conversations: each request is answered by the agent that its system prompt names."""
    by_name = {agent.name: agent for agent in agents}

    def reply(body: Mapping[str, Any]) -> ReplyLike:
        system = body.get("system") or ""
        text = system if isinstance(system, str) else " ".join(block.get("text", "") for block in system)
        named = re.search(r"You are agent ([A-Za-z0-9]+)\.", text)
        assert named is not None, "the system prompt names no agent"
        return by_name[named[1]].reply(body)

    return reply


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _in_round(body: Mapping[str, Any]) -> bool:
    """Whether the request ends in results, not in something that a user said."""
    users = [message for message in body["messages"] if message["role"] == "user"]
    return bool(users) and any(block.get("type") == "tool_result" for block in blocks_of(users[-1]))


def _thinks(body: Mapping[str, Any]) -> bool:
    settings = {key: value for key, value in body.items() if key != "messages"}
    return thinks(Frame(profile=resolve(body["model"]), settings=settings, tools=body.get("tools")))
