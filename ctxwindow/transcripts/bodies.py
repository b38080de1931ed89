"""Reading a Messages API request body, or a bare list of messages.

Only the shape is checked here, so that a message can be told for what it is (MSG-01, MSG-08). Whether the API
would accept the messages is for the rules to say, who can then name every fault at once: an empty text, a
result without its call (TOOL-02) or two user messages in a row are read as they are.
"""

from __future__ import annotations

from typing import Any

from ctxwindow.errors import HistoryError
from ctxwindow.transcripts.session import Incoming, Reply, Session, Step, Thread

__all__ = ["check_content", "session_of_body"]

_ROLES = ("user", "assistant", "system")
_SHAPE = 'A body is a JSON object with "messages", or a list of messages.'


def session_of_body(body: Any, path: str) -> Session:
    """A request body (an object with `messages`) or a list of messages as a session of one thread.

    Raises:
        HistoryError: it is neither, holds no message, or a message has no role or no readable content; `path`
            then names the message (`body.json: messages.3`).
    """
    request: dict[str, Any] | None = None
    messages = body
    if isinstance(body, dict):
        request = body
        if "messages" not in body:
            raise HistoryError('this object has no "messages".', path=path, remedy=_SHAPE)
        messages = body["messages"]
    if not isinstance(messages, list):
        where = f"{path}: messages" if request is not None else path
        raise HistoryError(f"the messages are {_name(messages)}, not a list.", path=where, remedy=_SHAPE)
    if not messages:
        raise HistoryError(
            "the conversation is empty: it holds no messages.", path=path, remedy="Add at least one user message."
        )
    steps = tuple(_step(message, f"{path}: messages.{at}") for at, message in enumerate(messages))
    return Session(
        path=path,
        format="messages" if request is None else "request",
        threads=(Thread(id="main", steps=steps),),
        request=request,
    )


def _step(message: Any, where: str) -> Step:
    if not isinstance(message, dict):
        raise HistoryError(
            f"a message must be an object, this is {_name(message)}.",
            path=where,
            remedy='Write it as {"role": ..., "content": ...}.',
        )
    role = check_role(message, where)
    check_content(message, where)
    if role == "assistant":
        return Reply(message=message)
    return Incoming(message=message, at=None)


def check_role(message: dict[str, Any], where: str) -> str:
    """The role of a message.

    Raises:
        HistoryError: it has none, or none of the three there are (MSG-01).
    """
    role = message.get("role")
    if role is None:
        raise HistoryError("the message has no role.", path=where, remedy='Add "role": "user" or "assistant".')
    if not isinstance(role, str) or role not in _ROLES:
        raise HistoryError("the role is unknown.", path=where, remedy=f"The roles are {', '.join(_ROLES)}.")
    return role


def check_content(message: dict[str, Any], where: str) -> None:
    """See that a message's content is a text or a list of typed blocks (MSG-08).

    Raises:
        HistoryError: it is not; `path` names the block.
    """
    if "content" not in message:
        raise HistoryError("the message has no content.", path=where, remedy="Add a text or a list of blocks.")
    content = message["content"]
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise HistoryError(
            f"the content is {_name(content)}.",
            path=f"{where}.content",
            remedy="Content is a text or a list of blocks.",
        )
    for at, block in enumerate(content):
        if not isinstance(block, dict):
            raise HistoryError(
                f"a content block must be an object, this is {_name(block)}.",
                path=f"{where}.content.{at}",
                remedy='Write a text as {"type": "text", "text": ...}.',
            )
        if not isinstance(block.get("type"), str):
            raise HistoryError(
                "the content block has no type.",
                path=f"{where}.content.{at}",
                remedy='Add its "type" (text, tool_use, tool_result, ...).',
            )


def _name(value: Any) -> str:
    """The JSON name of a value's type: never the value itself."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"
