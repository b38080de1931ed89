from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic, AsyncAnthropic, BaseModel

from ctxwindow import check
from ctxwindow.emulator import Fault
from ctxwindow.testing import FakeClaude

OPUS, KEEPS = "claude-opus-5-5", "claude-opus-4-6"
ASK: Any = {"model": OPUS, "max_tokens": 1_000, "messages": [{"role": "user", "content": "Hello."}]}
THOUGHT = {"type": "thinking", "thinking": "What is there to be said about this? Not very much, it seems to me."}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "src/app.py", "lines": [1, 2.5, None]}}
SAY = {"type": "text", "text": "I look at it now, and I will say what I have found there. Wait for it."}
TOOLS: Any = [{"name": "read", "input_schema": {"type": "object"}}]
BINDING, COMPACT = "thinking-binding-controls-2026-08-01", "compact-2026-09-04"


def run(act: Callable[[AsyncAnthropic], Awaitable[Any]], fake: FakeClaude) -> Any:
    """Do something with an asynchronous client."""

    async def main() -> Any:
        async with fake.async_client(max_retries=0) as client:
            return await act(client)

    return asyncio.run(main())


def once(*content: dict[str, Any]) -> FakeClaude:
    return FakeClaude([list(content)])


def plain(message: BaseModel) -> dict[str, Any]:
    """A message as it came, without what the SDK adds to it."""
    found: dict[str, Any] = message.to_dict(exclude_unset=True)
    for block in found["content"]:
        block.pop("parsed_output", None)
    return found


def test_four_ways_to_ask_give_one_message() -> None:
    """Sync and async, streamed and not: the same message, block for block."""
    fields: Any = {**ASK, "tools": TOOLS, "thinking": {"type": "adaptive", "display": "summarized"}}
    content = (THOUGHT, SAY, CALL)

    def streamed() -> Any:
        with once(*content).client().messages.stream(**fields) as stream:
            return stream.get_final_message()

    async def async_streamed(client: AsyncAnthropic) -> Any:
        async with client.messages.stream(**fields) as stream:
            return await stream.get_final_message()

    found = [
        once(*content).client().messages.create(**fields),
        streamed(),
        run(lambda client: client.messages.create(**fields), once(*content)),
        run(async_streamed, once(*content)),
        once(*content).client().beta.messages.create(**fields),
    ]
    first = plain(found[0])
    assert [block["type"] for block in first["content"]] == ["thinking", "text", "tool_use"]
    assert first["content"][0]["thinking"] == THOUGHT["thinking"]
    assert first["content"][2] == CALL
    assert first["stop_reason"] == "tool_use"
    for other in found[1:]:
        again = plain(other)
        again.pop("stop_details", None)
        assert again == first


def test_texts_are_streamed_in_pieces() -> None:
    with once(SAY).client().messages.stream(**ASK) as stream:
        pieces = list(stream.text_stream)
    assert len(pieces) > 1
    assert "".join(pieces) == SAY["text"]


def test_a_conversation_with_tools_goes_back_as_it_came() -> None:
    """REPLAY-01: the blocks of the SDK are sent back as they are."""
    client = FakeClaude([[THOUGHT, CALL], [THOUGHT, SAY]]).client()
    messages: list[Any] = [{"role": "user", "content": "Look."}]
    first = client.messages.create(**{**ASK, "messages": messages, "tools": TOOLS})
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "nothing"}]},
    ]
    second = client.messages.create(**{**ASK, "messages": messages, "tools": TOOLS})
    assert second.stop_reason == "end_turn"
    assert second.usage.input_tokens > first.usage.input_tokens


def test_the_tool_runner_works_with_it() -> None:
    """SDK-06"""
    seen: list[str] = []

    @anthropic.beta_tool
    def look(path: str) -> str:
        """Look at a file.

        Args:
            path: which one.
        """
        seen.append(path)
        return "It is empty."

    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"path": "a.txt"}}
    fake = FakeClaude([[call], "It is empty, I see."])
    runner = fake.client().beta.messages.tool_runner(
        model=OPUS,
        max_tokens=1_000,
        tools=[look],
        messages=[{"role": "user", "content": "Look at a.txt."}],
        thread=False,
    )
    final = runner.until_done()
    assert seen == ["a.txt"]
    assert final.content[0].type == "text"
    assert len(fake.requests) == 2
    assert check(fake.requests[-1].json).ok


