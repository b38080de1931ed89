"""The prompt in the order in which the server renders it: tools, system, messages (CACHE-01), piece by piece.

Each piece has its bytes, its tokens and the hash of everything up to it. Two requests share a cached prefix as far as
these hashes agree. Unlike the equality of BIND-14 this one is exact: order of keys, white space and numbers count as
sent. Only cache markers do not (CACHE-17), and a string is one text block (MSG-08).

Settings that change how a section is rendered are hashed in at its start (CACHE-11). Where the documentation leaves
open how far a setting reaches, the further reach is taken, so that no read is promised that does not come.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record.blocks import blocks_of
from ctxwindow.rules.view import plain
from ctxwindow.window.before import START, forces
from ctxwindow.window.entry import loads
from ctxwindow.window.fixed import Fixed, fixed_sizes
from ctxwindow.window.framing import frame_of
from ctxwindow.window.sizes import size_message

__all__ = ["SECTIONS", "Piece", "Section", "pieces", "render", "settings_of"]

Section = Literal["tools", "system", "messages"]

SECTIONS: tuple[Section, ...] = ("tools", "system", "messages")
_PLACES: Mapping[str, Section] = {
    "sections": "system",
    "output schema": "system",
    "task budget": "system",
    "thinking setting": "messages",
}
"""Before which section a hidden prompt stands, if not before all."""
_WEB_SEARCH = "web_search_"


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One tool, system block or content block."""

    section: Section
    path: str
    block: Mapping[str, Any]
    message: Mapping[str, Any] | None = None
    """The message it stands in."""
    tokens: int = 0
    """Its own, with the frame of the message that it opens. 0 when no model was given."""
    key: bytes = b""
    """Its bytes."""
    prefix: str = ""
    """The hash of everything up to its end."""


def _bytes(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, TypeError):
        return json.dumps(value, default=str).encode("ascii")


def _bare(value: Any) -> Any:
    """Without cache markers, which are not rendered; a call's input is data and is kept."""
    if isinstance(value, Mapping):
        return {
            key: inner if key == "input" else _bare(inner) for key, inner in value.items() if key != "cache_control"
        }
    return [_bare(inner) for inner in value] if isinstance(value, list) else value


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else []


def settings_of(request: Mapping[str, Any], profile: ModelProfile | None = None) -> dict[Section, dict[str, Any]]:
    """The settings that are rendered with each section: a change invalidates it and all that follows (CACHE-11).

    `tools` is the start of everything: the model (CACHE-15) and `speed`, which is documented once as reaching to the
    system prompt and once as a cache of its own. The reach of `output_config.format` ("the conversation") and of a
    task budget ("everything rendered after it") is taken from the system prompt on. What holds anyway is as if not said.
    """
    output, tools = plain(request.get("output_config")), _objects(request.get("tools"))
    messages = _objects(request.get("messages"))
    default = profile.thinking.effort_default if profile is not None else None
    return {
        "tools": {
            "model": profile.id if profile is not None else request.get("model"),
            "speed": None if request.get("speed") == "standard" else request.get("speed"),
        },
        "system": {
            "web search": [_bare(tool) for tool in tools if _is_web_search(tool)],
            "citations": any(plain(block.get("citations")).get("enabled") for block in _all_blocks(messages)),
            "output_config.format": output.get("format"),
            "output_config.task_budget": output.get("task_budget"),
        },
        "messages": {
            "tool_choice": _choice(request.get("tool_choice")),
            "images": any(block.get("type") == "image" for block in _all_blocks(messages)),
            "thinking": _thinking(request.get("thinking"), profile),
            "output_config.effort": output.get("effort", default),
        },
    }


def _choice(choice: Any) -> Any:
    """`tool_choice`; None where it says what holds anyway."""
    if plain(choice).get("disable_parallel_tool_use") is False:
        choice = {key: value for key, value in choice.items() if key != "disable_parallel_tool_use"}
    return None if choice == {"type": "auto"} else choice


def _thinking(setting: Any, profile: ModelProfile | None) -> Any:
    """`thinking`; None where its type alone is said, and is what the model does anyway (THINK-02)."""
    if profile is None:
        return setting
    default = "adaptive" if profile.thinking.when_omitted == "adaptive" else "disabled"
    return None if setting == {"type": default} else setting


def _is_web_search(tool: Mapping[str, Any]) -> bool:
    return str(tool.get("type")).startswith(_WEB_SEARCH)


