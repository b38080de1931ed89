"""Conversations on the emulated API, exchange by exchange, and single moments of them, for the tests of the methods."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from ctxwindow import Compact, Conversation, Count, Policy, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Declined
from ctxwindow.tiers.situation import Situation
from tests.driver import MANUAL, TOOLS, summary
from tests.machine.world import World

JSON = dict[str, Any]

HAIKU, OPUS_46, OPUS_5, OPUS_55 = "claude-haiku-4-5", "claude-opus-4-6", "claude-opus-5", "claude-opus-5-5"
"""Last-turn-only, keep-all, keep-all that may be bound, bound."""

FAMILIES: dict[str, JSON] = {HAIKU: MANUAL, OPUS_46: {"thinking": {"type": "adaptive"}}, OPUS_55: {}}
"""A model of each family, with settings under which it thinks."""

MAX_TOKENS = 1_100
"""Manual thinking needs more than its budget of 1,024."""

LINE = "line {} of a file that was read, with a name such as parse_config_{}\n"


def lines(number: int, of: int = 0) -> str:
    """Text of so many lines, some 20 tokens each."""
    return "".join(LINE.format(line, of) for line in range(number))


def dropped(reply: Mapping[str, Any]) -> list[Any]:
    """The thinking that the API left out of a request (BIND-17)."""
    return list(reply.get("input_transformations") or ())


class Session:
    """A conversation, and the API that answers it. Every request must be accepted, with all the thinking on it."""

    def __init__(
        self,
        model: str = OPUS_55,
        *,
        tools: list[JSON] | None = TOOLS,
        settings: JSON | None = None,
        max_tokens: int = MAX_TOKENS,
        clear_rounds: int = 0,
        **policy: Any,
    ) -> None:
        self.world = World()
        self.max_tokens = max_tokens
        self.conversation = Conversation.start(
            model=model,
            system="Be brief.",
            tools=tools,
            settings=FAMILIES.get(model, {}) if settings is None else settings,
            policy=Policy(**policy),
            now=self.world.now,
        )
        self.sends: list[Send] = []
        self.compacts: list[Compact] = []
        self.usage: list[int] = []
        """Tokens of each prompt, as the API told them."""
        self._ids, self._thoughts = itertools.count(), itertools.count()

    # -- what is said ---------------------------------------------------------------------------------------

    def user(self, text: str = "Go on.") -> None:
        self.conversation.append({"role": "user", "content": text}, now=self.world.now)

    def say(self, text: str = "Done.", *, think: int = 0) -> Send:
        """A reply with text, after so many lines of thinking."""
        return self.reply([*self._thought(think), {"type": "text", "text": text}])

    def round(self, *sizes: int, think: int = 0, name: str = "read_file") -> Send:
        """A reply with a call for each size, and the results, of so many lines each."""
        ids = [f"toolu_{next(self._ids)}" for _ in sizes]
        calls = [{"type": "tool_use", "id": one, "name": name, "input": {"path": f"{one}.py"}} for one in ids]
        send = self.reply([*self._thought(think), *calls])
        results = [
            {"type": "tool_result", "tool_use_id": one, "content": lines(size, int(one.removeprefix("toolu_")))}
            for one, size in zip(ids, sizes, strict=True)
        ]
        self.conversation.append({"role": "user", "content": results}, now=self.world.now)
        return send

    def _thought(self, think: int) -> list[JSON]:
        return [{"type": "thinking", "thinking": lines(think, next(self._thoughts))}] if think else []

    # -- what is decided ------------------------------------------------------------------------------------

    def decide(self) -> Any:
        return self.conversation.plan(max_tokens=self.max_tokens, now=self.world.now)

    def ready(self) -> Send:
        """Plan up to a request, with the API's compactions and the offline summariser."""
        while True:
            decision = self.decide()
            match decision:
                case Send():
                    return decision
                case Compact():
                    self.compact(decision)
                case Summarize():
                    text = summary(self.conversation, decision)
                    self.conversation.summarized(text, by="extractive", of=decision, now=self.world.now)
                case Count():
                    self.conversation.counted(self.world.count(decision.request), now=self.world.now)

    def compact(self, decision: Compact) -> bool:
        """Have the API compact, and hand back what it answers."""
        self.compacts.append(decision)
        reply = self.world.create(decision.request)
        assert not dropped(reply)
        return self.conversation.compacted(reply, now=self.world.now)

    def reply(self, content: Any) -> Send:
        """Send the next request; the API answers with this content."""
        send = self.ready()
        self.receive(send, content)
        return send

    def receive(self, send: Send, content: Any) -> JSON:
        """The API's answer to a request that was handed out."""
        self.world.says = content
        reply = self.world.create(send.request)
        assert not dropped(reply), "thinking on the wire was not valid"
        usage = reply["usage"]
        self.usage.append(
            usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
        )
        self.sends.append(send)
        self.conversation.receive(reply, now=self.world.now)
        self.world.now += 1
        return reply

    @property
    def declined(self) -> list[Declined]:
        return [event for event in self.conversation.events if isinstance(event, Declined)]

    def situation(self, **changes: Any) -> Situation:
        """The moment as the methods see it."""
        return situation(self.conversation, self.max_tokens, self.world.now, **changes)


def situation(conversation: Conversation, max_tokens: int, now: float | None = 0.0, **changes: Any) -> Situation:
    """A moment of a conversation as the methods see it; `policy` as a dict of keys to change."""
    found = conversation._situation(conversation._limit(max_tokens), now)
    keys = changes.pop("policy", None)
    if keys is not None:
        changes["policy"] = Policy.parse({**found.policy.model_dump(mode="json"), **keys})
    return dataclasses.replace(found, **changes)


def blocks(request: Mapping[str, Any], kind: str) -> list[JSON]:
    """All blocks of a type in a request."""
    return [block for message in request["messages"] for block in blocks_of(message) if block.get("type") == kind]


def profile_of(conversation: Conversation) -> Any:
    return resolve(conversation.model)
