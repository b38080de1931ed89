"""The model that the engine is held to: plain lists of what was said, sent and put away."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ctxwindow import Compact, Count, Send, Summarize
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.record.events import Compacted
from ctxwindow.record.turns import is_turn_start
from ctxwindow.testing import Step
from tests.driver import is_dead

JSON = dict[str, Any]

Due = Send | Summarize | Compact | Count | None


def thinking_of(message: Mapping[str, Any]) -> list[Any]:
    """The thinking blocks of a message."""
    return [block for block in blocks_of(message) if is_thinking(block)]


@dataclass
class Money:
    """What is the same on all branches: nothing that was sent or paid is undone."""

    sends: int = 0
    summaries: float = 0.0
    """Dollars paid for summaries."""

    def copy(self) -> Money:
        """A copy that later events do not reach."""
        return dataclasses.replace(self)


@dataclass(repr=False)
class Known:
    """What a driver knows of one branch of a conversation."""

    record: list[JSON] = field(default_factory=list)
    """Every message that was taken, as it was given."""
    dead: set[int] = field(default_factory=set)
    """Indices of replies that cannot be sent back (FB-02, MSG-07, MSG-09, MSG-14), and of what is taken back."""
    resuming: list[int] = field(default_factory=list)
    """What has the model go on from replies that were cut (MSG-16), and has no answer: the last that was said."""
    calls: tuple[str, ...] = ()
    """Calls that wait for their results."""
    answered: dict[str, JSON] = field(default_factory=dict)
    """Results that are kept of calls that wait for them."""
    made: dict[int, int] = field(default_factory=dict)
    """Epoch in which each reply was made, by its index."""
    gone: set[int] = field(default_factory=set)
    """Replies whose thinking cannot be sent any more: the conversation before it is another now (BIND-12)."""
    makers: set[str] = field(default_factory=set)
    """Models that made replies."""
    due: Due = None
    """What was decided and not carried out yet."""
    aside: Summarize | Compact | None = None
    """What may be prepared in the background."""
    accepted: Send | None = None
    """The last request that was not refused for its size: later ones of its epoch extend it."""
    accepted_before: Send | None = None
    """The same, before the request that is out."""
    exchange: tuple[JSON, JSON] | None = None
    """The last request that was answered, and its answer."""
    edit: Compacted | None = None
    """The last edit that began an epoch."""
    fresh: int = 0
    """Messages since then."""
    loose: set[int] = field(default_factory=set)
    """Replies whose thinking only models that do not check it take: it was kept over an edit (BIND-28, CMP-30)."""
    settings: JSON = field(default_factory=dict)
    model: str = ""
    platform: str = ""
    tightened: int | None = None
    """The window, where an error of the API has told it."""
    pinned: set[int] = field(default_factory=set)
    """Messages that the caller pinned."""
    past: list[Known] = field(default_factory=list)
    """This branch as it was just before each of its messages came."""

    def __repr__(self) -> str:
        """Short: what it holds is long, and holds itself as it was."""
        return f"Known({len(self.record)} messages, {self.model}, due: {type(self.due).__name__})"

    def copy(self) -> Known:
        """A copy that later events do not reach."""
        copies = {
            name: type(value)(value)
            for name, value in vars(self).items()
            if isinstance(value, (list, set)) or name in ("made", "settings", "answered")
        }
        return dataclasses.replace(self, **copies)

    def takes(self, message: JSON, *, resumes: bool = False) -> None:
        """The caller's message was taken. `resumes`: it only has the model go on from a reply that was cut."""
        if resumes:
            self.resuming.append(len(self.record))
        else:
            self._withdraw()
        self._add(message)
        self.calls = ()
        results = {block.get("tool_use_id") for block in blocks_of(message)}
        self.answered = {call: block for call, block in self.answered.items() if call not in results}
        self.due = None

    def _withdraw(self) -> None:
        """What had no answer is not said any more: later requests extend what stood before it."""
        told = [str(block["text"]) for index in self.resuming for block in blocks_of(self.record[index])]
        self.accepted, self.accepted_before = _until(self.accepted, told), _until(self.accepted_before, told)
        self.dead.update(self.resuming)
        self.resuming = []

    def is_cut(self, content: list[JSON]) -> None:
        """A reply did not come whole: what came is in the record, and never sent."""
        self.dead.add(len(self.record))
        self._add({"role": "assistant", "content": content})
        self.due = None

    def hears(self, reply: JSON, send: Send) -> None:
        """A reply was taken."""
        message = {"role": "assistant", "content": reply["content"]}
        index = len(self.record)
        self._add(message)
        self.made[index] = send.epoch
        self.makers.add(self.model)
        self.exchange = send.request, reply
        self.due = None
        if is_dead(Step("receive", message, reply["stop_reason"])):
            self.dead.add(index)
        else:
            self.resuming = []
            self.calls = tuple(block["id"] for block in blocks_of(message) if block["type"] == "tool_use")

    def _add(self, message: JSON) -> None:
        self.past.append(self.copy())
        self.record.append(message)
        self.fresh += 1

    def forgets_thinking(self, before: int | None = None) -> None:
        """The thinking of messages before an index cannot be sent any more; None: all so far."""
        self.gone |= {index for index in self.made if before is None or index < before}

    @property
    def turn_start(self) -> int:
        """Where the current turn starts."""
        starts = (index for index, message in enumerate(self.record) if is_turn_start(message))
        return max((index for index in starts if index not in self.dead), default=0)

    def edited(self, edit: Compacted, *, preserved: bool) -> None:
        """An epoch began. `preserved`: thinking that is kept stays valid on models that check it (CMP-30)."""
        self.edit, self.fresh = edit, 0
        if edit.strip_thinking:
            self.forgets_thinking()
        elif not preserved:
            self.loose |= set(self.made)

    def idle(self) -> Known:
        """The same, with nothing out, due or prepared: as after a rewind."""
        return dataclasses.replace(self.copy(), due=None, aside=None)


def _until(send: Send | None, told: list[str]) -> Send | None:
    """A request up to the messages at its end that say one of these texts."""
    if send is None:
        return None
    messages = list(send.request["messages"])
    while messages and any(block.get("text") in told for block in blocks_of(messages[-1])):
        messages.pop()
    return dataclasses.replace(send, request={**send.request, "messages": messages})
