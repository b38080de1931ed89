"""BIND-14: what the prefix check takes for equal, one property an equality.

Each property makes one change before a thinking block of a bound model, and asks all who know the canonical form: the
fingerprint chain (`record.Prefix`), the prefix check (`rules.prefix_report`), and the emulator, which compares nothing
but verifies what it signed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import models, resolve
from ctxwindow.emulator import Emulator
from ctxwindow.record import Prefix
from ctxwindow.rules import check, prefix_report
from tests.emulated import ask

Body = dict[str, Any]

BOUND = [profile.id for profile in models() if profile.bound]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda text: bool(text.strip()))
spaces = st.text(" \t\n\r", min_size=1, max_size=4)
schemas = st.sampled_from([{"type": "object"}, {"type": "object", "properties": {"path": {"type": "string"}}}])


class Scene(NamedTuple):
    """A request before, and the one that appends the reply to it and a word of the user's."""

    before: Body
    now: Body

    def message(self, index: int) -> Any:
        return self.now["messages"][index]


USER, CALLS, RESULTS, REMINDER, SEARCH, LOADED = range(6)
"""Places of the messages that are changed; the reply with the thinking stands behind them."""


def _messages(draw: st.DrawFn) -> list[Body]:
    said = {"type": "text", "text": draw(words)}
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    page = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf?key=1"}}
    thought = {"type": "thinking", "thinking": "", "signature": "first".ljust(40, "s")}
    number = draw(st.integers(-5, 5))
    call = {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": draw(words), "line": number}}
    search = {"type": "tool_use", "id": "t2", "name": "find_tool", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": draw(words)}, picture]}
    reference = {"type": "tool_reference", "tool_name": "loaded"}
    return [
        {"role": "user", "content": [said, picture, page]},
        {"role": "assistant", "content": [thought, {"type": "text", "text": draw(words)}, call]},
        {"role": "user", "content": [result, {"type": "text", "text": draw(words)}]},
        {
            "role": "system",
            "content": [{"type": "text", "text": draw(words)}],
            "clear_at": "next_user_message",
        },
        {"role": "assistant", "content": [search]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t2", "content": [reference]}]},
        {"role": "system", "content": [], "output_config": {"effort": "low"}},
    ]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Histories in which everything that BIND-14 names stands before a thinking block."""
    tools = [
        {"name": "read", "description": draw(words), "input_schema": draw(schemas)},
        {"name": "find_tool", "input_schema": draw(schemas)},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": draw(st.integers(1, 5))},
        {"name": "loaded", "description": draw(words), "input_schema": draw(schemas), "defer_loading": True},
        {"name": "asleep", "description": draw(words), "input_schema": draw(schemas), "defer_loading": True},
    ]
    system = [{"type": "text", "text": draw(words)}]
    before: Body = {
        "model": draw(st.sampled_from(BOUND)),
        "max_tokens": 1_000,
        "system": system,
        "tools": tools,
        "messages": _messages(draw),
        "betas": ["mid-conversation-system-clear-at-2026-08-21", "mid-conversation-output-config-2026-07-01"],
    }
    thought = {"type": "thinking", "thinking": draw(words), "signature": "last".ljust(40, "s")}
    reply = {"role": "assistant", "content": [thought, {"type": "text", "text": draw(words)}]}
    messages = [*before["messages"], reply, {"role": "user", "content": draw(words)}]
    return Scene(copy.deepcopy(before), copy.deepcopy({**before, "messages": messages}))


def chain(body: Body) -> str:
    prefix = Prefix(body["system"], body["tools"])
    for message in body["messages"]:
        prefix.add(message)
    return prefix.last


def sign(scene: Scene) -> Emulator:
    """Let an emulator say both replies, so that their thinking carries its signatures."""
    said = [scene.now["messages"][index]["content"] for index in (CALLS, -2)]
    emulator = Emulator([*said, "Well."])
    opening = {**scene.before, "messages": scene.before["messages"][:CALLS]}
    for request, index in ((opening, CALLS), (scene.before, -2)):
        signature = ask(emulator, request).body["content"][0]["signature"]
        for body in (scene.before, scene.now) if index == CALLS else (scene.now,):
            body["messages"][index]["content"][0]["signature"] = signature
    return emulator


def stays_valid(scene: Scene, edit: Callable[[Scene], object]) -> bool:
    """Whether all thinking stays valid after an edit; all who know must say the same."""
    emulator, profile = sign(scene), resolve(scene.now["model"])
    original = copy.deepcopy(scene.now)
    assert all(state.valid for state in prefix_report(scene.now, scene.before, profile))
    edit(scene)
    assert json.dumps(scene.now) != json.dumps(original), "the edit changed nothing"
    states = prefix_report(scene.now, scene.before, profile)
    assert len(states) == 2, "both thinking blocks are reported"
    assert states[-1].valid == (chain(scene.now) == chain(original))
    valid = all(state.valid for state in states)
    if check(scene.now).ok:  # else the emulator rejects it for another reason
        answer = ask(emulator, scene.now)
        assert (answer.status == 200) == valid
        assert valid or "bound to a different conversation" in answer.error
    return valid


def spots(value: Any) -> list[Body]:
    """Every object that is part of the request's own structure: what the caller's data holds is left alone."""
    found: list[Body] = []
    if isinstance(value, dict):
        found.append(value)
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in children:
        if key not in ("input", "input_schema", "source", "output_config"):
            found += spots(inner)
    return found


def blocks(body: Body) -> list[Body]:
    """Tools, system blocks and content blocks, nested ones too: whatever may carry a cache marker or a null."""
    return [spot for spot in spots([body["system"], body["tools"], body["messages"]]) if "role" not in spot]


# ---- what must not matter


@given(scenes(), st.data())
def test_cache_control_does_not_matter(scene: Scene, data: st.DataObject) -> None:
    """cache_control is dropped everywhere."""
    chosen = data.draw(st.sets(st.integers(0, len(blocks(scene.now)) - 1), min_size=1))

    def mark(scene: Scene) -> None:
        for number in chosen:
            blocks(scene.now)[number]["cache_control"] = {"type": "ephemeral", "ttl": "1h"}

    assert stays_valid(scene, mark)


@given(scenes(), st.data())
def test_null_keys_do_not_matter(scene: Scene, data: st.DataObject) -> None:
    """Keys with the value null are dropped."""
    number = data.draw(st.integers(0, len(blocks(scene.now)) - 1))
    key = data.draw(st.sampled_from(["cache_control", "citations", "a_field_of_tomorrow"]))
    assert stays_valid(scene, lambda scene: blocks(scene.now)[number].update({key: None}))


@given(scenes())
def test_one_equals_one_point_zero(scene: Scene) -> None:
    """1.0 == 1, also inside the input of a call."""

    def as_float(scene: Scene) -> None:
        given_input = scene.message(CALLS)["content"][2]["input"]
        given_input["line"] = float(given_input["line"])
        scene.now["tools"][2]["max_uses"] = float(scene.now["tools"][2]["max_uses"])

    assert stays_valid(scene, as_float)


@given(scenes(), words)
def test_a_string_equals_one_text_block(scene: Scene, text: str) -> None:
    """Content as a string equals one text block: in `system`, in a message, in a result."""
    for body in (scene.before, scene.now):
        body["messages"][SEARCH - 1]["content"] = [{"type": "text", "text": text}]
        body["messages"][RESULTS]["content"][0]["content"] = [{"type": "text", "text": text}]

    def unwrap(scene: Scene) -> None:
        scene.now["system"] = scene.now["system"][0]["text"]
        scene.message(REMINDER)["content"] = text
        scene.message(RESULTS)["content"][0]["content"] = text

    assert stays_valid(scene, unwrap)


@given(scenes(), spaces, st.data())
def test_white_space_at_the_edges_of_texts_does_not_matter(scene: Scene, space: str, data: st.DataObject) -> None:
    """Leading and trailing white space of text blocks is trimmed."""
    texts = [block for block in blocks(scene.now) if block.get("type") == "text"]
    number, leading = data.draw(st.integers(0, len(texts) - 1)), data.draw(st.booleans())

    def pad(_: Scene) -> None:
        text = texts[number]["text"]
        texts[number]["text"] = space + text if leading else text + space

    assert stays_valid(scene, pad)


@given(scenes(), spaces | st.just(""), st.sampled_from([USER, CALLS, RESULTS, REMINDER]), st.data())
def test_blank_text_blocks_do_not_matter(scene: Scene, space: str, index: int, data: st.DataObject) -> None:
    """Text blocks of white space only are dropped."""
    at = data.draw(st.integers(0, len(scene.message(index)["content"])))
    blank = {"type": "text", "text": space}
    assert stays_valid(scene, lambda scene: scene.message(index)["content"].insert(at, blank))


@given(scenes(), st.sampled_from([[], {}]))
def test_empty_citations_do_not_matter(scene: Scene, empty: Any) -> None:
    """Empty `citations` are dropped."""
    assert stays_valid(scene, lambda scene: scene.message(CALLS)["content"][1].update(citations=empty))


@given(scenes())
def test_is_error_false_does_not_matter(scene: Scene) -> None:
    """`is_error: false` is dropped."""
    assert stays_valid(scene, lambda scene: scene.message(RESULTS)["content"][0].update(is_error=False))


@given(scenes(), st.permutations(range(5)).filter(lambda order: order != list(range(5))))
def test_the_order_of_tools_does_not_matter(scene: Scene, order: list[int]) -> None:
    """Tools are compared as a set keyed by name."""
    assert stays_valid(scene, lambda scene: scene.now.update(tools=[scene.now["tools"][at] for at in order]))


DEFAULTS: list[Body] = [
    {"type": "custom"},
    {"allowed_callers": ["direct"]},
    {"strict": False},
    {"eager_input_streaming": False},
    {"description": ""},
]


@given(scenes(), st.sampled_from(DEFAULTS))
def test_defaults_of_tools_do_not_matter(scene: Scene, default: Body) -> None:
    """A tool's field at its default equals its absence."""
    assert stays_valid(scene, lambda scene: scene.now["tools"][1].update(default))


@given(scenes(), words, st.booleans())
def test_a_deferred_tool_that_nothing_names_does_not_matter(scene: Scene, text: str, added: bool) -> None:
    """A deferred tool is outside the prefix until something names it."""

    def edit(scene: Scene) -> None:
        if added:
            scene.now["tools"].append({"name": "added", "input_schema": {}, "defer_loading": True})
        else:
            scene.now["tools"][4]["description"] += text

    assert stays_valid(scene, edit)


@given(scenes(), words)
def test_the_address_of_a_url_does_not_matter(scene: Scene, key: str) -> None:
    """URL sources are compared without the URL."""
    source = scene.message(USER)["content"][2]["source"]
    assert stays_valid(scene, lambda _: source.update(url=f"https://example.com/b.pdf?key={key}"))


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(inner) for inner in value] if isinstance(value, list) else value


@given(scenes())
def test_the_order_of_keys_does_not_matter(scene: Scene) -> None:
    """The order of keys in JSON objects is free, also inside inputs and schemas."""
    assert stays_valid(scene, lambda scene: scene.now.update(reversed_keys(scene.now)))


@given(scenes())
def test_thinking_is_no_part_of_the_prefix(scene: Scene) -> None:
    """Thinking blocks are excluded from the prefix: a run kept from its back stays valid (BIND-10)."""
    original = chain(scene.now)
    del scene.message(CALLS)["content"][0]
    assert chain(scene.now) == original
    assert [state.valid for state in prefix_report(scene.now, scene.before, resolve(scene.now["model"]))] == [True]


# ---- what must matter


@given(scenes(), spaces)
def test_white_space_inside_a_text_matters(scene: Scene, space: str) -> None:
    """Interior white space counts."""
    for body in (scene.before, scene.now):
        body["messages"][USER]["content"][0]["text"] = "two words"
    assert not stays_valid(scene, lambda scene: scene.message(USER)["content"][0].update(text=f"two{space} words"))


@given(scenes(), words)
def test_an_input_matters(scene: Scene, text: str) -> None:
    """The values of `tool_use.input` count, to the last space."""
    given_input = scene.message(CALLS)["content"][2]["input"]
    assert not stays_valid(scene, lambda _: given_input.update(path=f"{given_input['path']} {text}"))


@given(scenes(), st.sampled_from([None, "cache_control"]))
def test_an_input_is_data(scene: Scene, value: str | None) -> None:
    """Inside `tool_use.input` a null and a key named cache_control are data (the stricter reading is taken)."""
    key = value or "anything"
    assert not stays_valid(scene, lambda scene: scene.message(CALLS)["content"][2]["input"].update({key: None}))


@given(scenes(), words)
def test_the_text_of_a_result_matters(scene: Scene, text: str) -> None:
    """The text of a tool_result counts."""
    shown = scene.message(RESULTS)["content"][0]["content"][0]
    assert not stays_valid(scene, lambda _: shown.update(text=f"{shown['text']}; {text}"))


@given(scenes(), st.booleans())
def test_the_bytes_of_an_image_matter(scene: Scene, nested: bool) -> None:
    """The bytes of an image count, in a message and in a result."""
    holder = scene.message(RESULTS)["content"][0] if nested else scene.message(USER)
    assert not stays_valid(scene, lambda _: holder["content"][1]["source"].update(data=PNG.replace("9aw", "9ax")))


@given(scenes())
def test_is_error_true_matters(scene: Scene) -> None:
    """`is_error: true` is no default."""
    assert not stays_valid(scene, lambda scene: scene.message(RESULTS)["content"][0].update(is_error=True))


@given(scenes(), st.sampled_from([(USER, "assistant"), (CALLS, "user"), (REMINDER, "user")]))
def test_the_role_matters(scene: Scene, change: tuple[int, str]) -> None:
    """The role of each message is compared."""
    index, role = change
    assert not stays_valid(scene, lambda scene: scene.message(index).update(role=role))


@given(scenes(), st.booleans())
def test_clear_at_matters(scene: Scene, dropped: bool) -> None:
    """`clear_at` of each message is compared."""
    edit = (lambda scene: scene.message(REMINDER).pop("clear_at")) if dropped else _never
    assert not stays_valid(scene, edit)


def _never(scene: Scene) -> None:
    scene.message(REMINDER)["clear_at"] = "never"


@given(scenes(), st.sampled_from([{"effort": "high"}, None]))
def test_output_config_of_a_message_matters(scene: Scene, config: Body | None) -> None:
    """`output_config` of each message is compared."""
    assert not stays_valid(scene, lambda scene: scene.message(LOADED + 1).update(output_config=config))


@given(scenes(), words, st.sampled_from(["description", "name", "input_schema"]))
def test_the_definition_of_a_tool_matters(scene: Scene, text: str, field: str) -> None:
    """Every field of a tool that is not deferred counts, its description too."""
    tool = scene.now["tools"][0]
    value = {"type": "object", "required": [text]} if field == "input_schema" else f"{tool[field]}; {text}"
    assert not stays_valid(scene, lambda _: tool.update({field: value}))


@given(scenes(), st.sampled_from([{"type": "web_search_20260209"}, {"name": "web_search_2"}]))
def test_a_server_tool_is_its_type_and_its_name(scene: Scene, change: Body) -> None:
    """Server tools are keyed by type and name."""
    assert not stays_valid(scene, lambda scene: scene.now["tools"][2].update(change))


@given(scenes(), words)
def test_an_mcp_toolset_is_its_server(scene: Scene, name: str) -> None:
    """MCP toolsets are keyed by the name of their server."""
    for body in (scene.before, scene.now):
        body["tools"].append({"type": "mcp_toolset", "mcp_server_name": "files"})
    assert not stays_valid(scene, lambda scene: scene.now["tools"][5].update(mcp_server_name=f"files of {name}"))


@given(scenes(), words)
def test_a_deferred_tool_that_is_named_matters(scene: Scene, text: str) -> None:
    """A deferred tool is in the prefix from the tool_reference on that names it."""
    assert not stays_valid(scene, lambda scene: scene.now["tools"][3].update(description=f"another: {text}"))


@given(scenes(), words)
def test_system_matters(scene: Scene, text: str) -> None:
    """`system` is compared like a message."""
    block = scene.now["system"][0]
    assert not stays_valid(scene, lambda _: block.update(text=f"{block['text']}: {text}"))


@given(scenes(), words, st.data())
def test_a_message_that_comes_or_goes_matters(scene: Scene, text: str, data: st.DataObject) -> None:
    """Messages are compared one by one: none may be inserted or removed before the block."""
    if data.draw(st.booleans()):
        index = data.draw(st.integers(0, LOADED + 1))
        extra = {"role": "user", "content": text}
        assert not stays_valid(scene, lambda scene: scene.now["messages"].insert(index, extra))
    else:
        gone = data.draw(st.sampled_from([USER, RESULTS, REMINDER, SEARCH, LOADED]))  # CALLS holds thinking itself
        assert not stays_valid(scene, lambda scene: scene.now["messages"].pop(gone))


@pytest.mark.parametrize("field", ["max_tokens", "tool_choice", "metadata", "stop_sequences", "stream", "thinking"])
def test_settings_are_no_part_of_it(field: str) -> None:
    """BIND-13: parameters outside system, tools and messages change nothing."""
    thought = {"type": "thinking", "thinking": "", "signature": "s" * 40}
    asked = {"role": "user", "content": "Hi"}
    before = {"model": "claude-opus-5-5", "messages": [asked]}
    reply = {"role": "assistant", "content": [thought, {"type": "text", "text": "Hello"}]}
    now = {**before, "messages": [asked, reply, asked], field: {"any": "thing"}}
    assert [state.valid for state in prefix_report(now, before, resolve("claude-opus-5-5"))] == [True]
