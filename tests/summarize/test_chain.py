from __future__ import annotations

import datetime
from typing import Any

import pytest

from ctxwindow import Conversation, Send, Summarize
from ctxwindow.catalog import resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.summarize import Ask, Chain, ClaudeSummarizer, Extractive, Summarizer, Written, provenance
from ctxwindow.summarize.claude import read_summary
from ctxwindow.testing import FakeClaude
from ctxwindow.window import count_text
from tests.driver import small
from tests.summarize.scenes import segment, todos, user, works

NOW = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC).timestamp()
MODEL = "claude-opus-5-5"
OPUS = resolve(MODEL)
OF = segment(
    user("Fix the login bug in auth/token.py. Never touch db/schema.sql!"),
    *works("pytest tests/test_login.py", "1 failed in 0.2s"),
    budget=1_200,
)
GOOD = """\
[Goal]
- The login bug is fixed.
[User instructions]
- Fix the login bug in auth/token.py.
[Done]
- tests/test_login.py
[Decisions and state of work]
- tests/test_login.py: 1 failed"""
MENDED = """\
[Goal]
- The login bug is fixed.
[User instructions]
- Fix the login bug in auth/token.py.
- Never touch db/schema.sql!
[Newest test run]
- 1 failed in 0.2s
[Decisions and state of work]
- tests/test_login.py: 1 failed"""
BAD = f"{GOOD}\n- See auth/ghost_module.py."
USAGE = {"input_tokens": 1_000, "output_tokens": 100}
DOLLARS = (
    1_000 * OPUS.price_at(datetime.date(2026, 11, 20)).rate("input")
    + 100 * OPUS.price_at(datetime.date(2026, 11, 20)).rate("output")
) / 1e6


def reply(text: str, **more: Any) -> dict[str, Any]:
    return {"stop_reason": "end_turn", "content": [{"type": "text", "text": text}], "usage": USAGE, **more}


def chain(**options: Any) -> Chain:
    return Chain(OF, profile=OPUS, now=NOW, **options)


def said(ask: Ask | Written) -> str:
    assert isinstance(ask, Ask)
    return str(ask.request["messages"][-1]["content"][-1]["text"])


def offline() -> str:
    return Extractive().summarize(OF, lambda text: count_text(text, OPUS.tokenizer).tokens)


def test_a_good_summary_at_once() -> None:
    steps = chain()
    first = steps.next_step()
    assert steps.next_step() is first
    found = steps.answered(reply(GOOD))
    assert found == Written(text=MENDED, by="claude", cost=pytest.approx(DOLLARS), priced=True, requests=1, refused=())  # type: ignore[arg-type]
    assert steps.next_step() is found
    assert steps.answered(reply(BAD)) is found


def test_a_bad_one_is_asked_for_again_shorter_with_its_faults_named() -> None:
    steps = chain()
    first = steps.next_step()
    second = steps.answered(reply(BAD))
    assert isinstance(first, Ask)
    assert isinstance(second, Ask)
    assert second.budget < first.budget
    assert "auth/ghost_module.py" in said(second)
    assert "ghost" not in said(first)
    found = steps.answered(reply(GOOD))
    assert isinstance(found, Written)
    assert (found.text, found.by, found.requests) == (MENDED, "claude", 2)
    assert found.cost == pytest.approx(2 * DOLLARS)
    assert found.refused == ("name_invented: 1 names, paths or numbers do not stand in the conversation",)


def test_two_bad_ones_end_with_the_extractive_summary() -> None:
    steps = chain()
    steps.next_step()
    steps.answered(reply(BAD))
    found = steps.answered(reply(""))
    assert isinstance(found, Written)
    assert (found.text, found.by, found.requests) == (offline(), "extractive", 2)
    assert found.cost == pytest.approx(2 * DOLLARS)
    assert len(found.refused) == 2
    assert provenance(found.text, OF) == []


