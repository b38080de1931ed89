from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from ctxwindow.record.blocks import block_type, blocks_of, call_id, is_blank_text, known_types, result_id, texts_of


def _sdk_types() -> set[str]:
    """Every value of a `type` literal in the SDK's content block modules, request and response forms."""
    spec = importlib.util.find_spec("anthropic")
    assert spec is not None
    assert spec.origin is not None
    types = Path(spec.origin).parent / "types"
    files = [*types.glob("*_block.py"), *types.glob("*_block_param.py")]
    files += [*types.glob("beta/beta_*_block.py"), *types.glob("beta/beta_*_block_param.py")]
    sources = [file.read_text() for file in files if "managed_agents" not in file.name]
    return {value for source in sources for value in re.findall(r'\btype: (?:Required\[)?Literal\["(\w+)"', source)}


def test_every_block_type_of_the_sdk_is_recognised() -> None:
    known = {row.name for row in known_types()}
    found = _sdk_types()
    assert len(found) > 30
    # "content" is the source of a document, not a block.
    assert found - known <= {"content"}


@pytest.mark.parametrize("block", [{"type": "of_tomorrow"}, {"type": 7}, {}, {"type": None}])
def test_an_unknown_type_is_other(block: dict[str, Any]) -> None:
    assert block_type(block).family == "other"


def test_a_string_stands_for_one_text_block() -> None:
    """MSG-08: `content` as a string equals one text block."""
    assert blocks_of({"content": "hi"}) == [{"type": "text", "text": "hi"}]
    assert blocks_of({"content": None}) == []


def test_ids_of_calls_and_results() -> None:
    assert call_id({"type": "tool_use", "id": "t"}) == "t"
    assert call_id({"type": "mcp_tool_use", "id": "m"}) == "m"
    assert call_id({"type": "text", "id": "x"}) is None
    assert result_id({"type": "web_search_tool_result", "tool_use_id": "s"}) == "s"
    assert result_id({"type": "tool_result", "tool_use_id": 7}) is None


def test_blank_text() -> None:
    assert is_blank_text({"type": "text", "text": " \n"})
    assert not is_blank_text({"type": "text", "text": "a"})
    assert not is_blank_text({"type": "thinking", "thinking": ""})


def test_texts_leave_signatures_and_base64_out() -> None:
    block = {
        "type": "tool_result",
        "tool_use_id": "toolu_secret",
        "content": [
            {"type": "text", "text": "one"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "two"}},
            {"type": "of_tomorrow", "deep": {"text": "three", "signature": "no"}},
        ],
    }
    assert list(texts_of(block)) == ["one", "two", "three"]


def test_texts_of_a_call_are_its_input() -> None:
    block = {"type": "tool_use", "id": "t", "name": "read", "input": {"path": "a.py", "limit": 3}}
    assert list(texts_of(block)) == ["read", "a.py"]
