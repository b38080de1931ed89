"""Every Python block in the README and the docs runs, in order, in an empty folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from ctxwindow import Conversation

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "no key: nothing is sent")


def _run(page: Path) -> dict[str, Any]:
    document = Sybil(parsers=[PythonCodeBlockParser()], path=str(page.parent)).parse(page)
    for example in document.examples():
        example.evaluate()
    return document.namespace


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_every_code_block_runs(page: Path) -> None:
    _run(page)


def test_the_embedding_example_of_the_readme_converses() -> None:
    anthropic = pytest.importorskip("anthropic")
    names = _run(ROOT / "README.md")
    asked: list[dict[str, Any]] = []

    class _Messages:
        def create(self, **request: Any) -> Any:
            asked.append(request)
            text = anthropic.types.TextBlock.construct(type="text", text=f"Answer {len(asked)}.")
            usage = anthropic.types.Usage.construct(input_tokens=20 * len(asked), output_tokens=4)
            return anthropic.types.Message.construct(
                role="assistant", content=[text], usage=usage, stop_reason="end_turn"
            )

    class _Beta:
        messages = _Messages()

    class _Client:
        beta = _Beta()

    names["client"] = _Client()
    assert names["ask"]("One?") == "Answer 1."
    assert names["ask"]("Two?") == "Answer 2."
    assert [message["role"] for message in asked[1]["messages"]] == ["user", "assistant", "user"]
    chat = names["chat"]
    assert isinstance(chat, Conversation)
    assert chat.window.source == "anchored"


def test_the_readme_marks_its_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for mark in ("run", "test"):
        block = text.split(f"<!-- {mark} -->")[1].split("```")[1].splitlines()[1:]
        assert len(block) == 1
