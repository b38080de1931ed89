"""What a conversation may begin with, and what is said in it: small pools, so that counting and shrinking are quick."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import strategies as st

from ctxwindow import Policy
from ctxwindow.testing import SERVER_TOOLS
from ctxwindow.testing.content import server_result, server_use
from tests.driver import MANUAL, TOOLS

JSON = dict[str, Any]

SCOPED = "mid-conversation-system-clear-at-2026-08-21"
CHANGES = "mid-conversation-tool-changes-2026-07-01"
EFFORT = "mid-conversation-output-config-2026-07-01"
LATE_TOOL: JSON = {"name": "deploy", "input_schema": {"type": "object"}, "defer_loading": True}
"""A tool that is declared and not loaded: a system message adds it later (SYS-10)."""


@dataclass(frozen=True)
class Scene:
    """What a conversation is started with, beside its policy."""

    model: str
    settings: JSON = field(default_factory=dict)
    max_tokens: int = 500
    new_account: bool = True
    """False: an account whose thinking is not checked, and a policy that relies on it (BIND-04)."""


ADAPTIVE: JSON = {"type": "adaptive"}
SHOWN: JSON = {"type": "adaptive", "display": "summarized"}
SPOKEN = {"betas": [CHANGES, EFFORT, SCOPED]}
"""For the models that take system messages inside the conversation."""

PLAIN: JSON = {"betas": []}
"""No beta at all: left out it would mean that nobody knows."""

SCENES = (
    Scene("claude-haiku-4-5", PLAIN),
    Scene("claude-haiku-4-5", {**MANUAL, **PLAIN}, max_tokens=1_100),
    Scene("claude-opus-4-6", {"thinking": ADAPTIVE, **PLAIN}),
    Scene("claude-opus-5", {"thinking": SHOWN, **SPOKEN}),
    Scene("claude-opus-5-5", SPOKEN),
    Scene("claude-opus-5-5", {"thinking": SHOWN, **PLAIN}),
    Scene("claude-opus-5-5", SPOKEN, new_account=False),
    Scene("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}, **SPOKEN}),
    Scene("claude-haiku-5-5", {"thinking": SHOWN, **SPOKEN}),
    Scene("claude-fable-5-2", SPOKEN),
)
"""Of every family: last-turn-only, keep-all, bound; with each display and kind of thinking."""

NEXT: tuple[tuple[str, JSON | None], ...] = (
    ("claude-opus-5-5", None),
    ("claude-opus-5", None),
    ("claude-sonnet-5-5", {"thinking": ADAPTIVE, **SPOKEN}),
    ("claude-opus-4-6", {"thinking": ADAPTIVE, **PLAIN}),
    ("claude-haiku-4-5", PLAIN),
    ("claude-fable-5-1", SPOKEN),
)
"""Models to switch to; None: with the settings as they are."""

TOOLSETS: tuple[list[JSON] | None, ...] = (TOOLS, [*TOOLS, LATE_TOOL], [*TOOLS, *SERVER_TOOLS], None)


def policies(scene: Scene, tools: list[JSON] | None) -> st.SearchStrategy[Policy]:
    """Policies with so little room that edits come soon: marks near and far, any set of methods."""
    around = 200 if tools is None else 1_100 if tools[-1] not in SERVER_TOOLS else 5_500
    return st.builds(
        lambda room, marks, methods, recall, **more: Policy(
            budget=scene.max_tokens + around + room + (900 if recall else 0),
            methods=methods,
            recall=recall and tools is not None,
            assume_binding=scene.new_account,
            **marks,
            **more,
        ),
        st.sampled_from([1_600, 2_400, 4_000]),
        st.sampled_from(MARKS),
        st.sampled_from(METHODS),
        st.sampled_from([False, False, True]),
        prefer=st.sampled_from(["cost", "order"]),
        warm=st.sampled_from([{"tokens": 250}, {"share": 0.4, "tokens": 600}, {"levels": 1, "tokens": 400}]),
        pins=st.sampled_from([{}, {}, {"first_user_message": True}, {"matching": ["it failed"]}]),
        hot=st.sampled_from([{}, {"rounds": 1}, {"turns": 2}]),
        platform=st.sampled_from(["claude_api", "claude_api", "claude_api", "bedrock"]),
        reserve=st.sampled_from([0, 0, 100]),
        keep_tools=st.sampled_from([(), (), ("deploy",)]),
        exact_counts=st.booleans(),
        cache=st.sampled_from(["5m", "1h", None]),
    )


MARKS: tuple[JSON, ...] = (
    {"high": 0.85, "low": 0.5},
    {"high": 0.7, "low": 0.3, "background": 0.4},
    {"high": 0.99, "low": 0.6, "cold": 0.7, "min_gain": 0.05},
    {"high": 0.8, "low": 0.3, "min_gain": 0.4},
    {"high": 0.9, "low": 0.4, "background": 0.5, "horizon": 200},
)

METHODS: tuple[tuple[str, ...], ...] = (
    ("spill", "compact", "summarize_keep_tail", "summarize_all"),
    ("compact", "summarize_all"),
    ("clear_tool_uses", "clear_thinking", "compact", "drop"),
    ("spill", "clear_tool_uses", "summarize_all"),
    ("spill", "summarize_keep_tail", "summarize_all"),
    ("clear_thinking", "summarize_keep_tail", "summarize_all"),
    ("spill", "drop", "summarize_all"),
    ("summarize_keep_tail", "summarize_all"),
    ("spill", "compact", "summarize_keep_tail"),
)

# -- what the user says ---------------------------------------------------------------------------------------


def _picture(width: int, height: int) -> JSON:
    """A grey picture of a real size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (width + 1) * height, 9)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png).decode()}
    return {"type": "image", "source": source}


