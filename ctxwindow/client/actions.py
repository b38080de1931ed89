"""What a driver must do, as values, and the two drivers that do it.

Everything the client decides is a generator of these actions (`Steps`): it yields one, and gets back what came of it, or
the error that it raised. `drive` and `drive_async` run the same generators, with a performer that blocks or one that awaits.
So nothing is written twice but how each action is performed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from ctxwindow.client.tools import Toolbox
from ctxwindow.client.watching import Watch

__all__ = [
    "Action",
    "Approval",
    "Approve",
    "AsyncPerformer",
    "Blocking",
    "Collect",
    "Count",
    "Create",
    "NextResult",
    "Pause",
    "Performer",
    "Purpose",
    "StartAside",
    "StartTools",
    "Steps",
    "StopTools",
    "drive",
    "drive_async",
]

T = TypeVar("T")
Approval: TypeAlias = "Callable[[Mapping[str, Any]], bool | str | Awaitable[bool | str]]"
"""Says of a call, a `tool_use` block, whether it may run; a string is a reason against it, which the model is told."""

Purpose = Literal["reply", "summary", "compaction"]


@dataclass(frozen=True)
class Create:
    """Send a request to `messages`. Gives the SDK's message, or what stands for it.

    `watch`: have it streamed, and follow it; None: have it whole.
    """

    request: dict[str, Any]
    purpose: Purpose
    watch: Watch | None = None


@dataclass(frozen=True)
class Count:
    """Send a request to `messages/count_tokens`. Gives the tokens."""

    request: dict[str, Any]


@dataclass(frozen=True)
class Blocking:
    """Call a function that blocks, on a store mostly. Gives what it returns."""

    function: Callable[[], Any]


@dataclass(frozen=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True)
class StartTools:
    """Start calls of one round, all at once, each for at most `seconds`. `NextResult` gives their results."""

    calls: tuple[Mapping[str, Any], ...]
    toolbox: Toolbox
    seconds: float | None


@dataclass(frozen=True)
class NextResult:
    """Wait for the next result of the calls that run. Gives its `tool_result` block."""


@dataclass(frozen=True)
class StopTools:
    """Give up the calls that still run: coroutines are cancelled, and awaited for a moment; threads cannot be stopped."""


@dataclass(frozen=True)
class Approve:
    """Ask whether a call may run. Gives True, or False or a reason against it."""

    call: Mapping[str, Any]
    hook: Approval


@dataclass(frozen=True)
class StartAside:
    """Send a request beside the conversation, without waiting for what comes of it."""

    action: Create


@dataclass(frozen=True)
class Collect:
    """What came of the request beside the conversation: its message or the error it raised; None while it runs.

    `wait`: until it has ended.
    """

    wait: bool


Action: TypeAlias = (
    Create | Count | Blocking | Pause | StartTools | NextResult | StopTools | Approve | StartAside | Collect
)
Steps: TypeAlias = Generator[Action, Any, T]


class Performer(Protocol):
    """Carries out actions, blocking."""

    def perform(self, action: Action, /) -> Any:
        """What came of it; raises what it raised."""


class AsyncPerformer(Protocol):
    """Carries out actions, awaiting."""

    async def perform(self, action: Action, /) -> Any:
        """What came of it; raises what it raised."""


def drive(steps: Steps[T], performer: Performer) -> T:
    """Carry out all steps; gives what they return."""
    try:
        action = next(steps)
        while True:
            try:
                found = performer.perform(action)
            except BaseException as error:  # noqa: BLE001 - the steps decide, an interrupt included
                action = steps.throw(error)
            else:
                action = steps.send(found)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()  # an interrupt may come between two steps


async def drive_async(steps: Steps[T], performer: AsyncPerformer) -> T:
    """Carry out all steps; gives what they return."""
    try:
        action = next(steps)
        while True:
            try:
                found = await performer.perform(action)
            except BaseException as error:  # noqa: BLE001 - the steps decide, a cancellation included
                action = steps.throw(error)
            else:
                action = steps.send(found)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()
