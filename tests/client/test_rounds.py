"""Who answers which call, and when a loop stops."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import msgspec
import pytest
from anthropic.types import Message
from anthropic.types.beta import BetaMessage

from ctxwindow import Conversation, Limits, MisuseError, Policy, Session
from ctxwindow.catalog import resolve
from ctxwindow.record.events import Appended
from ctxwindow.stores import MemoryStore, keep
from ctxwindow.testing import FakeClaude
from tests.client.driven import MODEL, Answer, Between, Driven, Open, Script, call

CALL = {"type": "tool_use", "id": "toolu_1", "name": "recall", "input": {"product": "kettle"}}


def test_a_tool_of_ones_own_may_be_named_recall() -> None:
    """Where the policy has no recall, the name is like any other: its calls come back from `send`, and `run` runs it."""

    def recall(product: str) -> str:
        """Call a product back from the shops."""
        return f"{product}: called back"

    fake = FakeClaude([[CALL], "Done.", [{**CALL, "id": "toolu_2"}], "Done again."])
    session = Session.open(MemoryStore(), client=fake.client(), model="claude-opus-5-5", tools=[recall])
    assert session.send("Call the kettles back.").stopped == "calls"
    assert session.send({"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}).text == "Done."
    reply = session.run("Once more.")
    assert (reply.text, reply.rounds) == ("Done again.", 1)
    assert session.conversation.messages[6]["content"][0]["content"] == "kettle: called back"


ASK = {"name": "ask", "input_schema": {"type": "object"}}


def test_calls_that_come_back_are_those_that_the_caller_must_answer() -> None:
    """Recall is answered by the session, so its call is not among them, not even in another process; its result goes out too."""
    look = {"type": "tool_use", "id": "toolu_1", "name": "recall", "input": {"action": "search", "query": "monad"}}
    ask = {"type": "tool_use", "id": "toolu_2", "name": "ask", "input": {}}
    store, fake = MemoryStore(), FakeClaude([[look, ask], "Both, thank you."])
    session = Session.open(
        store, client=fake.client(), model="claude-opus-5-5", tools=[ASK], policy=Policy(recall=True)
    )
    reply = session.run("What is a monad?")
    assert reply.stopped == "calls"
    assert [call.id for call in reply.calls] == ["toolu_2"]
    assert [call["id"] for call in session.open_calls] == ["toolu_2"]
    again = Session.open(store, client=fake.client())
    handed = again.resume()
    assert handed is not None
    assert [call.id for call in handed.calls] == ["toolu_2"]
    answers = [{"type": "tool_result", "tool_use_id": call.id, "content": "Never mind."} for call in handed.calls]
    assert again.send(answers).text == "Both, thank you."
    results = fake.requests[-1].json["messages"][-1]["content"]
    assert [result["tool_use_id"] for result in results] == ["toolu_1", "toolu_2"]
    assert "In your window already: m0.0." in str(results[0]["content"])


@pytest.mark.parametrize("surface", ["beta", "stable"])
def test_calls_that_are_handed_back_are_as_they_were(opened: Open, surface: str) -> None:
    """The same loop reads them, whether they have just come or are there since before a crash."""
    fake = FakeClaude([[{"type": "text", "text": "I ask."}, call("ask", which="lamp", deep={"a": [1]})], "Thanks."])
    driven = opened(fake, tools=[ASK], surface=surface)
    first = driven.send("Go.")
    again = opened(fake, tools=[ASK], surface=surface)
    handed = again.resume()
    kind = BetaMessage if surface == "beta" else Message
    assert isinstance(handed.message, kind)
    assert handed.message.to_dict() == first.message.to_dict()
    assert (handed.text, handed.stopped, handed.stop_reason) == (first.text, "calls", "tool_use")
    for one, other in zip(handed.calls, first.calls, strict=True):
        assert (one.type, one.id, one.name, one.input) == (other.type, other.id, other.name, other.input)
    handed.calls[0].input["deep"]["a"].append(2)
    assert again.conversation.messages[1]["content"][1]["input"]["deep"] == {"a": [1]}, (
        "what is recorded is not the caller's"
    )
    answers = [{"type": "tool_result", "tool_use_id": one.id, "content": one.input["which"]} for one in handed.calls]
    assert again.send(answers).text == "Thanks."


@pytest.mark.parametrize("surface", ["beta", "stable"])
def test_calls_of_a_stream_whose_last_event_did_not_come(opened: Open, surface: str) -> None:
    """All of the reply is there, so it is received; it is read as any other."""

    def without_its_end(_: httpx2.Request, ask: Answer) -> httpx2.Response:
        found = ask()
        return httpx2.Response(200, headers=found.headers, content=found.content.partition(b"event: message_stop")[0])

    fake = FakeClaude([[call("ask", which="lamp")], "Thanks."])
    driven = opened(fake, client=Between(fake, without_its_end), tools=[ASK], surface=surface, streaming=True)
    reply = driven.send("Go.")
    assert (reply.stopped, len(fake.requests)) == ("calls", 1)
    assert isinstance(reply.message, BetaMessage if surface == "beta" else Message)
    assert [(one.name, one.input) for one in reply.calls] == [("ask", {"which": "lamp"})]
    assert reply.message.usage.output_tokens
    assert reply.message.id
    text = driven.send([{"type": "tool_result", "tool_use_id": one.id, "content": "-"} for one in reply.calls]).text
    assert text == "Thanks."


def test_calls_that_the_caller_gave_are_handed_back_too() -> None:
    """They came in no reply: what is not known of their message is None."""
    store, fake = MemoryStore(), FakeClaude(["Thanks."])
    conversation = Conversation.start(model=MODEL, tools=[ASK])
    conversation.append({"role": "user", "content": "Go."})
    conversation.append({"role": "assistant", "content": [call("ask")]})
    keep(store, "main", conversation)
    session = Session.open(store, client=fake.client())
    handed = session.resume()
    assert handed is not None
    assert [one.id for one in handed.calls] == ["toolu_1"]
    assert (handed.message.id, handed.message.usage, handed.message.model) == (None, None, MODEL)


# -- limits -----------------------------------------------------------------------------------------------


def rounds_of(driven: Driven, reply: Any) -> tuple[str, int, int]:
    """What a reply says, and how many rounds stand in the record."""
    results = [event for event in driven.stored().events if isinstance(event, Appended)]
    return reply.stopped, reply.rounds, len(results) - 1


def test_a_round_that_is_resumed_counts(opened: Open) -> None:
    """As many rounds as are allowed, and told as many as were run."""

    def look() -> str:
        """Look."""
        return "seen"

    fake = FakeClaude(Script(*([call(identity=f"toolu_{number}")] for number in range(4)), "Done."))
    driven = opened(fake, tools=[look])
    assert rounds_of(driven, driven.run("Go.", limits=Limits(rounds=1))) == ("rounds", 1, 1)
    assert rounds_of(driven, driven.resume(limits=Limits(rounds=1))) == ("rounds", 1, 2)
    assert rounds_of(driven, driven.resume(limits=Limits(rounds=2))) == ("reply", 2, 4)


def test_the_clock_runs_from_the_first_step_of_resume(opened: Open) -> None:
    now = [time.time()]

    def look() -> str:
        """Look, which takes a minute."""
        now[0] += 60
        return "seen"

    fake = FakeClaude(Script(*([call(identity=f"toolu_{number}")] for number in range(3)), "Done."))
    driven = opened(fake, tools=[look], clock=lambda: now[0])
    assert rounds_of(driven, driven.run("Go.", limits=Limits(seconds=30))) == ("seconds", 1, 1)
    assert rounds_of(driven, driven.resume(limits=Limits(seconds=30))) == ("seconds", 1, 2)


UNPRICED = msgspec.structs.replace(resolve(MODEL), prices=())


def test_dollars_are_not_limited_where_no_price_is_known(opened: Open) -> None:
    """PRICE-01: it is said before anything is stored, and not by a limit that is never reached."""
    script = Script()
    driven = opened(FakeClaude(script), model=UNPRICED, limits={"dollars": 1.0})
    before = driven.stored().events
    for operation in (lambda: driven.send("Hello."), lambda: driven.run("Hello."), lambda: driven.read("Hello.")):
        with pytest.raises(MisuseError) as caught:
            operation()
        assert (caught.value.path, caught.value.rule) == ("limits.dollars", "PRICE-01")
        assert "\n" not in str(caught.value)
    assert script.bodies == []
    assert driven.stored().events == before
    assert driven.run("Hello.", limits=Limits(rounds=3)).text == "Reply 1."


def test_dollars_of_a_reply_that_cannot_be_priced_are_not_free(opened: Open) -> None:
    """A tier of its own prices: the loop stops at the first reply."""

    def look() -> str:
        """Look."""
        return "seen"

    def priority(_: httpx2.Request, ask: Answer) -> httpx2.Response:
        body = ask().json()
        body["usage"]["service_tier"] = "priority"
        return httpx2.Response(200, json=body)

    fake = FakeClaude(Script(*([call(identity=f"toolu_{number}")] for number in range(3)), "Done."))
    driven = opened(fake, client=Between(fake, priority), tools=[look])
    reply = driven.run("Go.", limits=Limits(dollars=1_000.0))
    assert (reply.stopped, reply.rounds, reply.dollars) == ("dollars", 0, None)
    assert driven.resume().text == "Done."
