"""What `send`, `run` and `resume` give back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ctxwindow.record.blocks import blocks_of

__all__ = ["Reply", "Stopped", "stop_reason_of", "text_of"]

Stopped = Literal["reply", "calls", "rounds", "seconds", "dollars"]


@dataclass(frozen=True)
class Reply:
    """What came of an operation: the model's last message, and how it came about."""

    message: Any
    """The last message, as the SDK gave it; one that came before a crash, made anew from the record, of the SDK's type too."""
    text: str
    """Its text; of a reply that was cut off and gone on with, that of all its parts, whichever operation brought them."""
    messages: tuple[Any, ...]
    """All messages that the operation brought, in order, the last one included: of tool rounds, paused turns, and what had
    arrived (a dict) of replies that were cut off."""
    stopped: Stopped
    """Why it is the last one: it is a `reply`; it has `calls` that are the caller's to answer; or a limit was reached
    (`rounds`, `seconds`, `dollars`), and `resume()` goes on."""
    rounds: int
    """Tool rounds that were run."""
    dollars: float | None
    """What the operation cost, summaries included, as far as bills and prices are known; None where none is."""
    answered: frozenset[str] = frozenset()
    """Ids of calls in the message whose results are known already: of recall, and of a round that was interrupted."""

    @property
    def stop_reason(self) -> str | None:
        """Why the model stopped: `end_turn`, `tool_use`, `max_tokens`, `refusal`, ... (MSG-12)."""
        return stop_reason_of(self.message)

    @property
    def calls(self) -> tuple[Any, ...]:
        """The calls of client tools in the message that have no result yet, as they came; none where it is a `reply`: calls of
        a turn that has stopped are not to be run (SDK-06).
        """
        if self.stopped == "reply":
            return ()
        content = self.message.get("content") if isinstance(self.message, dict) else self.message.content
        calls = (block for block in content or () if _type(block) == "tool_use")
        return tuple(call for call in calls if _id(call) not in self.answered)


def stop_reason_of(message: Any) -> str | None:
    """Why the model stopped, of a message as the SDK gave it or as a dict."""
    found = message.get("stop_reason") if isinstance(message, dict) else getattr(message, "stop_reason", None)
    return found if isinstance(found, str) else None


def text_of(message: Any) -> str:
    """The text of a message, as the SDK gave it or as a dict."""
    blocks = blocks_of(message) if isinstance(message, dict) else message.content
    return "".join(_text(block) for block in blocks if _type(block) == "text")


def _type(block: Any) -> Any:
    return block.get("type") if isinstance(block, dict) else getattr(block, "type", None)


def _id(block: Any) -> Any:
    return block.get("id") if isinstance(block, dict) else getattr(block, "id", None)


def _text(block: Any) -> str:
    found = block.get("text") if isinstance(block, dict) else getattr(block, "text", None)
    return found if isinstance(found, str) else ""