def text(said: str) -> JSON:
    return {"type": "text", "text": said}


IMAGE = _picture(400, 300)
_LINE = "No: keep the old name in src/app/main.py, line 1234. "
_NOTES = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": _LINE * 8}}
WORDS: dict[str, Any] = {
    "short": "Fix the failing test.",
    "middling": _LINE * 10,
    "unicode": "Ünïcode, 数据库, 🙂 " * 8,
    "image": [IMAGE, text("What is on it?")],
    "document": [_NOTES, text("See the notes.")],
    "blank": [text("Go on."), text("  ")],
    "marked": [{**text("This stays the same."), "cache_control": {"type": "ephemeral"}}],
    "long": _LINE * 60,
}


def user(kind: str) -> JSON:
    """A message that starts a turn."""
    return {"role": "user", "content": WORDS[kind]}


def system(kind: str) -> JSON:
    """A system message inside the conversation (SYS-04 to SYS-10)."""
    match kind:
        case "scoped":
            return {"role": "system", "content": [text("Answer in English.")], "clear_at": "next_user_message"}
        case "tool":
            tool = {"type": "tool_reference", "name": LATE_TOOL["name"]}
            return {"role": "system", "content": [{"type": "tool_addition", "tool": tool}]}
        case "effort":
            return {"role": "system", "content": [], "output_config": {"effort": "low"}}
    return {"role": "system", "content": [text("From here on: short answers.")]}


# -- what tools answer ----------------------------------------------------------------------------------------

RESULTS: dict[str, JSON] = {
    "text": {"content": "parse_config returns None"},
    "nothing": {},
    "empty": {"content": ""},
    "failed": {"content": "it failed: no such file", "is_error": True},
    "image": {"content": [text("A picture:"), IMAGE]},
    "long": {"content": "\n".join(f"{number}: def parse_config(path): ..." for number in range(40))},
    "huge": {"content": "\n".join(f"{number}: 错误 in src/app/main.py 🙂" for number in range(300))},
    "vast": {"content": "\n".join(f"{number}: def parse_config(path): ..." for number in range(1_200))},
    "blocks": {"content": [text(f"{number}: keep the old name") for number in range(12)]},
}

ORDINARY = sorted(set(RESULTS) - {"vast"})
"""Kinds of results for conversations in a small window."""


def results(calls: tuple[str, ...], kinds: list[str], *, words: bool = False) -> JSON:
    """The answers to calls, each of a kind; with words of the user's behind them (TOOL-05)."""
    content = [
        {"type": "tool_result", "tool_use_id": call, **RESULTS[kinds[place % len(kinds)]]}
        for place, call in enumerate(calls)
    ]
    return {"role": "user", "content": [*content, text("And then?")] if words else content}


# -- what the model says --------------------------------------------------------------------------------------


class Shape(NamedTuple):
    """A reply, as far as the model decides over it."""

    thoughts: tuple[str, ...] = ()
    """Kinds of its thinking; where the request does not think there is none."""
    calls: int = 0
    late: bool = False
    """Whether it calls the tool that was added later."""
    words: int = 1
    """Lines of text; none where there are calls and this is 0."""
    searched: bool = False
    """Whether the server ran a search by the way."""
    recalls: bool = False
    """Whether it calls the recall tool."""


_THOUGHTS = {"short": "Let me see.", "long": _LINE * 6, "redacted": "hidden " * 20}

SHAPES = st.builds(
    Shape,
    thoughts=st.sampled_from([(), ("short",), ("long",), ("redacted",), ("long", "short")]),
    calls=st.sampled_from([0, 0, 1, 2, 3]),
    late=st.booleans(),
    words=st.sampled_from([1, 0, 10]),
    searched=st.sampled_from([False, False, True]),
    recalls=st.sampled_from([False, False, True]),
)


def content(shape: Shape, number: int, *, thinks: bool, tools: set[str]) -> list[JSON]:
    """The blocks of a reply, with ids that are used once.

    Args:
        shape: what it should hold.
        number: of the reply.
        thinks: whether the request thinks.
        tools: names of the tools that the model knows.
    """
    found: list[JSON] = []
    for kind in shape.thoughts if thinks else ():
        thought = f"{number}: {_THOUGHTS[kind]}"
        found.append(
            {"type": "redacted_thinking", "data": thought}
            if kind == "redacted"
            else {"type": "thinking", "thinking": thought}
        )
    if shape.searched and "web_search" in tools:
        found += [server_use(f"srvtoolu_{number}"), server_result(f"srvtoolu_{number}")]
    calls = shape.calls if "read_file" in tools else 0
    if shape.words or not calls:
        found.append(text(f"{number}: parse_config is in src/app/main.py. " * max(1, shape.words)))
    name = "deploy" if shape.late and "deploy" in tools else "read_file"
    for place in range(calls):
        call = {"type": "tool_use", "id": f"toolu_{number}_{place}", "name": name, "input": {"path": "main.py"}}
        asked = RECALLS[number % len(RECALLS)]
        found.append({**call, "name": "recall", "input": asked} if shape.recalls and "recall" in tools else call)
    return found


RECALLS: tuple[JSON, ...] = (
    {"action": "search", "query": "parse_config"},
    {"action": "list"},
    {"action": "open", "handle": "m0"},
    {"action": "open", "handle": "m9999.7"},
    {"action": "search", "query": "((" * 40},
)
