from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
import uuid
from typing import Any

import pydantic
import pytest
from anthropic.lib.tools import ToolError
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow import Conversation, check
from ctxwindow.client.results import MAX_ERROR_CHARS, MAX_RESULT_CHARS, Answer, failed, succeeded

CALL: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
TEXT = {"type": "text", "text": "seen"}


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Person(pydantic.BaseModel):
    name: str
    born: dt.date


class Colour(enum.Enum):
    RED = "red"


class Word(enum.StrEnum):
    YES = "yes"


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("seen", "seen"),
        (Word.YES, "yes"),
        (" kept ", " kept "),
        ([TEXT, IMAGE], [TEXT, IMAGE]),
        ((TEXT,), [TEXT]),
        (IMAGE, [IMAGE]),
        ([TEXT, {"type": "text", "text": " "}], [TEXT]),
        ([{"type": "tool_reference", "tool_name": "x"}], [{"type": "tool_reference", "tool_name": "x"}]),
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        ([{"type": "text"}], '[{"type":"text"}]'),
        ([{"type": "document", "title": "no block"}], '[{"title":"no block","type":"document"}]'),
        ([], "[]"),
        (3, "3"),
        (False, "false"),
        (2.5, "2.5"),
        (float("nan"), "NaN"),
        (Point(1, 2), '{"x":1,"y":2}'),
        ([Point(1, 2)], '[{"x":1,"y":2}]'),
        (Person(name="Ö", born=dt.date(2000, 1, 2)), '{"born":"2000-01-02","name":"Ö"}'),
        (set("hgfedcba"), '["a","b","c","d","e","f","g","h"]'),
        (Colour.RED, '"red"'),
        (dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), '"2026-01-02T03:04:00+00:00"'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ([pathlib.PurePosixPath("/a/b")], '["/a/b"]'),
        ("a\ud800b", "a\ufffdb"),
        ({"k": "\udc00"}, '{"k":"\ufffd"}'),
    ],
)
def test_what_a_tool_returns(value: object, content: object) -> None:
    assert succeeded(CALL, value) == {"type": "tool_result", "tool_use_id": "toolu_1", "content": content}


@pytest.mark.parametrize("value", [None, "", " \n", [{"type": "text", "text": ""}]])
def test_nothing_is_said_in_words(value: object) -> None:
    """The API was seen to refuse empty results."""
    assert succeeded(CALL, value)["content"] == "(no output)"


class Broken:
    def __str__(self) -> str:
        raise OSError

    def __repr__(self) -> str:
        raise OSError


class Sly(dict[str, Any]):
    def get(self, *_: Any) -> Any:
        raise OSError("secret")


_round: list[Any] = []
_round.append(_round)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"secret", "look returned a bytes that is neither text nor JSON"),
        (object(), "returned a object"),
        (Broken(), "returned a Broken"),
        ([Sly(type="text")], "returned a list"),
        ({"k": [b"secret"]}, "returned a dict that is neither text nor JSON, for it holds a bytes"),
        ({("secret", 2): 1}, "returned a dict"),
        ({1: 1, "secret": 2}, "returned a dict"),
        (_round, "returned a list"),
        ([10**5000], "returned a list"),
        ([{"type": "text", "text": "secret", "extra": b"secret"}], "returned a list"),
        ((number for number in (1, 2)), "returned a generator"),
    ],
)
def test_what_is_no_json_is_an_error_without_content(value: object, told: str) -> None:
    block = succeeded(CALL, value)
    assert block["is_error"] is True
    assert told in block["content"]
    assert "secret" not in block["content"]


def test_nesting_without_end_is_an_error() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert succeeded(CALL, deep)["is_error"] is True


def test_a_coroutine_is_an_error_and_is_closed() -> None:
    async def late() -> str:
        return "late"

    assert "a coroutine" in succeeded(CALL, late())["content"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x" * (MAX_RESULT_CHARS + 1), id="text"),
        ["x" * MAX_RESULT_CHARS],
        [{"type": "text", "text": "x" * MAX_RESULT_CHARS}, {"type": "text", "text": "y"}],
        [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x" * MAX_RESULT_CHARS}}],
    ],
)
def test_what_is_too_large_is_told_with_its_size(value: object) -> None:
    block = succeeded(CALL, value)
    assert block["is_error"] is True
    assert f"a result may have {MAX_RESULT_CHARS:,}" in block["content"]
    assert len(block["content"]) < 300


def test_at_the_limit_it_is_whole_and_images_are_no_text() -> None:
    text = "x" * MAX_RESULT_CHARS
    assert succeeded(CALL, text)["content"] == text
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": text + "xxxx"}}
    assert succeeded(CALL, [image])["content"] == [image]


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ([TEXT, {"type": "image", "source": {}}], "SHAPE-06"),
        (
            [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "a" * 12_000_000}}],
            "MEDIA-04",
        ),
    ],
    ids=["shape", "size"],
)
def test_blocks_that_the_api_refuses_are_an_error(value: object, rule: str) -> None:
    """Else the round could never be answered: the call has run."""
    block = succeeded(CALL, value)
    assert block["is_error"] is True
    assert f"[{rule}]" in block["content"]
    assert len(block["content"]) < 500
    chat = Conversation.start(model="claude-opus-5-5")
    chat.append({"role": "user", "content": "go"}, now=1.0)
    chat.append({"role": "assistant", "content": [CALL]}, now=2.0)
    chat.append({"role": "user", "content": [block]}, now=3.0)


