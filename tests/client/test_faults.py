"""Every error that the API is known to answer with, and what becomes of it in a session that blocks and one that awaits."""

from __future__ import annotations

import logging
from typing import Any

import anthropic
import pytest

from ctxwindow import Policy
from ctxwindow.emulator.faults import Fault
from ctxwindow.errors import WindowOverflow
from ctxwindow.record.events import Failed
from ctxwindow.testing import FakeClaude
from tests.client.driven import MODEL, THOUGHT, Driven, Open, Script, call, refused

MANUAL = {"thinking": {"type": "enabled", "budget_tokens": 1_024}}
ADAPTIVE = {"thinking": {"type": "adaptive"}}

BOUND = (
    "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation. Remove the "
    'block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
)
MODIFIED = (
    "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These "
    "blocks must remain as they were in the original response."
)
FORGED = "messages.1.content.0: Invalid `signature` in `thinking` block"
FINAL = "messages.1: The final block in an assistant message cannot be `thinking`."
NOT_FIRST = (
    "messages.1.content.0: If an assistant message contains any thinking blocks, the first block must be thinking or "
    "redacted_thinking. Found text."
)
OFF = (
    "messages.1.content.0: When thinking is disabled, an `assistant` message in the final position cannot contain `thinking`. To "
    "use thinking blocks, enable `thinking` in your request."
)
THINKING = [(MODIFIED, "REPLAY-02"), (FORGED, "REPLAY-04"), (FINAL, "MSG-09"), (NOT_FIRST, "MSG-10"), (OFF, "THINK-08")]

PAIRS = {
    "TOOL-01": "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each `tool_use` block "
    "must have a corresponding `tool_result` block in the next message.",
    "TOOL-02": "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1. Each `tool_result` block must "
    "have a corresponding `tool_use` block in the previous message.",
    "TOOL-03": "messages.2: each tool_use must have a single result. Found multiple `tool_result` blocks with id: toolu_1",
    "TOOL-04": "messages.3.content.0: `tool_use` ids must be unique",
    "TOOL-08": "messages.1.content.0: unexpected `tool_use_id` found in `advisor_tool_result` blocks: srvtoolu_1. Each "
    "`advisor_tool_result` block must have a corresponding `server_tool_use` block before it.",
}


def failures(driven: Driven) -> list[Failed]:
    return [event for event in driven.stored().events if isinstance(event, Failed)]


def blocks(body: Any, kind: str) -> list[Any]:
    return [block for message in body["messages"] for block in message["content"] if _is(block, kind)]


def _is(block: Any, kind: str) -> bool:
    return isinstance(block, dict) and block.get("type") == kind


# -- too long ---------------------------------------------------------------------------------------------


def _long(opened: Open, *entries: Any, **given: Any) -> tuple[Driven, Script]:
    """A conversation of some 12,000 tokens, and what the API says to the next turn."""
    script = Script(*(f"Answer {number}. " + "word " * 1_000 for number in range(6)), *entries)
    driven = opened(FakeClaude(script), policy=Policy(budget=100_000, reserve=0), max_tokens=1_000, **given)
    for number in range(6):
        driven.send(f"Question {number}. " + "term " * 1_000)
    return driven, script


def test_a_prompt_that_is_too_long_is_shrunk_once(opened: Open) -> None:
    """CTX-08: from the size that the API tells; strictly smaller."""
    driven, script = _long(opened, refused("prompt is too long: 20000 tokens > 15000 maximum"))
    reply = driven.send("Go on.")
    assert reply.text.startswith("Reply")
    first, second = (len(str(body)) for body in script.bodies[-2:])
    assert second < first
    told = failures(driven)
    assert [(event.rule, event.tokens, event.limit) for event in told] == [("CTX-08", 20_000, 15_000)]
    assert "it is shrunk before the next send [CTX-08]" in str(driven.report())
    driven.goes_on()


def test_what_is_too_long_again_is_an_overflow_with_its_parts(opened: Open) -> None:
    """Shrunk once, then told; never a loop."""
    driven, script = _long(
        opened,
        refused("prompt is too long: 20000 tokens > 15000 maximum"),
        refused("prompt is too long: 16000 tokens > 15000 maximum"),
    )
    sent = len(script.bodies)
    with pytest.raises(WindowOverflow) as caught:
        driven.send("Go on.")
    assert len(script.bodies) == sent + 2
    assert caught.value.need == 16_000 + 1_000
    assert sum(caught.value.floor.values()) == caught.value.need
    assert caught.value.limit == 15_000
    assert isinstance(caught.value.__cause__, anthropic.BadRequestError)
    assert [event.recovery for event in failures(driven)] == ["plan_again", "give_up"]
    assert driven.resume().text.startswith("Reply")
    driven.goes_on()


