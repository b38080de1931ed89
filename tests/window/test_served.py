from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.testing import requests
from ctxwindow.window import Served, count, serve
from ctxwindow.window.edits import PLACEHOLDER
from ctxwindow.window.served import compaction_due
from tests.window.scenes import (
    HAIKU,
    assistant,
    body,
    call,
    clear_uses,
    keep,
    result,
    rounds,
    text,
    thinking,
    user,
)

NEXT = user("And now?")
TURN = [user("Why is the sky blue?"), assistant(thinking("a"), text("Scattering.")), NEXT]
REMINDER = {"role": "system", "content": "Run the tests.", "clear_at": "next_user_message"}
SUMMARY = {"type": "compaction", "content": "They spoke of the sky."}
DEFERRED = {
    "name": "deploy",
    "description": "Deploys. " * 40,
    "input_schema": {"type": "object"},
    "defer_loading": True,
}
READ = {"name": "read_file", "input_schema": {"type": "object"}}


def _serve(request: dict[str, Any], **options: Any) -> Served:
    return serve(request, resolve(request["model"]), **options)


def _fates(served: Served) -> dict[str, tuple[str, str]]:
    return {block.path: (block.disposition, block.rule) for block in served.window.blocks}


def test_an_untouched_request_is_served_as_it_came() -> None:
    request = body(TURN)
    served = _serve(request)
    assert served.request == request
    assert all(seen is sent for seen, sent in zip(served.request["messages"], TURN, strict=True))
    assert served.origins == (0, 1, 2)
    assert served.applied_edits == ()
    assert served.original_tokens == served.window.tokens == count(request).tokens


def test_last_turn_only_models_see_no_earlier_thinking() -> None:
    """RET-02, RET-03: on last-turn-only models a new user turn strips the thinking before it (V-RET-1)."""
    served = _serve(body(TURN, model=HAIKU))
    assert served.request["messages"][1] == assistant(text("Scattering."))
    assert _fates(served)["messages.1.content.0"] == ("stripped", "RET-02")
    assert _serve(body(TURN[:2], model=HAIKU)).request["messages"] == TURN[:2]


@pytest.mark.parametrize(
    ("sent", "disposition", "rule"), [("dropped", "dropped", "BIND-08"), ("unreadable", "unreadable", "BIND-02")]
)
def test_thinking_that_fails_a_check_is_not_seen_and_not_counted(sent: str, disposition: str, rule: str) -> None:
    """TOK-23, BIND-24: dropped thinking blocks are neither billed nor in input_tokens, and stay in the history."""
    request = body(TURN)
    served = _serve(request, **{sent: ["messages.1.content.0"]})
    assert _fates(served)["messages.1.content.0"] == (disposition, rule)
    without = body([TURN[0], assistant(text("Scattering.")), NEXT])
    assert served.request == without
    assert served.window.tokens == count(without).tokens
    assert request == body(TURN)


def test_reminders_expire_with_their_turn() -> None:
    """SYS-07, TOK-22: a turn-scoped message renders until a later user message exists (V-SYS-2)."""
    said = [TURN[0], REMINDER]
    assert _serve(body(said)).request["messages"] == said
    served = _serve(body([*said, *TURN[1:]]))
    assert served.request["messages"] == TURN
    assert served.origins == (0, 2, 3)
    assert served.window.tokens == count(body(TURN)).tokens


def test_everything_before_the_last_compaction_block_is_left_out() -> None:
    """CMP-02, CMP-03: what is before the last block with content is ignored, an earlier block too (V-CMP-1)."""
    first = [TURN[0], assistant(SUMMARY, text("It is blue."))]
    later = assistant(text("Let me see."), {**SUMMARY, "content": "Of the sea too."}, text("It is green."))
    served = _serve(body([*first, NEXT, later, NEXT]))
    seen = [assistant(*later["content"][1:]), NEXT]
    assert served.request["messages"] == seen
    assert served.origins == (3, 4)
    assert served.window.tokens == count(body(seen)).tokens
    assert _fates(served)["messages.3.content.0"] == ("compacted", "CMP-02")
    assert served.window.not_counted.keys() == {"CMP-02"}


