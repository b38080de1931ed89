"""Generated conversations: valid by the rules of the API, and as odd as those allow.

A conversation is a list of steps. Each is either a message to append, or the reply to the request that is due.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from ctxwindow.testing.content import (
    as_today,
    interrupted_replies,
    json_values,
    replies,
    results,
    server_result,
    server_use,
    system_messages,
    user_messages,
)

__all__ = ["SERVER_TOOLS", "Step", "conversations", "json_values", "replies", "user_messages"]

SERVER_TOOLS: list[dict[str, Any]] = [{"type": "web_search_20250305", "name": "web_search"}]
"""Tools that a request must list for conversations with `waiting` server tools."""

_MARKERS = 2
"""Cache markers of the caller's in one conversation; the API allows four (CACHE-02)."""

_ODD_USAGE: list[dict[str, Any] | None] = [
    None,
    {"input_tokens": 0, "output_tokens": 3},
    {"input_tokens": None, "output_tokens": 7},
    {"input_tokens": -1, "output_tokens": 7},
]
"""Usage from which nothing can be learnt about the size of the prompt."""


class Step(msgspec.Struct, frozen=True):
    """One step: append `message`, or receive it as the reply to the next send.

    Attributes:
        kind: what to do with the message.
        message: the message, with its role.
        stop_reason: of a reply; None for one that ended as its content says (`tool_use` or `end_turn`).
        usage: of a reply; None when it tells none, or when whoever drives the steps makes it up.
    """

    kind: Literal["append", "receive"]
    message: dict[str, Any]
    stop_reason: str | None = None
    usage: dict[str, Any] | None = None


class _Options(msgspec.Struct, frozen=True, kw_only=True):
    max_rounds: int
    thinking: bool
    long: bool
    manual: bool
    system: bool
    server_tools: bool
    waiting: bool
    interrupted: bool
    several: bool
    synthetic: bool
    unread: bool
    marked: bool
    usage: bool


class _Writer:
    """Writes one conversation, step by step, and knows what may legally come next."""

    def __init__(self, draw: st.DrawFn, options: _Options) -> None:
        self.draw = draw
        self.options = options
        self.steps: list[Step] = []
        self.number = 0
        self.marks = 0
        self.importing = False
        self.scoped = False  # the wire ends in a system message, which only an assistant message may follow (SYS-04)

    def chance(self, one_in: int) -> bool:
        """Once in so many times. Shrinks to no."""
        return bool(self.draw(st.integers(0, one_in - 1)) == one_in - 1)

    def append(self, message: dict[str, Any]) -> None:
        self.steps.append(Step("append", message))
        self.scoped = message["role"] == "system"

    def user(self) -> None:
        """What the user says: one message, perhaps two."""
        marked = self.options.marked and self.marks < _MARKERS and self.chance(4)
        self.marks += marked
        self.append(self.draw(user_messages(unread=self.options.unread, marked=marked)))
        if self.options.several and self.chance(6):
            self.append(self.draw(user_messages()))

    def reminders(self) -> None:
        """System messages, directly before the model speaks."""
        if self.options.system and self.chance(4):
            for message in self.draw(st.lists(system_messages(), min_size=1, max_size=2)):
                self.append(message)

    def serial(self) -> str:
        self.number += 1
        return f"sig{self.number}"

    def reply(self, message: dict[str, Any], stop_reason: str | None = None, *, kept: bool = True) -> None:
        """The model's reply, or while importing the same as a message of the caller's."""
        if self.importing:
            self.steps.append(Step("append", message))
        else:
            usage = self.draw(st.sampled_from(_ODD_USAGE)) if self.options.usage and self.chance(8) else None
            self.steps.append(Step("receive", message, stop_reason, usage))
        if kept:
            self.scoped = False

    def speak(self, calls: tuple[str, ...] = ()) -> None:
        """One reply that ends well; now and then others come before it."""
        self.reminders()
        if self.options.interrupted and not self.importing and self.chance(6):
            self.interruption()
        if self.options.server_tools and not self.importing and self.chance(6):
            self.pause()
        searched = self.options.server_tools and self.chance(8)
        self.reply(
            self.draw(
                replies(
                    calls=calls,
                    thinking=self.options.thinking,
                    always=self.options.manual,
                    serial=self.serial(),
                    server_call=f"srvtoolu_{self.number}" if searched else None,
                )
            )
        )

    def interruption(self) -> None:
        """A reply that did not end well, and what follows: the same request again, or a word of the user's."""
        message, reason, kept = self.draw(
            interrupted_replies(thinking=self.options.thinking, always=self.options.manual, serial=self.serial())
        )
        self.reply(message, reason, kept=kept)
        if kept or (not self.scoped and self.draw(st.booleans())):
            self.append({"role": "user", "content": "Go on."})

    def pause(self) -> None:
        """A turn that the server paused (MSG-13), in its call or after it; the next reply goes on from there."""
        identity = f"srvtoolu_p{self.number}"
        first = self.draw(
            replies(
                thinking=self.options.thinking,
                always=self.options.manual,
                serial=self.serial(),
            )
        )
        waiting = self.options.waiting and self.draw(st.booleans())
        pair = [server_use(identity), server_result(identity)]
        self.reply({**first, "content": [*first["content"], *(pair[:1] if waiting else pair)]}, "pause_turn")
        if waiting:
            done = [server_result(identity), {"type": "text", "text": "Found."}, server_use(f"{identity}b")]
            self.reply({"role": "assistant", "content": [*done, server_result(f"{identity}b")]}, "pause_turn")

    def round(self) -> None:
        """Calls and their results, in one message or in two."""
        first = self.number
        count = self.draw(st.integers(min_value=1, max_value=3))
        calls = tuple(f"toolu_{first}_{index}" for index in range(count))
        self.speak(calls)
        answered = 1 if self.options.several and count > 1 and self.chance(5) else count
        if answered < count:
            self.append(self.draw(results(calls[:answered], long=self.options.long, text=False)))
            self.append(self.draw(results(calls[answered:], long=self.options.long, text=False)))
        else:
            self.append(self.draw(results(calls, long=self.options.long)))

    def turn(self) -> None:
        """A turn of the user's: what is asked, rounds of calls, and the answer."""
        self.user()
        if self.options.synthetic and self.chance(6):
            self.append({"role": "assistant", "content": [{"type": "text", "text": "Understood."}]})
            self.user()
        for _ in range(self.draw(st.integers(min_value=0, max_value=self.options.max_rounds))):
            self.round()
        self.speak()


