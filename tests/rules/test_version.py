from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from anthropic import _constants
from anthropic.types import beta
from anthropic.types.beta import message_count_tokens_params, message_create_params

from ctxwindow.rules import API_VERSION, View, find_violations
from ctxwindow.rules.version import _BLOCKS, _BODY, _EDITS, _ELSEWHERE, _INNER, _MESSAGE, breaks

OLD, NEW = "2023-06-01", "2026-10-21"
BOUND, HAIKU, SAMPLED = "claude-opus-5-5", "claude-haiku-5-5", "claude-sonnet-4-5"
HI: dict[str, Any] = {"role": "user", "content": "hi"}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}
CITED = {"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "d"}]}


def found(*messages: Any, version: str = NEW, model: str = BOUND, **settings: Any) -> list[tuple[str, str]]:
    request = {"model": model, "messages": list(messages), **settings}
    return [(violation.rule, violation.path) for violation in find_violations(request, api_version=version)]


def test_the_version_is_the_one_that_the_sdk_sends() -> None:
    """VER-01."""
    assert API_VERSION == _constants.ANTHROPIC_API_VERSION


@pytest.mark.parametrize(("version", "broken"), [(OLD, False), (NEW, True), ("2027-01-01", True)])
def test_the_breaking_changes_hold_from_their_version_on(version: str, broken: bool) -> None:
    """VER-05."""
    assert breaks(View([HI], api_version=version).frame) == broken


def test_ver_02() -> None:
    """Since 2026-10-21 a document block directly in an assistant message is rejected."""
    wrong = [HI, {"role": "assistant", "content": [DOCUMENT]}, HI]
    assert found(*wrong) == [("VER-02", "messages.1.content.0")]
    assert found(*wrong, version=OLD) == []
    assert found({"role": "user", "content": [DOCUMENT]}) == []


def test_v_ver_1() -> None:
    """An assistant message with a document block is a 400 under 2026-10-21 and was accepted under 2023-06-01."""
    messages = [HI, {"role": "assistant", "content": [DOCUMENT]}, HI]
    assert [bool(found(*messages, version=version)) for version in (OLD, NEW)] == [False, True]


def test_ver_03() -> None:
    """Since 2026-10-21 text with citations is rejected in user messages and in search results."""
    search = {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "a"}, CITED]}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [search]}
    called = [HI, {"role": "assistant", "content": [call]}]
    assert found({"role": "user", "content": [CITED]}) == [("VER-03", "messages.0.content.0.citations")]
    assert found({"role": "user", "content": [search]}) == [("VER-03", "messages.0.content.0.content.1.citations")]
    assert found(*called, {"role": "user", "content": [result]}) == [
        ("VER-03", "messages.2.content.0.content.0.content.1.citations")
    ]
    assert found({"role": "user", "content": [CITED, search]}, version=OLD) == []
    assert found({"role": "user", "content": [{**CITED, "citations": []}]}) == []
    assert found(HI, {"role": "assistant", "content": [CITED]}, HI) == []


@pytest.mark.parametrize(("field", "value"), [("temperature", 1), ("top_p", 0.9), ("top_k", 5)])
def test_ver_04(field: str, value: float) -> None:
    """Since 2026-10-21 temperature, top_p and top_k are rejected on all models."""
    given: dict[str, Any] = {field: value}
    absent: dict[str, Any] = {field: None}
    for model in (BOUND, SAMPLED):
        assert found(HI, model=model, **given) == [("VER-04", field)]
        assert found(HI, model=model, **absent) == []
    assert found(HI, model=SAMPLED, version=OLD, **given) == []


def test_ver_06() -> None:
    """Under 2023-06-01 newer models reject sampling other than the default, and requests that think a temperature other
    than 1."""
    assert found(HI, version=OLD, temperature=0.5, top_k=4) == [("VER-06", "temperature"), ("VER-06", "top_k")]
    assert found(HI, version=OLD, temperature=1, top_p=0.99) == []
    assert found(HI, version=OLD, model=HAIKU, temperature=1) == []
    assert found(HI, version=OLD, model=HAIKU, temperature=1, top_p=0.99) == [("VER-06", "top_p")]
    assert found(HI, version=OLD, model=SAMPLED, temperature=0.5, top_k=4) == []
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    assert found(HI, version=OLD, model=SAMPLED, temperature=0.5, thinking=thinking) == [("VER-06", "temperature")]
    assert found(HI, version=OLD, model=SAMPLED, temperature=1, thinking=thinking) == []


def test_ver_06_says_what_the_api_says() -> None:
    request = {"model": "claude-opus-4-8", "messages": [HI], "temperature": 0, "thinking": {"type": "adaptive"}}
    (violation,) = find_violations(request, api_version=OLD)
    assert violation.message == "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode."


