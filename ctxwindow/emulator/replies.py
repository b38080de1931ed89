"""What the emulated model says: by a script, as a recorded session has it, by a function, or of its own accord.

A reply is written as a string, a list of blocks, a dict with `content` and whatever else is to be said
(`stop_reason`, `stop_sequence`, `stop_details`), or a `Reply`. A `Fault` in its place fails that request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.emulator.faults import Fault
from ctxwindow.emulator.http import ApiError
from ctxwindow.emulator.instances import instance_of
from ctxwindow.errors import HistoryError, MisuseError
from ctxwindow.record import intake, to_json
from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules.frame import Frame
from ctxwindow.rules.view import plain
from ctxwindow.transcripts import read

__all__ = [
    "Default",
    "Recorded",
    "Replies",
    "RepliesLike",
    "Reply",
    "ReplyLike",
    "Scripted",
    "as_replies",
    "make_reply",
]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the model generates, before `max_tokens`, stop sequences and the edge of the window cut it.

    Attributes:
        content: blocks; thinking blocks hold the whole reasoning and need no signature.
        stop_reason: None: `tool_use` when there is a client call, else `end_turn`.
        stop_sequence: with the stop reason of that name.
        stop_details: of a refusal (FB-01).
    """

    content: list[dict[str, Any]]
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None

    @property
    def reason(self) -> str:
        """The stop reason (MSG-12)."""
        if self.stop_reason is not None:
            return self.stop_reason
        return "tool_use" if any(block.get("type") == "tool_use" for block in self.content) else "end_turn"


ReplyLike: TypeAlias = str | Sequence[Any] | Mapping[str, Any] | Reply | Fault
"""How a reply is written; the elements of a list are content blocks."""


class Replies(Protocol):
    """Where replies come from."""

    def __call__(self, request: Mapping[str, Any], profile: ModelProfile) -> ReplyLike:
        """The reply to a request that was accepted."""
        ...


def make_reply(given: object) -> Reply | Fault:
    """The reply that somebody wrote.

    Raises:
        MisuseError: it is none of the forms that a reply has.
    """
    if isinstance(given, (Reply, Fault)):
        return given
    if isinstance(given, str):
        return Reply(content=[{"type": "text", "text": given}] if given else [])
    if isinstance(given, Mapping) and isinstance(given.get("fault"), str):
        return Fault.parse(given["fault"])
    said: dict[str, Any] = intake(given if isinstance(given, Mapping) else {"content": given})
    content = blocks_of(said)
    if not isinstance(said.get("content"), (str, list)) or not all(
        isinstance(plain(block).get("type"), str) for block in content
    ):
        raise MisuseError(
            "this is no reply.",
            path="replies",
            remedy='Write a string, a list of content blocks, or {"content": ..., "stop_reason": ...}.',
        )
    named = {key: said.get(key) for key in ("stop_reason", "stop_sequence", "stop_details")}
    return Reply(content=content, **named)


class Scripted:
    """Replies in a fixed order, each used once."""

    def __init__(self, replies: Iterable[object]) -> None:
        """Raises `MisuseError` at once when one of them is no reply."""
        self._replies = [make_reply(given) for given in replies]
        self.used = 0

    def __call__(self, request: Mapping[str, Any], profile: ModelProfile) -> Reply | Fault:
        """The next reply."""
        del request, profile
        if self.used >= len(self._replies):
            # Retrying cannot help, and a client that retries would only hide what is wrong.
            raise ApiError(
                500, f"the emulator's script is used up after {self.used} replies", headers={"x-should-retry": "false"}
            )
        self.used += 1
        return self._replies[self.used - 1]


class Recorded(Scripted):
    """The replies of the main thread of a recorded session, in their order.

    Thinking is signed anew. Where the session holds no reasoning (THINK-11) the block holds none here either.
    """

    def __init__(self, path: str) -> None:
        """Reads the file.

        Raises:
            HistoryError: it is no session, or holds no reply.
        """
        found = read(path).main.replies
        if not found:
            raise HistoryError(
                "there is no reply in it.", path=path, remedy="Give a session with an assistant message."
            )
        super().__init__({"content": reply.message.get("content"), "stop_reason": reply.stop_reason} for reply in found)


class Default:
    """A short reply that depends on the request alone.

    Thinking where the request thinks, a call where it forces one, and JSON where it asks for that.
    """

    def __call__(self, request: Mapping[str, Any], profile: ModelProfile) -> Reply:
        """The reply."""
        frame = Frame(
            profile=profile,
            settings={key: value for key, value in request.items() if key != "messages"},
            tools=request.get("tools"),
        )
        number = len(request.get("messages") or ())
        forced = _forced_tool(frame)
        if forced is not None:
            given = instance_of(forced.get("input_schema")) or {}
            call = {"type": "tool_use", "id": f"toolu_emulated_{number:06}", "name": forced["name"], "input": given}
            return Reply(content=[call])
        wanted = plain(plain(request.get("output_config")).get("format")).get("schema")
        text = to_json(instance_of(wanted)).decode() if wanted else f"This is the reply to message {number}."
        content = [{"type": "text", "text": text}]
        if thinks(frame):
            content.insert(0, {"type": "thinking", "thinking": f"Message {number} wants a reply."})
        return Reply(content=content)


def thinks(frame: Frame) -> bool:
    """Whether a request thinks (THINK-02). Progress updates of `between_tools` are not made up."""
    profile = frame.profile
    if profile is None or not profile.thinking.accepts or profile.thinking.prior_turns == "none":
        return False
    if frame.thinking_type is None:
        return profile.thinking.when_omitted == "adaptive"
    return frame.thinking_type in ("adaptive", "enabled")


def _forced_tool(frame: Frame) -> Mapping[str, Any] | None:
    """The client tool that the request forces; None when it forces none."""
    choice = plain(frame.settings.get("tool_choice"))
    if choice.get("type") not in ("any", "tool"):
        return None
    tools = [tool for _, tool in frame.tool_list if tool.get("type") in (None, "custom")]
    return next((tool for tool in tools if choice["type"] == "any" or tool.get("name") == choice.get("name")), None)


RepliesLike: TypeAlias = Scripted | Default | Sequence[ReplyLike] | Callable[[Any], ReplyLike] | None
"""How a source of replies is written: None for replies of the emulator's own, a list, or a function of the body."""


def as_replies(given: RepliesLike) -> Replies:
    """The source that somebody named: None, a list, or a function of the request's body.

    Raises:
        MisuseError: it is none of these.
    """
    if given is None:
        return Default()
    if isinstance(given, (Scripted, Default)):
        return given
    if callable(given):
        function: Callable[[Mapping[str, Any]], ReplyLike] = given
        return lambda request, profile: function(request)  # noqa: ARG005 - the protocol has two
    if isinstance(given, (list, tuple)):
        return Scripted(given)
    raise MisuseError(
        "no replies can be had from this.", path="replies", remedy="Give a list, or a function of the request."
    )
