"""From a turn to its reply: stop reasons, replies that a limit or the line cuts off, and what the record says of them."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import pytest

from ctxwindow import Limits
from ctxwindow.client.answering import PAUSES, RESUMPTIONS
from ctxwindow.emulator.faults import Fault
from ctxwindow.errors import EndpointError, StreamCut
from ctxwindow.record.events import Failed, Received
from ctxwindow.testing import FakeClaude
from tests.client.driven import MODEL, THOUGHT, Answer, Between, Driven, Open, Script, call, refused

SAID = {"type": "text", "text": "It is a monoid in the category of endofunctors, what is the problem?"}


def cut(after: int = 900) -> Fault:
    return Fault(kind="cut-stream", after_bytes=after)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waits between two attempts."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("ctxwindow.client.performing.asyncio.sleep", _now)


async def _now(_: float) -> None:
    """No wait."""


def replies(driven: Driven) -> list[Received]:
    return [event for event in driven.stored().events if isinstance(event, Received)]


# -- stop reasons -----------------------------------------------------------------------------------------


def paused(number: int) -> dict[str, Any]:
    """A turn that the server paused, in the middle of its own tools."""
    identity = f"srvtoolu_{number}"
    search = {"type": "server_tool_use", "id": identity, "name": "web_search", "input": {"query": "x"}}
    found = {"type": "web_search_tool_result", "tool_use_id": identity, "content": []}
    return {"content": [{"type": "text", "text": f"Step {number}."}, search, found], "stop_reason": "pause_turn"}


SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def test_a_paused_turn_stops_at_a_limit(opened: Open) -> None:
    """Each time that it is sent back costs; `resume` goes on with it."""
    script = Script(*(paused(number) for number in range(1, 5)), "Done.")
    driven = opened(FakeClaude(script), tools=[SEARCH])
    reply = driven.run("Search.", limits=Limits(dollars=1e-6))
    assert (reply.stopped, reply.stop_reason, len(script.bodies)) == ("dollars", "pause_turn", 1)
    assert driven.report().open == "turn"
    reply = driven.resume(limits=Limits(seconds=1e-9))
    assert (reply.stopped, len(reply.messages), len(script.bodies)) == ("seconds", 1, 2)
    reply = driven.resume(limits=Limits(rounds=1, dollars=1_000.0))
    assert (reply.stopped, reply.text, len(script.bodies)) == ("reply", "Done.", 5)
    driven.goes_on()


def test_a_reply_that_a_limit_on_the_output_cuts_stops_at_a_limit(opened: Open) -> None:
    """It is not asked for again with more; `resume` does that."""
    script = Script({"content": [SAID, call()], "stop_reason": "max_tokens"})
    driven = opened(FakeClaude(script), max_tokens=1_000)
    reply = driven.send("Go.")
    assert reply.stopped == "reply"
    assert len(script.bodies) == 2
    script.entries = [{"content": [SAID, call()], "stop_reason": "max_tokens"}]
    reply = driven.run("Go on.", limits=Limits(dollars=1e-6))
    assert (reply.stopped, reply.stop_reason, len(script.bodies)) == ("dollars", "max_tokens", 3)
    assert driven.resume().stopped == "reply"
    driven.goes_on()


def test_a_paused_turn_is_sent_back_as_it_is(opened: Open) -> None:
    """MSG-13."""
    script = Script(paused(1), paused(2), "Done.")
    driven = opened(FakeClaude(script), tools=[SEARCH])
    reply = driven.send("Search.")
    assert (reply.text, reply.stop_reason, len(reply.messages)) == ("Done.", "end_turn", 3)
    assert script.bodies[-1]["messages"][-1]["content"][0]["text"] == "Step 2."
    driven.goes_on()


def test_pauses_end(opened: Open) -> None:
    """MSG-13: bounded, and `resume` goes on."""
    script = Script(*map(paused, range(PAUSES + 1)), "Done.")
    driven = opened(FakeClaude(script), tools=[SEARCH])
    assert driven.send("Search.").stop_reason == "pause_turn"
    assert len(script.bodies) == PAUSES + 1
    assert driven.resume().text == "Done."
    driven.goes_on()


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
@pytest.mark.parametrize(
    "content", [[SAID, call()], [THOUGHT], [THOUGHT, call()]], ids=["in a call", "in thinking", "thought and call"]
)
def test_a_limit_inside_a_call_or_thinking(opened: Open, content: Any, reason: str) -> None:
    """MSG-14, MSG-09: the reply is evidence; asked again with more room."""
    script = Script({"content": content, "stop_reason": reason}, "Done.")
    driven = opened(FakeClaude(script), tools=[_definition()])
    reply = driven.send("Look.")
    assert reply.text == "Done."
    assert [body["max_tokens"] for body in script.bodies] == [8_000, 32_000]
    assert len(script.bodies[-1]["messages"]) == 1
    assert "asked again with max_tokens 32,000 [MSG-14]" in str(driven.report())
    assert len(replies(driven)) == 2
    driven.goes_on()
    assert script.bodies[-1]["max_tokens"] == 8_000


def _definition() -> dict[str, Any]:
    return {"name": "look", "input_schema": {"type": "object"}}


def test_a_limit_that_cannot_be_raised(opened: Open) -> None:
    """The reply is handed out as it is, its call is not run, and the turn is not lost."""
    cut_short = {"content": [SAID, call()], "stop_reason": "max_tokens"}
    script = Script(cut_short, cut_short, cut_short)
    driven = opened(FakeClaude(script), tools=[_definition()], max_tokens=32_000)
    reply = driven.run("Look.")
    assert (reply.stop_reason, reply.stopped) == ("max_tokens", "reply")
    assert [body["max_tokens"] for body in script.bodies] == [32_000, 128_000]
    script.entries.clear()
    assert driven.open_calls == ()
    driven.goes_on()


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "stop_sequence"])
def test_a_text_that_a_limit_cuts_is_a_turn(opened: Open, reason: str) -> None:
    """CTX-11: valid, and incomplete."""
    script = Script({"content": [SAID], "stop_reason": reason})
    driven = opened(FakeClaude(script))
    reply = driven.send("Tell me.")
    assert (reply.text, reply.stop_reason) == (SAID["text"], reason)
    driven.goes_on()
    assert script.bodies[-1]["messages"][1]["content"] == [SAID]


@pytest.mark.parametrize("content", [[], [SAID], [THOUGHT, SAID]])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_refusal_is_no_turn(opened: Open, content: Any, streaming: bool) -> None:
    """FB-02: evidence; the next send goes without it."""
    script = Script({"content": content, "stop_reason": "refusal"})
    driven = opened(FakeClaude(script), streaming=streaming)
    reply = driven.send("Do it.")
    assert reply.stop_reason == "refusal"
    assert reply.message.stop_reason == "refusal"
    assert [event.stop_reason for event in replies(driven)] == ["refusal"]
    driven.goes_on()
    assert [message["role"] for message in script.bodies[-1]["messages"]] == ["user", "user"]


def test_an_empty_reply_is_no_turn(opened: Open) -> None:
    """MSG-15."""
    script = Script({"content": [], "stop_reason": "end_turn"})
    driven = opened(FakeClaude(script))
    assert driven.send("Well?").text == ""
    driven.goes_on()


# -- streams that break off -------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("after", [900, 950, 1_000, 1_050])
@pytest.mark.parametrize("model", [MODEL, "claude-haiku-4-5"])
def test_a_stream_that_is_cut_is_gone_on_with(opened: Open, live: bool, after: int, model: str) -> None:
    """MSG-16: what arrived is evidence; the model is told, or goes on from its own words."""
    script = Script(cut(after), [SAID], "And so on.")
    driven = opened(FakeClaude(script), streaming=True, model=model)
    reply = driven.read("Tell me.")[1] if live else driven.send("Tell me.")
    (evidence, whole) = replies(driven)
    assert (evidence.cut, whole.cut) == (True, False)
    arrived = evidence.message["content"][0]["text"].rstrip()
    assert arrived
    assert SAID["text"].startswith(arrived)
    assert reply.text == arrived + "And so on."
    assert len(reply.messages) == 2
    assert str(driven.report()).count("the model is asked to go on [MSG-16]") == 1
    assert str(driven.report()).count(" send 1: cut:") == 1, "told once"
    driven.goes_on()


@pytest.mark.parametrize("live", [False, True])
def test_a_stream_that_is_cut_before_anything_came(opened: Open, live: bool) -> None:
    script = Script(cut(10), [SAID], "Whole.")
    driven = opened(FakeClaude(script), streaming=True)
    reply = driven.read("Tell me.")[1] if live else driven.send("Tell me.")
    assert reply.text == "Whole."
    assert len(script.bodies) == 3, "the reply that was lost counts as asked"
    assert script.bodies[-1]["messages"] == script.bodies[0]["messages"]
    driven.goes_on()


@pytest.mark.parametrize("reopens", [False, True])
@pytest.mark.parametrize("model", [MODEL, "claude-haiku-4-5"])
def test_what_is_resumed_has_all_its_parts(opened: Open, reopens: bool, model: str) -> None:
    """Whenever they came, and whoever had them come: the text is whole, and the words that are sent again are no part of it."""
    script = Script(
        cut(), [SAID], cut(), [{"type": "text", "text": "And that is because of this and of that, as they say."}]
    )
    script.entries += [refused("No.", 429), cut(10), [SAID], refused("No.", 500)]
    driven = opened(FakeClaude(script), streaming=True, model=model)
    with pytest.raises(anthropic.RateLimitError):
        driven.send("Tell me.")
    for _ in range(2):
        driven = opened(driven.fake, streaming=True, model=model) if reopens else driven
        if script.entries:
            with pytest.raises(anthropic.InternalServerError):
                driven.resume()
    reply = driven.resume()
    parts = [event.message["content"][0]["text"].rstrip() for event in replies(driven)[:2]]
    assert all(parts)
    assert reply.text == "".join(parts) + "Reply 1."
    driven.goes_on()
    assert driven.send("Good.").text == "Reply 3.", "the parts are of that reply alone"


def test_a_reply_that_is_written_again_has_no_parts(opened: Open) -> None:
    """Behind a system message at the end nothing can be gone on from (SYS-04)."""
    driven = opened(FakeClaude(Script(refused("No.", 429), cut(), [SAID], "The whole of it.")), streaming=True)
    with pytest.raises(anthropic.RateLimitError):
        driven.send("Hello.")
    reply = driven.send({"role": "system", "content": "Be brief."})
    assert [event.cut for event in replies(driven)] == [True, False]
    assert (reply.text, len(reply.messages)) == ("The whole of it.", 2)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("after", [10, 900])
def test_going_on_ends(opened: Open, live: bool, after: int) -> None:
    """Never a loop: after a few times the fault is the caller's, and nothing is lost."""
    said = [[{"type": "text", "text": f"{number}: {SAID['text']}"}] for number in range(RESUMPTIONS + 1)]
    script = Script(*(entry for one in said for entry in (cut(after), one)))
    driven = opened(FakeClaude(script), streaming=True)
    with pytest.raises((httpx2.HTTPError, anthropic.APIConnectionError)) as caught:
        _ = driven.read("Tell me.") if live else driven.send("Tell me.")
    assert "resume()" in caught.value.__notes__[0]
    assert len(driven.fake.requests) == RESUMPTIONS + 1
    assert driven.report().open in ("cut", "turn")
    reply = driven.resume()
    assert "Reply" in reply.text
    driven.goes_on()


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("status", [500, 529, 504])
def test_an_error_in_the_stream(opened: Open, live: bool, status: int) -> None:
    """ERR-03: after what has arrived it is a cut."""
    script = Script(Fault(kind="error-event", status=status), [SAID], "And so on.")
    driven = opened(FakeClaude(script), streaming=True)
    reply = driven.read("Tell me.")[1] if live else driven.send("Tell me.")
    assert reply.text.endswith("And so on.")
    assert len(driven.fake.requests) == 2
    driven.goes_on()


