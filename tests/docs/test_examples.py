"""Every Python block in the README and the docs runs, in order, in an empty folder; what is sent goes to the emulator over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from ctxwindow import Conversation
from ctxwindow.catalog import resolve
from ctxwindow.emulator import Emulator, ReplyLike
from ctxwindow.emulator.replies import Default
from ctxwindow.record.blocks import blocks_of
from ctxwindow.stores import SqliteStore, load
from tests.client.loopback import Log, serving

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]

CALLS = {
    "notes.txt": ("read_file", {"path": "notes.txt"}),
    "order 7": ("cancel_order", {"number": 7}),
    "which city": ("ask_user", {"question": "Which one do you mean?"}),
}
"""What the model of the examples calls, where the user's words have this in them."""


def _model(body: Mapping[str, Any]) -> ReplyLike:
    """It calls a tool where it is asked for what the tool knows, and says what a result says."""
    blocks = [block for block in blocks_of(body["messages"][-1]) if block.get("type") in ("text", "tool_result")]
    results = [block["content"] for block in blocks if block["type"] == "tool_result"]
    if results:
        return f"The tool says: {results[0]}"
    said = blocks[-1]["text"] if blocks else ""
    number = len(body["messages"])
    calls = [
        {"type": "tool_use", "id": f"toolu_{number}_{place}", "name": name, "input": given}
        for place, (words, (name, given)) in enumerate(CALLS.items())
        if words in said and name in [tool.get("name") for tool in body.get("tools", ())]
    ]
    return calls or Default()(body, resolve(body["model"]))


@pytest.fixture(scope="module")
def api() -> Iterator[tuple[str, Log]]:
    """The URL of the emulated API, and what it saw."""
    pytest.importorskip("anthropic")
    log = Log()
    with serving(Emulator(_model), log=log) as url:
        yield url, log


@pytest.fixture(autouse=True)
def log(api: tuple[str, Log], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """An empty folder but for one file, and a client of the SDK that finds the emulator. Nothing is refused there."""
    url, log = api
    log.exchanges.clear()
    (tmp_path / "notes.txt").write_text("Buy milk.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-emulated")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    yield log
    assert log.refused == []


def _run(page: Path, *, only_first: bool = False) -> dict[str, Any]:
    document = Sybil(parsers=[PythonCodeBlockParser()], path=str(page.parent)).parse(page)
    for example in list(document.examples())[: 1 if only_first else None]:
        example.evaluate()
    return document.namespace


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_every_code_block_runs(page: Path) -> None:
    _run(page)


def test_the_embedding_example_of_the_readme_converses(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is pasted: the SDK's own client, HTTP, a database. What it prints is what the model said."""
    assert (
        README.read_text(encoding="utf-8").split("<!-- embed -->")[1].lstrip().startswith("```python\nimport anthropic")
    )
    session = _run(README, only_first=True)["session"]
    session.close()
    said, rest = capsys.readouterr().out.split("This is the reply to message 7.")
    assert said.splitlines() == ["This is the reply to message 1.", "The tool says: Buy milk."]
    assert "8 messages, 4 requests" in rest
    assert [exchange.path for exchange in log.exchanges] == ["/v1/messages"] * 4
    assert [exchange.json.get("stream", False) for exchange in log.exchanges] == [False, False, False, True]
    with SqliteStore("agent.db") as store:
        chat = load(store, "main")
    assert [message["role"] for message in chat.messages] == ["user", "assistant"] * 4
    assert chat.messages[4]["content"][0]["content"] == "Buy milk."
    assert chat.window.source == "anchored"
    assert not chat.unanswered


def test_the_embedding_example_of_the_readme_goes_on_where_it_was(log: Log) -> None:
    """The program is run again."""
    _run(README, only_first=True)["session"].close()
    session = _run(README, only_first=True)["session"]
    session.close()
    assert session.conversation.recorded == 16
    first, second = log.exchanges[3].json, log.exchanges[7].json
    texts = [[blocks_of(message)[-1].get("text") for message in request["messages"]] for request in (first, second)]
    assert texts[1][: len(texts[0])] == texts[0]


def test_the_engine_example_converses(log: Log) -> None:
    names = _run(ROOT / "docs" / "engine.md", only_first=True)
    assert names["ask"]("Two?") == "This is the reply to message 3."
    assert [message["role"] for message in log.exchanges[1].json["messages"]] == ["user", "assistant", "user"]
    chat = names["chat"]
    assert isinstance(chat, Conversation)
    assert chat.window.source == "anchored"


def test_the_readme_marks_its_two_commands() -> None:
    text = README.read_text(encoding="utf-8")
    for mark in ("run", "test"):
        block = text.split(f"<!-- {mark} -->")[1].split("```")[1].splitlines()[1:]
        assert len(block) == 1
