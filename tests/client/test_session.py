"""Bad input of a session, of either kind: a clear error, and nothing lost, doubled, or left behind."""

from __future__ import annotations

import asyncio
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from ctxwindow import Policy
from ctxwindow.client.async_session import AsyncSession
from ctxwindow.client.limits import Limits
from ctxwindow.errors import (
    CtxwindowError,
    InvalidRequest,
    MisuseError,
    ProtocolError,
    StoreUnavailable,
    UnknownModel,
)
from ctxwindow.record.events import Appended, Received
from ctxwindow.stores import SqliteStore, load
from ctxwindow.testing import FakeClaude
from tests.client.driven import MODEL, Between, Driven, Open, Script, call
from tests.stores.test_database import folder, not_root  # noqa: F401 - a fixture


def look(place: str = "here") -> str:
    """Look somewhere."""
    return f"Nothing {place}."


def one_line(error: BaseException) -> str:
    """What an error says; it is a line, and says what to do."""
    text = str(error)
    assert "\n" not in text
    if isinstance(error, CtxwindowError):
        assert error.remedy
    return text


# -- opening ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error", "path"),
    [
        ({"model": None}, MisuseError, "model"),
        ({"model": "claude-9"}, UnknownModel, "model"),
        ({"name": ""}, MisuseError, "conversation"),
        ({"name": "x" * 10_000}, MisuseError, "conversation"),
        ({"name": 7}, MisuseError, "conversation"),
        ({"name": "\ud800"}, MisuseError, "conversation"),
        ({"busy": "maybe"}, MisuseError, "busy"),
        ({"surface": "gamma"}, MisuseError, "surface"),
        ({"tools": "look"}, MisuseError, "tools"),
        ({"tools": [7]}, MisuseError, "tools.0"),
        ({"settings": {"temperature": float("nan")}}, InvalidRequest, None),
        ({"settings": {"model": "x"}}, InvalidRequest, None),
        ({"system": object()}, InvalidRequest, "system"),
    ],
)
def test_what_cannot_be_opened(
    opened: Open, tmp_path: Path, given: Any, error: type[Exception], path: str | None
) -> None:
    with pytest.raises(error) as caught:
        opened(FakeClaude(), **given)
    one_line(caught.value)
    assert path is None or getattr(caught.value, "path", None) == path
    driven = opened(FakeClaude())
    driven.goes_on("Hello.")


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("system", {"system": "Be long."}),
        ("tools", {"tools": []}),
        ("tools", {"tools": [{"name": "other", "input_schema": {"type": "object"}}]}),
        ("policy", {"policy": Policy(budget=9_000)}),
    ],
)
def test_what_stays_for_life(opened: Open, what: str, given: Any) -> None:
    """BIND-12."""
    first: dict[str, Any] = {"system": "Be brief.", "tools": [look], "policy": Policy(budget=20_000)}
    fake = FakeClaude()
    driven = opened(fake, max_tokens=1_000, **first)
    driven.send("Hello.")
    if given == {"tools": []}:
        again = opened(fake, max_tokens=1_000, model=None)
        again.goes_on("Left out, all is as it was.")
        return
    with pytest.raises(MisuseError) as caught:
        opened(fake, max_tokens=1_000, **{**first, **given})
    assert f"{what}: " in one_line(caught.value)
    assert "[BIND-12]" in str(caught.value)
    driven.goes_on()


def test_another_model_is_switched_to(opened: Open) -> None:
    fake = FakeClaude()
    opened(fake).send("Hello.")
    driven = opened(fake, model="claude-opus-5")
    driven.goes_on()
    assert fake.requests[-1].json["model"] == "claude-opus-5"


def test_a_file_that_is_no_database(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "agent.db").write_bytes(b"no database " * 1_000)
    with pytest.raises(StoreUnavailable) as caught:
        opened(FakeClaude())
    assert "agent.db" in one_line(caught.value)