def test_what_cannot_shrink_is_an_overflow(opened: Open) -> None:
    script = Script(refused("prompt is too long: 210000 tokens > 2000 maximum"))
    driven = opened(FakeClaude(script), policy=Policy(reserve=0), max_tokens=1_000)
    with pytest.raises(WindowOverflow) as caught:
        driven.send("word " * 3_000)
    assert len(script.bodies) == 1
    assert "messages.0" in str(caught.value)
    assert failures(driven)[0].rule == "CTX-08"


def test_old_models_count_the_output_in(opened: Open) -> None:
    """CTX-10."""
    text = "input length and `max_tokens` exceed context limit: 14500 + 1000 > 15000, decrease input length or `max_tokens` and try again"
    driven, script = _long(opened, refused(text))
    driven.send("Go on.")
    assert len(str(script.bodies[-1])) < len(str(script.bodies[-2]))
    driven.goes_on()


@pytest.mark.parametrize("nonsense", ["5 tokens > 200000", "0 tokens > 0", "200000 tokens > 200000"])
def test_a_size_that_cannot_be_is_not_believed(opened: Open, nonsense: str) -> None:
    script = Script(refused(f"prompt is too long: {nonsense} maximum"))
    driven = opened(FakeClaude(script))
    with pytest.raises(anthropic.BadRequestError):
        driven.send("Hello.")
    assert len(script.bodies) == 1
    driven.goes_on()


# -- thinking ---------------------------------------------------------------------------------------------


def _thinking(opened: Open, *entries: Any, **given: Any) -> tuple[Driven, Script]:
    script = Script([THOUGHT, {"type": "text", "text": "First."}], *entries)
    driven = opened(FakeClaude(script), **given)
    driven.send("Think.")
    return driven, script


@pytest.mark.parametrize("surface", ["beta", "stable"])
def test_bound_elsewhere_drops_for_the_rest(opened: Open, surface: str, caplog: pytest.LogCaptureFixture) -> None:
    """BIND-26: once more with drop_block, and so from then on."""
    driven, script = _thinking(opened, refused(BOUND), surface=surface)
    with caplog.at_level(logging.WARNING, "ctxwindow.client"):
        assert driven.send("Go on.").text == "Reply 1."
    assert len(script.bodies) == 3
    driven.goes_on()
    assert len(driven.fake.requests) == 4
    for request in driven.fake.requests[2:]:
        assert request.json["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
        assert "thinking-binding-controls-2026-08-01" in request.headers["anthropic-beta"]
    told = "not in the history: it extends the request before"
    assert told in caplog.text
    assert told in str(driven.report())
    assert blocks(script.bodies[-1], "thinking"), "the history keeps it"


def test_what_is_dropped_stays_dropped_whatever_settings_are_given(opened: Open) -> None:
    """BIND-26: by the line that opened the conversation, and by other settings; but where thinking is switched off."""
    driven, script = _thinking(opened, refused(BOUND))
    driven.send("Go on.")
    again = opened(driven.fake, settings=ADAPTIVE)
    again.send("And on.")
    again.configure(settings={"thinking": {"type": "adaptive", "display": "omitted"}})
    again.send("And on.")
    again.configure(settings={})
    again.send("And on.")
    dropping = {"prefix_mismatch_behavior": "drop_block"}
    assert [body["thinking"]["block_binding"] for body in script.bodies[2:]] == [dropping] * 4
    assert script.bodies[-2]["thinking"]["display"] == "omitted"
    for request in again.fake.requests[2:]:
        assert "thinking-binding-controls-2026-08-01" in request.headers["anthropic-beta"]
    own = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "error"}}
    again.configure(settings={"thinking": own})
    again.send("And on.")
    assert script.bodies[-1]["thinking"] == own


def test_thinking_that_is_off_asks_for_nothing(opened: Open) -> None:
    """THINK-01: `disabled` takes no `block_binding`; nor is thinking asked for on another model."""
    driven, script = _thinking(opened, refused(BOUND))
    driven.send("Go on.")
    driven.configure(model="claude-haiku-4-5", settings={})
    driven.send("And on.")
    assert "thinking" not in script.bodies[-1]


