"""Small sessions made by hand, for what is done with a session after it was read."""

from __future__ import annotations

from typing import Any, Literal

from ctxwindow.transcripts import Incoming, Reply, Session, Thread
from ctxwindow.transcripts.session import Step

START = 1_772_000_000.0
"""2026-02-25, when Claude Opus 4.6 had its first price."""

OPUS = "claude-opus-4-6"
SONNET = "claude-sonnet-4-5"


def user(
    content: Any, *, at: float | None = None, kind: Literal["message", "compact_summary", "meta"] = "message"
) -> Incoming:
    return Incoming(message={"role": "user", "content": content}, at=None if at is None else START + at, kind=kind)


def result(call: str, content: Any, *, at: float | None = None) -> Incoming:
    return user([{"type": "tool_result", "tool_use_id": call, "content": content}], at=at)


def reply(
    *blocks: dict[str, Any],
    text: str | None = None,
    prompt: int | None = None,
    output: int | None = None,
    at: float | None = None,
    model: str | None = OPUS,
    stop: str | None = None,
    **usage: int,
) -> Reply:
    """A reply; `prompt` is what its request weighed, `output` what is known to be billed for it."""
    content = [*blocks, *([{"type": "text", "text": text}] if text is not None else [])]
    numbers: dict[str, Any] | None = None
    if prompt is not None:
        numbers = {"input_tokens": prompt, "output_tokens": 3 if output is None else output} | usage
    return Reply(
        message={"role": "assistant", "content": content},
        model=model,
        usage=numbers,
        usage_final=output is not None,
        stop_reason=stop,
        at=None if at is None else START + at,
    )


def call(identity: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": "Read", "input": arguments}


def thinking(text: str = "Read it first.") -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": f"sig-{text[:8]}"}


def session(*steps: Step, complete: bool = True, request: dict[str, Any] | None = None) -> Session:
    """A session of one thread: a Claude Code session, or a request body where one is given."""
    thread = Thread(id="main", steps=steps, complete=complete)
    return Session(
        path="session.jsonl", format="claude_code" if request is None else "request", threads=(thread,), request=request
    )


def lines(number: int, name: str = "line") -> str:
    """A text of that many lines, none like another."""
    return "\n".join(f"{name} {at}: the value of entry_{name}_{at} is {at * 7919 % 10_007}" for at in range(number))
