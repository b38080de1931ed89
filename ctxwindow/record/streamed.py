"""A reply as it streams: raw events go in, the message as far as it has arrived comes out (MSG-16, ERR-03).

Deltas are put on their block by one rule, so that kinds of delta that come later are kept too: strings are joined, lists
are joined, anything else is set. Three kinds go another way: a call's input comes as the text of its JSON, a citation joins
the list of citations, and a signature is set whole. Nothing that comes raises: what makes no sense is left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.intake import from_json

__all__ = ["RAW_EVENTS", "Streamed", "is_whole"]

RAW_EVENTS = frozenset(
    {
        *("message_start", "message_delta", "message_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
    }
)
"""Events that carry a reply; others (`ping`, `error`, helpers of an SDK) are none of it."""

_UNREAD = "partial_json"
"""The field of a call's block that holds the text of an input which is no JSON (yet)."""

_HINT = "estimated_tokens"
"""A field of a thinking delta that is for progress bars: of the delta, not of the block, which goes back as it was signed."""

_GROWING = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": _UNREAD}
"""The field that each kind of delta brings a piece of."""

_OWN = ("type", "content")
"""Fields of a message that its end does not bring."""


class Streamed:
    """One reply that is being streamed.

    Attributes:
        complete: whether `message_stop` has come.
        finished: how many blocks are complete.
    """

    def __init__(self, events: Iterable[Mapping[str, Any]] = ()) -> None:
        """A reply of which these events, as `taken` gives them, have arrived."""
        self._message: dict[str, Any] | None = None
        self._growing: tuple[dict[str, Any], str] | None = None  # the field of a block that `_pieces` belong to
        self._pieces: list[str] = []
        self.complete = False
        self.finished = 0
        self._new: list[dict[str, Any]] = []
        for event in events:
            self.feed(event)
        self._new = []

    def feed(self, event: Any) -> None:
        """Take one raw event, a mapping; what is no event of a reply is left alone."""
        kind = event.get("type") if isinstance(event, Mapping) else None
        if not isinstance(kind, str) or kind not in RAW_EVENTS:
            return
        self._keep(event)
        if kind == "message_start":
            self._message = {**copy.deepcopy(_mapping(event.get("message"))), "content": []}
            self.complete, self.finished = False, 0
        elif self._message is None:
            return
        elif kind == "message_delta":
            self._end(event)
        elif kind == "message_stop":
            self.complete = True
        elif kind == "content_block_start":
            self._begin(_mapping(event.get("content_block")))
        elif (block := self._block(event.get("index"))) is None:
            return
        elif kind == "content_block_delta":
            self._grow(block, _mapping(event.get("delta")))
        else:
            self._join()
            self.finished += 1
            _read_input(block)

    @property
    def message(self) -> dict[str, Any] | None:
        """The reply so far; None before `message_start`. Blocks that are not finished are among its content. Do not mutate."""
        self._join()
        return self._message

    def taken(self) -> list[dict[str, Any]]:
        """What has arrived since this was asked last, to be stored: deltas of one kind to one block are joined."""
        new, self._new = self._new, []
        return new

    @property
    def text(self) -> str:
        """The text that has arrived."""
        content = (self.message or {}).get("content", ())
        return "".join(
            block["text"] for block in content if block.get("type") == "text" and _is_text(block.get("text"))
        )

    def _block(self, index: Any) -> dict[str, Any] | None:
        content: list[dict[str, Any]] = self._message["content"] if self._message is not None else []
        return content[index] if type(index) is int and 0 <= index < len(content) else None

    def _begin(self, block: Mapping[str, Any]) -> None:
        """A block begins; that of a fallback names the model that goes on (FB-04)."""
        assert self._message is not None  # noqa: S101 - the caller has looked
        self._message["content"].append(copy.deepcopy(dict(block)))
        model = _mapping(block.get("to")).get("model") if block.get("type") == "fallback" else None
        if isinstance(model, str):
            self._message["model"] = model

    def _grow(self, block: dict[str, Any], delta: Mapping[str, Any]) -> None:
        """A block grows. The pieces of a text are joined when they are looked at: a long one costs its length once."""
        field = _growing(delta)
        if field is None or not _is_text(block.get(field)):
            self._join()
            _put(block, delta)
            return
        if self._growing is None or self._growing[0] is not block or self._growing[1] != field:
            self._join()
            self._growing = block, field
        self._pieces.append(delta[field])

    def _join(self) -> None:
        if self._growing is not None:
            block, field = self._growing
            block[field] += "".join(self._pieces)
            self._growing, self._pieces = None, []

    def _end(self, event: Mapping[str, Any]) -> None:
        """The last fields of the message. What is null here leaves standing what was told before, as in the SDK; usage is
        cumulative (TOK-06).
        """
        message = self._message
        assert message is not None  # noqa: S101 - the caller has looked
        rest = {key: value for key, value in event.items() if key not in ("delta", "usage")}
        told = {key: value for key, value in {**rest, **_mapping(event.get("delta"))}.items() if key not in _OWN}
        usage = dict(_mapping(message.get("usage")))
        for known, new in ((message, told), (usage, _mapping(event.get("usage")))):
            known.update({key: copy.deepcopy(new[key]) for key in new if new[key] is not None or key not in known})
        message["usage"] = usage

    def _keep(self, event: Mapping[str, Any]) -> None:
        """What is new, for `taken`. A delta that only goes on with the text of the one before joins it."""
        last: dict[str, Any] = self._new[-1] if self._new else {}
        if event.get("type") == last.get("type") == "content_block_delta" and event.get("index") == last.get("index"):
            delta = _mapping(event.get("delta"))
            field = _growing(delta)
            if field is not None and field == _growing(_mapping(last.get("delta"))):
                last["delta"][field] += delta[field]
                return
        self._new.append(copy.deepcopy(dict(event)))


def is_whole(message: Mapping[str, Any]) -> bool:
    """Whether a reply lacks nothing: `stop_reason` comes behind all blocks, and the input of every call could be read."""
    unread = any(_UNREAD in block for block in blocks_of(message) if isinstance(block, Mapping))
    return _is_text(message.get("stop_reason")) and not unread


def _growing(delta: Mapping[str, Any]) -> str | None:
    """The field of a delta to which that of the next one may be joined, where it has nothing else to say."""
    kind = delta.get("type")
    field = _GROWING.get(kind) if isinstance(kind, str) else None
    more = any(delta[key] is not None for key in delta if key not in ("type", field, _HINT))
    return field if field is not None and _is_text(delta.get(field)) and not more else None


def _put(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Put a delta on its block."""
    for key, value in delta.items():
        if key in ("type", _HINT):
            continue
        if key == "citation":
            before = block.get("citations")
            block["citations"] = [*(before if isinstance(before, list) else ()), copy.deepcopy(value)]
        elif key != "signature" and _is_text(value) and _is_text(block.get(key)):
            block[key] += value
        elif isinstance(value, list) and isinstance(block.get(key), list):
            block[key] = [*block[key], *copy.deepcopy(value)]
        else:
            block[key] = copy.deepcopy(value)


def _read_input(block: dict[str, Any]) -> None:
    """A call that is finished: its input is the JSON that has come; what is none stays as text, as evidence."""
    written = block.get(_UNREAD)
    if not _is_text(written):
        return
    del block[_UNREAD]
    if not written:
        return
    try:
        block["input"] = from_json(written.encode("utf-8", "backslashreplace"))  # a lone surrogate, as JSON writes it
    except (ValueError, msgspec.DecodeError, RecursionError):
        block[_UNREAD] = written


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