def test_the_tool_runner_goes_on_from_a_compaction_that_paused() -> None:
    """CMP-06, SDK-06: it sends the block back unchanged."""

    @anthropic.beta_tool
    def look() -> str:
        """Look around."""
        return "Nothing."

    pausing: Any = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}}
    pausing["pause_after_compaction"] = True
    fake = FakeClaude(["All done."])
    runner = fake.client().beta.messages.tool_runner(
        model="claude-opus-5",
        max_tokens=1_000,
        tools=[look],
        messages=[{"role": "user", "content": "word " * 60_000}],
        betas=["compact-2026-01-12"],
        context_management={"edits": [pausing]},
        thread=False,
    )
    assert [message.stop_reason for message in runner] == ["compaction", "end_turn"]
    resumed = fake.requests[-1].json["messages"]
    assert [block["type"] for block in resumed[-1]["content"]] == ["compaction"]


def test_the_tool_runner_goes_on_from_a_compaction_on_demand() -> None:
    """CMP-35: where the loop had nothing to add, the block is all that it sends."""

    @anthropic.beta_tool
    def look() -> str:
        """Look around."""
        return "Nothing."

    fake = FakeClaude([[{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}], "All done."])
    runner = fake.client().beta.messages.tool_runner(**ASK, tools=[look], betas=["compact-2026-09-04"], thread=False)
    seen: list[str | None] = []
    for message in runner:
        if not seen:
            runner.compact_before_next_turn()
        seen.append(message.stop_reason)
    assert seen == ["tool_use", "compaction", "end_turn"]
    assert [message["role"] for message in fake.requests[-1].json["messages"]] == ["assistant"]


def test_structured_output_can_be_parsed() -> None:
    class Answer(BaseModel):
        number: int
        words: list[str]

    parsed = FakeClaude().client().messages.parse(**{**ASK, "model": KEEPS}, output_format=Answer)
    assert parsed.parsed_output == Answer(number=0, words=[])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", anthropic.AuthenticationError),
        ("402", anthropic.PaymentRequiredError),
        ("403", anthropic.PermissionDeniedError),
        ("404", anthropic.NotFoundError),
        ("409", anthropic.ConflictError),
        ("413", anthropic.ContentTooLargeError),
        ("429;retry-after=1", anthropic.RateLimitError),
        ("500", anthropic.InternalServerError),
        ("504", anthropic.GatewayTimeoutError),
        ("529", anthropic.OverloadedError),
        ("html", anthropic.InternalServerError),
        ("timeout", anthropic.APITimeoutError),
    ],
)
def test_faults_are_the_errors_of_the_sdk(fault: str, error: type[Exception]) -> None:
    """ERR-02, SDK-03"""
    fake = FakeClaude()
    with pytest.raises(error):
        fake.client(max_retries=0).messages.create(**ASK, extra_headers={"x-emulate": fault})
    with pytest.raises(error):
        run(lambda client: client.messages.create(**ASK, extra_headers={"x-emulate": fault}), fake)


def test_sdk_01_the_client_tries_again() -> None:
    fake = FakeClaude([Fault(status=529, retry_after=0), Fault(status=429, retry_after=0), "At last."])
    assert fake.client().messages.create(**ASK).stop_reason == "end_turn"
    assert len(fake.requests) == 3


def test_err_03_streams_can_fail_after_their_start() -> None:
    fake = FakeClaude([SAY["text"]] * 9)
    client = fake.client(max_retries=0)
    for fault, error in (
        ("error-event", anthropic.APIStatusError),
        ("cut-stream=after-bytes:900", httpx2.RemoteProtocolError),
    ):
        pieces = []
        with client.messages.stream(**ASK, extra_headers={"x-emulate": fault}) as stream, pytest.raises(error):
            pieces += list(stream.text_stream)

        async def drain(client: AsyncAnthropic, fault: str = fault) -> None:
            async with client.messages.stream(**ASK, extra_headers={"x-emulate": fault}) as stream:
                async for _ in stream.text_stream:
                    pass

        with pytest.raises(error):
            run(drain, fake)
    whole = client.messages.create(**ASK)
    assert whole.content[0].type == "text"


def test_error_codes_have_their_own_classes() -> None:
    """ERR-01, SDK-03, CMP-24"""
    block: Any = {"type": "compaction", "content": "x", "signature": "forged"}
    messages: Any = [{"role": "assistant", "content": [block]}, {"role": "user", "content": "Go on."}]
    with pytest.raises(anthropic.BadRequestError) as refusal:
        FakeClaude().client().beta.messages.create(**{**ASK, "messages": messages}, betas=[COMPACT])
    assert type(refusal.value).__name__ == "CompactionSignatureInvalidError"
    assert refusal.value.error_code == "compaction_signature_invalid"
    assert refusal.value.request_id == "req_000000000000000000000001"


