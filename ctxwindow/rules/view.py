"""What rules look at: a request (`View`), one message in its place (`Step`), and what all messages share (`Frame`).

Checking is incremental. A message is judged by itself, by the message before it and by the `Outline` of
everything before it, so that one more message costs that message and not the history. Whoever keeps a growing
conversation keeps its `Outline` and calls `check_message` with the outline as it was *before* the message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.record import Family, Outline, block_type
from ctxwindow.record.blocks import blocks_of
from ctxwindow.record.turns import is_turn_start
from ctxwindow.rules.exchange import Exchange, Previous, plain
from ctxwindow.rules.frame import API_VERSION, Frame
from ctxwindow.rules.nested import Found, notable

__all__ = [
    "API_VERSION",
    "Block",
    "Enforcement",
    "Frame",
    "Step",
    "View",
    "ends_in",
    "families_of",
    "first_block",
    "plain",
]

_NOTHING: Mapping[str, Any] = {}

Enforcement = Literal["auto", "error", "drop_block", "off"]
"""What the API does about thinking that fails the prefix check (BIND-04). `auto`: what the request asks for, else an
error where the model is checked for any account; `off`: an account of before 2026-08-31 that does not ask for it."""


def families_of(message: Mapping[str, Any] | None) -> list[Family]:
    """The families of a message's blocks, in order."""
    return [block_type(block).family for block in blocks_of(message or _NOTHING) if isinstance(block, Mapping)]


def first_block(message: Mapping[str, Any], *, skip: Family | None = None) -> tuple[int, Mapping[str, Any]] | None:
    """Index and block of the first block that is not of the family `skip`; None when there is none."""
    for index, block in enumerate(blocks_of(message)):
        if isinstance(block, Mapping) and block_type(block).family != skip:
            return index, block
    return None


def ends_in(message: Mapping[str, Any] | None, *families: Family) -> bool:
    """Whether the last block of a message is of one of these families."""
    content = (message or _NOTHING).get("content")
    last = content[-1] if isinstance(content, list) and content else None
    return isinstance(last, Mapping) and block_type(last).family in families


