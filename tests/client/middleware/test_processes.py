"""Processes with a middleware each on one file, killed wherever they stand: another goes on with the caller's list."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from ctxwindow import Conversation
from ctxwindow.emulator import Emulator
from ctxwindow.record.events import Received
from ctxwindow.stores import SqliteStore, load
from tests.client.child import Child, Forks
from tests.client.loopback import Log, serving
from tests.client.middleware.keeping import heard, said_in

TURNS = ["Hello.", "How are you?", "What is new?", "Good night."]


def whole(child: Child) -> None:
    assert child.wait() == 0, child.output


def list_in(path: Path) -> list[tuple[str, str]]:
    return said_in(json.loads(path.read_text(encoding="utf-8")))


def expected(turns: list[str]) -> list[tuple[str, str]]:
    """What is said when nothing is lost and nothing doubled."""
    told: list[tuple[str, str]] = []
    for turn in turns:
        told += [("user", turn), ("assistant", heard({"messages": [{"role": "user", "content": turn}]}))]
    return told


def records(database: Path) -> list[Conversation]:
    """All of the file, each free to go on with."""
    with SqliteStore(database) as store:
        names = [info.id for info in store.conversations()]
        for name in names:
            with store.hold(name) as hold:  # type: ignore[union-attr]
                assert hold is not None
        return [load(store, name) for name in names]


def sent_back(record: Conversation) -> list[Any]:
    """The record without what is never sent: replies that were cut off."""
    return [message for place, message in enumerate(record.messages) if not record.is_evidence(place)]


def check(database: Path, callers: list[list[str]], log: Log, *, lost: int) -> None:
    """A record for each caller, whole; requests for what there was to say, and for what was lost on the way."""
    found = records(database)
    # A first question says nothing of whose it is: where its answer did not come to the caller, another record is begun.
    left = [record for record in found if said_in(sent_back(record)) in (expected(TURNS[:1])[:1], expected(TURNS[:1]))]
    found = [record for record in found if all(record is not one for one in left)]
    assert len(left) <= lost
    assert sorted(said_in(sent_back(record)) for record in found) == sorted(expected(turns) for turns in callers)
    for record in found:
        assert not record.awaiting
        ids = [event.reply_id for event in record.events if isinstance(event, Received) and not event.cut]
        assert len(ids) == len(set(ids)), "a reply is recorded once"
    assert log.refused == []
    assert len(log.created) <= sum(map(len, callers)) + lost
    for exchange in log.created:  # what goes out is what the caller has, as far as he has come
        sent = said_in(exchange.json["messages"])
        assert any(sent == expected(turns)[: len(sent)] for turns in callers)


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
def test_two_processes_whose_conversations_begin_alike(forks: Forks, tmp_path: Path, streaming: bool) -> None:
    log, database = Log(), tmp_path / "all.db"
    callers = [[TURNS[0], *(f"{turn} says {who}." for turn in TURNS[1:])] for who in "ab"]
    with serving(Emulator(heard), log=log, pace=0.0005) as url:
        children = [
            forks.run(
                "tests.client.middleware.keeping:talk",
                base_url=url,
                database=str(database),
                history=str(tmp_path / f"{place}.json"),
                turns=turns,
                streaming=streaming,
            )
            for place, turns in enumerate(callers)
        ]
        for child in children:
            whole(child)
    check(database, callers, log, lost=0)
    assert [list_in(tmp_path / f"{place}.json") for place in (0, 1)] == [expected(turns) for turns in callers]


def test_one_of_two_is_killed_in_the_middle_of_a_stream(forks: Forks, tmp_path: Path) -> None:
    """Both began alike; a third process goes on with the list of the one that died, while the other still talks."""
    log, database = Log(), tmp_path / "all.db"
    callers = [[TURNS[0], *(f"{turn} says {who}." for turn in TURNS[1:])] for who in "ab"]

    def start(place: int, url: str, stop: int | None = None) -> Child:
        return forks.run(
            "tests.client.middleware.keeping:talk",
            base_url=url,
            database=str(database),
            history=str(tmp_path / f"{place}.json"),
            turns=callers[place],
            stop=stop,
        )

    with serving(Emulator(heard), log=log, pace=0.0005) as url:
        victim, other = start(0, url, stop=3), start(1, url)
        victim.reached("middle of a stream").kill()
        assert victim.wait() == -signal.SIGKILL
        heir = start(0, url)
        whole(heir)
        whole(other)
    assert list_in(tmp_path / "0.json") == expected(callers[0])
    check(database, callers, log, lost=1)
    cut = [
        event for record in records(database) for event in record.events if isinstance(event, Received) and event.cut
    ]
    assert len(cut) == 1, "what had arrived is kept as evidence"


REQUESTS = [(number, parts) for number in (1, 3) for parts in (0, 1, 4, 9)]
CALLS = [("append to the store", call, when) for call in (1, 2, 3, 4, 8) for when in ("before", "after")]
CALLS += [("hold", call, when) for call in (1, 3) for when in ("before", "after")]


def killed_and_gone_on_with(forks: Forks, folder: Path, *, at: Any, streaming: bool) -> None:
    """A process is killed at a request (its number, pieces of the answer that have gone out) or at a call of a point."""
    log, given = Log(), {"turns": TURNS, "streaming": streaming}
    given |= {"database": str(folder / "all.db"), "history": str(folder / "list.json")}
    with serving(Emulator(heard), log=log) as url:
        if len(at) == 2:
            victim = forks.run("tests.client.middleware.keeping:talk", base_url=url, **given)
            log.at(at[0], victim.kill, parts=at[1] if streaming else min(at[1], 1))
        else:
            die = dict(zip(("point", "call", "when"), at, strict=True))
            victim = forks.run("tests.client.middleware.keeping:talk", base_url=url, die=die, **given)
        assert victim.wait() == -signal.SIGKILL, "a kill that never comes tests nothing"
        whole(forks.run("tests.client.middleware.keeping:talk", base_url=url, **given))
    assert list_in(folder / "list.json") == expected(TURNS)
    check(folder / "all.db", [TURNS], log, lost=1)


@pytest.mark.parametrize("at", [(2, 5), ("append to the store", 3, "after")], ids=["in a stream", "when it stores"])
def test_a_process_is_killed_and_another_goes_on(forks: Forks, tmp_path: Path, at: Any) -> None:
    killed_and_gone_on_with(forks, tmp_path, at=at, streaming=True)


@pytest.mark.long
@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("at", [*REQUESTS, *CALLS], ids=lambda at: " ".join(map(str, at)))
def test_a_process_is_killed_anywhere_and_another_goes_on(
    forks: Forks, tmp_path: Path, at: Any, streaming: bool
) -> None:
    killed_and_gone_on_with(forks, tmp_path, at=at, streaming=streaming)
