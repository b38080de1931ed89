from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.window import Bill, Book, Expense, Ledger, Sending, Spending, entry_for, open_ledger
from tests.window.scenes import assistant, text, thinking, user

NOVEMBER = dt.datetime(2026, 11, 20, tzinfo=dt.UTC).timestamp()
OPUS, HAIKU = "claude-opus-5-5", "claude-haiku-4-5"
"""Opus: 4 dollars per million in, 20 out, 0.2 read, 5 written for 5 minutes, 8 for an hour. Haiku drops old thinking."""
TOOLS = [{"name": "read", "description": "Read a file.", "input_schema": {"type": "object"}}]


class Scene:
    """A conversation whose requests are entered into a book, each with a usage of one's own."""

    def __init__(self, model: str = OPUS, **request: Any) -> None:
        self.profile = resolve(model)
        self.record: list[dict[str, Any]] = []
        self.book = Book(self.record)
        self.request = {"system": "Be brief.", "tools": TOOLS, **request}
        self.ledger: Ledger = open_ledger(self.profile, self.request)

    def say(self, message: dict[str, Any]) -> None:
        self.record.append(message)
        self.ledger.add(entry_for(message, self.profile, before=self.ledger.before))

    def send(self, tokens: Bill, reply: dict[str, Any], **usage: Any) -> None:
        number = len(self.book) + 1
        sending = Sending(
            window=self.ledger.window(),
            messages=list(self.record),
            sources=list(range(len(self.record))),
            tools=TOOLS,
            epoch=0,
            length=len(self.record),
        )
        self.book.sent(Expense(send=number, turn=1, model=self.profile.id, at=NOVEMBER), self.profile, sending)
        told = {**tokens.as_usage(), "output_tokens": tokens.output, **usage}
        self.book.answered(told, message=reply, index=len(self.record))
        self.say(reply)

    @property
    def size(self) -> int:
        return self.ledger.total.tokens

    @property
    def spending(self) -> Spending:
        return self.book.spending()

    def costs(self) -> dict[str, float]:
        return {block.path: block.dollars for block in self.spending.blocks}


