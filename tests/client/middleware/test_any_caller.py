"""Whatever callers do with their lists, what goes out says what they say, and the API takes it."""

from __future__ import annotations

import logging
from itertools import count
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxwindow.emulator import Fault
from ctxwindow.record.blocks import blocks_of
from tests.client.middleware.callers import Bench, Caller

STEPS = (
    *("ask", "ask", "ask", "stream", "again", "edit", "back", "bare echo", "text echo", "breakpoint"),
    *("another reply", "restart", "error", "cut", "close", "copy", "settings"),
)


def said(messages: list[Any]) -> list[Any]:
    """Roles and texts, thinking and cache breakpoints left out."""
    return [
        (message["role"], "".join(block["text"] for block in blocks_of(message) if block.get("type") == "text"))
        for message in messages
    ]


class Odd(Bench):
    """An API that fails when a step says so."""

    step = ""

    def __init__(self, *, alike: bool) -> None:
        self._alike, self._numbers, self._failed = alike, count(), False
        super().__init__(self._reply)

    def _reply(self, body: Any) -> Any:
        del body
        if self.step == "error":
            return Fault(status=500)
        text = "Yes." if self._alike else f"Yes, {next(self._numbers)}."
        if self.step == "cut":
            return Fault(kind="cut-stream", after_bytes=600)
        return [{"type": "thinking", "thinking": "Let me see."}, {"type": "text", "text": text}]


class Somebody(Caller):
    """A caller who does as he is told. Replies are all different, or all the same."""

    numbers = count()

    def __init__(self, bench: Odd) -> None:
        super().__init__(bench, thinking={"type": "adaptive"})
        self.odd = bench
        self.kept: list[list[Any]] = []

    def do(self, step: str, place: int) -> None:  # noqa: C901, PLR0912 - a case a step
        """One step; `place` says where in the list."""
        question = {"role": "user", "content": f"Question {next(self.numbers)}."}
        users = [number for number, message in enumerate(self.messages) if message["role"] == "user"]
        replies = [number for number, message in enumerate(self.messages) if message["role"] == "assistant"]
        user = users[place % len(users)] if users else None
        reply = replies[place % len(replies)] if replies else None
        match step:
            case "ask" | "stream" | "error" | "cut" | "close":
                self.messages.append(question)
            case "again" if user is not None:
                del self.messages[users[-1] + 1 :]
            case "edit" if user is not None:
                self.messages[user:] = [question]
            case "back" if user is not None:
                del self.messages[user + 1 :]
            case "bare echo" if reply is not None:
                content = [block for block in blocks_of(self.messages[reply]) if block["type"] != "thinking"]
                self.messages[reply] = {"role": "assistant", "content": content}
            case "text echo" if reply is not None:
                self.messages[reply] = {"role": "assistant", "content": said([self.messages[reply]])[0][1]}
            case "breakpoint" if user is not None:
                text = {"type": "text", "text": said([self.messages[user]])[0][1]}
                content = [{**text, "cache_control": {"type": "ephemeral"}}]
                self.messages[user] = {"role": "user", "content": content}
            case "another reply" if self.kept:
                self.messages = list(self.kept[place % len(self.kept)])
            case "restart":
                self.bench.restart()
                self.client = self.bench.client()
            case "copy":
                self.kept.append(list(self.messages))
            case "settings":
                self.settings["metadata"] = {"user_id": f"user {place % 2}"}
            case _:
                pass
        if self.messages and self.messages[-1]["role"] == "assistant":
            self.messages.append(question)
        if self.messages:
            self.speak(step)

    def speak(self, step: str) -> None:
        """Send the list, and keep the reply."""
        self.odd.step = step
        body: Any = {"messages": self.messages, **self.settings}
        try:
            if step in ("stream", "cut", "close"):
                with self.client.beta.messages.stream(**body) as stream:
                    if step == "close":
                        next(iter(stream))
                        return
                    reply = stream.get_final_message()
            else:
                reply = self.client.beta.messages.create(**body)
        except (anthropic.InternalServerError, httpx2.RemoteProtocolError):
            assert step in ("error", "cut")
            return
        finally:
            assert said(self.bench.fake.requests[-1].json["messages"]) == said(self.messages)
        content = [block.model_dump(exclude_none=True) for block in reply.content]
        self.messages.append({"role": "assistant", "content": content})


Moves = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(STEPS), st.integers(0, 20)), min_size=1, max_size=14)


@settings(max_examples=60)
@given(Moves, st.booleans())
def test_what_goes_out_says_what_the_caller_says(moves: list[tuple[int, str, int]], alike: bool) -> None:
    mistakes = list[str]()
    handler = logging.Handler()
    handler.emit = lambda record: mistakes.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("ctxwindow.client")
    log.addHandler(handler)
    try:
        bench = Odd(alike=alike)
        callers = [Somebody(bench), Somebody(bench)]
        for who, step, place in moves:
            callers[who].do(step, place)
    finally:
        log.removeHandler(handler)
    assert not [told for told in mistakes if "unchanged" in told or "mistake" in told or "cannot" in told]
    for name in bench.names:
        bench.record(name)  # it folds
        assert bench.store.hold(name) is not None


@pytest.mark.slow
@settings(max_examples=2_000)
@given(Moves, st.booleans())
def test_the_same_at_length(moves: list[tuple[int, str, int]], alike: bool) -> None:
    test_what_goes_out_says_what_the_caller_says.hypothesis.inner_test(moves, alike)  # type: ignore[attr-defined]