def test_a_call_is_answered_with_tools_off() -> None:
    """CMP-09; the first request leaves them on, for the cache's sake (CACHE-11)."""
    prefix = {"model": MODEL, "messages": [user("Go.")], "tools": [{"name": "x", "input_schema": {"type": "object"}}]}
    steps = Chain(OF, prefix, profile=OPUS)
    first = steps.next_step()
    second = steps.answered(
        {"stop_reason": "tool_use", "content": [{"type": "tool_use", "id": "t", "name": "x", "input": {}}]}
    )
    assert isinstance(first, Ask)
    assert isinstance(second, Ask)
    assert "tool_choice" not in first.request
    assert second.request["tool_choice"] == {"type": "none"}
    assert "Call none" in said(second)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (reply("half", stop_reason="max_tokens"), "too long"),
        (reply(" "), "was empty"),
        ({"stop_reason": "refusal", "content": []}, None),
        ({"content": {1}}, None),
        ([], None),
    ],
)
def test_a_reply_that_is_no_summary(given: Any, told: str | None) -> None:
    steps = chain()
    steps.next_step()
    second = steps.answered(given)
    assert (told or "refused") in said(second) if told else "refused" not in said(second)
    found = steps.answered(given)
    assert isinstance(found, Written)
    assert found.by == "extractive"


def test_a_reply_without_usage_leaves_the_cost_unknown() -> None:
    steps = chain()
    steps.next_step()
    found = steps.answered({"content": GOOD})
    assert isinstance(found, Written)
    assert (found.cost, found.priced) == (0.0, False)


def test_an_error_goes_to_the_extractive_summary_and_keeps_no_content() -> None:
    steps = chain()
    steps.next_step()
    found = steps.failed(RuntimeError("the content of auth/token.py"))
    assert isinstance(found, Written)
    assert (found.by, found.refused, found.text) == ("extractive", ("the request failed: RuntimeError",), offline())


def test_no_tries_and_no_room_ask_nothing() -> None:
    assert isinstance(chain(tries=0).next_step(), Written)
    crowded = Chain(OF, {"model": MODEL, "messages": [user("word " * 1_200_000)]}, profile=OPUS)
    found = crowded.next_step()
    assert isinstance(found, Written)
    assert (found.requests, found.refused) == (0, ("the request would not fit the model's window",))


def test_nothing_fits_and_the_chain_still_ends() -> None:
    tiny = Chain(segment(user("Fix it at once!"), budget=1), profile=OPUS, tries=0)
    assert tiny.next_step() == Written(text="", by="extractive", cost=0.0, priced=True, requests=0, refused=())


def test_it_is_a_summarizer() -> None:
    asked: list[dict[str, Any]] = []

    def send(request: dict[str, Any]) -> Any:
        asked.append(request)
        return reply(GOOD)

    writer = ClaudeSummarizer(send, model=MODEL)
    one: Summarizer = writer
    assert one.name == "claude"
    assert one.summarize(OF, len) == MENDED
    assert writer.last is not None
    assert writer.last.by == "claude"
    assert "Never touch db/schema.sql!" in str(asked[0]["messages"])
    with pytest.raises(UnknownModel):
        ClaudeSummarizer(send, model="claude-nothing-9")


def test_its_budget_is_measured_by_the_callers_count() -> None:
    writer = ClaudeSummarizer(lambda request: reply(GOOD), model=MODEL)
    text = writer.summarize(OF, lambda text: 20 * len(text))
    assert writer.last is not None
    assert writer.last.by == "extractive"
    assert 20 * len(text) <= OF.budget