def test_a_failed_compaction_is_nothing() -> None:
    """CMP-04, TOK-22: a null block is a no-op and costs 0 tokens, whether or not it is sent."""
    null = {"type": "compaction", "content": None}
    served = _serve(body([TURN[0], assistant(null, text("Scattering.")), NEXT]))
    assert served.request["messages"][1] == assistant(text("Scattering."))
    assert _fates(served)["messages.1.content.0"] == ("ignored", "CMP-04")
    assert served.window.tokens == count(body([TURN[0], assistant(text("Scattering.")), NEXT])).tokens


def test_a_compaction_is_due_when_the_trigger_is_reached() -> None:
    """CMP-01, CMP-15: the API summarises when input tokens reach the trigger, 150,000 by default."""
    edit: dict[str, Any] = {"type": "compact_20260112"}
    assert not compaction_due(body(TURN, edit), 149_999)
    assert compaction_due(body(TURN, edit), 150_000)
    assert not compaction_due(body(TURN), 150_000)
    size = count(body(TURN)).tokens
    for value, due in ((size, True), (size + 1, False)):
        assert _serve(body(TURN, {**edit, "trigger": keep(value, "input_tokens")})).compaction_due == due


def test_a_compaction_is_judged_after_the_other_edits() -> None:
    """EDIT-02, CMP-01: what is cleared does not fill the window."""
    messages = rounds(6)
    size = count(body(messages)).tokens
    edit = {"type": "compact_20260112", "trigger": keep(size, "input_tokens")}
    assert _serve(body(messages, edit)).compaction_due
    assert not _serve(body(messages, clear_uses(), edit)).compaction_due


def test_deferred_tools_wait_until_they_are_named() -> None:
    """TOOL-17, TOOL-20, TOK-22: deferred tools cost 0 until referenced, and then as long as the reference is there."""
    tools: dict[str, Any] = {"tools": [READ, DEFERRED]}
    waiting = _serve(body(TURN, **tools))
    assert waiting.request["tools"] == [READ]
    assert _fates(waiting)["tools.1"] == ("deferred", "TOK-22")
    found = [
        user("Deploy it."),
        assistant(call("toolu_1", "find_tool")),
        user([result("toolu_1", [{"type": "tool_reference", "tool_name": "deploy"}])]),
    ]
    loaded = _serve(body(found, **tools))
    assert loaded.request["tools"] == [READ, DEFERRED]
    assert _fates(loaded)["tools.1"] == ("counted", "TOOL-20")
    definition = next(block.tokens for block in loaded.window.blocks if block.path == "tools.1")
    assert definition > 40
    assert loaded.window.by["tools"] - waiting.window.by["tools"] == definition
    gone = _serve(body([*found, assistant(SUMMARY), NEXT], **tools))
    assert _fates(gone)["tools.1"] == ("deferred", "TOK-22"), "a compaction takes the reference away"


@pytest.mark.parametrize(
    ("change", "loaded"),
    [
        ({"type": "tool_addition", "tool": {"type": "tool_reference", "name": "deploy"}}, True),
        ({"type": "tool_removal", "tool": {"type": "tool_reference", "name": "deploy"}}, False),
    ],
)
def test_changes_of_tools_in_the_conversation(change: dict[str, Any], *, loaded: bool) -> None:
    """SYS-10: tool_addition and tool_removal change the tools without touching `tools`."""
    served = _serve(body([TURN[0], {"role": "system", "content": [change]}], tools=[READ, DEFERRED]))
    assert (DEFERRED in served.request["tools"]) == loaded


def test_results_of_calls_that_code_made_stay_outside() -> None:
    """TOK-20: client tool results of programmatic calls never enter the context and are not billed as input."""
    by_code = {**call("toolu_1"), "caller": {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}}
    answer = user([result("toolu_1", "row " * 600)])
    served = _serve(body([TURN[0], assistant(by_code), answer]))
    assert _fates(served)["messages.2.content.0"] == ("outside", "TOK-20")
    assert served.request["messages"][2] == user([])
    assert served.window.tokens < 500 <= served.window.not_counted["TOK-20"]
    direct = [TURN[0], assistant({**by_code, "caller": {"type": "direct"}}), answer]
    assert _serve(body(direct)).window.not_counted == {}


