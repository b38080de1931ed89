"""examples/embed.py carries out every decision, against the emulated API."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from ctxwindow import Conversation, Policy
from ctxwindow.emulator import Fault
from ctxwindow.record.events import Compacted, Counted, Declined
from ctxwindow.testing import FakeClaude

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "embed.py"


@pytest.fixture
def embed() -> Any:
    pytest.importorskip("anthropic")
    spec = importlib.util.spec_from_file_location("embed", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _converse(embed: Any, fake: FakeClaude, policy: Policy, questions: int = 24) -> Conversation:
    chat = Conversation.start(model=embed.MODEL, system="Be brief.", policy=policy)
    for number in range(questions):
        assert embed.ask(fake.client(), chat, f"Question {number}: what comes next? " * 60)
    return chat


def test_the_server_compacts(embed: Any) -> None:
    policy = Policy(budget=20_000, methods=("compact", "summarize_all"), prefer="order", warm={"tokens": 500})
    chat = _converse(embed, FakeClaude(summaries=lambda _: "The user asks what comes next."), policy)
    assert {edit.method for edit in chat.compactions} == {"compact"}


def test_a_compaction_without_a_summary_is_replaced(embed: Any) -> None:
    policy = Policy(budget=20_000, methods=("compact", "summarize_all"), prefer="order", warm={"tokens": 500})
    chat = _converse(embed, FakeClaude(summaries=lambda _: ""), policy)
    assert any(isinstance(event, Declined) for event in chat.events)
    assert {edit.method for edit in chat.compactions} == {"summarize_all"}


def test_an_error_of_a_compaction_is_handed_back(embed: Any) -> None:
    policy = Policy(budget=20_000, methods=("compact", "summarize_all"), prefer="order", warm={"tokens": 500})
    fake = FakeClaude(summaries=lambda _: Fault(status=400))
    chat = _converse(embed, fake, policy)
    assert any(isinstance(event, Declined) and event.method == "compact" for event in chat.events)
    assert any(isinstance(event, Compacted) for event in chat.events)


def test_an_exact_count_is_made(embed: Any) -> None:
    chat = Conversation.start(model=embed.MODEL, policy=Policy(budget=100_000, exact_counts=True))
    source = {"type": "url", "url": "https://example.com/report.pdf"}  # nobody here knows how large it is
    chat.append({"role": "user", "content": [{"type": "document", "source": source}]})
    assert embed.ask(FakeClaude().client(), chat, "What is in it?")
    assert any(isinstance(event, Counted) for event in chat.events)
