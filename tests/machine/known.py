"""The model that the engine is held to: plain lists of what was said, sent and put away."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ctxwindow import Count, Send, Summarize
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.testing import Step
from tests.driver import is_dead

JSON = dict[str, Any]


def thinking_of(message: Mapping[str, Any]) -> list[Any]:
    """The thinking blocks of a message."""
    return [block for block in blocks_of(message) if is_thinking(block)]


@dataclass
class Known:
    """What a driver knows of one conversation. A copy of it is what is left after a crash."""

    record: list[JSON] = field(default_factory=list)
    """Every message that was taken, as it was given."""
    dead: set[int] = field(default_factory=set)
    """Indices of replies that cannot be sent back (FB-02, MSG-07, MSG-09, MSG-14)."""
    calls: tuple[str, ...] = ()
    """Calls that wait for their results."""
    made: dict[int, int] = field(default_factory=dict)
    """Epoch in which each reply was made, by its index."""
    gone: set[int] = field(default_factory=set)
    """Replies whose thinking cannot be sent any more: the conversation before it is another now (BIND-12)."""
    due: Send | Summarize | Count | None = None
    """What was decided and not carried out yet."""
    accepted: Send | None = None
    """The last request that was not refused for its size: later ones of its epoch extend it."""
    exchange: tuple[JSON, JSON] | None = None
    """The last request that was answered, and its answer."""
    sends: int = 0
    answered: set[int] = field(default_factory=set)
    """Numbers of sends that were answered."""
    summaries: float = 0.0
    """Dollars paid for summaries."""
    settings: JSON = field(default_factory=dict)
    model: str = ""

    def copy(self) -> Known:
        """A copy that later events do not reach."""
        return dataclasses.replace(
            self,
            record=list(self.record),
            dead=set(self.dead),
            made=dict(self.made),
            gone=set(self.gone),
            answered=set(self.answered),
            settings=dict(self.settings),
        )

    def takes(self, message: JSON) -> None:
        """The caller's message was taken."""
        self.record.append(message)
        self.calls = ()
        self.due = None

    def hears(self, reply: JSON, send: Send) -> None:
        """A reply was taken."""
        message = {"role": "assistant", "content": reply["content"]}
        index = len(self.record)
        self.record.append(message)
        self.made[index] = send.epoch
        self.answered.add(send.number)
        self.exchange = send.request, reply
        self.due = None
        if is_dead(Step("receive", message, reply["stop_reason"])):
            self.dead.add(index)
        else:
            self.calls = tuple(block["id"] for block in blocks_of(message) if block["type"] == "tool_use")

    def forgets_thinking(self) -> None:
        """All thinking so far cannot be sent any more."""
        self.gone |= set(self.made)
