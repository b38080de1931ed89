from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.emulator import Emulator
from ctxwindow.record import from_json
from tests.emulator.scenes import BINDING, BOUND, Chat, body, get, post, refused, said

PATH = "/v1/messages/batches"


def run(emulator: Emulator, *params: dict[str, Any], betas: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The results of a batch of these bodies, in order."""
    items = [{"custom_id": f"item-{number}", "params": given} for number, given in enumerate(params)]
    created = said(post(emulator, {"requests": items}, *betas, path=PATH))
    assert created["processing_status"] == "in_progress"
    assert created["request_counts"]["processing"] == len(params)
    ended = get(emulator, f"{PATH}/{created['id']}").json
    assert ended["processing_status"] == "ended"
    lines = get(emulator, ended["results_url"])
    assert lines.headers["content-type"] == "application/x-jsonl"
    rows = [from_json(line) for line in lines.body.splitlines()]
    assert [row["custom_id"] for row in rows] == [item["custom_id"] for item in items]
    results = [row["result"] for row in rows]
    for kind in ("succeeded", "errored"):
        assert ended["request_counts"][kind] == sum(result["type"] == kind for result in results)
    return results


def test_each_item_is_judged_by_itself() -> None:
    """RATE-08"""
    good, bad, unknown = run(Emulator(), body(), body(messages=[]), body("nope"))
    assert good["message"]["usage"]["service_tier"] == "batch"
    assert bad["error"]["error"]["type"] == "invalid_request_error"
    assert unknown["error"]["error"]["message"] == "model: nope"


def test_what_a_batch_cannot_do() -> None:
    """RATE-08, MSG-17"""
    for fields in ({"stream": True}, {"max_tokens": 0}, {"speed": "fast"}, {"fallbacks": "default"}):
        (result,) = run(Emulator(), body(**fields))
        assert result["type"] == "errored"


def test_bind_25_thinking_that_fails_is_dropped_unless_errors_are_asked_for() -> None:
    chat = Chat(Emulator(), BOUND)
    chat.say("One.")
    edited = chat.copy()
    edited["messages"].append({"role": "user", "content": "Two."})
    edited["system"] = "Changed."
    refused(post(chat.emulator, edited))
    strict = {**edited, "thinking": {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "error"}}}
    dropped, failed = run(chat.emulator, edited, strict, betas=(BINDING,))
    assert [entry["reason"] for entry in dropped["message"]["input_transformations"]] == ["prefix_binding_mismatch"]
    assert "bound to a different conversation" in failed["error"]["error"]["message"]


def test_faults_in_a_script_fail_their_item() -> None:
    failed, good = run(Emulator([{"fault": "529"}, "Fine."]), body(), body())
    assert failed["error"]["error"]["type"] == "overloaded_error"
    assert good["message"]["content"][0]["text"] == "Fine."


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"requests": []},
        {"requests": {}},
        {"requests": [5]},
        {"requests": [{"custom_id": "a"}]},
        {"requests": [{"custom_id": "no spaces", "params": {}}]},
        {"requests": [{"custom_id": "a", "params": {}}] * 2},
        {"requests": [{}] * 100_001},
    ],
)
def test_batches_that_are_none(sent: dict[str, Any]) -> None:
    assert refused(post(Emulator(), sent, path=PATH)).startswith("requests")


def test_a_batch_that_is_not_there() -> None:
    for path in (f"{PATH}/msgbatch_9", f"{PATH}/msgbatch_9/results"):
        refused(get(Emulator(), path), 404)