def test_a_database_of_a_newer_version(opened: Open, tmp_path: Path) -> None:
    driven = opened(FakeClaude())
    driven.goes_on("Hello.")
    with SqliteStore(tmp_path / "agent.db") as store:
        assert store._db is not None
        store._db.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreUnavailable) as caught:
        opened(FakeClaude())
    assert "newer" in one_line(caught.value)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_read_only_database(kind: str, folder: Path) -> None:  # noqa: F811 - a fixture
    fake = FakeClaude()
    path = folder / "agent.db"
    with not_root():
        driven = Driven(kind, path, fake)
        driven.send("Hello.")
        driven.shut()
        before = path.read_bytes()
        for place in (path, folder):
            place.chmod(0o555 if place is folder else 0o444)
            with pytest.raises(StoreUnavailable) as caught:
                Driven(kind, path, fake).send("Go on.")
            assert "read-only" in one_line(caught.value)
        assert path.read_bytes() == before
        folder.chmod(0o755)
        path.chmod(0o600)
        again = Driven(kind, path, fake)
        again.goes_on()
        again.shut()


def test_files_are_for_their_owner_alone(opened: Open, tmp_path: Path) -> None:
    driven = opened(FakeClaude())
    driven.send("Hello.")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {"agent.db", "agent.db-lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}


# -- keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_no_key(opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, streaming: bool) -> None:
    """The SDK finds out when it makes the request; nothing was sent, and nothing is lost."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    fake = FakeClaude()
    probe = opened(fake)
    kind = anthropic.AsyncAnthropic if probe.kind == "async" else anthropic.Anthropic
    driven = opened(fake, client=kind(max_retries=0, base_url="http://127.0.0.1:9"), name="other", streaming=streaming)
    with pytest.raises((TypeError, anthropic.AnthropicError), match="authentication") as caught:
        driven.send("Hello.")
    assert "[ERR-02]" in caught.value.__notes__[0]
    assert "ANTHROPIC_API_KEY" in caught.value.__notes__[0]
    (incident,) = driven.report().incidents
    assert (incident.kind, incident.rule) == (type(caught.value).__name__, "ERR-02")
    again = opened(fake, name="other")
    assert again.resume().text
    again.goes_on()


def test_a_wrong_key(opened: Open) -> None:
    fake = FakeClaude(api_key="sk-right")
    driven = opened(fake)
    with pytest.raises(anthropic.AuthenticationError) as caught:
        driven.send("Hello.")
    assert "ANTHROPIC_API_KEY" in caught.value.__notes__[0]
    client = fake.async_client if driven.kind == "async" else fake.client
    again = opened(fake, client=client(api_key="sk-right"))
    assert again.resume().text
    again.goes_on()


# -- content ----------------------------------------------------------------------------------------------

NONSENSE = [
    "",
    "  ",
    [],
    None,
    5,
    pytest.param(object(), id="an object"),
    b"bytes",
    float("nan"),
    ["text"],
    [None],
    {"role": "user"},
    {"role": "user", "content": None},
    {"role": "robot", "content": "Hello."},
    {"role": "assistant", "content": "Hello."},
    {"type": "text"},
    {"type": "tool_result", "tool_use_id": "toolu_nobody", "content": "x"},
    [{"type": "text", "text": "ok"}, {"type": "text", "text": ""}],
]


@pytest.mark.parametrize("content", NONSENSE, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize("open_call", [False, True])
def test_content_that_cannot_be_sent(opened: Open, content: Any, open_call: bool) -> None:
    script = Script(*([[call()]] if open_call else []))
    driven = opened(FakeClaude(script), tools=[{"name": "look", "input_schema": {"type": "object"}}])
    if open_call:
        assert driven.send("Look.").stopped == "calls"
    before = driven.conversation.events
    for _ in range(2):
        with pytest.raises((InvalidRequest, ProtocolError)) as caught:
            driven.send(content)
        one_line(caught.value)
    assert driven.conversation.events == before == driven.stored().events
    driven.goes_on()


def test_max_tokens_that_the_model_does_not_have(opened: Open) -> None:
    """CTX-06."""
    driven = opened(FakeClaude(), max_tokens=10**9)
    with pytest.raises(InvalidRequest) as caught:
        driven.send("Hello.")
    assert "[CTX-06]" in one_line(caught.value)
    assert driven.conversation.recorded == 0
    opened(FakeClaude()).goes_on("Hello.")


# -- tools ------------------------------------------------------------------------------------------------


def fails(place: str = "here") -> str:
    """Fail."""
    raise ValueError(f"there is no {place}")


def is_huge() -> str:
    """Say much."""
    return "much " * 4_000_000


def is_no_json() -> Any:
    """Give an object."""
    return object()


def hangs() -> str:
    """Take long."""
    time.sleep(2)
    return "late"


@pytest.mark.parametrize(
    ("tool", "told"),
    [(fails, "there is no here"), (is_huge, ""), (is_no_json, "JSON"), (hangs, "did not finish within 0.05 s")],
)
def test_a_tool_that_misbehaves_is_told_to_the_model(opened: Open, tool: Callable[..., Any], told: str) -> None:
    script = Script([call(tool.__name__)], "I see.")
    driven = opened(FakeClaude(script), tools=[tool])
    reply = driven.run("Go.", limits=Limits(tool_seconds=0.05 if tool is hangs else None))
    assert reply.text == "I see."
    (result,) = script.bodies[-1]["messages"][-1]["content"]
    assert result["type"] == "tool_result"
    if tool is not is_huge:
        assert result["is_error"] is True
    assert told in str(result["content"])
    driven.goes_on()


@pytest.mark.parametrize("verdict", [None, 1, [], object()])
def test_a_hook_that_says_neither(opened: Open, verdict: Any) -> None:
    """Nothing is run, and `resume` asks again."""
    ran: list[str] = []
    driven = opened(FakeClaude(Script([call("act")], "Done.")), tools=[_acts(ran)])
    with pytest.raises(MisuseError) as caught:
        driven.run("Act.", approve=lambda _: verdict)
    assert one_line(caught.value).startswith("approve: ")
    assert not ran
    assert driven.resume(approve=lambda _: True).text == "Done."
    assert ran == ["act"]
    driven.goes_on()


def test_a_hook_that_raises(opened: Open) -> None:
    ran: list[str] = []
    calls = [call("act", identity=f"toolu_{number}") for number in range(3)]
    driven = opened(FakeClaude(Script(calls, "Done.")), tools=[_acts(ran)])

    def hook(asked: Any) -> bool:
        if asked["id"] == "toolu_1":
            raise LookupError("nobody is there")
        return True

    with pytest.raises(LookupError):
        driven.run("Act.", approve=hook)
    assert not ran
    assert driven.resume(approve=lambda asked: "Not that." if asked["id"] == "toolu_1" else True).text == "Done."
    assert ran == ["act", "act"]
    driven.goes_on()


def _acts(ran: list[str]) -> Callable[[], str]:
    def act() -> str:
        """Act."""
        ran.append("act")
        return "acted"

    return act


# -- a store that fails -----------------------------------------------------------------------------------


class Failing:
    """A store whose n-th append fails, as a full disk does."""

    def __init__(self, store: SqliteStore, fails_at: int) -> None:
        self._store = store
        self._left = fails_at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, *given: Any, **named: Any) -> int:
        self._left -= 1
        if self._left == 0:
            raise StoreUnavailable("the disk is full; nothing was written.", remedy="Make room.")
        return self._store.append(*given, **named)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("fails_at", range(1, 10))
def test_a_full_disk_at_any_moment(opened: Open, tmp_path: Path, fails_at: int, streaming: bool) -> None:
    """Before the send nothing is sent, and the turn is the caller's again; after the reply it is kept, and stored later."""
    ran: list[str] = []
    fake = FakeClaude(Script("One.", [call("act"), call("act", identity="toolu_2")], "Two."))
    with SqliteStore(tmp_path / "agent.db") as store:
        failing = Failing(store, fails_at)

        def open_() -> Driven:
            return opened(fake, store=failing, tools=[_acts(ran)], streaming=streaming, checkpoint=0.0)

        try:
            driven = open_()
        except StoreUnavailable:
            driven = open_()
        for text in ("First.", "Second."):
            sent = len(fake.requests)
            try:
                driven.run(text)
            except StoreUnavailable as error:
                one_line(error)
                recorded = str(driven.conversation.messages).count(text)
                assert recorded == (len(fake.requests) > sent), (
                    "sent, and so recorded; or not sent, and the caller's again"
                )
                if recorded:
                    driven.resume(interrupted="run")
                else:
                    driven.run(text)
        assert len(fake.requests) == 3
        assert len(ran) == 2
        said = [event.message["content"] for event in driven.stored().events if isinstance(event, Received)]
        assert len(said) == 3
        driven.goes_on()
        driven.shut()


def test_calls_whose_reply_could_not_be_stored_have_not_begun(opened: Open, tmp_path: Path) -> None:
    """`resume` runs them, and does not tell that they were interrupted."""
    ran: list[str] = []
    with SqliteStore(tmp_path / "agent.db") as store:
        failing = Failing(store, 3)
        driven = opened(FakeClaude(Script([call("act")], "Done.")), store=failing, tools=[_acts(ran)])
        with pytest.raises(StoreUnavailable):
            driven.run("Act.")
        assert ran == []
        assert driven.resume().text == "Done."
        assert ran == ["act"]
        driven.goes_on()
        driven.shut()


def test_what_somebody_else_may_have_begun_is_not_known_to_be_idle(opened: Open) -> None:
    ran: list[str] = []
    fake = FakeClaude(Script([call("act")], [call("act", identity="toolu_2")], "Done."))
    driven, other = opened(fake, tools=[_acts(ran)]), opened(fake)
    assert driven.run("Act.", limits=Limits(rounds=1)).stopped == "rounds"
    other.pin(0)
    assert driven.resume().text == "Done."
    assert ran == ["act"]
    assert "interrupted" in str(fake.requests[-1].json["messages"][-1])
    driven.goes_on()


def test_calls_of_a_turn_that_has_stopped_are_never_run(opened: Open) -> None:
    """SDK-06: nothing is open; they are answered as not run with what is said next."""
    ran: list[str] = []
    stopped = {"content": [{"type": "text", "text": "There."}, call("act")], "stop_reason": "end_turn"}
    fake = FakeClaude(Script(stopped))
    driven = opened(fake, tools=[_acts(ran)])
    reply = driven.run("Act.")
    assert (reply.stopped, reply.calls, reply.text) == ("reply", (), "There.")
    for session in (driven, opened(fake, tools=[_acts(ran)])):
        assert session.report().open is None
        assert session.open_calls == ()
        assert session.resume() is None
        assert session.resume(interrupted="run") is None
    driven.goes_on()
    result = fake.requests[-1].json["messages"][-1]["content"][0]
    assert (result["tool_use_id"], result["is_error"]) == ("toolu_1", True)
    assert "Not run" in result["content"]
    assert ran == []


def test_a_refusal_has_no_calls(opened: Open) -> None:
    refusal = {"content": [{"type": "text", "text": "No."}, call("act")], "stop_reason": "refusal"}
    driven = opened(FakeClaude(Script(refusal)), tools=[_acts([])])
    reply = driven.send("Act.")
    assert (reply.stopped, reply.calls) == ("reply", ())
    driven.goes_on()


@pytest.mark.parametrize("room", [2, 6])
def test_a_disk_that_is_really_full(opened: Open, tmp_path: Path, room: int) -> None:
    with SqliteStore(tmp_path / "agent.db") as store:
        driven = opened(FakeClaude(Script("word " * 8_000)), store=store)
        assert store._db is not None
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages + room}")
        with pytest.raises(StoreUnavailable) as caught:
            driven.send("term " * (8_000 if room == 2 else 10))
        assert "disk is full" in one_line(caught.value)
        store._db.execute("PRAGMA max_page_count = 1000000")
        if room == 2:
            assert driven.fake.requests == []
            assert driven.conversation.recorded == 0
        else:
            assert "the reply has come" in caught.value.__notes__[0]
            assert driven.conversation.recorded == 2
        driven.goes_on()
        driven.shut()


