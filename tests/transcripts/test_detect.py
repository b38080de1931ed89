"""What every kind of file gives: a session, or one clear line."""

from __future__ import annotations

import gzip
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxwindow.errors import HistoryError
from ctxwindow.transcripts import Incoming, Session, detect, read

QUICK = settings(max_examples=50, deadline=None)  # no deadline: the machine may be busy

PRIVATE = "what the user would not show"
BODY = {"model": "claude-opus-4-6", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
ROW = {"type": "user", "uuid": "u1", "parentUuid": None, "message": {"role": "user", "content": "hi"}}


def dumped(*values: Any) -> bytes:
    return "".join(f"{json.dumps(value)}\n" for value in values).encode()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("data", "form"),
    [
        (dumped(BODY), "request"),
        (json.dumps(BODY, indent=2).encode(), "request"),
        (b"{\n\n" + dumped(BODY)[1:], "request"),
        (b"\n\n  " + dumped(BODY), "request"),
        (b"\xef\xbb\xbf" + dumped(BODY), "request"),
        (dumped(BODY["messages"]), "messages"),
        (json.dumps(BODY["messages"], indent=2).encode(), "messages"),
        (dumped(ROW), "claude_code"),
        (b"\n" + dumped({"type": "summary", "summary": "a title", "leafUuid": "u1"}, ROW), "claude_code"),
        (b"\xef\xbb\xbf" + dumped(ROW), "claude_code"),
        (dumped(ROW).replace(b"\n", b"\r\n"), "claude_code"),
        (dumped({**ROW, "messages": []}), "claude_code"),
    ],
)
def test_each_format_is_known_by_its_content_plain_or_gzip(
    tmp_path: Path, data: bytes, form: str, packed: bool
) -> None:
    file = tmp_path / "data"  # no ending to go by
    file.write_bytes(gzip.compress(data) if packed else data)
    assert detect(file) == form
    session = read(str(file))
    assert session.format == form
    assert session.path == str(file)
    assert [step.message for step in session.main.steps] == [{"role": "user", "content": "hi"}]
    assert session.all_notes == ()
    assert session.request == (BODY if form == "request" else None)


