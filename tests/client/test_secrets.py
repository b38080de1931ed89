"""Neither the key nor what is said stands in any log, error, note, name of a thread, representation, or column of the database
other than the record and its index.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import traceback
from pathlib import Path
from typing import Any

import pytest

from ctxwindow import Policy
from ctxwindow.client.limits import Limits
from ctxwindow.emulator.faults import Fault
from ctxwindow.errors import CtxwindowError
from ctxwindow.testing import FakeClaude
from tests.client.driven import THOUGHT, Driven, Open, Script, call, refused

KEY = "sk-ant-canary-key-000"
CANARIES = {
    "key": KEY,
    "system": "canarysystem",
    "user": "canaryuser",
    "reply": "canaryreply",
    "thought": "canarythought",
    "input": "canaryinput",
    "result": "canaryresult",
    "raised": "canaryraised",
    "summary": "canarysummary",
    "tool": "canarytool",
    "setting": "canarysetting",
}
RECORD = {"payload", "body", "block", "term"}
"""Columns that hold the record itself, or its index."""


def lookup(what: str) -> str:
    """canarytool: look something up."""
    if what.endswith("raise"):
        raise ValueError("canaryraised")
    return "canaryresult " * 50


def everything(driven: Driven, script: Script) -> list[BaseException]:
    """A session in which all goes well once, and wrong once."""
    errors: list[BaseException] = []

    def attempt(operation: Any) -> None:
        try:
            operation()
        except Exception as error:  # noqa: BLE001 - they are looked at
            errors.append(error)

    said = {"type": "text", "text": "canaryreply " * 30}
    thought = {**THOUGHT, "thinking": "canarythought"}
    forged = "messages.1.content.0: Invalid `signature` in `thinking` block"
    bound = f"{forged}. The block is bound to a different conversation."
    one = call("lookup", what="canaryinput")
    for entries in (
        [[thought, said]],
        [[thought, one], [said]],
        [[call("lookup", what="canaryinput raise")], [said]],
        [[call("unknown", what="canaryinput")], [said]],
        [refused(bound), [said]],
        [refused(forged), [said]],
        [refused("canaryuser: this quotes the request")],
        [refused("canaryuser", 401)],
        [Fault(status=529)],
        [Fault(kind="html")],
        [Fault(kind="timeout")],
        [{"content": [said, one], "stop_reason": "max_tokens"}, [said]],
        [{"content": [said], "stop_reason": "refusal"}],
        [Fault(kind="cut-stream", after_bytes=900), [said], [said]],
        [Fault(kind="error-event"), [said], [said]],
        [refused("prompt is too long: 30000 tokens > 20000 maximum"), [said]],
        [refused("prompt is too long: 30000 tokens > 200 maximum"), [said]],
    ):
        script.entries = list(entries)
        attempt(lambda: driven.run("canaryuser " * 300))
        script.entries = [[said]]
        attempt(driven.resume)
    attempt(lambda: driven.run("canaryuser", approve=lambda _: "canaryraised"))
    script.entries = [[one], [said]]
    attempt(lambda: driven.run("canaryuser", approve=lambda _: 7))
    attempt(driven.resume)
    attempt(lambda: driven.read("canaryuser", run=True))
    for nonsense in (
        "",
        [{"type": "text", "text": float("nan"), "canaryuser": 1}],
        {"role": "canaryuser", "content": "canaryuser"},
    ):
        attempt(lambda nonsense=nonsense: driven.send(nonsense))
    attempt(lambda: driven.send({"type": "canaryuser", "text": object()}))
    attempt(lambda: driven.recall("canaryuser canaryresult"))
    attempt(lambda: driven.configure(settings={"unknown": "canarysetting"}))
    attempt(lambda: driven.configure(model="claude-opus-5"))
    attempt(lambda: driven.send("canaryuser"))
    return errors


def shown(error: BaseException) -> str:
    """All of ours that somebody may see of an error. The SDK's own text is the SDK's."""
    notes = "\n".join(getattr(error, "__notes__", ()))
    own = f"{error} {error!r} {error.args} {error.as_dict()}" if isinstance(error, CtxwindowError) else ""
    return f"{notes} {own}"


def found(text: str, *, but: set[str] = frozenset()) -> set[str]:  # type: ignore[assignment]
    return {name for name, canary in CANARIES.items() if canary in text and name not in but}


@pytest.mark.parametrize("streaming", [False, True])
def test_nothing_leaks(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, streaming: bool
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    script = Script()
    fake = FakeClaude(script, summaries=Script(*["canarysummary"] * 50))
    probe = opened(fake, name="probe")
    client = (fake.async_client if probe.kind == "async" else fake.client)(api_key=KEY, max_retries=0)
    with caplog.at_level(logging.DEBUG):
        driven = opened(
            fake,
            client=client,
            system="canarysystem",
            tools=[lookup],
            policy=Policy(budget=16_000, methods=("spill", "compact", "summarize_all"), recall=True, prefer="order"),
            settings={"metadata": {"user_id": "canarysetting"}},
            max_tokens=1_000,
            streaming=streaming,
            limits=Limits(rounds=5),
            checkpoint=0.0,
        )
        errors = everything(driven, script)
    assert len(errors) >= 12
    for error in errors:
        assert not found(shown(error)), shown(error)
    ours = [record for record in caplog.records if record.name.startswith("ctxwindow")]
    assert len(ours) >= 8
    for record in ours:
        said = f"{record.getMessage()} {record.__dict__}"
        assert not found(said), said
    # The SDK logs requests at DEBUG, as it pleases; never the key.
    assert KEY not in caplog.text
    report = driven.report()
    for text in (
        str(report),
        str(report.as_dict()),
        repr(driven.session),
        repr(driven.session._held.store),
        repr(driven.session._performer),
    ):
        assert not found(text), text
    assert driven.conversation.compactions
    driven.shut()
    probe.shut()
    columns(tmp_path / "agent.db")


def columns(path: Path) -> None:
    """Every other column of every table, and the key in none."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        seen = set()
        for table in tables:
            try:
                rows = db.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - our own names
            except sqlite3.OperationalError:
                continue  # a part of the index
            names = [column[0] for column in rows.description]
            for row in rows:
                for name, value in zip(names, row, strict=True):
                    told = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                    assert KEY not in told
                    if name in RECORD:
                        seen.add(name)
                    else:
                        assert not found(told), (table, name)
        assert "payload" in seen
    for file in path.parent.iterdir():
        assert KEY.encode() not in file.read_bytes(), file.name


def test_a_traceback_shows_no_content(opened: Open) -> None:
    """What Python prints of an error of ours: the chain too."""
    driven = opened(FakeClaude())
    with pytest.raises(CtxwindowError) as caught:
        driven.send([{"type": "text", "text": "canaryuser", "more": float("nan")}])
    lines = [line for line in traceback.format_exception(caught.value) if not line.startswith("  File")]
    assert not found("".join(lines))


def test_a_key_in_an_odd_place_is_not_told(opened: Open) -> None:
    """A key that was pasted as the base URL's password, or as the model."""
    with pytest.raises(CtxwindowError) as caught:
        opened(FakeClaude(), model="claude-9", settings={"api_key": KEY})
    assert KEY not in str(caught.value)
