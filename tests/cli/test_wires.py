from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctxwindow import Conversation, Send
from ctxwindow.cli.wires import Wires
from ctxwindow.errors import MisuseError


@pytest.fixture
def send() -> Send:
    conversation = Conversation.start(model="claude-opus-4-6")
    conversation.append({"role": "user", "content": "Hello, \ud800."})
    decision = conversation.plan(max_tokens=100)
    assert isinstance(decision, Send)
    return decision


def test_files_come_into_place_at_the_end(tmp_path: Path, send: Send) -> None:
    folder = tmp_path / "a" / "b"
    with Wires(folder).filling() as wires:
        wires.write(send)
        assert not list(folder.glob("*.json"))
    assert [path.name for path in folder.iterdir()] == ["0001.json"]
    assert json.loads((folder / "0001.json").read_text(encoding="ascii")) == send.request


def _interrupted(folder: Path, send: Send) -> None:
    with Wires(folder).filling() as wires:
        wires.write(send)
        raise KeyboardInterrupt


def test_an_exception_leaves_nothing(tmp_path: Path, send: Send) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(tmp_path / "a" / "b", send)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays(tmp_path: Path, send: Send) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(tmp_path, send)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001.json").write_text("{}", encoding="ascii")
    with pytest.raises(MisuseError, match="the folder is not empty"):
        Wires(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["0001.json"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(MisuseError, match="cannot be written: file exists"):
        Wires(tmp_path / "file")
    with pytest.raises(MisuseError, match="cannot be written: not a directory"):
        Wires(tmp_path / "file" / "below")


@pytest.mark.parametrize("broken", ["open", "replace"])
def test_a_full_disk_is_told(tmp_path: Path, send: Send, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def fill() -> None:
        with Wires(tmp_path / "out").filling() as wires, monkeypatch.context() as patched:
            patched.setattr(Path, "open", refuse if broken == "open" else Path.open)
            wires.write(send)
            monkeypatch.setattr(Path, "replace", refuse)

    with pytest.raises(MisuseError, match="cannot be written: no space left"):
        fill()
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
