from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.emulator import ApiError, Emulator, Fault, Recorded, Reply, Scripted
from ctxwindow.emulator.replies import Default, as_replies, make_reply
from ctxwindow.errors import CtxwindowError, HistoryError, MisuseError
from ctxwindow.transcripts import read
from tests.conftest import SMALL
from tests.emulator.scenes import BOUND, KEEPS, body, post, said

PROFILE = resolve(BOUND)
CALL = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}


@pytest.mark.parametrize(
    ("given", "reply"),
    [
        ("Hello.", Reply(content=[{"type": "text", "text": "Hello."}])),
        ("", Reply(content=[])),
        ([CALL], Reply(content=[CALL])),
        (
            {"content": "Hi.", "stop_reason": "refusal"},
            Reply(content=[{"type": "text", "text": "Hi."}], stop_reason="refusal"),
        ),
        ({"fault": "529"}, Fault(status=529)),
        (Reply(content=[CALL]), Reply(content=[CALL])),
    ],
)
def test_forms_of_a_reply(given: Any, reply: Reply | Fault) -> None:
    assert make_reply(given) == reply


@pytest.mark.parametrize(
    "given", [7, None, {"text": "x"}, ["x"], [{"text": "x"}], {"content": 7}, {"fault": "none"}, {1: 2}]
)
def test_what_is_no_reply(given: Any) -> None:
    with pytest.raises(MisuseError):
        make_reply(given)
    with pytest.raises(CtxwindowError):
        Emulator([given])


def test_stop_reasons() -> None:
    """MSG-12"""
    assert Reply(content=[CALL]).reason == "tool_use"
    assert Reply(content=[]).reason == "end_turn"
    assert Reply(content=[CALL], stop_reason="max_tokens").reason == "max_tokens"


def test_a_script_is_used_in_order_and_once() -> None:
    script = Scripted(["a", "b"])
    assert [script({}, PROFILE) for _ in range(2)] == [make_reply("a"), make_reply("b")]
    with pytest.raises(ApiError) as refusal:
        script({}, PROFILE)
    assert (refusal.value.status, refusal.value.headers["x-should-retry"]) == (500, "false")


def test_functions() -> None:
    source = as_replies(lambda request: f"{len(request['messages'])} messages")
    assert source(body(), PROFILE) == "1 messages"
    with pytest.raises(MisuseError):
        as_replies(7)  # type: ignore[arg-type]


def test_the_default_thinks_where_the_request_thinks() -> None:
    """THINK-02"""

    def kinds(model: str, **fields: Any) -> list[str]:
        return [block["type"] for block in said(post(Emulator(), body(model, **fields)))["content"]]

    assert kinds(BOUND) == ["thinking", "text"]
    assert kinds(KEEPS) == ["text"]
    assert kinds(KEEPS, thinking={"type": "adaptive"}) == ["thinking", "text"]
    assert kinds("claude-opus-5", thinking={"type": "disabled"}) == ["text"]
    assert kinds("claude-3-haiku-20240307") == ["text"]


def test_the_default_calls_what_is_forced() -> None:
    """TOOL-15"""
    schema = {"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}}}
    tools = [{"name": "other", "input_schema": {"type": "object"}}, {"name": "read", "input_schema": schema}]
    for choice, name, given in (
        ({"type": "tool", "name": "read"}, "read", {"path": ""}),
        ({"type": "any"}, "other", {}),
    ):
        answer = said(post(Emulator(), body(KEEPS, tools=tools, tool_choice=choice)))
        assert answer["stop_reason"] == "tool_use"
        assert [(block["name"], block["input"]) for block in answer["content"]] == [(name, given)]


def test_the_default_writes_json_where_that_is_asked_for() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    sent = body(KEEPS, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert said(post(Emulator(), sent))["content"][0]["text"] == '{"n":0}'


def test_the_default_depends_on_the_request_alone() -> None:
    assert Default()(body(), PROFILE) == Default()(body(), PROFILE)


def test_a_recorded_session_gives_its_replies() -> None:
    path = str(SMALL / "sessions" / "thinking.jsonl.gz")
    replies = read(path).main.replies
    emulator = Emulator(Recorded(path))
    for recorded in replies[:3]:
        answer = said(post(emulator, body(KEEPS, max_tokens=50_000)))
        wanted = [block["type"] for block in recorded.message["content"]]
        assert [block["type"] for block in answer["content"]] == wanted
        assert answer["stop_reason"] == (recorded.stop_reason or ("tool_use" if "tool_use" in wanted else "end_turn"))
        signatures = [block.get("signature") for block in recorded.message["content"]]
        assert all(block.get("signature") not in signatures for block in answer["content"] if "signature" in block)


def test_a_file_without_replies(tmp_path: Any) -> None:
    file = tmp_path / "messages.json"
    file.write_text('[{"role": "user", "content": "Hello."}]')
    with pytest.raises(HistoryError):
        Recorded(str(file))
