"""A reply as it streams: raw events go in, the message as far as it has arrived comes out (MSG-16, ERR-03).

Deltas are put on their block by one rule, so that kinds of delta that come later are kept too: strings are joined, lists
are joined, anything else is set. Three kinds go another way: a call's input comes as the text of its JSON, a citation joins
the list of citations, and a compaction's text is set whole (CMP-12).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ctxwindow.record.intake import from_json

__all__ = ["RAW_EVENTS", "Streamed"]

RAW_EVENTS = frozenset(
    {
        *("message_start", "message_delta", "message_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
    }
)
"""Events that carry a reply; others (`ping`, `error`, helpers of an SDK) are none of it."""

_UNREAD = "partial_json"
"""The field of a call's block that holds the text of an input which is no JSON (yet)."""


class Streamed:
    """One reply that is being streamed.

    Attributes:
        message: the reply so far; None before `message_start`. Blocks that are not finished are among its content. Do not
            mutate.
        complete: whether `message_stop` has come.
        finished: how many blocks are complete.
    """

    def __init__(self, events: Iterable[Mapping[str, Any]] = ()) -> None:
        """A reply of which these events, as `taken` gives them, have arrived."""
        self.message: dict[str, Any] | None = None
        self.complete = False
        self.finished = 0
        self._new: list[dict[str, Any]] = []
        for event in events:
            self.feed(event)
        self._new = []

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take one raw event; what is no event of a reply is left alone."""
        kind = event.get("type")
        if kind not in RAW_EVENTS:
            return
        self._keep(event)
        if kind == "message_start":
            self.message = {**copy.deepcopy(_mapping(event.get("message"))), "content": []}
        elif self.message is None:
            return
        elif kind == "message_delta":
            self._end(event)
        elif kind == "message_stop":
            self.complete = True
        elif kind == "content_block_start":
            self.message["content"].append(copy.deepcopy(_mapping(event.get("content_block"))))
        elif (block := self._block(event.get("index"))) is None:
            return
        elif kind == "content_block_delta":
            _grow(block, _mapping(event.get("delta")))
        else:
            self.finished += 1
            _read_input(block)

    def taken(self) -> list[dict[str, Any]]:
        """What has arrived since this was asked last, to be stored: deltas of one kind to one block are joined."""
        new, self._new = self._new, []
        return new

    @property
    def text(self) -> str:
        """The text that has arrived."""
        content = self.message["content"] if self.message is not None else ()
        return "".join(
            block["text"] for block in content if block.get("type") == "text" and _is_text(block.get("text"))
        )

    def _block(self, index: Any) -> dict[str, Any] | None:
        content: list[dict[str, Any]] = self.message["content"] if self.message is not None else []
        return content[index] if type(index) is int and 0 <= index < len(content) else None

    def _end(self, event: Mapping[str, Any]) -> None:
        """The last fields of the message. Usage is cumulative (TOK-06)."""
        assert self.message is not None  # noqa: S101 - the caller has looked
        self.message.update(_mapping(event.get("delta")))
        usage = {**_mapping(self.message.get("usage")), **_mapping(event.get("usage"))}
        rest = {key: value for key, value in event.items() if key not in ("type", "delta", "usage")}
        self.message.update(copy.deepcopy(rest), usage=usage)

    def _keep(self, event: Mapping[str, Any]) -> None:
        last = self._new[-1] if self._new else {}
        grows = event.get("type") == last.get("type") == "content_block_delta" and event.get("index") == last["index"]
        delta, before = _mapping(event.get("delta")), _mapping(last.get("delta"))
        if grows and delta.keys() == before.keys() == {"type", *_joined(delta)} and delta["type"] == before["type"]:
            for key in _joined(delta):
                last["delta"][key] += delta[key]
            return
        self._new.append(copy.deepcopy(dict(event)))


def _joined(delta: Mapping[str, Any]) -> list[str]:
    """The field of a delta that may be joined with that of the next one of its kind."""
    return [key for key in ("text", "thinking", "partial_json") if _is_text(delta.get(key))]


def _grow(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Put a delta on its block."""
    for key, value in delta.items():
        if key == "type":
            continue
        if key == "citation":
            block["citations"] = [*(block.get("citations") or ()), copy.deepcopy(value)]
        elif _is_text(value) and _is_text(block.get(key)):
            block[key] += value
        elif isinstance(value, list) and isinstance(block.get(key), list):
            block[key] = [*block[key], *copy.deepcopy(value)]
        else:
            block[key] = copy.deepcopy(value)


def _read_input(block: dict[str, Any]) -> None:
    """A call that is finished: its input is the JSON that has come; what is none stays as text, as evidence."""
    written = block.pop(_UNREAD, None)
    if not written:
        return
    try:
        block["input"] = from_json(written.encode("utf-8", "surrogatepass"))
    except (ValueError, msgspec.DecodeError, RecursionError):
        block[_UNREAD] = written


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
