"""Real child processes, to be killed at any moment.

    with Forks() as forks:
        child = forks.run("tests.client.scripts:talk", base_url=url, database=str(path))
        log.at(7, child.kill)                # or child.kill(after=0.05), or child.reached("kept") and child.kill()
        assert child.wait() == -signal.SIGKILL

One warm process imports the SDK and ctxwindow once (seconds), and forks a child for each run (milliseconds). It has one
thread and neither client nor store, so a child begins as a new process would. A function that is run this way takes
keyword arguments that JSON can say, and returns what JSON can say, or nothing.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from tests.conftest import ROOT

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Child", "Forks", "count_calls", "die_at", "reach", "stop_at"]

_FOLDER = "CTXWINDOW_TEST_CHILD"
"""Where a child leaves word: the name of its folder, in its environment."""
_SECONDS = 30.0


# -- in the test ------------------------------------------------------------------------------------------


class Child:
    """One child that was started.

    Attributes:
        pid: of its process.
        status: what `wait` found; None before.
    """

    def __init__(self, forks: Forks, pid: int, folder: Path) -> None:
        self.pid = pid
        self._forks = forks
        self._folder = folder
        self.status: int | None = None

    @property
    def output(self) -> str:
        """What it printed so far, tracebacks too."""
        return (self._folder / "output").read_text(encoding="utf-8", errors="replace")

    @property
    def result(self) -> Any:
        """What its function returned.

        Raises:
            AssertionError: it did not come to its end; with what it printed.
        """
        found = self._folder / "result"
        assert found.exists(), f"the child returned nothing; it printed: {self.output}"
        return json.loads(found.read_text(encoding="utf-8"))

    def kill(self, *, after: float = 0.0) -> None:
        """SIGKILL, at once or after some seconds; no error where it has ended already."""
        if after:
            time.sleep(after)
        if self.status is None:  # its number belongs to nobody else before it is waited for
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def reached(self, point: str, *, timeout: float = _SECONDS) -> Child:
        """Wait until it stands at a point (`reach`, `stop_at`), where it stays until it is killed.

        Raises:
            TimeoutError: it did not come there; with what it printed.
        """
        end = time.monotonic() + timeout
        while not (self._folder / f"at {point}").exists():
            if time.monotonic() > end or (self._folder / "done").exists():
                self.kill()
                raise TimeoutError(f"the child did not reach {point!r}; it printed: {self.output}")
            time.sleep(0.001)
        return self

    def wait(self, *, timeout: float = _SECONDS) -> int:
        """Its exit status when it has ended: 0, 1 after an exception, or the negative number of a signal.

        Raises:
            TimeoutError: it had to be killed; with what it printed.
        """
        if self.status is None:
            self.status = self._forks.wait(self, timeout)
        return self.status


class Forks:
    """The warm process. A context manager that ends it, and all children with it."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="ctxwindow-children-")
        self._children: list[Child] = []
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.client.child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._ask({"do": "ready"}, _SECONDS * 4) == {"ready": True}

    def run(self, function: str, **arguments: Any) -> Child:
        """Start a function in a child of its own.

        Args:
            function: `package.module:function`.
            arguments: of it, as JSON can say them.
        """
        folder = Path(self._home.name) / str(len(self._children))
        folder.mkdir()
        (folder / "output").touch()
        task = {"do": "run", "function": function, "arguments": arguments, "folder": str(folder)}
        child = Child(self, self._ask(task, _SECONDS)["pid"], folder)
        self._children.append(child)
        return child

    def wait(self, child: Child, timeout: float) -> int:
        """The exit status of a child (`Child.wait`)."""
        end = time.monotonic() + timeout
        while True:
            status = self._ask({"do": "look", "pid": child.pid}, _SECONDS)["status"]
            if status is not None:
                return int(status)
            if time.monotonic() > end:
                child.kill()
                self._reap(child)
                raise TimeoutError(f"the child did not end in {timeout:g} s; it printed: {child.output}")
            time.sleep(0.002)

    def _reap(self, child: Child) -> None:
        """Wait for a child that was killed."""
        child.status = self._ask({"do": "reap", "pid": child.pid}, _SECONDS)["status"]

    def _ask(self, task: dict[str, Any], timeout: float) -> Any:
        """One line to the warm process, one line back."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            ready, _, _ = select.select([self._process.stdout], [], [], timeout)
            line = _line(self._process.stdout) if ready else b""
        if not line:
            self._process.kill()
            raise TimeoutError("the process that forks children did not answer")
        return json.loads(line)

    def close(self) -> None:
        """Kill what still runs, and end."""
        for child in self._children:
            if child.status is None:
                child.kill()
                self._reap(child)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(timeout=_SECONDS)
        self._home.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _line(pipe: IO[bytes]) -> bytes:
    """A line from a pipe without a buffer."""
    found = b""
    while not found.endswith(b"\n"):
        part = pipe.read(4096)
        if not part:
            return b""
        found += part
    return found


# -- in the child -----------------------------------------------------------------------------------------


def reach(point: str) -> NoReturn:
    """Say that this child stands here, and stay until it is killed."""
    (Path(os.environ[_FOLDER]) / f"at {point}").touch()
    while True:
        time.sleep(60)


def stop_at(owner: Any, method: str, point: str, *, call: int = 1, when: str = "before") -> None:
    """Let this child stop at a call of a method, for good.

    Args:
        owner: a class, a module or an object whose attribute is replaced.
        method: its name.
        point: the name that the test waits for (`Child.reached`).
        call: which call of it, from 1 on.
        when: `before` or `after` that call; of a coroutine function, of what it does.
    """
    _at(owner, method, functools.partial(reach, point), call=call, when=when)


def die_at(owner: Any, method: str, *, call: int = 1, when: str = "before") -> None:
    """Let this child end by SIGKILL at a call of a method; the arguments are those of `stop_at`."""
    _at(owner, method, lambda: os.kill(os.getpid(), signal.SIGKILL), call=call, when=when)


def count_calls(points: Mapping[str, tuple[Any, str]]) -> dict[str, int]:
    """Count the calls of methods, each an owner and a name; the counts grow while they are called."""
    counts = dict.fromkeys(points, 0)

    def counting(point: str) -> None:
        counts[point] += 1

    for point, (owner, method) in points.items():
        _at(owner, method, functools.partial(counting, point), call=None, when="before")
    return counts


def _at(owner: Any, method: str, do: Callable[[], object], *, call: int | None, when: str) -> None:
    """Do something before or after a call of a method; None: of each call."""
    assert when in ("before", "after"), "a child stops before a call or after it"
    original = getattr(owner, method)
    numbers, lock = count(1), threading.Lock()

    def is_mine() -> bool:
        with lock:  # tools run in threads
            number = next(numbers)
        return call is None or number == call

    def stopping(*given: Any, **named: Any) -> Any:
        mine = is_mine()
        if mine and when == "before":
            do()
        result = original(*given, **named)
        if mine and when == "after":
            do()
        return result

    async def stopping_async(*given: Any, **named: Any) -> Any:
        mine = is_mine()
        if mine and when == "before":
            do()
        result = await original(*given, **named)
        if mine and when == "after":
            do()
        return result

    setattr(owner, method, stopping_async if inspect.iscoroutinefunction(original) else stopping)


# -- in the warm process ----------------------------------------------------------------------------------


def _warm() -> None:
    """Do once what every child would do first: import the SDK, build its models, and load the tokenizers."""
    import anthropic  # noqa: PLC0415
    import httpx2  # noqa: PLC0415

    from ctxwindow.testing import FakeClaude  # noqa: PLC0415
    from ctxwindow.window import count as count_tokens  # noqa: PLC0415
    from tests.client import scripts, user  # noqa: F401, PLC0415

    for model in ("claude-haiku-4-5", "claude-opus-5-5"):
        request: Any = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hello."}]}
        count_tokens(request, model)
        with FakeClaude().client() as client:
            for messages in (client.messages, client.beta.messages):
                messages.create(**request)
                with messages.stream(**request) as stream:
                    stream.until_done()
    with anthropic.Anthropic(api_key="k", http_client=httpx2.Client()):
        pass


def _serve() -> None:
    _warm()
    assert threading.active_count() == 1, "only a process of one thread can be forked safely"
    running: set[int] = set()
    for line in sys.stdin.buffer:
        task = json.loads(line)
        match task["do"]:
            case "ready":
                answer: dict[str, Any] = {"ready": True}
            case "run":
                answer = {"pid": _fork(task)}
                running.add(answer["pid"])
            case "look":
                pid, status = os.waitpid(task["pid"], os.WNOHANG)
                running.discard(pid)
                answer = {"status": os.waitstatus_to_exitcode(status) if pid else None}
            case _:
                _, status = os.waitpid(task["pid"], 0)
                running.discard(task["pid"])
                answer = {"status": os.waitstatus_to_exitcode(status)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in running:  # whoever started them is gone
        os.kill(pid, signal.SIGKILL)


def _fork(task: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _run(task)
        status = 0
    except BaseException:  # noqa: BLE001 - a child tells of everything, and never goes back into the loop above
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
            (Path(task["folder"]) / "done").touch()
        os._exit(status)


def _run(task: dict[str, Any]) -> None:
    folder = Path(task["folder"])
    os.environ[_FOLDER] = str(folder)
    output = os.open(folder / "output", os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    module, _, name = task["function"].partition(":")
    result = getattr(importlib.import_module(module), name)(**task["arguments"])
    scratch = folder / "result.new"
    scratch.write_text(json.dumps(result), encoding="utf-8")
    scratch.rename(folder / "result")


if __name__ == "__main__":
    _serve()
