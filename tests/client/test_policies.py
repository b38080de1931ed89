"""What policies ask of the client beside replies: summaries by Claude, work in the background, counts, recall, another model."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anthropic
import pytest

from ctxwindow import Policy
from ctxwindow.client.seen import Seen
from ctxwindow.emulator import Emulator
from ctxwindow.emulator.replies import ReplyLike
from ctxwindow.errors import WindowOverflow
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.events import Compacted, Counted, Declined
from ctxwindow.testing import FakeClaude
from ctxwindow.window.tokens import have_exact
from tests.client.agents import rounds
from tests.client.bills import asked, charged, is_compaction, is_reply, is_summary
from tests.client.delaying import Delaying
from tests.client.driven import Driven
from tests.client.loopback import Log, serving
from tests.client.working import BUDGET

pytestmark = pytest.mark.filterwarnings("ignore:The model 'claude-sonnet-4-5:DeprecationWarning")

BOUND = "claude-opus-5-5"
CHAT: dict[str, Any] = {"model": BOUND, "max_tokens": 2_000, "system": "You are a clerk."}


def sdk(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="k", base_url=url, max_retries=0)


def async_sdk(url: str) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0)


def letter(number: int, lines: int = 140) -> str:
    """Some five thousand tokens to read."""
    return f"Letter {number}.\n" + "\n".join(
        f"Item {number}.{line}: {line * number} boxes went from harbor to orchard by barge number {line}."
        for line in range(lines)
    )


def adds_up(session: Seen, log: Log) -> None:
    """What the session tells of its money is what the emulator charged, to the last request."""
    assert session.cost.dollars == pytest.approx(charged(log.created), rel=1e-9)
    assert session.report().dollars == session.cost.dollars
    assert session.cost.unknown == {}
    others = [one for one in log.created if not is_reply(one)]
    assert session.cost.summaries == pytest.approx(charged(others), rel=1e-9, abs=1e-12)


def keeps_the_budget(log: Log) -> None:
    assert log.refused == []
    assert max(asked(one) for one in log.created if is_reply(one)) <= BUDGET


# -- in the background ----------------------------------------------------------------------------------------

BACKGROUND = Policy(budget=BUDGET, background=0.6, low=0.3, methods=("compact", "summarize_all"))
BY_CLAUDE = Policy(
    budget=BUDGET, background=0.6, low=0.3, methods=("summarize_keep_tail",), warm={"writer": "claude"}, recall=False
)


def beside(body: dict[str, Any]) -> bool:
    return body.get("compaction") is not None or is_summary(body)


def summary(body: Mapping[str, Any]) -> ReplyLike:
    """What the emulated model says: a summary that quotes what stands above it, where it is asked for one."""
    if not is_summary(body):
        return "I have read it."
    return "## Goal\n- Read the letters.\n\n## State\n- The letters were read.\n"


@contextlib.contextmanager
def talking(kind: str, url: str, path: Path, **given: Any) -> Iterator[Driven]:
    """A session of either kind over HTTP."""
    client: Any = async_sdk(url) if kind == "async" else sdk(url)
    driven = Driven(kind, path, FakeClaude(), client=client, **{**CHAT, **given})
    try:
        yield driven
    finally:
        driven.close()
        driven.wait(client.close())
        driven.shut()


def until(driven: Driven, true: Callable[[], bool]) -> None:
    """Wait until something is true, for five seconds at most."""
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end, "it did not come true"
        driven.wait(asyncio.sleep(0.002)) if driven.kind == "async" else time.sleep(0.002)


def a_moment(driven: Driven) -> None:
    """For what is under way to reach the session."""
    driven.wait(asyncio.sleep(0.05)) if driven.kind == "async" else time.sleep(0.05)


def talk_until_prepared(driven: Driven, delaying: Delaying) -> Iterator[int]:
    """Letters until something is prepared beside the conversation; the numbers of further ones."""
    numbers = itertools.count(1)
    while not delaying.came:
        driven.send(letter(next(numbers)))
        a_moment(driven)
    return numbers


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
@pytest.mark.parametrize(
    ("model", "policy"), [(BOUND, BACKGROUND), ("claude-sonnet-4-5", BY_CLAUDE)], ids=["compact", "claude"]
)
def test_it_is_prepared_while_the_conversation_goes_on(kind: str, model: str, policy: Policy, tmp_path: Path) -> None:
    log, delaying = Log(), Delaying(beside)
    with (
        serving(Emulator(summary), log=log, breaking=delaying) as url,
        talking(kind, url, tmp_path / "a.db", policy=policy, model=model, streaming=kind == "async") as driven,
    ):
        numbers = talk_until_prepared(driven, delaying)
        before = len(log.created)
        driven.send(letter(next(numbers)))
        assert len(log.created) == before + 1, "the conversation goes on while it is prepared"
        assert driven.conversation.epoch == 0
        delaying.gate.set()
        until(driven, lambda: len(log.created) == before + 2 and log.created[-1].complete)
        a_moment(driven)
        reply = driven.send(letter(next(numbers)))
        assert driven.conversation.epoch == 1, "it is taken in before the next request"
        assert reply.dollars == pytest.approx(charged(log.created[-2:])), (
            "the reply in which it is taken in tells its cost"
        )
        adds_up(driven.session, log)
    keeps_the_budget(log)
    assert delaying.came == 1
    assert sum(not is_reply(one) for one in log.created) == 1


@both
def test_it_is_waited_for_where_there_is_no_room_without_it(kind: str, tmp_path: Path) -> None:
    log, delaying = Log(), Delaying(beside)
    with (
        serving(Emulator(summary), log=log, breaking=delaying) as url,
        talking(kind, url, tmp_path / "a.db", policy=BACKGROUND) as driven,
    ):
        numbers = talk_until_prepared(driven, delaying)
        threading.Timer(0.3, delaying.gate.set).start()
        driven.send(letter(next(numbers), lines=600))
        assert driven.conversation.epoch == 1
        adds_up(driven.session, log)
    keeps_the_budget(log)
    assert delaying.came == 1, "none is paid for twice"


@both
def test_closing_waits_for_it_and_the_next_process_goes_on_with_it(kind: str, tmp_path: Path) -> None:
    log, delaying = Log(), Delaying(beside)
    with serving(Emulator(summary), log=log, breaking=delaying) as url:
        with talking(kind, url, tmp_path / "a.db", policy=BACKGROUND) as driven:
            numbers = talk_until_prepared(driven, delaying)
            threading.Timer(0.2, delaying.gate.set).start()
        with talking(kind, url, tmp_path / "a.db", policy=BACKGROUND) as driven:
            assert driven.conversation.epoch == 1
            adds_up(driven.session, log)
            driven.send(letter(next(numbers)))
            assert driven.conversation.epoch == 1
            adds_up(driven.session, log)
    keeps_the_budget(log)
    assert delaying.came == 1


@both
def test_what_comes_too_late_is_not_taken_and_told_in_the_cost(kind: str, tmp_path: Path) -> None:
    log, delaying = Log(), Delaying(beside)
    with (
        serving(Emulator(summary), log=log, breaking=delaying) as url,
        talking(kind, url, tmp_path / "a.db", policy=BACKGROUND) as driven,
    ):
        numbers = talk_until_prepared(driven, delaying)
        driven.configure(model="claude-opus-5")
        delaying.gate.set()
        until(driven, lambda: is_compaction(log.created[-1]) and log.created[-1].complete)
        a_moment(driven)
        driven.send(letter(next(numbers), lines=5))
        assert [event.method for event in driven.conversation.events if isinstance(event, Declined)] == ["overtaken"]
        assert driven.conversation.epoch == 0
        adds_up(driven.session, log)
    keeps_the_budget(log)


@both
def test_a_message_that_cannot_fit_leaves_it_as_it_is(kind: str, tmp_path: Path) -> None:
    log, delaying = Log(), Delaying(beside)
    with (
        serving(Emulator(summary), log=log, breaking=delaying) as url,
        talking(kind, url, tmp_path / "a.db", policy=BACKGROUND) as driven,
    ):
        numbers = talk_until_prepared(driven, delaying)
        events = driven.conversation.events
        delaying.gate.set()
        until(driven, lambda: is_compaction(log.created[-1]) and log.created[-1].complete)
        with pytest.raises(WindowOverflow):
            driven.send(letter(next(numbers), lines=3_000))
        assert [type(event) for event in driven.conversation.events[len(events) :]] == [Compacted]
        driven.send(letter(next(numbers)))
        adds_up(driven.session, log)
    keeps_the_budget(log)
    assert delaying.came == 1


def test_cancelling_the_wait_does_not_lose_it(tmp_path: Path) -> None:
    log, delaying = Log(), Delaying(beside)
    with (
        serving(Emulator(summary), log=log, breaking=delaying) as url,
        talking("async", url, tmp_path / "a.db", policy=BACKGROUND) as driven,
    ):
        numbers = talk_until_prepared(driven, delaying)
        with pytest.raises(TimeoutError):
            driven.wait(asyncio.wait_for(driven.session.send(letter(next(numbers), lines=600)), 0.3))
        assert driven.conversation.unkept == ()
        delaying.gate.set()
        driven.send(letter(next(numbers), lines=600))
        assert driven.conversation.epoch == 1
        adds_up(driven.session, log)
    assert delaying.came == 1


# -- counts, compactions, models ------------------------------------------------------------------------------


@both
def test_counts_are_asked_for_where_the_bounds_straddle_the_budget(kind: str, tmp_path: Path) -> None:
    """A picture behind a URL has no size that anybody here could know."""
    log = Log()
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    policy = Policy(budget=BUDGET, exact_counts=True)
    with serving(Emulator(), log=log) as url, talking(kind, url, tmp_path / "a.db", policy=policy) as driven:
        for number in range(1, 14):
            driven.send([picture, {"type": "text", "text": letter(number)}])
        counts = [one for one in log.exchanges if one.path.startswith("/v1/messages/count_tokens")]
        known = [event.tokens for event in driven.conversation.events if isinstance(event, Counted)]
        assert known == [one.answer["input_tokens"] for one in counts]
        assert known
        adds_up(driven.session, log)
    keeps_the_budget(log)


@pytest.mark.skipif(not have_exact(), reason="without exact counts the bounds leave no room for a block in this loop")
@both
@pytest.mark.parametrize(("surface", "streaming"), [("beta", False), ("stable", True)])
def test_the_server_compacts_on_demand(kind: str, streaming: bool, surface: str, tmp_path: Path) -> None:
    log = Log()
    policy = Policy(budget=BUDGET, prefer="order", methods=("compact", "summarize_all"), low=0.3)
    agent = rounds(16, result_tokens=2_000, parallel=2)
    with (
        serving(Emulator(agent.reply), log=log) as url,
        talking(
            *(kind, url, tmp_path / "a.db"),
            policy=policy,
            streaming=streaming,
            surface=surface,
            system=agent.system,
            tools=agent.tools,
        ) as driven,
    ):
        reply = driven.run(agent.task)
        assert reply.rounds == 16
        assert {edit.method for edit in driven.conversation.compactions} == {"compact"}
        adds_up(driven.session, log)
    assert agent.ran_all, agent.ran
    keeps_the_budget(log)
    assert len({one.number for one in log.created if is_compaction(one)}) >= 1


@both
def test_another_model_in_the_middle_of_it(kind: str, tmp_path: Path) -> None:
    log, agent = Log(), rounds(24, per_turn=8, parallel=2, result_tokens=1_500)
    with (
        serving(Emulator(agent.reply), log=log) as url,
        talking(
            *(kind, url, tmp_path / "a.db"), policy=Policy(budget=BUDGET), system=agent.system, tools=agent.tools
        ) as driven,
    ):
        models = (BOUND, "claude-opus-4-6", BOUND)
        says = (agent.task, "Go on.", "Go on.")
        spent = 0.0
        for model, said in zip(models, says, strict=True):
            driven.configure(model=model)
            spent += driven.run(said).dollars
        assert [model for model, _ in itertools.groupby(one.json["model"] for one in log.created)] == list(models)
        assert spent == pytest.approx(charged(log.created), rel=1e-9)
        adds_up(driven.session, log)
    assert agent.ran_all, agent.ran
    keeps_the_budget(log)


# -- calls ----------------------------------------------------------------------------------------------------


def look(path: str) -> str:
    """Look at a file.

    Args:
        path: of it.
    """
    return f"{path} has {len(path)} letters."


ASK: dict[str, Any] = {"name": "ask", "description": "Ask the user.", "input_schema": {"type": "object"}}


def calling(*calls: tuple[str, dict[str, Any]]) -> Callable[[Mapping[str, Any]], ReplyLike]:
    """A model that makes these calls at once, in its first reply; then it says what the results were."""

    def reply(body: Mapping[str, Any]) -> ReplyLike:
        if "Letter" in str(body["messages"][-1]["content"]):
            return "I have read it."
        results = [block for block in blocks_of(body["messages"][-1]) if block.get("type") == "tool_result"]
        if results:
            return " | ".join(str(block["content"]) for block in results)
        number = len(body["messages"])
        return [
            {"type": "tool_use", "id": f"toolu_{number}_{place}", "name": name, "input": given}
            for place, (name, given) in enumerate(calls)
        ]

    return reply


RECALLS = ("recall", {"action": "search", "query": "barge number 139"})


@both
@pytest.mark.parametrize(("how", "streaming"), [("send", True), ("run", False)])
def test_the_model_recalls_on_its_own(kind: str, how: str, streaming: bool, tmp_path: Path) -> None:
    log = Log()
    policy = Policy(budget=16_000, recall=True)
    with (
        serving(Emulator(calling(RECALLS, RECALLS)), log=log) as url,
        talking(kind, url, tmp_path / "a.db", policy=policy, streaming=streaming) as driven,
    ):
        for number in range(1, 6):
            driven.send(letter(number))
        assert driven.conversation.epoch > 0
        before = len(log.created)
        reply = getattr(driven, how)("What did the first one say of barge number 139?")
        assert (reply.stopped, reply.rounds) == ("reply", 1)
        assert reply.text.count("Item 1.139: 139 boxes") == 2
        assert len(log.created) == before + 2
        assert reply.dollars == pytest.approx(charged(log.created[before:]), rel=1e-9)
        adds_up(driven.session, log)
    assert log.refused == []


@both
@pytest.mark.parametrize("how", ["send", "run"])
def test_two_calls_of_which_one_is_the_caller_s(kind: str, how: str, tmp_path: Path) -> None:
    """Neither a round nor a result is lost: the caller answers his, and what is known joins it."""
    log = Log()
    mine = ("look", {"path": "a.txt"}) if how == "run" else RECALLS
    with (
        serving(Emulator(calling(mine, ("ask", {}), mine)), log=log) as url,
        talking(
            *(kind, url, tmp_path / "a.db"), policy=Policy(budget=BUDGET, recall=True), tools=[look, ASK]
        ) as driven,
    ):
        reply = getattr(driven, how)("The flamingo is called Otto.")
        assert reply.stopped == "calls"
        asked_of_caller = [call for call in reply.calls if call.name == "ask"]
        known = driven.conversation.answers
        waits = [call["id"] for call in driven.open_calls if call["id"] not in known]
        results = [
            {
                "type": "tool_result",
                "tool_use_id": identity,
                "content": "Yes." if identity.endswith("_1") else "a.txt: 5",
            }
            for identity in waits
        ]
        assert asked_of_caller[0].id in waits
        reply = getattr(driven, how)(results)
        assert reply.stopped == "reply"
        assert "Yes." in reply.text
        assert reply.text.count("|") == 2
        adds_up(driven.session, log)
    assert log.refused == []
    assert len(log.created) == 2


@both
def test_parallel_calls_are_answered_in_one_message_in_their_order(kind: str, tmp_path: Path) -> None:
    log = Log()
    calls = [("look", {"path": "x" * (9 - number)}) for number in range(8)]
    with (
        serving(Emulator(calling(*calls)), log=log) as url,
        talking(kind, url, tmp_path / "a.db", tools=[look]) as driven,
    ):
        reply = driven.run("Look.")
        assert reply.text.split(" | ") == [look(given["path"]) for _, given in calls]
        adds_up(driven.session, log)
    assert log.refused == []
