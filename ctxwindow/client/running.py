"""Running the calls of one round side by side, and handing out their results in the order in which they come.

Each function runs in a thread of its own, each coroutine in a task. A thread cannot be stopped: one that takes too long is
left to itself, as a daemon that does not keep the process from ending. The calls of one toolset run one after the
other, up to the first failure (TOOL-13).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ctxwindow.client.results import bounded, failed
from ctxwindow.client.tools import Tool, Toolbox
from ctxwindow.errors import MisuseError, ProtocolError

__all__ = ["AsyncRunner", "Runner"]

Call = Mapping[str, Any]
Block = dict[str, Any]

_NAMES_TOLD = 50
_GRACE = 1.0

_HALTED = {"computer": "Not executed: an earlier computer action in this turn failed."}
"""What the API's own documentation has the rest of a batch answered with, by toolset."""
_HALTED_ELSE = "Not executed: an earlier action in this turn failed."


class _Running(NamedTuple):
    call: Call
    tool: Tool
    deadline: float | None
    """In seconds of `time.monotonic`."""


class _Round:
    """What both runners know of their calls. How a call is begun and waited for is theirs."""

    def __init__(self, tools: Toolbox, timeout: float | None) -> None:
        self._tools = tools
        self._timeout = timeout
        self._ready: deque[tuple[Call, Block]] = deque()
        self._running: dict[int, _Running] = {}
        self._waiting: dict[str, deque[Call]] = {}
        self._begun = 0

    def __len__(self) -> int:
        """Calls whose results have not been handed out."""
        return len(self._ready) + len(self._running) + sum(map(len, self._waiting.values()))

    def start(self, calls: Sequence[Call]) -> None:
        """Start running calls.

        Args:
            calls: `tool_use` blocks. One of an unknown tool is answered by an `is_error` result.

        Raises:
            ProtocolError: one is the caller's to answer (`Toolbox.is_callers`); none was started.
        """
        for call in calls:
            if self._tools.is_callers(call):
                name = bounded(str(call.get("name")), 80)
                raise ProtocolError(
                    f"the tool {name} does not run here.", path="tools", remedy="Answer its call yourself."
                )
        for call in calls:
            family = call.get("toolset_name")
            if family in self._waiting:
                self._waiting[family].append(call)
                continue
            if family is not None:
                self._waiting[family] = deque()
            self._begin(call)

    def _begin(self, call: Call) -> None:
        tool = self._tools.runnable(str(call.get("name")), call.get("toolset_name"))
        if tool is None:
            names = self._tools.names
            known = ", ".join(names[:_NAMES_TOLD]) + (", ..." if len(names) > _NAMES_TOLD else "")
            told = f"There is no tool {bounded(str(call.get('name')), 80)}. The tools are: {known or 'none'}."
            self._settle(call, failed(call, told))
            return
        self._begun += 1
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        self._running[self._begun] = _Running(call, tool, deadline)
        self._launch(self._begun, self._running[self._begun])

    def _launch(self, number: int, running: _Running) -> None:
        raise NotImplementedError

    def _abandon(self, number: int) -> None:
        """Give up a call that takes too long; its result, should it come, is not looked at."""

    def _finished(self, number: int, outcome: Block | BaseException) -> None:
        """What a call came to. One that was given up is not looked at."""
        running = self._running.pop(number, None)
        if running is None:
            return
        if isinstance(outcome, asyncio.CancelledError):  # of something inside the tool: nobody has cancelled the call
            outcome = failed(running.call, outcome)
        if isinstance(outcome, BaseException):
            raise outcome
        self._settle(running.call, outcome)

    def _settle(self, call: Call, block: Block) -> None:
        """A result is there: begin the next call of its toolset, or answer the rest where it failed."""
        self._ready.append((call, block))
        family = call.get("toolset_name")
        if family is None:
            return
        waiting = self._waiting[family]
        while waiting and block.get("is_error") is True:
            self._ready.append((waiting[0], failed(waiting.popleft(), _HALTED.get(family, _HALTED_ELSE))))
        if waiting:
            self._begin(waiting.popleft())
        else:
            self._waiting.pop(family, None)

    def _patience(self) -> float | None:
        """Seconds until the next call has taken too long; None where that may be forever."""
        deadlines = [running.deadline for running in self._running.values() if running.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _expire(self) -> None:
        """Answer the calls that have taken too long."""
        now = time.monotonic()
        for number, running in list(self._running.items()):
            if running.deadline is not None and running.deadline <= now:
                del self._running[number]
                self._abandon(number)
                name = bounded(str(running.call.get("name")), 80)
                told = f"{name} did not finish within {self._timeout:g} s; whether it took effect is unknown."
                self._settle(running.call, failed(running.call, told))

    def _expect(self) -> None:
        if not len(self):
            raise ProtocolError("no call is running.", remedy="Start calls first, and take each result once.")


class Runner(_Round):
    """Runs the calls of a round in threads.

    Args:
        tools: of the session.
        timeout: seconds for one call; None for as long as it takes.

    Raises:
        MisuseError: a tool is async.
    """

    def __init__(self, tools: Toolbox, *, timeout: float | None = None) -> None:
        tool = tools.first_async
        if tool is not None:
            raise MisuseError(
                f"the tool {tool.name} is async.", path=tool.path, remedy="Use AsyncSession, or a plain function."
            )
        super().__init__(tools, timeout)
        self._outcomes: queue.SimpleQueue[tuple[int, Block | BaseException]] = queue.SimpleQueue()

    def next(self) -> tuple[Call, Block]:
        """Wait for the next result: the call and its `tool_result` block.

        What a tool raises that is no `Exception`, such as `SystemExit`, is raised here, and so is an SDK toolset's
        report that it was misused.

        Raises:
            ProtocolError: all results were taken.
        """
        self._expect()
        while not self._ready:
            with contextlib.suppress(queue.Empty):
                self._finished(*self._outcomes.get(timeout=self._patience()))
            while not self._outcomes.empty():  # what came in time is no late result because nobody looked
                self._finished(*self._outcomes.get_nowait())
            self._expire()
        return self._ready.popleft()

    def close(self) -> None:
        """Give up what is still running; nothing is handed out any more."""
        self._ready.clear()
        self._running.clear()
        self._waiting.clear()

    def _launch(self, number: int, running: _Running) -> None:
        _in_thread(running, lambda outcome: self._outcomes.put((number, outcome)))


class AsyncRunner(_Round):
    """Runs the calls of a round in tasks, and functions in threads.

    Args:
        tools: of the session.
        timeout: seconds for one call; None for as long as it takes.
    """

    def __init__(self, tools: Toolbox, *, timeout: float | None = None) -> None:
        super().__init__(tools, timeout)
        self._outcomes: asyncio.Queue[tuple[int, Block | BaseException]] = asyncio.Queue()
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def next(self) -> tuple[Call, Block]:
        """Wait for the next result, as `Runner.next` does."""
        self._expect()
        while not self._ready:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    finished = await self._outcomes.get()
                self._finished(*finished)
            while not self._outcomes.empty():  # what came in time is no late result because nobody looked
                self._finished(*self._outcomes.get_nowait())
            self._expire()
        return self._ready.popleft()

    async def close(self) -> None:
        """Cancel what is still running, and give it a second to end; threads are left to themselves."""
        self._ready.clear()
        self._running.clear()
        self._waiting.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE)

    def _launch(self, number: int, running: _Running) -> None:
        if running.tool.is_async:
            task = asyncio.create_task(self._task(number, running))
            self._tasks[number] = task
            task.add_done_callback(lambda _: self._tasks.pop(number, None))
            return
        loop = asyncio.get_running_loop()

        def deliver(outcome: Block | BaseException) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed while the thread went on
                loop.call_soon_threadsafe(self._outcomes.put_nowait, (number, outcome))

        _in_thread(running, deliver)

    async def _task(self, number: int, running: _Running) -> None:
        outcome: Block | BaseException
        try:
            outcome = await running.tool.arun(running.call)
        except BaseException as error:
            self._outcomes.put_nowait((number, error))
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            self._outcomes.put_nowait((number, outcome))

    def _abandon(self, number: int) -> None:
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()


def _in_thread(running: _Running, deliver: Callable[[Block | BaseException], object]) -> None:
    """Run a call in a thread that sees the context variables of whoever starts it."""

    def work() -> None:
        try:
            deliver(running.tool.run(running.call))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            deliver(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name=f"tool {running.tool.name}", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the system has no more threads to give
        deliver(failed(running.call, error))
