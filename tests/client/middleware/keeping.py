"""Programs that keep their own list of messages in a file, on clients with a middleware: as processes, and as children of tests.

Each says what it has to say from where its list stands, so that another process can go on where one was killed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anthropic

from ctxwindow import Middleware, Policy
from ctxwindow.record.blocks import blocks_of, texts_of
from ctxwindow.stores import SqliteStore
from tests.client import child

__all__ = ["POINTS", "heard", "said_in", "talk"]

MODEL = "claude-opus-5-5"

POINTS: dict[str, tuple[Any, str]] = {
    "append to the store": (SqliteStore, "append"),
    "hold": (SqliteStore, "hold"),
}
"""Moments at which a process may die: before or after a call of these."""


def heard(body: Mapping[str, Any]) -> str:
    """The model: it says what it was told last."""
    texts = [text for block in blocks_of(body["messages"][-1]) for text in texts_of(block)]
    return f"Heard: {texts[-1]} " + "So it is. " * 40


def said_in(messages: Any) -> list[tuple[str, str]]:
    """Roles and texts, thinking left out."""
    return [
        (one["role"], "".join(block["text"] for block in blocks_of(one) if block["type"] == "text")) for one in messages
    ]


def talk(
    *,
    base_url: str,
    database: str,
    history: str,
    turns: list[str],
    streaming: bool = True,
    budget: int = 40_000,
    stop: int | None = None,
    die: Mapping[str, Any] | None = None,
) -> None:
    """Say all turns that are not in the list yet, and keep the list in its file.

    Args:
        base_url: of the API.
        database: of the middleware.
        history: the file with the list.
        turns: what there is to say, in order.
        streaming: whether replies are streamed.
        budget: tokens of a window.
        stop: the turn, from 1 on, in the middle of whose streamed reply this process stands until it is killed.
        die: the point at which it ends by SIGKILL: `point`, `call`, `when`.
    """
    if die is not None:
        child.die_at(*POINTS[die["point"]], call=die["call"], when=die["when"])
    path = Path(history)
    messages: list[Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    settings: Any = {"model": MODEL, "max_tokens": 1_000, "system": "Be brief.", "thinking": {"type": "adaptive"}}
    with (
        Middleware(database, policy=Policy(budget=budget), checkpoint=0.0) as middleware,
        anthropic.Anthropic(api_key="k", base_url=base_url, max_retries=0, middleware=[middleware]) as client,
    ):
        while len(messages) < 2 * len(turns):
            number = len(messages) // 2 + 1
            if len(messages) % 2 == 0:
                messages.append({"role": "user", "content": turns[number - 1]})
                _save(path, messages)
            if streaming:
                with client.messages.stream(messages=messages, **settings) as stream:
                    for event in stream:
                        if event.type == "text" and number == stop:
                            child.reach("middle of a stream")
                    reply = stream.get_final_message()
            else:
                reply = client.messages.create(messages=messages, **settings)
            messages.append({"role": "assistant", "content": [block.to_dict() for block in reply.content]})
            _save(path, messages)


def _save(path: Path, messages: list[Any]) -> None:
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(messages), encoding="utf-8")
    scratch.rename(path)
