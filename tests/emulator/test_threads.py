"""THR: the emulator keeps the conversation of a thread."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.emulator import Emulator, Response
from ctxwindow.emulator.threads import Threads
from tests.emulator.scenes import MESSAGES, body, post, refused, said

BETA = "message-threads-2026-08-12"
CREATE = {"type": "create"}
LONG = [{"role": "user", "content": "word " * 3_000}]
TOOL = {"name": "read", "input_schema": {"type": "object"}}


def after(response: Response) -> dict[str, str]:
    return {"type": "continue", "previous_message_id": said(response)["id"]}


def code(response: Response) -> str:
    refused(response, response.status)
    found: str = response.json["error"]["details"]["error_code"]
    return found


def test_thr_07_a_thread_counts_as_the_whole_conversation() -> None:
    """THR-01, THR-02, THR-07: in the window, in the cache, and for what replies."""
    seen: list[Any] = []

    def answer(request: Any) -> str:
        seen.append(request)
        return "Fine."

    emulator = Emulator(answer)
    first = post(emulator, body(messages=LONG, system="Be kind.", tools=[TOOL], thread=CREATE), BETA)
    second = post(emulator, body(thread=after(first)), BETA)
    third = post(emulator, body(thread=after(second)), BETA)
    whole = [*LONG, {"role": "assistant", "content": said(first)["content"]}, *MESSAGES]
    plain = body(messages=whole, system="Be kind.", tools=[TOOL])
    assert said(second)["usage"] == said(post(Emulator(answer), plain))["usage"]
    assert said(second)["usage"]["input_tokens"] > 2_850
    assert seen[1]["messages"] == whole
    assert (seen[1]["system"], seen[1]["tools"]) == ("Be kind.", [TOOL])
    assert said(third)["usage"]["input_tokens"] > said(second)["usage"]["input_tokens"]
    assert len(seen[2]["messages"]) == 5


def test_thr_03_a_thread_is_lost_after_five_minutes() -> None:
    """Each stored response starts them anew."""
    emulator = Emulator()
    unknown = {"type": "continue", "previous_message_id": "msg_nope"}
    lost = post(emulator, body(thread=unknown), BETA)
    assert (lost.status, code(lost)) == (404, "thread_not_found")
    first = post(emulator, body(thread=CREATE), BETA)
    second = post(emulator, body(thread=after(first)), BETA, at=300.0)
    third = post(emulator, body(thread=after(second)), BETA, at=600.0)
    assert said(third)
    assert code(post(emulator, body(thread=after(third)), BETA, at=900.5)) == "thread_not_found"


def test_thr_03_what_was_no_thread_cannot_be_continued() -> None:
    emulator = Emulator()
    assert code(post(emulator, body(thread=after(post(emulator, body()))), BETA)) == "thread_not_found"


def test_thr_04_each_response_is_continued_once() -> None:
    emulator = Emulator()
    first = post(emulator, body(thread=CREATE), BETA)
    # A request that is refused goes on from nothing.
    assert post(emulator, body(thread=after(first), fallbacks="default"), BETA).status == 400
    assert said(post(emulator, body(thread=after(first)), BETA))
    again = post(emulator, body(thread=after(first)), BETA)
    assert (again.status, code(again)) == (400, "thread_already_continued")


@pytest.mark.parametrize("field", [{"system": "x"}, {"tools": [TOOL]}, {"output_config": {"effort": "low"}}])
def test_thr_02_stored_fields_stay(field: dict[str, Any]) -> None:
    emulator = Emulator()
    first = post(emulator, body(thread=CREATE), BETA)
    assert code(post(emulator, body(thread=after(first), **field), BETA)) == "thread_fingerprint_mismatch"


def test_thr_05_the_details_name_what_is_not_supported() -> None:
    edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    betas = (BETA, "context-management-2025-06-27", "server-side-fallback-2026-07-01")
    sent = body(thread=CREATE, context_management=edits, fallbacks="default")
    response = post(Emulator(), sent, *betas)
    assert code(response) == "thread_unsupported_request"
    assert response.json["error"]["details"]["unsupported"] == ["context_management", "fallbacks"]


def test_thr_08_no_thread_goes_on_behind_a_refusal() -> None:
    emulator = Emulator([{"content": [], "stop_reason": "refusal"}])
    refusal = post(emulator, body(thread=CREATE), BETA)
    assert code(post(emulator, body(thread=after(refusal)), BETA)) == "thread_not_found"


def test_thr_08_a_paused_turn_goes_on_without_messages() -> None:
    paused = {"content": [{"type": "text", "text": "Wait"}], "stop_reason": "pause_turn"}
    emulator = Emulator([paused, "Done."])
    first = post(emulator, body("claude-sonnet-4-5", thread=CREATE), BETA)
    assert said(post(emulator, body("claude-sonnet-4-5", messages=[], thread=after(first)), BETA))


def test_thr_01_the_beta_and_the_id_are_asked_for() -> None:
    continued = {"type": "continue", "previous_message_id": "msg_1"}
    assert refused(post(Emulator(), body(thread=continued))) == "thread: Extra inputs are not permitted"
    assert "Field required" in refused(post(Emulator(), body(thread={"type": "continue"}), BETA))
    assert "messages" in refused(post(Emulator(), body(thread=continued, messages="x"), BETA))


def test_old_responses_are_forgotten() -> None:
    threads, sent = Threads(), {"messages": MESSAGES, "thread": CREATE}
    for number in range(4_100):
        message = {"id": f"msg_{number}", "content": [], "stop_reason": "end_turn"}
        threads.keep(sent, sent, message, at=0.0)
    assert len(threads._stored) == 4_096
    threads.keep(sent, sent, {"id": "msg", "content": [], "stop_reason": "end_turn"}, at=301.0)
    assert list(threads._stored) == ["msg"]