# -- interrupts -------------------------------------------------------------------------------------------


class Interrupting:
    """A performer that is interrupted at its n-th action, before or after it was performed."""

    def __init__(self, performer: Any, at: int, *, after: bool, error: type[BaseException]) -> None:
        self._performer, self._left, self._after, self._error = performer, at, after, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._performer, name)

    def _due(self) -> bool:
        self._left -= 1
        return self._left == 0

    def perform(self, action: Any) -> Any:
        due = self._due()
        if due and not self._after:
            raise self._error
        found = self._performer.perform(action)
        if due:
            raise self._error
        return found


class AsyncInterrupting(Interrupting):
    async def perform(self, action: Any) -> Any:
        due = self._due()
        if due and not self._after:
            raise self._error
        found = await self._performer.perform(action)
        if due:
            raise self._error
        return found


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 22))
def test_an_interrupt_at_any_action(opened: Open, at: int, after: bool) -> None:
    """Ctrl-C, or the cancellation of a task: the session stays usable, the hold is let go, nothing is doubled."""
    fake = FakeClaude(Script("One.", [call("look"), call("look", identity="toolu_2")], "Two."))
    driven = opened(fake, tools=[look])
    is_async = driven.kind == "async"
    error = asyncio.CancelledError if is_async else KeyboardInterrupt
    kind = AsyncInterrupting if is_async else Interrupting
    performer = driven.session._performer
    driven.session._performer = kind(performer, at, after=after, error=error)
    interrupted = 0
    for text in ("First.", "Second."):
        try:
            driven.run(text)
        except error:
            interrupted += 1
            with SqliteStore(driven.path) as store, store.hold("main") as hold:  # type: ignore[union-attr]
                assert hold is not None, "others can go on"
            if text in str(driven.conversation.messages):
                driven.resume(interrupted="run")
            else:
                driven.run(text)
    assert interrupted == (1 if at <= 15 else interrupted), "of some twenty actions"
    driven.session._performer = performer
    asked = [event.message for event in driven.conversation.events if isinstance(event, Appended)]
    for text in ("First.", "Second."):
        assert str(asked).count(text) == 1
    assert driven.report().open is None
    driven.goes_on()