def test_the_cause_is_found_where_the_history_was_changed(opened: Open) -> None:
    """BIND-12: what differs from the request that was answered before is told."""
    driven, _ = _thinking(opened, refused(BOUND), system="Be brief.")
    talk = driven.session._held
    talk.previous = {**talk.previous, "system": [{"type": "text", "text": "Be long."}]}
    driven.send("Go on.")
    (incident,) = driven.report().incidents
    assert incident.cause is not None
    assert "system" in incident.cause
    assert "not in the history" not in incident.cause
    assert incident.cause in str(driven.report())
    driven.goes_on()


def test_bound_elsewhere_although_it_was_to_be_dropped(opened: Open) -> None:
    driven, script = _thinking(opened, refused(BOUND), refused(BOUND))
    with pytest.raises(anthropic.BadRequestError) as caught:
        driven.send("Go on.")
    assert "BIND-26" in caught.value.__notes__[0]
    assert len(script.bodies) == 3
    driven.goes_on()


def test_a_proxy_that_eats_the_header(opened: Open) -> None:
    """BIND-08: the field without its header is refused; then all old thinking goes instead."""
    extra = "thinking.adaptive.block_binding: Extra inputs are not permitted"
    driven, script = _thinking(opened, refused(BOUND), refused(extra))
    assert driven.send("Go on.").text == "Reply 1."
    assert "block_binding" not in script.bodies[-1]["thinking"]
    assert not blocks(script.bodies[-1], "thinking")
    assert [event.rule for event in failures(driven)] == ["BIND-26", "BIND-08"]
    driven.goes_on()


@pytest.mark.parametrize(("text", "rule"), THINKING)
def test_thinking_that_is_refused_leaves_the_wire_once(opened: Open, text: str, rule: str) -> None:
    """REPLAY-03: outside a tool loop older thinking may be left out, all of it."""
    driven, script = _thinking(opened, refused(text), [THOUGHT, {"type": "text", "text": "Second."}])
    assert driven.send("Go on.").text == "Second."
    assert not blocks(script.bodies[-1], "thinking")
    assert [(event.rule, event.strip_thinking) for event in failures(driven)] == [(rule, True)]
    assert f"[{rule}]" in str(driven.report())
    driven.goes_on()
    assert len(blocks(script.bodies[-1], "thinking")) == 1, "what was thought since stays"


@pytest.mark.parametrize(("text", "rule"), THINKING)
def test_thinking_that_is_refused_again(opened: Open, text: str, rule: str) -> None:
    driven, script = _thinking(opened, refused(text), refused(text))
    with pytest.raises(anthropic.BadRequestError) as caught:
        driven.send("Go on.")
    assert rule in caught.value.__notes__[0]
    assert len(script.bodies) == 3
    assert len(caught.value.__notes__[0].splitlines()) == 1
    driven.goes_on()


def look(place: str = "here") -> str:
    """Look somewhere."""
    return f"Nothing {place}."


FAMILIES = [(MODEL, ADAPTIVE), ("claude-haiku-4-5", MANUAL), ("claude-opus-4-6", ADAPTIVE)]


@pytest.mark.parametrize(("model", "settings"), FAMILIES)
def test_inside_an_open_tool_loop_its_thinking_stays(opened: Open, model: str, settings: Any) -> None:
    """REPLAY-01, REPLAY-02: only that of earlier turns may go."""
    script = Script(
        [THOUGHT, {"type": "text", "text": "First."}],
        [THOUGHT, call()],
        refused(FORGED),
        "Second.",
        [THOUGHT, call(identity="toolu_2")],
    )
    driven = opened(FakeClaude(script), model=model, settings=settings, tools=[look], max_tokens=4_000)
    driven.send("Think.")
    assert driven.run("Look.").text == "Second."
    assert [len(blocks(body, "thinking")) for body in script.bodies[2:4]] == [2, 1]
    assert driven.run("Look again.").text.startswith("Reply")
    driven.goes_on()


