"""What a mutation works on: a request body, and the places in it that rules speak of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record.blocks import block_type, call_id, is_thinking, result_id

__all__ = ["Apply", "Mutation", "Place", "Sites", "Subject", "breaks"]

Apply: TypeAlias = Callable[[], object]
"""Makes one change to the body that the subject holds."""


class Place(msgspec.Struct, frozen=True):
    """A block in its place."""

    message: int
    content: list[Any]
    at: int
    block: dict[str, Any]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A body that may be changed, and the request before it."""

    body: dict[str, Any]
    profile: ModelProfile | None
    """None: the model is not in the catalog; then no mutation asks for anything of the model's."""
    before: dict[str, Any] | None = None

    @property
    def messages(self) -> list[Any]:
        """The messages, the body's own list."""
        found: list[Any] = self.body["messages"]
        return found

    @property
    def manual(self) -> bool:
        """Whether thinking is in manual mode (THINK-07)."""
        return bool((self.body.get("thinking") or {}).get("type") == "enabled")

    @property
    def ends_with_user(self) -> bool:
        """Whether the user has the last word, so that no call is open."""
        return bool(self.messages[-1]["role"] == "user")

    def places(self, role: str, *families: str) -> Iterator[Place]:
        """Every block of these families in messages of a role, where the content is a list."""
        for index, message in enumerate(self.messages):
            content = message.get("content")
            if message["role"] == role and isinstance(content, list):
                for at, block in enumerate(content):
                    if not families or block_type(block).family in families:
                        yield Place(index, content, at, block)

    def calls(self) -> Iterator[Place]:
        """Client calls that a user message answers."""
        answered = {result_id(place.block) for place in self.results()}
        return (place for place in self.places("assistant", "call") if call_id(place.block) in answered)

    def results(self) -> Iterator[Place]:
        """Results of client calls."""
        return self.places("user", "result")

    def thinking(self) -> list[Place]:
        """Thinking blocks, in order."""
        return [place for place in self.places("assistant", "thinking") if is_thinking(place.block)]


Sites: TypeAlias = Callable[[Subject], Iterator[Apply]]


class Mutation(msgspec.Struct, frozen=True, kw_only=True):
    """A way to break a request."""

    name: str
    rules: frozenset[str]
    """Ids of rules: at least one of them is broken afterwards."""
    sites: Sites
    """Everywhere that it can be done; nowhere, where it would break nothing."""


def breaks(table: list[Mutation], *rules: str) -> Callable[[Sites], Sites]:
    """Enters a function into a table of mutations, under its own name."""

    def enter(sites: Sites) -> Sites:
        name = getattr(sites, "__name__", "").strip("_").replace("_", " ")
        table.append(Mutation(name=name, rules=frozenset(rules), sites=sites))
        return sites

    return enter