def test_a_task_that_is_cancelled_while_it_waits(tmp_path: Path) -> None:
    """The real thing: a request that is out, and a task that is cancelled."""

    async def main() -> None:
        started = asyncio.Event()

        async def slow(request: httpx2.Request) -> httpx2.Response:
            started.set()
            await asyncio.sleep(60)
            raise AssertionError(request)

        http = httpx2.AsyncClient(transport=httpx2.MockTransport(slow))
        client = anthropic.AsyncAnthropic(api_key="k", base_url="http://emulator.invalid", http_client=http)
        async with await AsyncSession.open(tmp_path / "a.db", client=client, model=MODEL) as session:
            for streaming in (False, True):
                session._held.streaming = streaming
                started.clear()
                task = asyncio.create_task(session.send(f"Hello, {streaming}."))
                await started.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                with SqliteStore(tmp_path / "a.db") as store, store.hold("main") as hold:  # type: ignore[union-attr]
                    assert hold is not None
        async with await AsyncSession.open(tmp_path / "a.db", client=FakeClaude().async_client()) as session:
            assert (await session.resume()).text  # type: ignore[union-attr]

    asyncio.run(main())


def test_a_cancelled_run_stops_its_coroutines(tmp_path: Path) -> None:
    """What the model is told of them is true: they were interrupted."""
    said: list[str] = []

    async def main() -> None:
        started = asyncio.Event()

        async def slow() -> str:
            """Take long."""
            started.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                said.append("stopped")
                raise
            return "done"

        fake = FakeClaude(Script([call("slow")], "I see."))
        async with await AsyncSession.open(
            tmp_path / "a.db", client=fake.async_client(), model=MODEL, tools=[slow]
        ) as session:
            task = asyncio.create_task(session.run("Go."))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert said == ["stopped"]
            assert (await session.resume()).text == "I see."  # type: ignore[union-attr]
            told = fake.requests[-1].json["messages"][-1]["content"][0]
        assert told["is_error"] is True
        assert "interrupted" in told["content"]

    asyncio.run(main())


