"""What a middleware is made of: mistakes are told when it is made, and a child process has a store of its own."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic._models import FinalRequestOptions

from ctxwindow import Conversation, Middleware
from ctxwindow.client.actions import Count, Steps, drive
from ctxwindow.client.incidents import declined, tell
from ctxwindow.client.middleware.asking import asked_of
from ctxwindow.client.middleware.fetching import fetched
from ctxwindow.client.talk import Talk
from ctxwindow.emulator import Fault
from ctxwindow.errors import HistoryError, MisuseError
from ctxwindow.stores import MemoryStore, SqliteStore, load
from ctxwindow.testing import FakeClaude
from tests.client.middleware.callers import MODEL, Bench, Caller, said

pytest.importorskip("anthropic")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("store", None),
        ("store", 5),
        ("store", b"agent.db"),
        ("policy", b"chat"),
        ("policy", 5),
        ("conversations", 0),
        ("conversations", "x"),
        ("conversations", True),
        ("checkpoint", -1),
        ("checkpoint", "x"),
        ("patience", None),
        ("clock", 5),
    ],
)
def test_what_is_none_is_told_when_it_is_made(path: str, value: Any) -> None:
    given: dict[str, Any] = {"store": MemoryStore(), path: value}
    with pytest.raises(MisuseError) as caught:
        Middleware(**given)
    assert caught.value.path == path
    assert caught.value.remedy


def test_what_is_no_message_is_the_callers_mistake(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(lambda _: "Yes.")
    messages: Any = [{"role": "user", "content": "a"}, 5, {"role": "user", "content": "b"}]
    with pytest.raises(Exception, match="400"):
        bench.client().messages.create(model=MODEL, max_tokens=9, messages=messages)
    assert "messages.1: this is no message" in caplog.text
    assert "mistake of ctxwindow" not in caplog.text
    assert bench.names == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_the_child_of_a_fork_goes_on_with_a_store_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    middleware = Middleware(path)
    client = FakeClaude(lambda body: f"Reply {len(body['messages'])}.").client(middleware=[middleware])
    messages: list[Any] = [{"role": "user", "content": "a"}]

    def ask(text: str) -> None:
        reply = client.messages.create(model=MODEL, max_tokens=50, messages=messages)
        messages.extend([{"role": "assistant", "content": reply.content}, {"role": "user", "content": text}])

    ask("b")

    def in_child() -> None:
        ask("c")
        middleware.close()

    child = multiprocessing.get_context("fork").Process(target=in_child)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    with SqliteStore(path) as store:
        [info] = store.conversations()
        assert said(load(store, info.id)) == ["a", "Reply 1.", "b", "Reply 3."]
    ask("c")  # the parent goes on from what the child has stored
    ask("d")
    middleware.close()
    with SqliteStore(path) as store:
        assert [info.id] == [known.id for known in store.conversations()]
        assert said(load(store, info.id)) == ["a", "Reply 1.", "b", "Reply 3.", "c", "Reply 5."]


def test_what_the_store_has_can_be_looked_at() -> None:
    bench = Bench([Fault(status=500), "Yes."])
    caller = Caller(bench)
    with pytest.raises(anthropic.InternalServerError):
        caller.ask("a")
    caller.send()
    [name] = bench.middleware.conversations
    report = bench.middleware.report(name)
    assert (report.name, report.messages, report.sends) == (name, 2, 2)
    assert [incident.status for incident in report.incidents] == [500]
    with pytest.raises(HistoryError):
        bench.middleware.report("nobody")


def test_faults_in_memory_are_bounded() -> None:
    talk = Talk(Conversation.start(model=MODEL), MemoryStore(), "t", 1, lambda: 0.0)
    for send in range(5_000):
        tell(talk.incidents, declined("compact", "refusal", at=0.0, send=send))
    assert len(talk.incidents) < 2_000
    assert talk.incidents[-1].send == 4_999


@pytest.mark.parametrize(("given", "tries"), [(0, 1), (3, 4), (None, 3)])
def test_requests_of_ours_are_tried_again_as_often_as_the_callers(given: int | None, tries: int) -> None:
    options = FinalRequestOptions(
        method="post",
        url="/v1/messages",
        json_data={"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]},
    )
    if given is not None:
        options.max_retries = given
    asked = asked_of(anthropic.APIRequest(options=options, cast_to=object), marks=True)
    assert asked is not None
    made = 0

    def one() -> Steps[Any]:
        return (yield Count({}))

    class Failing:
        def perform(self, action: Any) -> Any:
            nonlocal made
            if isinstance(action, Count):
                made += 1
                raise anthropic.APIConnectionError(request=httpx2.Request("POST", "http://nowhere"))
            return None

    with pytest.raises(anthropic.APIConnectionError):
        drive(fetched(one(), asked.retries), Failing())
    assert made == tries