def test_ver_07() -> None:
    """output_config stands at the top, and in system messages with effort only."""
    effort = {"effort": "low"}
    assert found({**HI, "output_config": effort}) == [("VER-07", "messages.0.output_config")]
    assert found(HI, output_config=effort) == []
    system = {"role": "system", "content": "a", "output_config": {**effort, "format": {}}}
    assert ("VER-07", "messages.1.output_config.format") in found(HI, system)
    assert "VER-07" not in {rule for rule, _ in found(HI, {**system, "output_config": effort})}


def test_ver_08() -> None:
    """Fields that the API does not know are rejected; fields of a response sent back verbatim can be such."""
    assert found({**HI, "id": "msg_1"}) == [("VER-08", "messages.0.id")]
    assert found(HI, seed=7) == [("VER-08", "seed")]
    text = {"type": "text", "text": "a", "parsed": None}
    assert found({"role": "user", "content": [text]}) == [("VER-08", "messages.0.content.0.text.parsed")]
    assert found({"role": "user", "content": [{"type": "tool_of_tomorrow", "parsed": 1}]}) == []
    assert found(HI, extra_headers={}, anthropic_version="vertex-2023-10-16") == []


@pytest.mark.parametrize("field", ["clear_at", "output_config"])
def test_ver_08_of_fields_of_messages_on_blocks(field: str) -> None:
    image = {"type": "image", "source": {"type": "file", "file_id": "f"}}
    for block in ({"type": "text", "text": "a"}, image):
        path = f"messages.0.content.0.{block['type']}.{field}"
        rules = found({"role": "user", "content": [{**block, field: "never"}]})
        assert ("VER-08", path) in rules
    assert found({"role": "user", "content": [{"type": "tool_of_tomorrow", field: 1}]}) == []


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("metadata", {"user_id": "u", "team": "t"}, "metadata.team"),
        ("output_config", {"effort": "low", "verbosity": "low"}, "output_config.verbosity"),
        ("context_management", {"edits": [], "x": 1}, "context_management.x"),
        (
            "context_management",
            {"edits": [{"type": "clear_tool_uses_20250919", "keeps": 1}]},
            "context_management.edits.0.clear_tool_uses_20250919.keeps",
        ),
    ],
)
def test_ver_08_of_objects_at_the_top(field: str, value: Any, where: str) -> None:
    sent = {"model": BOUND, "messages": [HI], field: value, "betas": ["context-management-2025-06-27"]}
    violations = find_violations(sent)
    assert [(violation.rule, violation.path) for violation in violations] == [("VER-08", where)]
    assert violations[0].message == f"{where}: Extra inputs are not permitted"


def test_ver_08_leaves_edits_of_tomorrow_alone() -> None:
    sent = {"model": BOUND, "messages": [HI], "context_management": {"edits": [{"type": "of_tomorrow", "x": 1}, 7]}}
    assert "VER-08" not in {violation.rule for violation in find_violations(sent)}


def test_v_ver_2() -> None:
    """A compaction block as model_dump() gives it, with null keys of other types, is a 400."""
    block = {"type": "compaction", "content": "so far", "citations": None, "text": None}
    violations = find_violations({"model": BOUND, "messages": [{"role": "assistant", "content": [block]}, HI]})
    assert [violation.message for violation in violations] == [
        "messages.0.content.0.compaction.citations: Extra inputs are not permitted",
        "messages.0.content.0.compaction.text: Extra inputs are not permitted",
    ]


def test_ver_08_knows_every_field_of_the_sdk() -> None:
    """No false alarms: what the SDK's types have is accepted."""
    for kind, known in _BLOCKS.items():
        name = "".join(word.capitalize() for word in kind.split("_"))
        assert get_type_hints(getattr(beta, f"Beta{name}BlockParam")).keys() <= known | _ELSEWHERE
    for message in get_args(beta.BetaMessageParam) or (beta.BetaMessageParam, beta.BetaSystemMessageParam):
        assert get_type_hints(message).keys() <= _MESSAGE
    own = {"model", "messages", "system", "tools", "betas"}
    assert get_type_hints(message_create_params.MessageCreateParamsBase).keys() <= _BODY | own
    assert get_type_hints(message_count_tokens_params.MessageCountTokensParams).keys() <= _BODY | own


def test_ver_08_knows_every_field_of_the_objects_at_the_top() -> None:
    for name, known in (("ContextManagementConfig", "context_management"), ("Metadata", "metadata")):
        assert get_type_hints(getattr(beta, f"Beta{name}Param")).keys() == _INNER[known]
    assert get_type_hints(beta.BetaOutputConfigParam).keys() == _INNER["output_config"]
    for kind, name in (
        ("clear_tool_uses_20250919", "ClearToolUses20250919"),
        ("clear_thinking_20251015", "ClearThinking20251015"),
        ("compact_20260112", "Compact20260112"),
    ):
        assert get_type_hints(getattr(beta, f"Beta{name}EditParam")).keys() == _EDITS[kind]