def test_a_round_that_a_tool_leaves_stops_its_coroutines(tmp_path: Path) -> None:
    """`SystemExit` of one tool leaves no task of another behind."""
    said: list[str] = []

    async def main() -> None:
        started = threading.Event()

        async def slow() -> str:
            """Take long."""
            started.set()
            try:
                await asyncio.sleep(60)
            finally:
                said.append("stopped")
            return "done"

        def leave() -> str:
            """Leave."""
            started.wait()
            raise SystemExit

        fake = FakeClaude(Script([call("slow"), call("leave", identity="toolu_2")]))
        async with await AsyncSession.open(
            tmp_path / "a.db", client=fake.async_client(), model=MODEL, tools=[slow, leave]
        ) as session:
            with pytest.raises(SystemExit):
                await session.run("Go.")
            assert said == ["stopped"]

    asyncio.run(main())


# -- the end ----------------------------------------------------------------------------------------------


def test_a_closed_session(opened: Open) -> None:
    driven = opened(FakeClaude())
    driven.goes_on("Hello.")
    driven.close()
    driven.close()
    for operation in ("send", "run"):
        with pytest.raises(MisuseError) as caught:
            getattr(driven, operation)("Hello again.")
        assert "closed" in one_line(caught.value)
    for operation in ("resume", "configure"):
        with pytest.raises(MisuseError):
            getattr(driven, operation)()
    with pytest.raises(MisuseError):
        driven.read("Hello again.")
    with pytest.raises(MisuseError):
        driven.recall("Hello")
    opened(FakeClaude()).goes_on()


