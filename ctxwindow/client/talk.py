"""One conversation that is being driven: the engine, where it is kept, and who may go on with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.client.addressing import model_name
from ctxwindow.client.api import Surface
from ctxwindow.client.incidents import Incident, log
from ctxwindow.conversation import Conversation
from ctxwindow.errors import StoreError
from ctxwindow.stores import Hold, Store, follow, keep
from ctxwindow.tiers import Compact, Summarize

__all__ = ["Aside", "Talk"]

_INCIDENTS = 1_000
"""Faults that are known with their causes, the newest. All are in the record, without."""


@dataclass
class Aside:
    """A summary or compaction that is prepared while the conversation goes on (CMP-34)."""

    decision: Summarize | Compact
    profile: ModelProfile
    """Of the model that was asked: another one may have the word by the time it is there."""


@dataclass
class Talk:
    """What every step needs to know. One operation at a time: whoever has the `hold`."""

    engine: Conversation
    store: Store
    name: str
    max_tokens: int
    clock: Callable[[], float]
    surface: Surface = "beta"
    """Of the client: whose types messages have."""
    streaming: bool | None = None
    """Whether replies are streamed inside `send` and `run`; None: where the SDK demands it (SDK-02)."""
    busy: Literal["wait", "raise"] = "wait"
    patience: float = 60.0
    """Seconds to wait for another driver of the conversation."""
    checkpoint: float = 1.0
    """Seconds of streaming after which what has arrived is stored."""
    hold: Hold | None = None
    aside: Aside | None = None
    incidents: deque[Incident] = field(default_factory=lambda: deque(maxlen=_INCIDENTS))
    idle: frozenset[str] = frozenset()
    """Open calls that certainly have not begun to run."""
    cut_off: dict[str, Any] | None = None
    """What had arrived of the reply that was cut off just now."""
    changed: str | None = None
    """What the caller has changed of what was sent before, where he keeps the list himself."""
    names: dict[str, str] = field(default_factory=dict)
    """What the caller calls the models, by their ids."""
    previous: dict[str, Any] | None = None
    """The request that was answered last, where this process sent it: what a fault of the prefix is held against."""

    def call(self, model: str | ModelProfile | None) -> None:
        """Call a model as the caller has named it; a profile goes by its id."""
        if isinstance(model, str):
            self.names[resolve(model).id] = model
        elif model is not None:
            self.names.pop(model.id, None)

    def addressed(self, request: dict[str, Any]) -> dict[str, Any]:
        """A request of the engine, as it goes out: its model by the caller's name for it, or the platform's."""
        profile, policy = self.engine.profile, self.engine.policy
        return {**request, "model": model_name(profile, self.names.get(profile.id), policy.platform)}

    def keep(self) -> None:
        """Write new events to the store. Blocks.

        Raises:
            StoreError: nothing was written; the events are written with the next ones.
        """
        keep(self.store, self.name, self.engine)

    def store_events(self, events: list[dict[str, Any]]) -> None:
        """Store what has arrived of a reply that is still streaming. Blocks."""
        self.engine.arrived(events, now=self.clock())
        self.try_to_keep()

    def try_to_keep(self) -> None:
        """Write new events, in the middle of something that goes on whether or not the store fails: a reply that is paid for, calls
        that run. The store is offered the same again, at the latest at its end. Blocks.
        """
        try:
            self.keep()
        except StoreError as error:
            log.warning("what has come could not be stored yet: %s", error)

    def follow(self) -> None:
        """Be where the store is. Blocks."""
        self.engine = follow(self.store, self.name, self.engine)

    def forget(self) -> None:
        """Take back what no store has: the operation failed before anything was sent."""
        self.engine.take_back()

    def begin_none(self) -> None:
        """A reply has just been received: none of its calls has begun to run."""
        self.idle = frozenset(call["id"] for call in self.engine.open_calls)

    def release(self) -> None:
        """Let others go on with the conversation."""
        hold, self.hold = self.hold, None
        if hold is not None:
            hold.release()
