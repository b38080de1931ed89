"""Who answers which call."""

from __future__ import annotations

from ctxwindow import Session
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