@pytest.mark.parametrize(("model", "settings"), FAMILIES)
def test_where_only_the_open_loop_thinks_the_same_is_not_sent_twice(opened: Open, model: str, settings: Any) -> None:
    script = Script([THOUGHT, call()], refused(MODIFIED))
    driven = opened(FakeClaude(script), model=model, settings=settings, tools=[look], max_tokens=4_000)
    with pytest.raises(anthropic.BadRequestError) as caught:
        driven.run("Look.")
    assert len(script.bodies) == 2
    assert "rewind" in caught.value.__notes__[0]
    driven.rewind(0)
    driven.goes_on("Never mind.")


# -- what has no way out ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "text"), PAIRS.items())
def test_half_a_pair_is_somebody_elses(opened: Open, text: str, rule: str) -> None:
    """I-01 to I-04, I-13: the wire here has all pairs, and says what to look at."""
    script = Script(refused(text))
    driven = opened(FakeClaude(script))
    with pytest.raises(anthropic.BadRequestError) as caught:
        driven.send("Hello.")
    (note,) = caught.value.__notes__
    assert all(part in note for part in (f"[{rule}]", "proxy", "ctxwindow.repair"))
    assert len(script.bodies) == 1
    driven.goes_on()


@pytest.mark.parametrize(
    ("status", "code", "rule", "told"),
    [
        (401, None, "ERR-02", "ANTHROPIC_API_KEY"),
        (402, None, "ERR-02", "billing"),
        (403, None, "ERR-02", "permissions"),
        (404, None, "ERR-02", "base_url"),
        (413, None, "CTX-18", "more bytes"),
        (429, "enforced_spend_limit_reached", "RATE-06", "no waiting helps"),
        (404, "file_expired", "MEDIA-09", "Upload it again"),
    ],
)
def test_what_only_the_caller_can_help(opened: Open, status: int, code: str | None, rule: str, told: str) -> None:
    script = Script(refused("Something.", status, code=code))
    driven = opened(FakeClaude(script))
    with pytest.raises(anthropic.APIStatusError) as caught:
        driven.send("Hello.")
    (note,) = caught.value.__notes__
    assert all(part in note for part in (told, f"[{rule}]"))
    assert [(event.status, event.rule, event.recovery) for event in failures(driven)] == [(status, rule, "give_up")]
    assert len(script.bodies) == 1
    assert driven.resume().text == "Reply 1."
    driven.goes_on()


def test_a_limit_of_ones_own_spending(opened: Open) -> None:
    """RATE-06: a 400 of its own."""
    script = Script(refused("You have reached your specified API usage limits. You will regain access on 2026-12-01."))
    driven = opened(FakeClaude(script))
    with pytest.raises(anthropic.BadRequestError) as caught:
        driven.send("Hello.")
    assert "[RATE-06]" in caught.value.__notes__[0]
    driven.goes_on()


# -- what passes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 504, 529])
@pytest.mark.parametrize("streaming", [False, True])
def test_passing_faults_are_the_sdks_to_try_again(opened: Open, status: int, streaming: bool) -> None:
    """SDK-01: with the waits that the API asks for, and no second loop around them."""
    fault = Fault(status=status, retry_after=0.01)
    script = Script(fault, fault)
    fake = FakeClaude(script)
    driven = opened(fake, streaming=streaming, retries=2)
    assert driven.send("Hello.").text == "Reply 1."
    assert len(fake.requests) == 3
    assert not failures(driven)
    script.entries += [fault] * 3
    with pytest.raises(anthropic.APIStatusError) as caught:
        driven.send("Hello again.")
    assert len(fake.requests) == 6, "three attempts of the SDK, and none of ours"
    assert "resume()" in caught.value.__notes__[0]
    assert driven.resume().text == "Reply 2."
    driven.goes_on()


@pytest.mark.parametrize("streaming", [False, True])
def test_no_answer_at_all(opened: Open, streaming: bool) -> None:
    driven = opened(FakeClaude(Script(Fault(kind="timeout"))), streaming=streaming)
    with pytest.raises(anthropic.APITimeoutError) as caught:
        driven.send("Hello.")
    assert "resume()" in caught.value.__notes__[0]
    assert driven.resume().text == "Reply 1."
    driven.goes_on()


@pytest.mark.parametrize("streaming", [False, True])
def test_a_proxys_page(opened: Open, streaming: bool) -> None:
    """HTML with a 502 is a fault that passes."""
    driven = opened(FakeClaude(Script(Fault(kind="html"))), streaming=streaming)
    with pytest.raises(anthropic.InternalServerError):
        driven.send("Hello.")
    driven.goes_on()