def only_error(kind: str, text: str) -> bytes:
    return (
        f'event: error\ndata: {{"type": "error", "error": {{"type": "{kind}", "message": "{text}"}}, "request_id": "req_1"}}\n\n'
    ).encode()


STREAM = {"content-type": "text/event-stream"}


@pytest.mark.parametrize("live", [False, True])
def test_an_error_before_anything_came(opened: Open, live: bool) -> None:
    """ERR-03: a passing one, in a stream whose status was 200, is not tried again by the SDK; so it is here, a few times."""
    left = [only_error("overloaded_error", "Overloaded")] * 2

    def change(_: httpx2.Request, answer: Answer) -> httpx2.Response:
        return httpx2.Response(200, headers=STREAM, content=left.pop()) if left else answer()

    fake = FakeClaude(Script("Whole."))
    driven = opened(fake, streaming=True, client=Between(fake, change))
    reply = driven.read("Tell me.")[1] if live else driven.send("Tell me.")
    assert reply.text == "Whole."
    driven.goes_on()


@pytest.mark.parametrize("live", [False, True])
def test_a_final_error_before_anything_came(opened: Open, live: bool) -> None:
    left = [only_error("billing_error", "Your credit balance is too low")]

    def change(_: httpx2.Request, answer: Answer) -> httpx2.Response:
        return httpx2.Response(200, headers=STREAM, content=left.pop()) if left else answer()

    fake = FakeClaude(Script("Whole."))
    driven = opened(fake, streaming=True, client=Between(fake, change))
    with pytest.raises(anthropic.APIStatusError) as caught:
        _ = driven.read("Tell me.") if live else driven.send("Tell me.")
    assert "billing" in caught.value.__notes__[0]
    assert fake.requests == []
    assert [event.status for event in driven.stored().events if isinstance(event, Failed)] == [402]
    assert driven.resume().text == "Whole."
    driven.goes_on()