@st.composite
def conversations(
    draw: st.DrawFn,
    *,
    max_turns: int = 4,
    max_rounds: int = 4,
    thinking: bool = True,
    long: bool = True,
    manual: bool = False,
    system: bool = False,
    server_tools: bool = False,
    waiting: bool = True,
    interrupted: bool = False,
    several: bool = False,
    synthetic: bool = False,
    imported: bool = False,
    unread: bool = False,
    marked: bool = False,
    usage: bool = False,
    today: bool = False,
) -> list[Step]:
    """Whole conversations: turns of user messages, rounds of parallel calls with results, and final replies.

    Args:
        draw: supplied by Hypothesis.
        max_turns: most turns.
        max_rounds: most rounds a turn.
        thinking: whether replies may hold thinking.
        long: whether results may be thousands of tokens long.
        manual: whether each reply begins with thinking, as with manual thinking: any may become the first of its turn
            that is still on the wire (THINK-07).
        system: system messages inside the conversation, where SYS-04 allows them (models of SYS-01 only).
        server_tools: searches that the server runs, and paused turns; see `waiting`.
        waiting: whether turns are also paused inside a call of the server's, which asks for the tool (TOOL-10).
        interrupted: refusals, and replies cut inside thinking, a call or their text.
        several: user messages in a row, and results that come in two messages.
        synthetic: assistant messages that the caller wrote.
        imported: begins with turns that are appended as they were recorded, replies included.
        unread: documents whose size nothing tells: behind a URL, damaged.
        marked: cache markers of the caller's.
        usage: usage from which nothing can be learnt, on some replies.
        today: only what today's API takes: no fields of tomorrow, no halves of surrogate pairs.
    """
    writer = _Writer(
        draw,
        _Options(
            max_rounds=max_rounds,
            thinking=thinking,
            long=long,
            manual=manual,
            system=system,
            server_tools=server_tools,
            waiting=waiting,
            interrupted=interrupted,
            several=several,
            synthetic=synthetic,
            unread=unread,
            marked=marked,
            usage=usage,
        ),
    )
    turns = draw(st.integers(min_value=1, max_value=max_turns))
    old = draw(st.integers(min_value=0, max_value=turns - 1)) if imported and draw(st.booleans()) else 0
    for number in range(turns):
        writer.importing = number < old
        writer.turn()
    return (
        [msgspec.structs.replace(step, message=as_today(step.message)) for step in writer.steps]
        if today
        else writer.steps
    )