def test_compaction_through_the_beta_client() -> None:
    """CMP-16, CMP-33, V-CMP-2"""
    fake = FakeClaude(["Go on."], summaries=["All of it.", "All of it."])
    client = fake.client()
    once_more = client.beta.messages.create(**ASK, betas=[COMPACT], compaction={"type": "summarize"})
    with client.beta.messages.stream(**ASK, betas=[COMPACT], compaction={"type": "summarize"}) as stream:
        streamed = stream.get_final_message()
    assert plain(once_more)["content"] == plain(streamed)["content"]
    assert streamed.usage.iterations is not None
    assert (streamed.stop_reason, streamed.usage.input_tokens) == ("compaction", 0)
    block: Any = plain(streamed)["content"]
    messages: Any = [{"role": "assistant", "content": block}, {"role": "user", "content": "Go on."}]
    assert client.beta.messages.create(**{**ASK, "messages": messages}, betas=[COMPACT]).stop_reason == "end_turn"


def test_drop_block_through_the_beta_client() -> None:
    """BIND-08: streamed, the transformations come at the start."""
    fake = FakeClaude()
    client = fake.client()
    first = client.messages.create(**ASK)
    messages: Any = [
        *ASK["messages"], {"role": "assistant", "content": first.content}, {"role": "user", "content": "More."}
    ]  # fmt: skip
    thinking: Any = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    fields: Any = {**ASK, "messages": messages, "system": "New.", "thinking": thinking, "betas": [BINDING]}
    with client.beta.messages.stream(**fields) as stream:
        events = [event for event in stream if event.type == "message_start"]
    (dropped,) = events[0].message.input_transformations or []
    assert (dropped.type, dropped.path) == ("thinking_dropped", "messages.1.content.0")
    assert len(client.beta.messages.create(**fields).input_transformations or []) == 1


def test_counting_models_and_batches() -> None:
    """TOK-12, CTX-07, RATE-08"""
    client = FakeClaude().client()
    counted = client.messages.count_tokens(model=OPUS, messages=ASK["messages"])
    assert counted.input_tokens == client.messages.create(**ASK).usage.input_tokens
    assert client.models.retrieve(OPUS).max_input_tokens == 1_000_000
    assert OPUS in [model.id for model in client.models.list(limit=5)]
    batch = client.messages.batches.create(requests=[{"custom_id": "a", "params": ASK}])
    assert client.messages.batches.retrieve(batch.id).processing_status == "ended"
    (row,) = client.messages.batches.results(batch.id)
    assert (row.custom_id, row.result.type) == ("a", "succeeded")


def test_both_clients_share_one_cache() -> None:
    """CACHE-05, CACHE-07"""
    now = [0.0]
    fake = FakeClaude(clock=lambda: now[0])
    long = [{"type": "text", "text": "word " * 3_000, "cache_control": {"type": "ephemeral"}}]
    fields: Any = {**ASK, "messages": [{"role": "user", "content": long}]}
    written = fake.client().messages.create(**fields).usage.cache_creation_input_tokens
    read = run(lambda client: client.messages.create(**fields), fake).usage.cache_read_input_tokens
    now[0] = 301.0
    again = fake.client().messages.create(**fields).usage
    assert written == read == again.cache_creation_input_tokens
    assert (written or 0) > 2_000


def test_what_was_sent_is_kept() -> None:
    fake = FakeClaude()
    fake.client().messages.create(**ASK)
    assert fake.requests[-1].json == ASK
    assert fake.requests[-1].path == "/v1/messages"
    assert fake.requests[-1].headers["anthropic-version"] == "2026-10-21"


def test_settings_go_to_the_emulator() -> None:
    fake = FakeClaude(api_key="right")
    with pytest.raises(anthropic.AuthenticationError):
        fake.client().messages.create(**ASK)
    assert fake.client(api_key="right").messages.create(**ASK).model == OPUS


def test_threads_take_turns() -> None:
    fake = FakeClaude(lambda request: json.dumps(request["messages"][0]["content"]))
    client: Anthropic = fake.client()
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        sent: Any = {**ASK, "messages": [{"role": "user", "content": f"n{number}"}]}
        block = client.messages.create(**sent).content[0]
        found[number] = block.text if block.type == "text" else ""

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f'"n{number}"' for number in range(8)}
