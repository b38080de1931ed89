"""Models by the names that the platforms have for them."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import msgspec
import pytest

from ctxwindow import Policy, Session
from ctxwindow.catalog import resolve
from ctxwindow.client.actions import Count as CountAction
from ctxwindow.client.addressing import model_name
from ctxwindow.client.api import arguments
from ctxwindow.client.preparing import prepare
from ctxwindow.stores import MemoryStore
from ctxwindow.testing import FakeClaude
from ctxwindow.tiers import Count
from tests.client.driven import Open, Script

OPUS = resolve("claude-opus-5-5")
HAIKU = resolve("claude-haiku-4-5")


@pytest.mark.parametrize(
    ("given", "platform", "name"),
    [
        (None, "claude_api", "claude-haiku-4-5-20251001"),
        (None, "bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0"),
        (None, "google_cloud", "claude-haiku-4-5@20251001"),
        (None, "foundry", "claude-haiku-4-5"),
        ("claude-haiku-4-5", "claude_api", "claude-haiku-4-5"),
        ("Claude-Haiku-4-5[1m]", "claude_api", "claude-haiku-4-5"),
        ("claude-haiku-4-5", "bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("claude-haiku-4-5", "google_cloud", "claude-haiku-4-5@20251001"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("anthropic.claude-haiku-4-5", "bedrock", "anthropic.claude-haiku-4-5"),
        ("anthropic/claude-haiku-4-5", "claude_api", "anthropic/claude-haiku-4-5"),
    ],
)
def test_names(given: str | None, platform: str, name: str) -> None:
    assert model_name(HAIKU, given, platform) == name


def test_a_profile_of_ones_own_goes_by_its_id() -> None:
    arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
    assert model_name(msgspec.structs.replace(OPUS, id=arn), None, "bedrock") == arn


@pytest.mark.parametrize("surface", ["stable", "beta"])
@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-opus-5-5",
        "us.anthropic.claude-opus-5-5",
        "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-5-5",
    ],
)
def test_bedrock_is_asked_by_the_callers_name(surface: Any, model: str) -> None:
    """By another one in the same process it is asked by that."""
    paths: list[str] = []
    store, client = MemoryStore(), _bedrock(paths)
    policy = Policy(platform="bedrock")
    session = Session.open(store, client=client, model=model, policy=policy, surface=surface)
    session.send("Hello.")
    assert paths == [f"/model/{model}/invoke"]
    session.configure(model="eu.anthropic.claude-opus-5-5")
    session.send("Hello.")
    assert paths[-1] == "/model/eu.anthropic.claude-opus-5-5/invoke"
    Session.open(store, client=client, model=model, surface=surface).send("Hello.")
    assert paths[-1] == f"/model/{model}/invoke"
    Session.open(store, client=client, surface=surface).send("Hello.")
    assert paths[-1] == "/model/anthropic.claude-opus-5-5/invoke"


def test_google_is_asked_by_its_name() -> None:
    paths: list[str] = []
    client = anthropic.AnthropicVertex(
        region="us-east5",
        project_id="p",
        access_token="t",  # noqa: S106 - of nothing
        http_client=_answering(paths),
        max_retries=0,
    )
    policy = Policy(platform="google_cloud")
    Session.open(MemoryStore(), client=client, model="claude-haiku-4-5@20251001", policy=policy).send("Hello.")  # type: ignore[arg-type]
    assert paths[-1].endswith("/models/claude-haiku-4-5@20251001:rawPredict")


@pytest.mark.parametrize("background", [None, 0.8])
def test_compactions_go_by_it_too(opened: Open, background: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set[tuple[str, str]]()

    def seen(method: Any, request: dict[str, Any]) -> dict[str, Any]:
        """The emulator knows the names of the Claude API alone."""
        kind = "compaction" if "compaction" in request else method.__name__
        asked.add((kind, request["model"]))
        return arguments(method, {**request, "model": OPUS.id})

    monkeypatch.setattr("ctxwindow.client.performing.arguments", seen)
    methods = ("compact", "summarize_all")
    policy = Policy(budget=16_000, background=background, methods=methods, prefer="order")
    given = "us.anthropic.claude-opus-5-5"
    driven = opened(FakeClaude(Script()), policy=policy, max_tokens=1_000, model=given)
    for number in range(40):
        driven.send(f"Question {number}. " + "term " * 600)
        if driven.conversation.compactions:
            break
    assert driven.conversation.compactions
    assert asked >= {("create", given), ("compaction", given)}
    assert {model for _, model in asked} == {given}


def test_counts_go_by_it_too() -> None:
    given = "us.anthropic.claude-opus-5-5"
    talk = Session.open(MemoryStore(), client=FakeClaude().client(), model=given)._held
    talk.engine.append({"role": "user", "content": "Hello."})
    prefix = talk.engine.plan(max_tokens=100).request  # type: ignore[union-attr]
    counting = next(prepare(talk, Count(request=prefix, fingerprint="", window=talk.engine.window)))
    assert isinstance(counting, CountAction)
    assert counting.request["model"] == given


def _bedrock(paths: list[str]) -> Any:
    return anthropic.AnthropicBedrock(aws_region="us-east-1", api_key="k", http_client=_answering(paths), max_retries=0)


def _answering(paths: list[str]) -> httpx2.Client:
    """A client whose every request is answered."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        paths.append(request.url.path)
        usage = {"input_tokens": 10, "output_tokens": 5}
        text = [{"type": "text", "text": "Hello."}]
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5-5", "content": text}
        body = {**message, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
        return httpx2.Response(200, content=json.dumps(body), headers={"content-type": "application/json"})

    return httpx2.Client(transport=httpx2.MockTransport(answer))
