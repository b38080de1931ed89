"""Generated conversations: valid by the rules of the API, and as odd as those allow.

A conversation is a list of steps. Each is either a message to append, or the reply to the request that is due.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

__all__ = ["Step", "conversations", "json_values", "replies", "user_messages"]


class Step(msgspec.Struct, frozen=True):
    """One step: append `message`, or receive it as the reply to the next send."""

    kind: Literal["append", "receive"]
    message: dict[str, Any]


_WORDS = [
    "fix",
    "the failing test",
    "src/app/main.py",
    "parse_config",
    "1234",
    "Ünïcode",
    "数据库",
    "TODO",
    "🙂",
    "e.g.",
]

_text = st.one_of(
    st.lists(st.sampled_from(_WORDS), min_size=1, max_size=30).map(" ".join),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=60),
    st.just("half a pair \ud83d of surrogates"),
).filter(lambda text: bool(text.strip()))

_long = st.builds(
    lambda line, times: "\n".join(f"{number}: {line}" for number in range(times)),
    _text,
    st.integers(min_value=50, max_value=600),
)


def json_values() -> st.SearchStrategy[Any]:
    """Any JSON value: deep, with odd keys, big integers and lone surrogates."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(min_value=-(2**80), max_value=2**80),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=12),
        st.just("\udc80"),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
        max_leaves=8,
    )


_png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # 1 x 1

_image = st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _png}})
_document = _text.map(
    lambda text: {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}
)
_text_block = st.one_of(
    _text.map(lambda text: {"type": "text", "text": text}),
    _text.map(lambda text: {"type": "text", "text": text, "a_field_of_tomorrow": {"x": 1.0, "y": None}}),
)


def user_messages() -> st.SearchStrategy[dict[str, Any]]:
    """Messages that start a turn."""
    blocks = st.lists(st.one_of(_text_block, _image, _document), min_size=1, max_size=3)
    return st.one_of(_text, blocks).map(lambda content: {"role": "user", "content": content})


_thinking = st.builds(
    lambda text, signature: {"type": "thinking", "thinking": text, "signature": signature},
    st.one_of(_text, st.just("")),  # display omitted: empty text, full signature (THINK-11)
    st.text("abcdefghijklmnopqrstuvwxyz0123456789+/", min_size=40, max_size=120),
)
_redacted = st.text("abcdef0123456789", min_size=20, max_size=40).map(
    lambda d: {"type": "redacted_thinking", "data": d}
)


def _calls(ids: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.tuples(
        st.sampled_from(["read_file", "run_tests", "search"]),
        st.dictionaries(st.sampled_from(["path", "pattern", "limit", "options"]), json_values(), max_size=3),
    )
    return st.lists(one, min_size=len(ids), max_size=len(ids)).map(
        lambda drawn: [
            {"type": "tool_use", "id": identity, "name": name, "input": given}
            for identity, (name, given) in zip(ids, drawn, strict=True)
        ]
    )


@st.composite
def replies(draw: st.DrawFn, *, calls: tuple[str, ...] = (), thinking: bool = True) -> dict[str, Any]:
    """Replies of the model: thinking of any display, text, and a call for each id in `calls`."""
    content: list[Any] = []
    if thinking and draw(st.booleans()):
        content += draw(st.lists(st.one_of(_thinking, _redacted), min_size=1, max_size=2))
    if not calls or draw(st.booleans()):
        content.append(draw(_text_block))
    content += draw(_calls(list(calls)))
    return {"role": "assistant", "content": content}


@st.composite
def _results(draw: st.DrawFn, calls: tuple[str, ...], *, long: bool) -> dict[str, Any]:
    content: list[Any] = []
    for identity in calls:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": identity}
        shape = draw(st.integers(min_value=0, max_value=4))
        if shape == 1:
            block["content"] = draw(_text)
        elif shape == 2:  # noqa: PLR2004 - one number a shape
            block["content"] = draw(st.lists(st.one_of(_text_block, _image), min_size=1, max_size=2))
        elif shape == 3 and long:  # noqa: PLR2004
            block["content"] = draw(_long)
        elif shape == 4:  # noqa: PLR2004
            block.update(content="it failed", is_error=True)
        content.append(block)
    if draw(st.integers(min_value=0, max_value=9)) == 0:
        content.append(draw(_text_block))  # text may follow results (TOOL-05); it starts a new turn
    return {"role": "user", "content": content}


@st.composite
def conversations(
    draw: st.DrawFn, *, max_turns: int = 4, max_rounds: int = 4, thinking: bool = True, long: bool = True
) -> list[Step]:
    """Whole conversations: turns of user messages, rounds of parallel calls with results, and final replies.

    Args:
        draw: supplied by Hypothesis.
        max_turns: most turns.
        max_rounds: most rounds a turn.
        thinking: whether replies may hold thinking.
        long: whether results may be thousands of tokens long.
    """
    steps: list[Step] = []
    number = 0
    for _ in range(draw(st.integers(min_value=1, max_value=max_turns))):
        steps.append(Step("append", draw(user_messages())))
        for _ in range(draw(st.integers(min_value=0, max_value=max_rounds))):
            calls = tuple(f"toolu_{number + index}" for index in range(draw(st.integers(min_value=1, max_value=3))))
            number += len(calls)
            steps.append(Step("receive", draw(replies(calls=calls, thinking=thinking))))
            steps.append(Step("append", draw(_results(calls, long=long))))
        steps.append(Step("receive", draw(replies(thinking=thinking))))
    return steps
