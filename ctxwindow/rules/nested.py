"""Blocks inside blocks: what results, documents and search results hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules.view import View, plain

__all__ = ["all_blocks", "with_inner"]


def with_inner(path: str, block: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and block of a block and of all inside it, in the order in which they are rendered."""
    stack = [(path, block)]
    while stack:
        path, block = stack.pop()
        yield path, block
        inner, source = block.get("content"), block.get("source")
        if isinstance(inner, list):
            stack += _blocks(f"{path}.content", inner)
        elif isinstance(source, Mapping) and isinstance(source.get("content"), list):
            stack += _blocks(f"{path}.source.content", source["content"])


def _blocks(path: str, inner: list[Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Last first, as a stack wants them."""
    found = [(f"{path}.{place}", part) for place, part in enumerate(inner) if isinstance(part, Mapping)]
    return found[::-1]


def all_blocks(view: View) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and block of every block of every message, inner ones included."""
    for index, message in enumerate(view.messages):
        for place, block in enumerate(blocks_of(plain(message))):
            if isinstance(block, Mapping):
                yield from with_inner(f"messages.{index}.content.{place}", block)