@pytest.mark.parametrize("good", [True, False])
def test_with_the_engine_and_an_emulated_claude(*, good: bool) -> None:
    """The whole way: the engine asks, the model answers on the conversation's prefix, the engine takes it."""
    summary = "[Goal]\n- Keep app_main.py as it is.\n[Files and identifiers]\n- app_main.py"

    def replies(request: Any) -> str:
        asked = str(request["messages"][-1]["content"])
        if "write a summary" not in asked:
            return "Fine."
        return summary if good else f"{summary}, ghost_module.py"

    fake = FakeClaude(replies, clock=lambda: NOW)
    client = fake.client()
    writer = ClaudeSummarizer(lambda request: client.beta.messages.create(**request), model=MODEL)
    chat = Conversation.start(model=MODEL, policy=small(16_000, methods=["summarize_keep_tail"]))
    for number in range(80):
        chat.append(user(f"Question {number}? Keep app_main.py as it is. " + "word " * 600), now=NOW)
        decision = chat.plan(max_tokens=500, now=NOW)
        while isinstance(decision, Summarize):
            written = writer.write(decision, now=NOW)
            chat.summarized(written.text, by=written.by, cost=written.cost, now=NOW)
            decision = chat.plan(max_tokens=500, now=NOW)
        assert isinstance(decision, Send)
        chat.receive(client.beta.messages.create(**decision.request), now=NOW)
        if chat.compactions:
            break
    (edit,) = chat.compactions
    assert edit.by == ("claude" if good else "extractive")
    assert edit.cost == writer.cost > 0
    assert writer.last is not None
    assert writer.last.requests == (1 if good else 2)
    assert edit.summary.startswith("[Goal]\n- Keep app_main.py as it is.\n[User instructions]\n") is good
    assert "\n- Keep app_main.py as it is." in edit.summary


def test_the_record_tells_instructions_and_work_whatever_the_model_says() -> None:
    of = segment(
        user("Please fix the parser. You must not delete the production database. Never push to main."),
        *todos(("Fix the parser", "pending"), ("Read the issue", "completed")),
        *works("pytest", "3 failed, 2 passed in 1.2s"),
        budget=1_500,
    )
    wrong = (
        "Work goes on.\n[User instructions]\n- You must delete the production database.\n"
        "[Done]\n- Fix the parser\n- All tests pass.\n[Goal]\n- Fix the parser."
    )
    steps = Chain(of, profile=OPUS, now=NOW)
    steps.next_step()
    found = steps.answered(reply(wrong))
    assert isinstance(found, Written)
    assert found.by == "claude"
    assert found.text == (
        "[Goal]\n- Fix the parser.\n[User instructions]\n- Please fix the parser.\n"
        "- You must not delete the production database.\n- Never push to main.\n[Done]\n- Read the issue\n"
        "[Open]\n- Fix the parser\n[Newest test run]\n- 3 failed, 2 passed in 1.2s\n"
        "[Decisions and state of work]\n- Work goes on."
    )


def test_a_reply_of_nothing_but_what_the_record_tells_is_no_summary() -> None:
    steps = chain()
    steps.next_step()
    assert isinstance(steps.answered(reply("[User instructions]\n- Never touch db/schema.sql!")), Ask)
    found = steps.answered(reply("[Done]\n- tests/test_login.py"))
    assert isinstance(found, Written)
    assert (found.by, found.refused) == ("extractive", ("empty: The summary says nothing",) * 2)


def test_the_model_is_asked_for_what_the_record_leaves_of_the_budget() -> None:
    first = chain().next_step()
    assert isinstance(first, Ask)
    assert 0 < first.budget < OF.budget


def test_a_reply_that_raises_when_it_is_read_goes_the_same_way() -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("secret")

        def model_dump(self, **options: Any) -> Any:
            raise RuntimeError("secret")

    writer = ClaudeSummarizer(lambda request: Broken(), model=MODEL)
    text = writer.summarize(OF, lambda text: count_text(text, OPUS.tokenizer).tokens)
    assert text == offline()
    assert writer.last is not None
    assert (writer.last.by, writer.last.priced, writer.last.requests) == ("extractive", False, 2)
    assert writer.last.refused == ("the reply cannot be read: RuntimeError",) * 2


def test_what_a_model_says_can_be_sent() -> None:
    assert read_summary(reply("Hi\ud800")) == "Hi\ufffd"