class Block(msgspec.Struct, frozen=True):
    """One block in its place."""

    index: int
    path: str
    data: Mapping[str, Any]
    family: Family


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One message in its place."""

    raw: Any
    message: Mapping[str, Any]
    index: int
    before: Mapping[str, Any] | None
    """The message before; None at the start."""
    outline: Outline
    """The outline before this message."""
    frame: Frame
    blocks: list[Block]
    """The blocks that are objects. A string is one text block (MSG-08)."""
    families: frozenset[Family]
    """The families of `blocks`."""
    notable: list[Found]
    """Those that some rule counts or that carry a cache marker, blocks inside blocks included."""
    last: bool = False
    """Whether the request ends here and will not be appended to."""
    run_start: int = 0
    """Where the last run of assistant messages before this one began; 0 when that is not known. Calls left open
    before it have been reported."""

    @classmethod
    def of(
        cls,
        raw: object,
        index: int,
        before: object,
        outline: Outline,
        frame: Frame,
        *,
        last: bool = False,
        run_start: int = 0,
    ) -> Step:
        """The step for message `raw` at `index`, with `outline` as it was before it."""
        message = plain(raw)
        path = f"messages.{index}.content"
        if isinstance(message.get("content"), str):
            blocks = [Block(0, path, {"type": "text", "text": message["content"]}, "text")]
        else:
            blocks = [
                Block(place, f"{path}.{place}", block, block_type(block).family)
                for place, block in enumerate(blocks_of(message))
                if isinstance(block, Mapping)
            ]
        return cls(
            raw=raw,
            message=message,
            index=index,
            before=None if before is None else plain(before),
            outline=outline,
            frame=frame,
            blocks=blocks,
            families=frozenset([block.family for block in blocks]),
            notable=notable(path, message.get("content")),
            last=last,
            run_start=run_start,
        )

    @property
    def path(self) -> str:
        """`messages.N`."""
        return f"messages.{self.index}"

    @property
    def role(self) -> Any:
        """The role as given."""
        return self.message.get("role")

    @property
    def role_before(self) -> Any:
        """The role of the message before; None at the start."""
        return None if self.before is None else self.before.get("role")

    @property
    def starts_turn(self) -> bool:
        """Whether this message starts a turn (RET-04)."""
        return is_turn_start(self.message)


class View:
    """One request as rules see it.

    Attributes:
        frame: profile, system, tools, settings.
        messages: the messages, as given.
        previous: the body of the request before, for the prefix check.
        exchange: the same with its response, where that was given.
        history: the messages of both.
        enforcement: what the API does about thinking that fails the prefix check (BIND-04).
        thinking: the state of each thinking block, once `ctxwindow.rules.binding` has asked for it.
        final: False while more messages will be appended before anything is sent.
    """

    def __init__(
        self,
        messages: Sequence[Any] = (),
        *,
        outline: Outline | None = None,
        profile: ModelProfile | None = None,
        system: Any = None,
        tools: Any = None,
        settings: Mapping[str, Any] | None = None,
        betas: Iterable[str] | None = None,
        api_version: str = API_VERSION,
        previous: Previous | Exchange | None = None,
        enforcement: Enforcement = "auto",
        final: bool = True,
        model: Any = "",
    ) -> None:
        """`outline`: of all of `messages`, when the caller keeps one; otherwise it is built when first needed.

        `model`: as the request names it.

        `betas`: all values of the `anthropic-beta` header; None: not known.
        """
        self.messages = messages
        self.frame = Frame(
            profile=profile,
            system=system,
            tools=tools,
            settings=settings or {},
            betas=frozenset(betas or ()),
            betas_known=betas is not None,
            api_version=api_version,
        )
        self.exchange = Exchange.of(previous)
        self.previous = None if self.exchange is None else self.exchange.request
        self.history = [] if self.exchange is None else self.exchange.history
        self.enforcement: Enforcement = enforcement
        self.thinking: Any = None
        self._notable: list[Found] | None = None
        self.final = final
        self.model = model
        self._outline = outline

    @classmethod
    def of(
        cls,
        request: Mapping[str, Any],
        *,
        profile: ModelProfile | None = None,
        previous: Previous | Exchange | None = None,
        enforcement: Enforcement = "auto",
        betas: Iterable[str] | None = None,
        api_version: str = API_VERSION,
        final: bool = True,
    ) -> View:
        """The view of a request body. `profile` is not looked up here."""
        messages, named = request.get("messages"), request.get("betas")
        if isinstance(named, (list, tuple)):
            betas = [*(name for name in named if isinstance(name, str)), *(betas or ())]
        apart = ("messages", "system", "tools", "model", "betas")
        threaded = plain(request.get("thread")).get("type") == "continue"  # its tools are not sent again (THR-02)
        return cls(
            messages if isinstance(messages, (list, tuple)) else (),
            profile=profile,
            system=request.get("system"),
            tools=[] if request.get("tools") is None and not threaded else request.get("tools"),
            settings={key: value for key, value in request.items() if key not in apart},
            betas=betas,
            api_version=api_version,
            previous=previous,
            enforcement=enforcement,
            final=final,
            model=request.get("model", ""),
        )

    @property
    def outline(self) -> Outline:
        """The outline of all messages."""
        if self._outline is None:
            outline = Outline()
            for message in self.messages:
                outline.add(plain(message))
            self._outline = outline
        return self._outline

    @property
    def notable(self) -> list[Found]:
        """The blocks of all messages that some rule counts or that carry a cache marker, in render order."""
        if self._notable is None:
            self._notable = [
                entry
                for index, message in enumerate(self.messages)
                for entry in notable(f"messages.{index}.content", plain(message).get("content"))
            ]
        return self._notable

    def message(self, index: int) -> Mapping[str, Any]:
        """The message at `index`; an empty one where there is no object."""
        return plain(self.messages[index])

    def steps(self) -> Iterator[Step]:
        """Every message in its place, each with the outline as it is before it."""
        outline, found = Outline(), []
        before: object = None
        run_start, in_run = 0, False
        final_index = len(self.messages) - 1 if self.final else -1
        for index, raw in enumerate(self.messages):
            step = Step.of(raw, index, before, outline, self.frame, last=index == final_index, run_start=run_start)
            yield step
            assistant = step.role == "assistant"
            if assistant and not in_run:
                run_start = index
            in_run = assistant
            before = step.message
            outline.add(step.message)
            found += step.notable
        self._outline, self._notable = outline, found
