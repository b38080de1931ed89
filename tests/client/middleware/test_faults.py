"""A caller behind a middleware goes through faults, and tries again as a user would: nothing is lost or doubled."""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from ctxwindow import Conversation, Middleware, Policy
from ctxwindow.emulator import Emulator
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Failed, Received
from ctxwindow.stores import SqliteStore, load
from tests.client.agents import Agent
from tests.client.breaking import BROKEN, Breaking, Fault, TooLong
from tests.client.failures import PASSING
from tests.client.loopback import Log, serving

BUDGET, TRIES = 9_000, 200
FAULTS: tuple[Fault, ...] = (
    *(PASSING[name] for name in ("429", "429 without retry-after", "529", "500", "503", "504", "408")),
    *BROKEN,
    *[TooLong(BUDGET)] * 30,
)
MODELS = ("claude-haiku-4-5-20251001", "claude-opus-4-8", "claude-opus-5-5")


class User:
    """Runs an agent with a loop and a list of his own, and sends the same list again where something went wrong."""

    def __init__(self, client: anthropic.Anthropic, agent: Agent, chance: random.Random, model: str) -> None:
        self.errors = Counter[str]()
        self.messages: list[Any] = [{"role": "user", "content": agent.task}]
        self._client, self._agent, self._chance = client, agent, chance
        surface = chance.choice((client.messages, client.beta.messages))
        self._create: Any = surface.create
        self._stream: Any = surface.stream
        manual = model == MODELS[0]
        self._body: dict[str, Any] = {
            "model": model,
            "max_tokens": 2_000,
            "system": agent.system,
            "thinking": {"type": "enabled", "budget_tokens": 1_024} if manual else {"type": "adaptive"},
            "tools": [
                {
                    "name": "inspect_part",
                    "description": "Inspect one part.",
                    "input_schema": {
                        "type": "object",
                        "properties": {"agent": {"type": "string"}, "number": {"type": "integer"}, "lane": {"type": "integer"}},
                    },
                }
            ],
        }  # fmt: skip

    def work(self) -> None:
        while True:
            reply = self._reply()
            self.messages.append({"role": "assistant", "content": [block.to_dict() for block in reply.content]})
            calls = [block for block in reply.content if block.type == "tool_use"]
            if not calls:
                return
            results = [
                {"type": "tool_result", "tool_use_id": call.id, "content": self._agent.tools[0](**call.input)}
                for call in calls
            ]
            self.messages.append({"role": "user", "content": results})

    def _reply(self) -> Any:
        while True:
            try:
                if self._chance.random() < 0.6:
                    with self._stream(messages=self.messages, **self._body) as stream:
                        reply = stream.get_final_message()
                else:
                    reply = self._create(messages=self.messages, **self._body)
                if reply.stop_reason is not None:
                    return reply
                self.errors["a stream that ended as if it were whole"] += 1
            except (anthropic.APIError, httpx2.HTTPError, json.JSONDecodeError) as error:
                self.errors[type(error).__name__] += 1
                assert self.errors.total() < TRIES, f"it does not end: {self.errors}"
            except AssertionError:  # the SDK's word for a stream that ends before its message begins
                self.errors["AssertionError"] += 1
                assert self.errors.total() < TRIES, f"it does not end: {self.errors}"


def ids_in(messages: Any, kind: str, key: str) -> list[str]:
    return [block[key] for message in messages for block in blocks_of(message) if block["type"] == kind]


def go_through(seed: int, database: Path) -> tuple[Conversation, Breaking]:
    """One run; its record, and what was injected."""
    chance = random.Random(seed)  # noqa: S311 - a plan, no secret
    agent = Agent(chance.randint(6, 10), parallel=chance.randint(1, 3), result_tokens=chance.choice((300, 600, 900)))
    seen, breaking = Log(), Breaking(seed, rate=0.4, faults=FAULTS, in_a_row=4)
    with (
        serving(Emulator(agent.reply), log=seen, breaking=breaking) as url,
        Middleware(database, policy=Policy(budget=BUDGET), checkpoint=0.0) as middleware,
        anthropic.Anthropic(api_key="k", base_url=url, max_retries=seed % 3, middleware=[middleware]) as client,
    ):
        user = User(client, agent, chance, chance.choice(MODELS))
        user.work()
    with SqliteStore(database) as store:
        [info] = store.conversations()
        record = load(store, info.id)
        with store.hold(info.id) as hold:  # type: ignore[union-attr]
            assert hold is not None
    assert seen.refused == [], "what the middleware sends is never wrong"
    assert agent.ran == agent.asked, "each call once"
    sent_back = [message for place, message in enumerate(record.messages) if not record.is_evidence(place)]
    assert [message["role"] for message in sent_back] == [message["role"] for message in user.messages]
    for kind, key in (("tool_use", "id"), ("tool_result", "tool_use_id")):
        assert ids_in(sent_back, kind, key) == ids_in(user.messages, kind, key)
    results = [
        block["content"] for message in sent_back for block in blocks_of(message) if block["type"] == "tool_result"
    ]
    assert results == [agent.result(*call) for call in agent.asked], "the record is whole"
    assert not record.awaiting
    replies = [event.reply_id for event in record.events if isinstance(event, Received) and not event.cut]
    assert len(replies) == len(set(replies)), "no reply twice"
    return record, breaking


@pytest.mark.usefixtures("quickly")
def test_callers_go_through_faults(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    go_through_all(range(1, 5), tmp_path, caplog)


@pytest.mark.long
@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("hundred", range(3))
def test_three_hundred_callers_go_through_faults(
    hundred: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go_through_all(range(100 * hundred + 1, 100 * hundred + 101), tmp_path, caplog)


def go_through_all(seeds: range, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "ctxwindow.client")
    injected, cut, shrunk = Counter[str](), 0, 0
    for seed in seeds:
        try:
            record, breaking = go_through(seed, folder / f"{seed}.db")
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        injected.update(one.fault.name for one in breaking.injected)
        cut += sum(isinstance(event, Received) and event.cut for event in record.events)
        shrunk += sum(isinstance(event, Failed) and event.rule == "CTX-08" for event in record.events)
    told = [one.getMessage() for one in caplog.records if one.name.startswith("ctxwindow")]
    ours = ("mistake of ctxwindow", "unchanged", "reply is not in the record", "cannot be followed")
    assert not [one for one in told if any(part in one for part in ours)]
    assert injected["prompt too long"], "the runs come by each kind"
    assert cut
    assert shrunk
