"""Generated content: texts, blocks and messages, valid by the rules of the API and as odd as those allow.

Long texts come from a small pool, so that counting their tokens is done once.
"""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

__all__ = [
    "as_today",
    "documents",
    "interrupted_replies",
    "json_values",
    "replies",
    "results",
    "system_messages",
    "user_messages",
]

_SENTENCES = [
    "Fix the failing test in src/app/main.py, line 1234.",
    "parse_config returns None when the file is empty; see tests/test_config.py and the ticket of yesterday.",
    "Ünïcode, 数据库, 🙂, e.g. and TODO.",
    "The build is green.",
    "x",
    "No: keep the old name. " * 12,
    "half a pair \ud83d of surrogates",
]

_text = st.one_of(
    st.sampled_from(_SENTENCES),
    st.sampled_from(_SENTENCES),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda text: bool(text.strip())),
)
_middling = st.sampled_from([f"{line} " * 20 for line in _SENTENCES[:4]])
_long = st.sampled_from(
    [
        "\n".join(f"{number}: {line}" for number in range(lines))
        for line in ("def parse_config(path): ...", "错误 in src/app/main.py 🙂")
        for lines in (15, 40, 90)
    ]
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
_picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _png}}
_image = st.sampled_from([_picture, {**_picture, "a_field_of_tomorrow": {"x": 1.0, "y": None}}])
_text_block = _text.map(lambda text: {"type": "text", "text": text})