def call(identity: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": "read", "input": {"path": f"src/{identity}.py"}}


def result(identity: str, words: int) -> dict[str, Any]:
    return user([{"type": "tool_result", "tool_use_id": identity, "content": "some words of a file " * words}])


def sizes(scene: Scene) -> dict[str, int]:
    return {block.path: block.tokens for block in scene.ledger.window().blocks}


def test_a_result_is_written_once_and_read_with_each_later_send() -> None:
    """CACHE-13: what is before the boundary is read, then written, then the rest is paid in full."""
    scene = Scene()
    scene.say(user("Read it."))
    first = scene.size
    scene.send(Bill(written_5m=first), assistant(call("t1")))
    scene.say(result("t1", 400))
    second = scene.size
    scene.send(Bill(read=first, written_5m=second - first), assistant(text("Done.")))
    for word in ("And?", "So?"):
        scene.say(user(word))
        scene.send(Bill(read=second, uncached=scene.size - second), assistant(text("Yes.")))
    tokens, costs = sizes(scene), scene.costs()
    big = "messages.2.content.0"
    assert tokens[big] > 1_000
    assert costs[big] == pytest.approx(tokens[big] * (5 + 2 * 0.2) / 1_000_000)
    assert costs["messages.0.content.0"] == pytest.approx(tokens["messages.0.content.0"] * (5 + 3 * 0.2) / 1_000_000)
    assert costs["messages.4.content.0"] == pytest.approx(tokens["messages.4.content.0"] * (4 + 4) / 1_000_000)
    (row,) = (block for block in scene.spending.blocks if block.path == big)
    assert (row.kind, row.tool, row.tokens, row.sends, row.output) == ("tool_result", "read", tokens[big], 3, 0)


def test_tools_and_system_stand_first() -> None:
    """CACHE-01"""
    scene = Scene()
    scene.say(user("word " * 500))
    tools = sizes(scene)["tools.0"]
    hidden = scene.ledger.window().overheads
    before = sum(tokens for name, tokens in hidden.items() if name != "messages")
    scene.send(Bill(read=before + tools, uncached=scene.size - before - tools), assistant(text("Yes.")))
    costs = scene.costs()
    assert costs["tools.0"] == pytest.approx(tools * 0.2 / 1_000_000)
    assert costs["system.0"] == pytest.approx(sizes(scene)["system.0"] * 4 / 1_000_000)
    kinds = {block.path: (block.kind, block.tool) for block in scene.spending.blocks}
    assert (kinds["tools.0"], kinds["system.0"]) == (("tool", "read"), ("system", None))


def test_what_the_blocks_do_not_explain_has_a_name() -> None:
    scene = Scene()
    scene.say(user("Hi."))
    scene.send(Bill(uncached=scene.size + 500, output=100), assistant(text("Yes.")))
    costs, reply = scene.costs(), sizes(scene)["messages.1.content.0"]
    assert costs["unexplained"] == pytest.approx((500 * 4 + (100 - reply) * 20) / 1_000_000)
    assert costs["messages.1.content.0"] == pytest.approx(reply * 20 / 1_000_000)


def test_thinking_takes_what_is_told_of_it_or_what_the_others_leave() -> None:
    """TOK-03, TOK-04: it is billed at raw length, whatever is shown of it."""
    for told, expected in ((60, 60), (None, None)):
        scene = Scene()
        scene.say(user("Hi."))
        details = {"output_tokens_details": {"thinking_tokens": told}} if told else {}
        scene.send(Bill(uncached=scene.size, output=100), assistant(thinking("Short."), text("Yes.")), **details)
        said = sizes(scene)["messages.1.content.1"]
        assert scene.costs()["messages.1.content.0"] == pytest.approx((expected or 100 - said) * 20 / 1_000_000)


def test_a_reply_larger_than_its_bill_shrinks() -> None:
    scene = Scene()
    scene.say(user("Hi."))
    scene.send(Bill(uncached=scene.size, output=10), assistant(text("word " * 200), text("more " * 200)))
    costs = scene.costs()
    parts = [costs[f"messages.1.content.{place}"] for place in (0, 1)]
    assert sum(parts) == pytest.approx(10 * 20 / 1_000_000)
    assert min(parts) > 0


def test_thinking_that_is_stripped_costs_nothing_any_more() -> None:
    """RET-02, PRICE-06: on a model that keeps the last turn's only."""
    scene = Scene(HAIKU)
    scene.say(user("Hi."))
    scene.send(Bill(uncached=scene.size, output=50), assistant(thinking("long"), text("Yes.")))
    for word in ("And?", "So?"):
        scene.say(user(word))
        scene.send(Bill(uncached=scene.size), assistant(text("No.")))
    rows = {block.path: block for block in scene.spending.blocks}
    assert (rows["messages.1.content.0"].sends, rows["messages.1.content.0"].prompt) == (0, 0)
    assert (rows["messages.1.content.1"].sends, rows["messages.0.content.0"].sends) == (2, 3)
    assert rows["messages.0.content.0"].prompt == pytest.approx(3 * rows["messages.0.content.0"].tokens / 1_000_000)


def test_what_samples_beside_the_conversation_stands_by_its_name() -> None:
    """TOK-08: a compaction, advice, and an attempt of another model."""
    scene = Scene()
    scene.say(user("Hi."))
    iterations = [
        {"type": "compaction", "input_tokens": 1_000, "output_tokens": 100},
        {"type": "message", "model": "claude-fable-5", "input_tokens": 1_000, "output_tokens": 10},
        {"type": "fallback_message", "model": OPUS, "input_tokens": scene.size, "output_tokens": 0},
        {"type": "advisor_message", "model": "claude-fable-5", "input_tokens": 500, "output_tokens": 0},
    ]
    usage = {"iterations": iterations, "server_tool_use": {"web_search_requests": 2}}
    scene.send(Bill(uncached=scene.size), assistant(text("Yes.")), **usage)
    costs = scene.costs()
    assert costs["compaction"] == pytest.approx(0.006)
    assert costs["fallback"] == pytest.approx(0.0105)
    assert costs["advisor_message"] == pytest.approx(0.005)
    assert costs["web searches"] == pytest.approx(0.02)
    assert sum(costs.values()) == pytest.approx(scene.spending.dollars)


def test_the_samplings_of_a_server_loop_share_the_positions() -> None:
    """TOK-09: the second prompt holds the first, and what came with it."""
    scene = Scene()
    scene.say(user("word " * 100))
    size = scene.size
    iterations = [
        {"type": "message", "input_tokens": size, "output_tokens": 5},
        {"type": "message", "cache_read_input_tokens": size, "input_tokens": 300, "output_tokens": 5},
    ]
    scene.send(Bill(uncached=size + 300, read=size, output=10), assistant(text("Yes.")), iterations=iterations)
    costs, tokens = scene.costs(), sizes(scene)["messages.0.content.0"]
    assert costs["messages.0.content.0"] == pytest.approx(tokens * (4 + 0.2) / 1_000_000)
    assert sum(costs.values()) == pytest.approx(scene.spending.dollars)


def test_of_a_request_that_was_not_followed_only_the_sum_is_known() -> None:
    scene = Scene()
    scene.book.sent(Expense(send=1, turn=1, model=OPUS, at=NOVEMBER), scene.profile, None)
    scene.book.answered({"input_tokens": 1_000, "output_tokens": 10}, message=assistant(text("Yes.")), index=0)
    (only,) = scene.spending.blocks
    assert only.path == "prompts that were not followed"
    assert (only.prompt, only.output) == pytest.approx((0.004, 0.0002))


splits = st.tuples(*[st.integers(min_value=0, max_value=3_000)] * 4, st.integers(min_value=0, max_value=400))
rounds = st.lists(
    st.tuples(st.sampled_from(["call", "text", "thinking"]), splits, st.booleans()), min_size=1, max_size=8
)


def replies(kind: str, number: int) -> tuple[dict[str, Any], Sequence[Mapping[str, Any]]]:
    if kind == "call":
        return assistant(call(f"t{number}")), [result(f"t{number}", 7 * number)]
    if kind == "thinking":
        return assistant(thinking(f"thought {number}"), text("Yes.")), [user(f"And {number}?")]
    return assistant(text("Yes. " * number)), [user("Go on."), user(f"And {number}?")]


@given(rounds, st.sampled_from([OPUS, HAIKU]), st.booleans())
def test_the_parts_sum_up_to_what_was_paid(
    given_rounds: list[tuple[str, tuple[int, ...], bool]], model: str, clear: bool
) -> None:
    """Whatever the usage says: sizes that shrink, grow, or do not fit the blocks at all."""
    edits = [{"type": "clear_tool_uses_20250919", "trigger": {"type": "input_tokens", "value": 1_000}}]
    scene = Scene(model, **({"context_management": {"edits": edits}} if clear else {}))
    scene.say(user("Begin."))
    for number, (kind, (a, b, c, d, output), known) in enumerate(given_rounds):
        reply, then = replies(kind, number)
        tokens = Bill(uncached=a, read=b, written_5m=c, written_1h=d, output=output)
        scene.send(tokens, reply, **({} if known else {"service_tier": "priority"}))
        for message in then:
            scene.say(dict(message))
    found = scene.spending
    paid = found.dollars or 0.0
    assert sum(block.dollars for block in found.blocks) == pytest.approx(paid, abs=1e-12)
    assert sum(group.dollars for group in found.by_kind) == pytest.approx(paid, abs=1e-12)
    assert sum(group.dollars for group in found.by_turn) == pytest.approx(paid, abs=1e-12)
    assert sum(found.by.values()) == pytest.approx(paid, abs=1e-12)
    assert all(block.dollars >= -1e-12 for block in found.blocks)
    assert len({block.path for block in found.blocks}) == len(found.blocks)