def shortened(fake: FakeClaude, *lengths: int) -> Between:
    """Lets streams end as if they were complete, after some of their events."""
    left = list(lengths)

    def change(_: httpx2.Request, answer: Answer) -> httpx2.Response:
        found = answer()
        if not left:
            return found
        events = found.content.split(b"\n\n")[: left.pop(0)]
        return httpx2.Response(200, headers=STREAM, content=b"".join(event + b"\n\n" for event in events))

    return Between(fake, change)


@pytest.mark.parametrize("live", [False, True])
def test_a_stream_that_ends_without_its_end(opened: Open, live: bool) -> None:
    """No error is raised by anybody; the reply is not complete all the same."""
    fake = FakeClaude(Script([SAID], "And so on."))
    driven = opened(fake, streaming=True, client=shortened(fake, 6))
    reply = driven.read("Tell me.")[1] if live else driven.send("Tell me.")
    assert reply.text.endswith("And so on.")
    assert len(reply.text) > len("And so on.")
    driven.goes_on()


def test_a_stream_that_never_ends_right(opened: Open) -> None:
    fake = FakeClaude()
    driven = opened(fake, streaming=True, client=shortened(fake, *[3] * (RESUMPTIONS + 1)))
    with pytest.raises(StreamCut):
        driven.send("Tell me.")
    driven.goes_on()