def held_up(driven: Driven, script: Script) -> tuple[threading.Event, Any, list[Any]]:
    """A send that waits for its reply in another thread or task, what lets it go on, and what waits for it to end."""
    asked, answers, found = threading.Event(), threading.Event(), list[Any]()

    def slowly(body: Any) -> str:
        asked.set()
        assert answers.wait(30)
        return "At last."

    script.entries = [slowly]
    thread = threading.Thread(target=lambda: found.append(driven.session.send("Hello.").text))
    thread.start()
    assert asked.wait(30)
    return answers, thread, found


def test_a_session_that_is_closed_waits_for_its_own_operation(tmp_path: Path) -> None:
    """The reply is paid for: it is stored before the store is closed."""
    script = Script()
    driven = Driven("sync", tmp_path / "agent.db", FakeClaude(script))
    answers, thread, found = held_up(driven, script)
    threading.Timer(0.2, answers.set).start()
    driven.close()
    thread.join()
    assert found == ["At last."]
    assert driven.stored().messages[-1]["content"] == [{"type": "text", "text": "At last."}]
    with pytest.raises(MisuseError):
        driven.send("Hello again.")


@pytest.mark.parametrize("given", [{"busy": "raise"}, {"patience": 0.05}], ids=["raise", "wait"])
def test_a_session_that_cannot_wait_stays_open(tmp_path: Path, given: Any) -> None:
    script = Script()
    driven = Driven("sync", tmp_path / "agent.db", FakeClaude(script), **given)
    answers, thread, found = held_up(driven, script)
    with pytest.raises(MisuseError) as caught:
        driven.close()
    assert "has not ended" in one_line(caught.value)
    answers.set()
    thread.join()
    assert found == ["At last."]
    driven.goes_on()
    driven.shut()


def test_a_task_closes_the_session_of_another(tmp_path: Path) -> None:
    asked, between = asyncio.Event(), Between(FakeClaude(Script("At last.")), lambda request, ask: ask())

    async def slowly(request: httpx2.Request) -> httpx2.Response:
        asked.set()
        await asyncio.sleep(0.2)
        return await between.handle_async_request(request)

    async def main() -> None:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(slowly))
        client = anthropic.AsyncAnthropic(api_key="k", base_url="http://emulator.invalid", http_client=http)
        session = await AsyncSession.open(tmp_path / "agent.db", client=client, model=MODEL)
        task = asyncio.create_task(session.send("Hello."))
        await asked.wait()
        await session.close()
        assert (await task).text == "At last."

    asyncio.run(main())
    with SqliteStore(tmp_path / "agent.db") as store:
        assert len(load(store, "main").messages) == 2


def test_a_session_is_closed_while_another_one_is_at_its_conversation(opened: Open) -> None:
    """It has nothing to wait for."""
    driven = opened(FakeClaude(), busy="raise")
    driven.goes_on("Hello.")
    with SqliteStore(driven.path) as store, store.hold("main") as hold:  # type: ignore[union-attr]
        assert hold is not None
        driven.close()