def documents(*, unread: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """Document blocks.

    Args:
        unread: also documents whose size nothing here tells: one behind a URL, and a PDF that is cut off.
    """
    sources = [{"type": "text", "media_type": "text/plain", "data": text} for text in _SENTENCES]
    if unread:
        damaged = base64.b64encode(b"%PDF-1.7\n1 0 obj\n<< /Type /Pa").decode()
        sources.append({"type": "url", "url": "https://example.com/report.pdf"})
        sources.append({"type": "base64", "media_type": "application/pdf", "data": damaged})
    return st.sampled_from(sources).map(lambda source: {"type": "document", "source": source})


def user_messages(*, unread: bool = False, marked: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """Messages that start a turn.

    Args:
        unread: also documents whose size nothing here tells.
        marked: with a cache marker of the caller's own.
    """
    blocks = st.lists(st.one_of(_text_block, _text_block, _image, documents(unread=unread)), min_size=1, max_size=3)
    if marked:
        control = {"type": "ephemeral"}
        marking = st.tuples(blocks, _text).map(
            lambda pair: [*pair[0], {"type": "text", "text": pair[1], "cache_control": control}]
        )
        return marking.map(lambda content: {"role": "user", "content": content})
    return st.one_of(_text, _middling, blocks).map(lambda content: {"role": "user", "content": content})


def system_messages() -> st.SearchStrategy[dict[str, Any]]:
    """System messages for the middle of a conversation, half of them for one turn only (SYS-07)."""
    scope: list[dict[str, Any]] = [{}, {"clear_at": "next_user_message"}]
    return st.builds(
        lambda text, extra: {"role": "system", "content": [{"type": "text", "text": text}], **extra},
        st.sampled_from(_SENTENCES[:4]),
        st.sampled_from(scope),
    )


def _thinking(serial: str) -> st.SearchStrategy[dict[str, Any]]:
    """A block of thinking. The signature is unique, as the API's are: it tells blocks apart."""
    seal = serial.ljust(40, "s")
    # Display omitted: empty text, full signature (THINK-11).
    # Thinking that holds half of a character cannot go back, and a turn may have to begin with it (THINK-07).
    shown = st.one_of(_text.map(as_today), st.just("")).map(
        lambda text: {"type": "thinking", "thinking": text, "signature": seal}
    )
    return st.one_of(shown, shown, st.just({"type": "redacted_thinking", "data": seal}))


def as_today(value: Any) -> Any:
    """A copy without the fields of tomorrow (VER-08), and with texts that UTF-8 can encode."""
    if isinstance(value, dict):
        return {key: as_today(inner) for key, inner in value.items() if key != "a_field_of_tomorrow"}
    if isinstance(value, list):
        return [as_today(inner) for inner in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


_ODD_INPUTS: list[dict[str, Any]] = [
    {"limit": 2**80, "options": {"": [], "a": None, "b": 1e-7}},
    {"pattern": "\udc80", "options": [[], {}, [True, -0.0]]},
]
_given = st.one_of(
    st.sampled_from([{"path": "src/app/main.py"}, {"path": "tests/test_config.py"}, {}, *_ODD_INPUTS]),
    st.sampled_from([{"path": "src/app/main.py"}, {"pattern": "parse_config"}]),
    st.fixed_dictionaries({"options": json_values()}),
)
_called = st.tuples(st.sampled_from(["read_file", "run_tests", "search"]), _given)


def _calls(draw: st.DrawFn, ids: tuple[str, ...]) -> list[dict[str, Any]]:
    calls = []
    for identity in ids:
        name, given = draw(_called)
        calls.append({"type": "tool_use", "id": identity, "name": name, "input": dict(given)})
    return calls


def _thoughts(draw: st.DrawFn, serial: str, *, thinking: bool, always: bool) -> list[dict[str, Any]]:
    if not thinking or not (always or draw(st.booleans())):
        return []
    first = draw(_thinking(f"{serial}a"))
    return [first, draw(_thinking(f"{serial}b"))] if draw(st.integers(0, 3)) == 0 else [first]


@st.composite
def replies(
    draw: st.DrawFn,
    *,
    calls: tuple[str, ...] = (),
    thinking: bool = True,
    always: bool = False,
    serial: str = "",
    server_call: str | None = None,
) -> dict[str, Any]:
    """Replies of the model: thinking of any display, text, and a call for each id in `calls`.

    Args:
        draw: supplied by Hypothesis.
        calls: ids of the client calls to make.
        thinking: whether it may hold thinking.
        always: whether it begins with thinking, as with manual thinking (THINK-07).
        serial: makes the thinking's signatures unique.
        server_call: id of a web search that the server has run by the way, with its result.
    """
    content: list[Any] = _thoughts(draw, serial, thinking=thinking, always=always)
    if server_call is not None:
        content += [server_use(server_call), server_result(server_call)]
    if not calls or draw(st.booleans()):
        content.append(draw(_text_block))
    content += _calls(draw, calls)
    return {"role": "assistant", "content": content}


def server_use(identity: str) -> dict[str, Any]:
    """The call of a server tool. The request must list `web_search` among its tools."""
    return {"type": "server_tool_use", "id": identity, "name": "web_search", "input": {"query": "parse_config"}}


def server_result(identity: str) -> dict[str, Any]:
    """What the server's tool answered."""
    found = {"type": "web_search_result", "title": "t", "url": "https://example.com", "encrypted_content": "e" * 200}
    return {"type": "web_search_tool_result", "tool_use_id": identity, "content": [found]}


@st.composite
def interrupted_replies(
    draw: st.DrawFn, *, thinking: bool = True, always: bool = False, serial: str = ""
) -> tuple[dict[str, Any], str, bool]:
    """Replies that did not end well: the message, its stop reason, and whether it may be sent back.

    Refusals (FB-02), replies cut inside thinking (MSG-09) or inside a call (MSG-14) stay off the wire; one that is
    cut inside its text goes back.
    """
    kind = draw(st.sampled_from(["refusal", "empty", "thinking", "call", "text"]))
    thoughts = _thoughts(draw, serial, thinking=thinking, always=always)
    text = {"type": "text", "text": "As far as I"}
    reason = draw(st.sampled_from(["max_tokens", "max_tokens", "model_context_window_exceeded"]))
    match kind:
        case "refusal":
            return {"role": "assistant", "content": [*thoughts, text]}, "refusal", False
        case "empty":
            return {"role": "assistant", "content": []}, "refusal", False
        case "thinking" if thinking:
            return {"role": "assistant", "content": thoughts or [draw(_thinking(serial))]}, reason, False
        case "call":
            cut = {"type": "tool_use", "id": f"toolu_cut_{serial}", "name": "read_file", "input": {}}
            return {"role": "assistant", "content": [*thoughts, text, cut]}, reason, False
    return {"role": "assistant", "content": [*thoughts, text]}, reason, True


@st.composite
def results(draw: st.DrawFn, calls: tuple[str, ...], *, long: bool = True, text: bool = True) -> dict[str, Any]:
    """The results of calls: none, text, blocks with images, long ones, errors.

    Args:
        draw: supplied by Hypothesis.
        calls: ids of the calls that are answered.
        long: whether they may be thousands of tokens long.
        text: whether text may follow them (TOOL-05), which starts a turn.
    """
    content: list[Any] = []
    for identity in calls:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": identity}
        match draw(st.integers(min_value=0, max_value=6)):
            case 1:
                block["content"] = draw(_text)
            case 2:
                block["content"] = draw(st.lists(st.one_of(_text_block, _image), min_size=1, max_size=2))
            case 3 | 4 if long:
                block["content"] = draw(_long)
            case 5:
                block["content"] = draw(_middling)
            case 6:
                block.update(content="it failed", is_error=True)
        content.append(block)
    if text and draw(st.integers(min_value=0, max_value=9)) == 0:
        content.append(draw(_text_block))
    return {"role": "user", "content": content}