def test_cited_text_is_not_counted() -> None:
    """TOK-21: cited_text counts neither as output nor as input when replayed."""
    citation = {"type": "char_location", "cited_text": "The grass is green. " * 30, "document_index": 0}
    cited = {**text("Green."), "citations": [citation]}
    with_citation = count(body([TURN[0], assistant(cited), NEXT])).tokens
    assert with_citation == count(body([TURN[0], assistant(text("Green.")), NEXT])).tokens


def test_cleared_results_and_thinking_are_reported_as_the_api_does() -> None:
    """EDIT-05: applied_edits has cleared_input_tokens, and cleared_tool_uses or cleared_thinking_turns."""
    edits = [
        {"type": "clear_thinking_20251015", "keep": keep(1, "thinking_turns")},
        clear_uses(keep=keep(1)),
    ]
    messages = [*TURN, assistant(thinking("b"), text("Then.")), *rounds(3)]
    served = _serve(body(messages, *edits))
    thought, used = served.applied_edits
    whole = _serve(body(messages)).window
    assert thought == {
        "type": "clear_thinking_20251015",
        "cleared_thinking_turns": 1,
        "cleared_input_tokens": next(block.tokens for block in whole.blocks if block.path == "messages.1.content.0"),
    }
    assert used["type"] == "clear_tool_uses_20250919"
    assert used["cleared_tool_uses"] == 2
    assert served.original_tokens == whole.tokens
    assert served.window.tokens == whole.tokens - thought["cleared_input_tokens"] - used["cleared_input_tokens"]


def test_count_tokens_tells_both_sizes() -> None:
    """TOK-14: count_tokens applies edits and returns original_input_tokens beside input_tokens (V-TOK-5)."""
    request = body(rounds(6), clear_uses())
    served = _serve(request)
    plain = {key: value for key, value in request.items() if key != "context_management"}
    assert served.window.tokens == count(request).tokens < served.original_tokens == count(plain).tokens
    assert served.window.tokens == count(served.request).tokens


def test_images_go_with_their_result_only() -> None:
    """EDIT-11: images inside tool results can be cleared; one placed directly in a user turn cannot."""
    image = {"type": "image", "source": {"type": "url", "url": "https://example.invalid/a.png"}}
    messages = [user([image, text("Look.")]), assistant(call("toolu_1")), user([result("toolu_1", [image])])]
    served = _serve(body(messages, clear_uses(keep=keep(0))))
    assert served.request["messages"] == [messages[0], messages[1], user([result("toolu_1", PLACEHOLDER)])]
    assert served.window.by["images"] * 2 == _serve(body(messages)).window.by["images"]


_EDITS = st.tuples(
    st.builds(
        lambda number: {"type": "clear_thinking_20251015", "keep": keep(number, "thinking_turns")}, st.integers(1, 2)
    ),
    st.builds(
        lambda trigger, kept, inputs, least: clear_uses(
            trigger=trigger, keep=keep(kept), clear_tool_inputs=inputs, clear_at_least=keep(least, "input_tokens")
        ),
        st.one_of(st.builds(keep, st.integers(0, 3)), st.builds(keep, st.integers(0, 900), st.just("input_tokens"))),
        st.integers(0, 2),
        st.one_of(st.booleans(), st.just(["search"])),
        st.integers(0, 40),
    ),
).map(list)


@given(requests(), st.one_of(st.none(), _EDITS))
def test_served_is_what_counts(request: dict[str, Any], edits: list[dict[str, Any]] | None) -> None:
    """Nothing is changed, no more is seen than was sent, and what is seen is what counts."""
    if edits is not None:
        request = {**request, "context_management": {"edits": edits}}
    before = copy.deepcopy(request)
    served = _serve(request)
    assert request == before
    freed = sum(edit["cleared_input_tokens"] for edit in served.applied_edits)
    assert served.window.tokens == served.original_tokens - freed <= served.original_tokens
    recounted = count(served.request).tokens
    # Sent once more without the edit, older thinking is stripped by the model's own retention (RET-09).
    edited = edits is not None and not resolve(request["model"]).keeps_prior_thinking
    assert recounted <= served.window.tokens if edited else recounted == served.window.tokens