def test_what_was_returned_may_change_later() -> None:
    returned = [{"type": "text", "text": "seen"}]
    block = succeeded(CALL, returned)
    returned[0]["text"] = "changed"
    assert block["content"] == [TEXT]


def test_an_exception_is_told_by_type_and_message() -> None:
    assert failed(CALL, ValueError("no such file")) == {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": "ValueError: no such file",
        "is_error": True,
    }
    assert failed(CALL, TimeoutError())["content"] == "TimeoutError"
    assert failed(CALL, ValueError(Broken()))["content"] == "ValueError"
    assert failed(CALL, " ")["content"] == "look failed, and did not say why."


def test_a_long_exception_is_cut() -> None:
    content = failed(CALL, ValueError("x" * 10_000))["content"]
    assert len(content) == MAX_ERROR_CHARS
    assert content.endswith("…")


def test_the_sdks_error_has_its_own_content() -> None:
    assert failed(CALL, ToolError("x" * 5_000))["content"] == "x" * 5_000
    assert failed(CALL, ToolError([{"type": "text", "text": "seen"}]))["content"] == [TEXT]
    assert failed(CALL, ToolError(""))["content"] == "look failed, and did not say why."
    assert failed(CALL, ToolError([]))["content"] == "look failed, and did not say why."


def test_an_error_holds_text_alone() -> None:
    """The API: all content must be type `text` if `is_error` is true."""
    content = failed(CALL, ToolError([TEXT, IMAGE]))["content"]  # type: ignore[list-item]
    assert [block["type"] for block in content] == ["text", "text"]
    assert "a block of type image" in content[1]["text"]
    assert "iVBOR" not in json.dumps(content)


@pytest.mark.parametrize("make", [lambda call: succeeded(call, "x"), lambda call: failed(call, "x")])
def test_a_toolset_is_echoed(make: Any) -> None:
    """TOOL-13: results of toolset calls carry the toolset_name of the call."""
    assert make({**CALL, "toolset_name": "browser"})["toolset_name"] == "browser"
    assert "toolset_name" not in make({**CALL, "toolset_name": None})


def test_code_gets_text_alone() -> None:
    """TOOL-12: while code waits, results are text only."""
    from_code = {**CALL, "caller": {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}}
    assert succeeded(from_code, [IMAGE])["is_error"] is True
    assert succeeded(from_code, [TEXT])["content"] == [TEXT]
    assert succeeded({**CALL, "caller": {"type": "direct"}}, [IMAGE])["content"] == [IMAGE]


def test_an_answer_takes_what_comes() -> None:
    with Answer(CALL) as answer:
        answer.value = "seen"
    assert answer.block["content"] == "seen"
    with Answer(CALL) as answer:
        raise LookupError("gone")
    assert answer.block["content"] == "LookupError: gone"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_passes_through(kind: type[BaseException]) -> None:
    with pytest.raises(kind), Answer(CALL):
        raise kind


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=10,
)
_ODD = st.binary() | st.sets(st.integers()) | st.complex_numbers() | st.just(Broken()) | st.builds(Point, _JSON, _JSON)
_TEXTS = st.builds(lambda text: {"type": "text", "text": text}, st.text(st.characters()))
_ANYTHING = _JSON | _ODD | st.lists(_JSON | _ODD | _TEXTS | st.just(IMAGE))


@given(_ANYTHING, st.booleans())
def test_whatever_a_tool_does_its_result_is_one_that_can_be_sent(value: object, raised: bool) -> None:
    block = failed(CALL, ValueError(value)) if raised else succeeded(CALL, value)
    json.dumps(block, ensure_ascii=False, allow_nan=False).encode()
    texts = (
        [block["content"]]
        if isinstance(block["content"], str)
        else [part.get("text", "x") for part in block["content"]]
    )
    assert texts
    assert all(text.strip() for text in texts)
    report = check(
        {
            "model": "claude-opus-5-5",
            "max_tokens": 10,
            "tools": [{"name": "look", "input_schema": {"type": "object"}}],
            "messages": [
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": [CALL]},
                {"role": "user", "content": [block]},
            ],
        }
    )
    assert [found for found in report.violations if found.severity == "error"] == []


def test_a_large_result_goes_into_a_conversation() -> None:
    chat = Conversation.start(model="claude-opus-5-5")
    chat.append({"role": "user", "content": "go"}, now=1.0)
    chat.append({"role": "assistant", "content": [CALL]}, now=2.0)
    chat.append({"role": "user", "content": [succeeded(CALL, "line\n" * 10_000)]}, now=3.0)