def _all_blocks(messages: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Every content block, those inside results too."""
    for message in messages:
        for block in blocks_of(message):
            yield plain(block)
            content = plain(block).get("content")
            yield from _objects(content)


def pieces(request: Mapping[str, Any]) -> Iterator[Piece]:
    """Tools, system blocks and content blocks of a request in render order, without sizes and hashes.

    Deferred tools are not among the tools: they are rendered where a message names them (TOOL-20).
    """
    for index, tool in enumerate(_objects(request.get("tools"))):
        if not tool.get("defer_loading"):
            yield Piece(section="tools", path=f"tools.{index}", block=tool)
    for index, block in enumerate(blocks_of({"content": request.get("system")})):
        yield Piece(section="system", path=f"system.{index}", block=plain(block))
    for index, message in enumerate(_objects(request.get("messages"))):
        for place, block in enumerate(blocks_of(message)):
            yield Piece(
                section="messages", path=f"messages.{index}.content.{place}", block=plain(block), message=message
            )


def render(request: Mapping[str, Any], profile: ModelProfile) -> list[Piece]:
    """The pieces of a request, as `serve` returns it, on a model, with their sizes and hashes."""
    settings, sizes, chain = settings_of(request, profile), _Sizes(request, profile), blake2b(digest_size=16)
    all_pieces = list(pieces(request))
    found: list[Piece] = []
    before: Mapping[str, Any] | None = None
    for section in SECTIONS:
        chain.update(_bytes(settings[section]))
        for piece in all_pieces:
            if piece.section != section:
                continue
            opens = piece.message is not None and piece.message is not before
            before = piece.message
            definitions = sizes.brought_in(piece)
            key = _key(piece, [definition for definition, _ in definitions], opens=opens)
            chain.update(len(key).to_bytes(8) + key)
            tokens = sizes.of(piece, opens=opens) + sum(tokens for _, tokens in definitions)
            found.append(msgspec.structs.replace(piece, key=key, tokens=tokens, prefix=chain.copy().hexdigest()))
    return found


def _key(piece: Piece, definitions: list[Mapping[str, Any]], *, opens: bool) -> bytes:
    """The bytes of a piece. That a message begins is one of them (TOK-24)."""
    if piece.section == "tools" and _is_web_search(piece.block):
        return b""  # it is rendered with the system prompt (CACHE-11)
    role = None if piece.message is None else [piece.message.get("role"), opens]
    return _bytes([role, _bare(piece.block), [_bare(definition) for definition in definitions]])


class _Sizes:
    """Tokens of the pieces of one request."""

    def __init__(self, request: Mapping[str, Any], profile: ModelProfile) -> None:
        self._profile = profile
        self._tools = _objects(request.get("tools"))
        self._fixed: Fixed = fixed_sizes(profile, system=request.get("system"), tools=self._tools, settings=request)
        self._waiting = {name: (self._tools[index], count.tokens) for name, index, count in self._fixed.deferred}
        self._message: Mapping[str, Any] | None = None
        self._before = START._replace(forced=forces(request))
        self._blocks: list[int] = []
        self._frame = self._behind = 0
        self._opening = frame_of(profile).user // 2
        self._paid = {"request"}

    def brought_in(self, piece: Piece) -> list[tuple[Mapping[str, Any], int]]:
        """Definition and size of each deferred tool that a block is the first to name."""
        if piece.message is None or not self._waiting:
            return []
        names = dict.fromkeys(loads([piece.block]))
        return [self._waiting.pop(name) for name in names if name in self._waiting]

    def _hidden(self, section: Section) -> int:
        """Hidden prompts that stand before a piece: each before the first of the section that a change of its setting
        invalidates (CACHE-11), the prompt of tools before all (TOOL-14).
        """
        reached = SECTIONS.index(section)
        found = 0
        for name, count in self._fixed.overheads:
            if name not in self._paid and SECTIONS.index(_PLACES.get(name, "tools")) <= reached:
                self._paid.add(name)
                found += count.tokens
        return found

    def of(self, piece: Piece, *, opens: bool) -> int:
        """Tokens of a piece, with the hidden prompts before it.

        The frame of the request and the opening of the reply stand behind the last: of 20 recorded requests with a
        breakpoint on their last block, none had less than 3 tokens left uncached.
        """
        around = self._hidden(piece.section)
        place = int(piece.path.rpartition(".")[2])
        if piece.section == "tools":
            return around + self._fixed.tools[place].tokens
        if piece.message is None:
            return around + self._fixed.system[place].tokens
        if piece.message is not self._message:
            size = size_message(piece.message, self._profile, before=self._before)
            self._before = self._before.then(piece.message)
            self._message, self._blocks = piece.message, [block.count.tokens for block in size.blocks]
            # The opening of the answer stands behind a message of the user: half of what is around it.
            opening = min(size.frame.tokens, self._opening) if piece.message.get("role") == "user" else 0
            self._frame, self._behind = size.frame.tokens - opening + self._behind, opening
        return around + self._blocks[place] + (self._frame if opens else 0)
