"""Who answers which call."""

from __future__ import annotations

from ctxwindow import Policy, Session
from ctxwindow.stores import MemoryStore
from ctxwindow.testing import FakeClaude

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
    assert [call["id"] for call in handed.calls] == ["toolu_2"]
    answers = [{"type": "tool_result", "tool_use_id": call["id"], "content": "Never mind."} for call in handed.calls]
    assert again.send(answers).text == "Both, thank you."
    results = fake.requests[-1].json["messages"][-1]["content"]
    assert [result["tool_use_id"] for result in results] == ["toolu_1", "toolu_2"]
    assert "In your window already: m0.0." in str(results[0]["content"])