@pytest.mark.parametrize("live", [False, True])
def test_thinking_and_calls_that_are_cut_are_made_anew(opened: Open, live: bool) -> None:
    """MSG-16: they cannot be recovered in part."""
    fake = FakeClaude(Script([THOUGHT, call(place="here")], [THOUGHT, call(place="here")], "Done."))
    driven = opened(fake, streaming=True, tools=[look], client=shortened(fake, 8))
    reply = driven.read("Look.", run=True)[1] if live else driven.run("Look.")
    assert reply.text == "Done."
    assert fake.requests[1].json["messages"] == fake.requests[0].json["messages"]
    assert len(fake.requests) == 3
    driven.goes_on()


def look(place: str) -> str:
    """Look somewhere."""
    return f"Nothing {place}."


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("body", [b"<html>Log in</html>", b""])
def test_a_page_with_a_200(opened: Open, streaming: bool, body: bytes) -> None:
    """What answers is no Messages API."""
    left = [body]

    def change(_: httpx2.Request, answer: Answer) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/html"}, content=left.pop()) if left else answer()

    fake = FakeClaude()
    driven = opened(fake, streaming=streaming, client=Between(fake, change))
    with pytest.raises(EndpointError) as caught:
        driven.send("Hello.")
    assert "base_url" in str(caught.value)
    assert driven.resume().text
    driven.goes_on()


def test_a_body_that_breaks_off(opened: Open) -> None:
    """Without a stream the SDK has nothing to give."""
    driven = opened(FakeClaude(Script(cut(50), [SAID])), streaming=False)
    with pytest.raises((anthropic.APIError, httpx2.HTTPError)) as caught:
        driven.send("Hello.")
    assert "resume()" in caught.value.__notes__[0]
    assert driven.resume().text == "Reply 1."
    driven.goes_on()


@pytest.mark.parametrize("model", ["claude-haiku-4-5", MODEL])
def test_what_asks_to_go_on_is_taken_back_when_something_else_is_said(opened: Open, model: str) -> None:
    """It had no answer: the model would go on from there first, or take the part that had arrived for a whole turn."""
    story = "Once upon a time there was a lamp that flickered in the evening only."
    fake = FakeClaude([cut(), story, Fault(status=429), "4.", "More."])
    driven = opened(fake, model=model, streaming=True)
    with pytest.raises(anthropic.RateLimitError):
        driven.send("Tell me a story.")
    assert "Once upon" in str(fake.requests[-1].json["messages"]), "it was asked to go on"
    assert driven.send("Never mind: what is 2+2?").text == "4."
    sent = fake.requests[-1].json["messages"]
    assert "Once" not in str(sent)
    assert [message["role"] for message in sent] == ["user", "user"]
    assert "Once" in str(driven.stored().messages)
    driven.goes_on()


@pytest.mark.parametrize("streaming", [False, True])
def test_two_calls_of_one_id_are_refused(opened: Open, streaming: bool) -> None:
    """TOOL-04: nothing runs, nothing of it is sent back, and it is asked again."""
    ran: list[str] = []

    def look() -> str:
        """Look."""
        ran.append("look")
        return "Nothing."

    script = Script([call(), call()], [call(), call(identity="toolu_2")], "Done.")
    driven = opened(FakeClaude(script), tools=[look], streaming=streaming)
    with pytest.raises(EndpointError) as caught:
        driven.run("Look.")
    assert (caught.value.rule, caught.value.path) == ("TOOL-04", "base_url")
    assert ran == []
    assert len(driven.stored().messages) == 2
    assert driven.report().open == "turn"
    assert driven.resume().text == "Done."
    assert [len(body["messages"]) for body in script.bodies] == [1, 1, 3]
    assert ran == ["look", "look"]
    driven.goes_on()
