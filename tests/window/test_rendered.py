from __future__ import annotations

import copy
from typing import Any

from hypothesis import given

from ctxwindow.catalog import resolve
from ctxwindow.testing import requests
from ctxwindow.window import serve
from ctxwindow.window.framing import frame_of
from ctxwindow.window.rendered import pieces, render, settings_of
from tests.window.scenes import OPUS, assistant, body, text, user

WEB = {"type": "web_search_20260209", "name": "web_search"}
TOOL = {"name": "read", "input_schema": {"type": "object"}}


def _hashes(request: dict[str, Any]) -> list[str]:
    return [piece.prefix for piece in render(request, resolve(request["model"]))]


def test_pieces_come_in_render_order() -> None:
    """CACHE-01: render order tools, system, messages; deferred tools are not among the tools (TOOL-20)."""
    request = body(
        [user("Hello."), assistant(text("Yes?"), text("Well?"))],
        system="Be brief.",
        tools=[{**TOOL, "defer_loading": True}, TOOL],
    )
    assert [piece.path for piece in pieces(request)] == [
        "tools.1", "system.0", "messages.0.content.0", "messages.1.content.0", "messages.1.content.1",
    ]  # fmt: skip


def test_a_hash_stands_for_everything_before_it() -> None:
    """CACHE-01: any byte change invalidates from there on."""
    request = body([user("Hello."), assistant(text("Yes?")), user("Go on.")], system="Be brief.", tools=[TOOL])
    edited = copy.deepcopy(request)
    edited["messages"][1]["content"][0]["text"] = "Yes!"
    same = [a == b for a, b in zip(_hashes(request), _hashes(edited), strict=True)]
    assert same == [True, True, True, False, False]
    merged = body([user("a"), user("b")])
    assert _hashes(merged)[1] != _hashes(body([user([text("a"), text("b")])]))[1], "TOK-24: a message is a boundary"


def test_a_web_search_tool_is_rendered_with_the_system_prompt() -> None:
    """CACHE-11: toggling web search invalidates system and messages, not the tools."""
    plain = _hashes(body([user("Hello.")], system="Be brief.", tools=[TOOL]))
    web = _hashes(body([user("Hello.")], system="Be brief.", tools=[TOOL, WEB]))
    assert plain[0] == web[0]
    assert set(plain[1:]).isdisjoint(web[1:])


def test_settings_say_what_holds_anyway_as_nothing() -> None:
    """THINK-13: setting the model's default effort explicitly equals omitting it."""
    profile = resolve(OPUS)
    assert profile.thinking.effort_default == "medium"
    silent, said = body([]), body([], output_config={"effort": "medium"}, tool_choice={"type": "auto"})
    assert settings_of(silent, profile) == settings_of(said, profile)
    assert settings_of(silent, profile) != settings_of(body([], output_config={"effort": "high"}), profile)


def test_a_default_said_aloud_is_no_change() -> None:
    """CACHE-11, THINK-02: of speed, thinking and tool_choice."""

    def said(model: str = OPUS, **settings: Any) -> Any:
        return settings_of(body([], **settings), resolve(model))

    assert said() == said(speed="standard") != said(speed="fast")
    parallel = {"type": "auto", "disable_parallel_tool_use": False}
    assert said() == said(tool_choice=parallel) != said(tool_choice={**parallel, "disable_parallel_tool_use": True})
    assert said(tool_choice={"type": "any"}) == said(tool_choice={**parallel, "type": "any"})
    assert resolve(OPUS).thinking.when_omitted == "adaptive"
    assert said() == said(thinking={"type": "adaptive"})
    assert said() != said(thinking={"type": "adaptive", "display": "summarized"})
    assert said() != said(thinking={"type": "disabled"})
    haiku = "claude-haiku-4-5"
    assert resolve(haiku).thinking.when_omitted == "off"
    assert said(haiku) == said(haiku, thinking={"type": "disabled"}) != said(haiku, thinking={"type": "adaptive"})


def test_odd_content_can_be_rendered() -> None:
    request = body([user([text("\ud800"), {"type": "text"}, 3, None])], tools=["x"], system=[1])
    assert len(_hashes(request)) == 6


@given(requests())
def test_pieces_add_up_to_what_counts(request: dict[str, Any]) -> None:
    """The pieces of what is served weigh what counts, but for frames: of the request, of messages that hold nothing."""
    served = serve(request, resolve(request["model"]))
    weighed = sum(piece.tokens for piece in render(served.request, served.profile))
    empty = sum(not message["content"] for message in served.request["messages"])
    weighed += served.window.overheads["request"]
    # The opening of the reply stands behind the last message.
    weighed += min(frame_of(served.profile).user // 2, served.window.tokens - weighed)
    assert weighed <= served.window.tokens <= weighed + 3 * empty


def test_a_first_image_is_another_setting_of_the_messages() -> None:
    """MEDIA-08: a first image, or the last one gone, invalidates the cached messages; one more does not."""
    image = {"type": "image", "source": {"type": "url", "url": "u"}}

    def setting(*blocks: dict[str, Any]) -> Any:
        return settings_of(body([{"role": "user", "content": [text("Hello."), *blocks]}]))["messages"]

    assert setting() != setting(image) == setting(image, image)