@pytest.mark.parametrize(
    ("data", "where", "reason"),
    [
        pytest.param(b"", "", "is empty", id="empty"),
        pytest.param(b" \n\n", "", "is empty", id="blank"),
        pytest.param(b"hello %s" % PRIVATE.encode(), ":1", "neither a JSON object nor a list", id="prose"),
        pytest.param(b'"%s"' % PRIVATE.encode(), ":1", "neither a JSON object nor a list", id="a text"),
        pytest.param(b"17", ":1", "neither a JSON object nor a list", id="a number"),
        pytest.param(
            b'{"messages": [%s]}' % PRIVATE.encode(), ":1", "not JSON (expecting value, column 15)", id="bare"
        ),
        pytest.param(b'{\n"messages": oops}', ":2", "not JSON (expecting value, column 13)", id="over two lines"),
        pytest.param(
            b'{"messages": [{"role": "user", "content": "%s' % PRIVATE.encode(), ":1", "ends in the", id="cut"
        ),
        pytest.param(dumped(BODY) + dumped(BODY), ":2", "more after the end", id="two bodies"),
        pytest.param(b"[]", "", "is empty: it holds no messages", id="empty list"),
        pytest.param(b'{"messages": []}', "", "is empty: it holds no messages", id="empty body"),
        pytest.param(dumped({"type": "summary"}), "", "is empty: no row", id="empty session"),
        pytest.param(b'{"model": "claude"}', ":1", 'has no "messages"', id="no messages"),
        pytest.param(b'{\n"model": "claude"}', "", 'has no "messages"', id="no messages over two lines"),
        pytest.param(dumped(BODY["messages"]) * 2, ":2", "more after the end", id="two lists"),
        pytest.param(
            dumped(*[{"role": "user", "content": PRIVATE}] * 2), ":1", "one message alone", id="bare messages"
        ),
        pytest.param(b'{"messages": [NaN]}', "", "NaN is not JSON", id="NaN"),
        pytest.param(b'{"messages": [-Infinity]}', "", "-Infinity is not JSON", id="Infinity"),
        pytest.param(b'{"messages": [1e999]}', "", "too large for a float", id="a float out of range"),
        pytest.param(b'{"messages": [1%s]}' % (b"0" * 5000), "", "too many digits", id="5,000 digits"),
        pytest.param(b'{"messages": [], "messages": []}', "", "same key twice", id="key twice"),
        pytest.param(b'{"messages": ' + b"[" * 200_000, "", "nested too deeply", id="deep"),
        pytest.param(b"[" * 200_000, "", "nested too deeply", id="deep list"),
        pytest.param(json.dumps(BODY).encode("utf-16"), ":1", "UTF-16", id="UTF-16"),
        pytest.param(json.dumps(BODY).encode("utf-16-be"), ":1", "NUL bytes", id="UTF-16 without a mark"),
        pytest.param(json.dumps(BODY).encode("utf-32"), ":1", "UTF-32", id="UTF-32"),
        pytest.param('{"messages": "café"}'.encode("latin-1"), ":1", "byte 18 is not UTF-8", id="Latin-1"),
        pytest.param(b"\x7fELF\x02\x01\x01\0\0\0", ":1", "NUL bytes", id="a program"),
        pytest.param(b"\x89PNG\r\n\x1a\n", ":1", "byte 1 is not UTF-8", id="a picture"),
        pytest.param(gzip.compress(dumped(BODY))[:-9], ":", "gzip data ends too early", id="cut gzip"),
        pytest.param(gzip.compress(dumped(BODY))[:5], ":1", "gzip data ends too early", id="gzip cut in its head"),
        pytest.param(gzip.compress(dumped(BODY))[:-8] + b"\0" * 8, ":2", "gzip data is damaged", id="damaged gzip"),
        pytest.param(b"\x1f\x8bnothing of the kind", ":1", "gzip data is damaged", id="no gzip"),
        pytest.param(gzip.compress(b""), "", "is empty", id="empty gzip"),
        pytest.param(dumped(ROW) + b"not JSON: %s\n" % PRIVATE.encode(), ":2", "not JSON (expecting", id="broken line"),
        pytest.param(dumped(ROW) + b"not JSON", ":2", "not JSON (expecting", id="broken last line"),
        pytest.param(b'{"type": "user"\n' + dumped(ROW), ":1", "not JSON (expecting", id="broken first line"),
        pytest.param(b'{"type": oops}\n' + dumped(ROW), ":1", "not JSON (expecting", id="another"),
        pytest.param(dumped(ROW) + b'{"a": 1, "a": 2}\n', ":2", "same key twice", id="key twice in a row"),
        pytest.param(dumped(ROW, [1]), ":2", "not a row", id="a list among rows"),
        pytest.param(dumped(ROW, {"type": 1}), ":2", "not a row", id="no type"),
        pytest.param(dumped(ROW, {"type": "user", "message": PRIVATE}), ":2", "has no message", id="no message"),
        pytest.param(
            dumped(ROW, {"type": "user", "message": {"content": PRIVATE}}), ":2: message", "no role", id="no role"
        ),
        pytest.param(
            dumped(ROW, {"type": "user", "message": {"role": "user", "content": [{}]}}),
            ":2: message.content.0",
            "no type",
            id="no block type",
        ),
        pytest.param(dumped(ROW) + b"\xff\n", ":2", "byte 1 is not UTF-8", id="bytes among rows"),
        pytest.param(dumped(ROW) + b"\0\0\0\0\n", ":2", "NUL bytes", id="zeros among rows"),
        pytest.param(
            gzip.compress(dumped(*[ROW] * 3000))[:200], ":", "gzip data ends too early", id="cut gzip session"
        ),
    ],
)
def test_what_cannot_be_read_gets_one_clear_line(tmp_path: Path, data: bytes, where: str, reason: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    with pytest.raises(HistoryError) as refused:
        read(file)
    error = refused.value
    assert error.path is not None
    assert error.path.startswith(f"{file}{where}") if where == ":" else error.path == f"{file}{where}"
    assert reason in error.reason
    assert error.remedy
    assert "\n" not in str(error)
    assert PRIVATE not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__  # nothing of the input shows in a traceback


def test_a_missing_file_a_directory_and_a_bad_name(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"there is no such file. Check the path."):
        read(tmp_path / "nowhere.json")
    with pytest.raises(HistoryError, match=r"this is a directory, not a file. Name one file in it."):
        read(tmp_path)
    with pytest.raises(HistoryError, match="file name too long"):
        detect(tmp_path / ("x" * 5000))
    with pytest.raises(HistoryError, match="cannot be read"):
        read("a\0b")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> io.FileIO:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(io, "FileIO", refuse)
    with pytest.raises(HistoryError, match=r"permission denied.*owner and mode"):
        read(tmp_path / "locked.json")


def test_a_disk_that_fails_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "body.json"
    file.write_bytes(dumped(BODY))

    class Failing(io.FileIO):
        def readinto(self, buffer: Any, /) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(io, "FileIO", Failing)
    with pytest.raises(HistoryError, match=r"cannot be read \(input/output error\)"):
        read(file)


@pytest.mark.parametrize("packed", [False, True])
def test_a_tool_result_of_50_mb_is_read(tmp_path: Path, packed: bool) -> None:
    call = {"type": "tool_use", "id": "t1", "name": "Read", "input": {}}
    text = "lorem ipsum " * (50_000_000 // 12)
    result = {"type": "tool_result", "tool_use_id": "t1", "content": text}
    session = dumped(
        ROW,
        {"type": "assistant", "uuid": "a", "parentUuid": "u1", "message": {"role": "assistant", "content": [call]}},
        {"type": "user", "uuid": "r", "parentUuid": "a", "message": {"role": "user", "content": [result]}},
    )
    file = tmp_path / "large"
    file.write_bytes(gzip.compress(session, 1) if packed else session)
    start = time.perf_counter()
    steps = read(file).main.steps
    assert time.perf_counter() - start < 60, "a hang, not a speed (measured: 0.4 s)"
    assert isinstance(steps[2], Incoming)
    assert steps[2].message["content"] == [result]


@QUICK
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_a_session_or_a_history_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """A reader raises HistoryError for bad input, and nothing else."""
    attempt(tmp_path_factory, data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
named = st.sampled_from(
    ["user", "assistant", "system", "u1", "u2", "m1", "t1", "text", "tool_use", "tool_result", "compact_boundary"]
)


def dicts_with(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={key: value | json_values for key, value in fields.items()})


blocks = dicts_with({"type": named, "id": named, "tool_use_id": named, "text": st.text(max_size=3)})
messages = dicts_with({"role": named, "content": st.lists(blocks, max_size=3), "id": named, "usage": json_values})
flags = {
    key: st.booleans()
    for key in ("isSidechain", "isMeta", "isCompactSummary", "isApiErrorMessage", "timestamp", "compactMetadata")
}
links = {
    key: named | st.none()
    for key in ("uuid", "parentUuid", "logicalParentUuid", "agentId", "sourceToolUseID", "sessionId")
}
rows = dicts_with({"type": named, "subtype": named, "message": messages, **links, **flags})


@QUICK
@given(st.lists(rows | json_values, max_size=5), st.booleans())
def test_any_json_gives_a_session_or_a_history_error(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], as_list: bool
) -> None:
    """A reader raises HistoryError for bad input, and nothing else; fields of any type included."""
    attempt(tmp_path_factory, dumped(values) if as_list else dumped(*values))


@QUICK
@given(st.lists(messages | json_values, max_size=4), st.booleans())
def test_any_messages_give_a_session_or_a_history_error(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], as_body: bool
) -> None:
    """A reader raises HistoryError for bad input, and nothing else; a body is read as it is, or refused."""
    session = attempt(tmp_path_factory, dumped({"messages": values} if as_body else values))
    if session is not None:
        assert list(session.main.messages) == values


def attempt(folder: pytest.TempPathFactory, data: bytes) -> Session | None:
    file = folder.getbasetemp() / "attempt"
    file.write_bytes(data)
    try:
        return read(file)
    except HistoryError as error:
        refused = error
    assert refused.path is not None
    assert refused.path.startswith(str(file))
    assert refused.remedy
    assert "\n" not in str(refused)
    return None
