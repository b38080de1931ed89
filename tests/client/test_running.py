from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from anthropic.lib.tools import ToolError
from anthropic.lib.tools._toolsets._errors import ToolsetContractError
from anthropic.lib.tools._toolsets._runnable import BetaAsyncRunnableToolset, BetaRunnableToolset
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import MisuseError, ProtocolError
from ctxwindow.client.running import AsyncRunner, Runner
from ctxwindow.client.tools import Toolbox

Block = dict[str, Any]


def call(name: str, identity: str = "toolu_1", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": name, "input": given}


def member(name: str, identity: str, family: str = "browser") -> dict[str, Any]:
    return {**call(name, identity), "toolset_name": family}


def sync_results(
    tools: Sequence[object], calls: Sequence[Mapping[str, Any]], timeout: float | None = None
) -> list[Block]:
    runner = Runner(Toolbox(tools), timeout=timeout)
    runner.start(calls)
    return [runner.next()[1] for _ in calls]


def async_results(
    tools: Sequence[object], calls: Sequence[Mapping[str, Any]], timeout: float | None = None
) -> list[Block]:
    async def run() -> list[Block]:
        runner = AsyncRunner(Toolbox(tools), timeout=timeout)
        runner.start(calls)
        return [(await runner.next())[1] for _ in calls]

    return asyncio.run(run())


both = pytest.mark.parametrize("results", [sync_results, async_results])


def by_id(blocks: list[Block]) -> dict[str, Block]:
    return {block["tool_use_id"]: block for block in blocks}


@pytest.fixture
def never() -> Iterator[Callable[[], str]]:
    """A tool that does not return before the test is over."""
    over = threading.Event()

    def hang() -> str:
        over.wait()
        return "late"

    yield hang
    over.set()
    for thread in threading.enumerate():
        if thread.name == "tool hang":
            thread.join()


@both
def test_calls_run_side_by_side_and_come_as_they_finish(results: Any) -> None:
    first_may_go, second_may_go = threading.Event(), threading.Event()

    def first() -> str:
        assert first_may_go.wait(5)
        return "first"

    def second() -> str:
        assert second_may_go.wait(5)
        first_may_go.set()
        return "second"

    def third() -> str:
        second_may_go.set()
        return "third"

    calls = [call("first", "a"), call("second", "b"), call("third", "c")]
    assert {block["content"] for block in results([first, second, third], calls)} == {"first", "second", "third"}


def test_order_of_completion() -> None:
    async def slow() -> str:
        await asyncio.sleep(0.05)
        return "slow"

    def quick() -> str:
        return "quick"

    assert [block["content"] for block in async_results([slow, quick], [call("slow", "a"), call("quick", "b")])] == [
        "quick",
        "slow",
    ]


@both
def test_an_unknown_tool_is_told_with_the_known_ones(results: Any) -> None:
    def look() -> str:
        return "seen"

    own = {"name": "own", "input_schema": {"type": "object"}}
    (block,) = results([look, own], [call("lok")])
    assert block["is_error"] is True
    assert block["content"] == "There is no tool lok. The tools are: look, own."
    (block,) = results([], [call("x" * 10_000)])
    assert block["content"].endswith("The tools are: none.")
    assert len(block["content"]) < 200


def test_the_callers_calls_are_refused_before_any_is_started() -> None:
    ran = []

    def look() -> str:
        ran.append(1)
        return "seen"

    runner = Runner(Toolbox([look, {"name": "own", "input_schema": {"type": "object"}}]))
    with pytest.raises(ProtocolError, match="own does not run here"):
        runner.start([call("look"), call("own", "b")])
    assert len(runner) == 0
    assert ran == []
    with pytest.raises(ProtocolError, match="no call is running"):
        runner.next()
    with pytest.raises(ProtocolError, match="no call is running"):
        asyncio.run(_next_of_nothing())


async def _next_of_nothing() -> None:
    await AsyncRunner(Toolbox()).next()


@both
def test_a_function_that_hangs_is_left_to_itself(results: Any, never: Callable[[], str]) -> None:
    def quick() -> str:
        return "quick"

    began = time.monotonic()
    blocks = by_id(results([never, quick], [call("hang", "a"), call("quick", "b")], 0.1))
    assert time.monotonic() - began < 5
    assert blocks["b"]["content"] == "quick"
    assert blocks["a"]["is_error"] is True
    assert blocks["a"]["content"] == "hang did not finish within 0.1 s; whether it took effect is unknown."


def test_a_coroutine_that_hangs_is_cancelled() -> None:
    cancelled = []

    async def hang() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise
        return "late"

    (block,) = async_results([hang], [call("hang")], 0.05)
    assert "did not finish within 0.05 s" in block["content"]
    assert cancelled == [1]


@both
def test_a_tools_own_timeout_is_its_own(results: Any) -> None:
    def look() -> str:
        raise TimeoutError("the host is down")

    assert results([look], [call("look")], 5)[0]["content"] == "TimeoutError: the host is down"


@both
def test_what_finished_in_time_counts_though_it_is_asked_for_late(results: Any) -> None:
    done = threading.Event()

    def look() -> str:
        done.set()
        return "seen"

    async def wait_long() -> Block:
        runner = AsyncRunner(Toolbox([look]), timeout=0.2)
        runner.start([call("look")])
        done.wait(5)
        time.sleep(0.3)  # noqa: ASYNC251 - the loop is busy with something else
        return (await runner.next())[1]

    if results is async_results:
        block = asyncio.run(wait_long())
    else:
        runner = Runner(Toolbox([look]), timeout=0.2)
        runner.start([call("look")])
        done.wait(5)
        time.sleep(0.3)
        block = runner.next()[1]
    assert block["content"] == "seen"


def test_an_async_tool_needs_an_async_session() -> None:
    async def look() -> str:
        return "seen"

    with pytest.raises(MisuseError) as caught:
        Runner(Toolbox([look]))
    assert caught.value.path == "tools.0"
    assert "AsyncSession" in str(caught.value)


_who = contextvars.ContextVar("_who", default="nobody")


@both
def test_context_variables_are_seen(results: Any) -> None:
    def who() -> str:
        return _who.get()

    token = _who.set("me")
    try:
        assert results([who], [call("who")])[0]["content"] == "me"
    finally:
        _who.reset(token)


@both
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_interrupts_pass_through(results: Any, kind: type[BaseException]) -> None:
    def stop() -> str:
        raise kind

    with pytest.raises(kind):
        results([stop], [call("stop")])


def test_a_closed_runner_has_cancelled_its_coroutines() -> None:
    ended = []

    async def hang() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(1)
        return "late"

    async def run() -> None:
        runner = AsyncRunner(Toolbox([hang]))
        runner.start([call("hang")])
        waiting = asyncio.create_task(runner.next())
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ended == []
        await runner.close()
        assert ended == [1]
        assert len(runner) == 0

    asyncio.run(run())


async def _cancels_another_task() -> str:
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task
    return "late"


async def _cancels_its_own_task() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(60)
    return "late"


def _runs_a_loop_of_its_own() -> str:
    return asyncio.run(_cancels_another_task())


@pytest.mark.parametrize("tool", [_cancels_another_task, _cancels_its_own_task, _runs_a_loop_of_its_own])
def test_a_cancellation_inside_a_tool_is_the_tools_own_failure(tool: Any) -> None:
    (block,) = async_results([tool], [call(tool.__name__)])
    assert block["is_error"] is True
    assert "CancelledError" in block["content"]


def test_a_closed_runner_hands_nothing_out(never: Callable[[], str]) -> None:
    runner = Runner(Toolbox([never]))
    runner.start([call("hang")])
    runner.close()
    with pytest.raises(ProtocolError):
        runner.next()


def test_a_hanging_thread_does_not_keep_the_process_or_outlive_a_loop_noisily() -> None:
    script = (
        "import asyncio, time\n"
        "from ctxwindow.client.running import AsyncRunner\n"
        "from ctxwindow.client.tools import Toolbox\n"
        "def hang() -> str:\n    time.sleep(0.3); return 'late'\n"
        "async def run():\n"
        "    runner = AsyncRunner(Toolbox([hang]), timeout=0.05)\n"
        "    runner.start([{'type': 'tool_use', 'id': 'a', 'name': 'hang', 'input': {}}])\n"
        "    print((await runner.next())[1]['is_error'])\n"
        "asyncio.run(run())\n"
        "time.sleep(0.4)\n"
        "def hang() -> str:\n    time.sleep(600); return 'late'\n"
        "asyncio.run(run())\n"
    )
    done = subprocess.run(  # noqa: S603 - our own statement
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.split() == ["True", "True"]
    assert done.stderr == ""


def test_without_threads_to_give_a_call_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> str:
        return "seen"

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert sync_results([look], [call("look")])[0]["content"] == "RuntimeError: can't start new thread"


class Browser(BetaRunnableToolset):
    toolset_name = "browser"

    def __init__(self) -> None:
        self.ran: list[str] = []

    def to_dict(self) -> Any:
        return {"type": "browser_toolset_20260801"}

    def call(self, context: Any, name: str, input: Any) -> Any:  # noqa: A002 - the SDK's name
        assert context.tool_use.input == input
        self.ran.append(name)
        if name == "refuse":
            raise ToolError("refused")
        if name == "misuse":
            raise ToolsetContractError("misused")
        if name == "hang":
            time.sleep(0.3)
        return "" if name == "silent" else f"did {name}"


class AsyncBrowser(BetaAsyncRunnableToolset):
    toolset_name = "browser"

    def __init__(self) -> None:
        self._browser = Browser()
        self.ran = self._browser.ran

    def to_dict(self) -> Any:
        return self._browser.to_dict()

    async def call(self, context: Any, name: str, input: Any) -> Any:  # noqa: A002 - the SDK's name
        if name == "hang":
            self.ran.append(name)
            await asyncio.sleep(60)
        return self._browser.call(context, name, input)


@pytest.fixture(params=["sync", "async", "sync in async"])
def browsing(request: pytest.FixtureRequest) -> tuple[Any, Browser | AsyncBrowser]:
    browser: Browser | AsyncBrowser = AsyncBrowser() if request.param == "async" else Browser()
    return sync_results if request.param == "sync" else async_results, browser


def test_a_batch_of_a_toolset_stops_at_the_first_failure(browsing: tuple[Any, Browser | AsyncBrowser]) -> None:
    """TOOL-13: toolset members must echo toolset_name on results and stop a batch at the first failure."""

    def click() -> str:
        return "my own click"

    results, browser = browsing
    calls = [
        member("click", "a"),
        member("refuse", "b"),
        call("click", "c"),
        member("click", "d"),
        member("silent", "e"),
    ]
    blocks = by_id(results([click, browser], calls))
    assert browser.ran == ["click", "refuse"]
    assert [blocks[identity]["content"] for identity in "abc"] == ["did click", "refused", "my own click"]
    assert [blocks[identity].get("is_error", False) for identity in "abcde"] == [False, True, False, True, True]
    assert {blocks[identity].get("toolset_name") for identity in "abde"} == {"browser"}
    assert "toolset_name" not in blocks["c"]
    assert blocks["e"]["content"] == "Not executed: an earlier action in this turn failed."


def test_a_member_that_hangs_stops_its_batch(browsing: tuple[Any, Browser | AsyncBrowser]) -> None:
    results, browser = browsing
    blocks = results([browser], [member("hang", "a"), member("click", "b")], 0.1)
    assert [block["is_error"] for block in blocks] == [True, True]
    assert "did not finish" in blocks[0]["content"]
    assert "Not executed" in blocks[1]["content"]
    time.sleep(0.3)
    assert browser.ran == ["hang"]


def test_nothing_from_a_member_is_said_in_words(browsing: tuple[Any, Browser | AsyncBrowser]) -> None:
    results, browser = browsing
    assert [block["content"] for block in results([browser], [member("silent", "a"), member("click", "b")])] == [
        "(no output)",
        "did click",
    ]


def test_misuse_of_the_sdk_is_the_callers_to_see(browsing: tuple[Any, Browser | AsyncBrowser]) -> None:
    results, browser = browsing
    with pytest.raises(ToolsetContractError):
        results([browser], [member("misuse", "a")])


def test_members_of_an_unknown_toolset(browsing: tuple[Any, Browser | AsyncBrowser]) -> None:
    results, browser = browsing
    blocks = results([browser], [member("click", "a", "computer"), member("click", "b", "computer")])
    assert all(block["is_error"] is True and block["toolset_name"] == "computer" for block in blocks)


_OUTCOMES = st.sampled_from(["text", "raise", "bytes", "wrong input", "unknown"])


@given(st.lists(_OUTCOMES, max_size=6), st.booleans())
def test_every_call_gets_one_result(outcomes: list[str], asynchronous: bool) -> None:
    """TOOL-01, TOOL-03: every call is answered, by exactly one result."""

    def act(outcome: str) -> Any:
        if outcome == "raise":
            raise ValueError("no")
        return b"" if outcome == "bytes" else outcome

    calls = [
        call(
            "nothing" if outcome == "unknown" else "act",
            f"toolu_{number}",
            **({} if outcome == "wrong input" else {"outcome": outcome}),
        )
        for number, outcome in enumerate(outcomes)
    ]
    blocks = (async_results if asynchronous else sync_results)([act], calls)
    assert sorted(block["tool_use_id"] for block in blocks) == sorted(one["id"] for one in calls)
    for number, outcome in enumerate(outcomes):
        assert by_id(blocks)[f"toolu_{number}"].get("is_error", False) is (outcome != "text")
    json.dumps(blocks)


def test_a_coroutine_that_will_not_be_cancelled_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctxwindow.client.running._GRACE", 0.05)
    release = asyncio.Event()

    async def stubborn() -> str:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        return "late"

    async def run() -> None:
        runner = AsyncRunner(Toolbox([stubborn]))
        runner.start([call("stubborn")])
        await asyncio.sleep(0.01)
        began = time.monotonic()
        await runner.close()
        assert time.monotonic() - began < 5
        release.set()
        await asyncio.sleep(0.01)

    asyncio.run(run())
