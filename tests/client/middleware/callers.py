"""Code that keeps its own list of messages, as users write it, on a client with a middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctxwindow import Conversation, Middleware
from ctxwindow.stores import MemoryStore, Store, load
from ctxwindow.testing import FakeClaude

if TYPE_CHECKING:
    import anthropic

__all__ = ["MODEL", "Bench", "Caller", "said"]

MODEL = "claude-opus-5-5"


class Bench:
    """An emulated API, a store, and a middleware between clients and both.

    Attributes:
        fake: the API.
        store: where records are kept.
        middleware: the one in use; `restart` makes another, as a new process does.
    """

    def __init__(self, replies: Any = None, *, store: Store | None = None, **settings: Any) -> None:
        self.fake = FakeClaude(replies, **settings.pop("emulator", {}))
        self.store = store or MemoryStore()
        self._settings = settings
        self.middleware = Middleware(self.store, **settings)

    def restart(self) -> None:
        """Forget all that is in memory."""
        self.middleware = Middleware(self.store, **self._settings)

    def client(self, **options: Any) -> anthropic.Anthropic:
        return self.fake.client(middleware=[self.middleware], **{"max_retries": 0, **options})

    def async_client(self, **options: Any) -> anthropic.AsyncAnthropic:
        return self.fake.async_client(middleware=[self.middleware], **{"max_retries": 0, **options})

    @property
    def names(self) -> list[str]:
        """Of all conversations in the store, the oldest first."""
        return [info.id for info in reversed(self.store.conversations())]

    def record(self, name: str | None = None) -> Conversation:
        """The record of a conversation, by default of the only one."""
        if name is None:
            [name] = self.names
        return load(self.store, name)

    @property
    def wire(self) -> list[dict[str, Any]]:
        """The messages of the last request, without cache breakpoints, a text block alone as a string."""
        return [_plain(message) for message in self.fake.requests[-1].json["messages"]]


class Caller:
    """Somebody who keeps all that is said, and sends it each time."""

    def __init__(self, bench: Bench, *, system: str = "Be brief.", **settings: Any) -> None:
        self.bench = bench
        self.client = bench.client()
        self.messages: list[Any] = []
        self.settings = {"model": MODEL, "max_tokens": 500, "system": system, **settings}

    def ask(self, text: str) -> Any:
        self.messages.append({"role": "user", "content": text})
        return self.send()

    def send(self) -> Any:
        reply = self.client.beta.messages.create(messages=self.messages, **self.settings)
        self.messages.append({"role": "assistant", "content": reply.content})
        return reply


def said(conversation: Conversation) -> list[Any]:
    """The record of a conversation, a text block alone as a string."""
    return [_plain(message)["content"] for message in conversation.messages]


def _plain(message: Any) -> dict[str, Any]:
    content = message["content"]
    if isinstance(content, list):
        content = [{key: value for key, value in block.items() if key != "cache_control"} for block in content]
        if len(content) == 1 and content[0].get("type") == "text":
            content = content[0]["text"]
    return {"role": message["role"], "content": content}
