"""Two sessions on one conversation: one goes on at a time; the other waits, or is told so. Both are up to date when they do."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ctxwindow.client.async_session import AsyncSession
from ctxwindow.client.session import Session
from ctxwindow.errors import StoreConflict
from ctxwindow.record.events import Appended, Received
from ctxwindow.stores import SqliteStore, keep, load
from ctxwindow.testing import FakeClaude
from tests.client.driven import MODEL, Open, Script, call

SENDS = 8


def slowly(body: Mapping[str, Any]) -> str:
    """A model that takes its time, so that two sends meet."""
    time.sleep(0.01)
    return f"Reply to {len(body['messages'])}."


def in_order(path: Path, total: int) -> None:
    """Nothing is lost, doubled, or mixed up."""
    with SqliteStore(path) as store:
        conversation = load(store, "main")
    asked = [event for event in conversation.events if isinstance(event, Appended)]
    assert len(asked) == total
    assert len({str(event.message) for event in asked}) == total
    assert len([event for event in conversation.events if isinstance(event, Received)]) == total
    assert [message["role"] for message in conversation.messages] == ["user", "assistant"] * total
    assert not conversation.unanswered


@pytest.mark.parametrize("shared", [False, True], ids=["a store each", "one store"])
def test_threads_take_turns(tmp_path: Path, shared: bool) -> None:
    path, fake = tmp_path / "agent.db", FakeClaude(slowly)
    failures: list[BaseException] = []
    common = SqliteStore(path)

    def work(number: int) -> None:
        try:
            with Session.open(common if shared else path, client=fake.client(), model=MODEL) as session:
                for count in range(SENDS):
                    assert session.send(f"{number}: {count}").text
        except BaseException as error:  # noqa: BLE001 - for the thread that looks
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    common.close()
    assert not failures
    in_order(path, 4 * SENDS)


def test_tasks_take_turns(tmp_path: Path) -> None:
    path, fake = tmp_path / "agent.db", FakeClaude(slowly)

    async def work(number: int) -> None:
        async with await AsyncSession.open(path, client=fake.async_client(), model=MODEL) as session:
            for count in range(SENDS):
                assert (await session.send(f"{number}: {count}")).text

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(4)))

    asyncio.run(main())
    in_order(path, 4 * SENDS)


def test_the_tasks_of_one_session_take_turns(tmp_path: Path) -> None:
    path, fake = tmp_path / "agent.db", FakeClaude(slowly)

    async def main() -> None:
        async with await AsyncSession.open(path, client=fake.async_client(), model=MODEL) as session:
            await asyncio.gather(*(session.send(f"Number {number}.") for number in range(6)))

    asyncio.run(main())
    in_order(path, 6)


@pytest.mark.parametrize("given", [{"busy": "raise"}, {"busy": "wait", "patience": 0.05}], ids=["raise", "wait"])
def test_who_does_not_wait_is_told(opened: Open, given: Any) -> None:
    fake = FakeClaude()
    driven = opened(fake, **given)
    driven.send("Hello.")
    before = driven.stored().events
    with SqliteStore(driven.path) as store, store.hold("main") as hold:  # type: ignore[union-attr]
        assert hold is not None
        for operation in (lambda: driven.send("Go on."), driven.resume, lambda: driven.pin(0)):
            with pytest.raises(StoreConflict) as caught:
                operation()
            assert "nothing was sent" in str(caught.value)
            assert caught.value.remedy
            assert "\n" not in str(caught.value)
    assert len(fake.requests) == 1
    assert driven.stored().events == before
    driven.goes_on("Go on.")


def test_what_others_have_said_is_known(opened: Open) -> None:
    """A session that was left behind catches up before it goes on."""
    fake = FakeClaude()
    one, other = opened(fake), opened(fake)
    one.send("First.")
    other.send("Second.")
    one.goes_on("Third.")
    assert len(fake.requests[-1].json["messages"]) == 5


def test_a_writer_that_holds_nothing(opened: Open) -> None:
    """The store's own check of the version is the last word: the reply of whoever comes second is not written over."""
    script = Script()
    fake = FakeClaude(script)
    driven, other = opened(fake), opened(fake)
    driven.send("First.")
    other.send("Second.")

    def meanwhile(body: Any) -> str:
        with SqliteStore(driven.path) as store:
            conversation = load(store, "main")
            conversation.append({"role": "user", "content": "By hand."})
            keep(store, "main", conversation)
        return "Lost."

    script.entries = [meanwhile]
    with pytest.raises(StoreConflict):
        driven.send("Third.")
    assert "By hand." in str(driven.stored().messages)
    assert driven.resume().text
    driven.goes_on()


def test_half_a_round_of_another_process(opened: Open) -> None:
    """Results that are known are kept, others are told as unknown: nothing runs twice by itself."""
    ran: list[str] = []

    def act(which: str) -> str:
        """Act."""
        ran.append(which)
        if which == "two":
            raise SystemExit
        return f"did {which}"

    calls = [call("act", identity=f"toolu_{which}", which=which) for which in ("one", "two")]
    script = Script(calls, "I see.")
    fake = FakeClaude(script)
    driven = opened(fake, tools=[act])
    with pytest.raises(SystemExit):
        driven.run("Act.")
    again = opened(fake, tools=[act])
    assert again.report().open == "calls"
    assert again.resume().text == "I see."
    assert len(ran) == 2
    again.goes_on()


def test_patience_does_not_go_by_the_callers_clock(opened: Open) -> None:
    """Which may stand still, and did so for ever."""
    driven = opened(FakeClaude(), patience=0.05, clock=lambda: 0.0)
    with SqliteStore(driven.path) as store, store.hold("main") as hold:  # type: ignore[union-attr]
        assert hold is not None
        with pytest.raises(StoreConflict):
            driven.send("Hello.")
    driven.goes_on()
