"""What the API adds around content: tokens of frames, by tokenizer generation and model.

No page documents these numbers. `python -m benchmarks.framing` derives each from recorded requests, as what is left of
the prompt size that the API reported once everything else is counted, and keeps it in `framing.json` with the pairs,
models and client libraries that agree and those that do not. A constant of which no recording tells, or where they
contradict each other, has a note there that says so.
"""

from __future__ import annotations

import functools
from pkgutil import get_data
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.errors import HistoryError
from ctxwindow.window.tokens import Count, Tokenizer

__all__ = [
    "Evidence",
    "Finding",
    "Frame",
    "Framing",
    "builtin_tool",
    "exactly",
    "frame_of",
    "packaged_framing",
    "roughly",
]


_BEAR_OUT = 3
"""Recordings that make a constant sure."""


class Frame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens around each part of a request on one model."""

    request: int = 0
    """Once a request."""
    user: int = 0
    """A user message, with the opening of the answer to it."""
    assistant_first: int = 0
    """An assistant message with nothing before it."""
    system_message: int = 0
    """A `system` message inside the conversation (SYS-01)."""
    joined: int = 0
    """A message after one of the same role (TOK-24)."""
    after_results: int = 0
    """The break after the results of a round, in whose place a text of the user opens a message of its own."""
    first_section: int = 0
    """The system section where it has no tools; the published prompts of tools hold it already."""
    section: int = 0
    """Each further part of the system section: tools, system prompt, thinking setting, output schema."""
    tool_prompt: int = 0
    """The prompt that any tool adds where none is published, or the published one is another; 0: as published."""
    forced_tool_prompt: int = 0
    """The same where a call is forced."""
    system_block: int = 0
    """Each block of the system prompt after the first."""
    tool_reference: int = 0
    """Each reference that brings a deferred tool in, beside its definition."""
    named_tool: int = 0
    """`tool_choice` of type `tool`, beside the name and the published prompt of forced calls."""
    single_call: int = 0
    """`disable_parallel_tool_use` where calls are not forced: their prompt is shorter."""
    single_forced_call: int = 0
    """`disable_parallel_tool_use` with a named tool."""
    thinking_enabled: int = 0
    """`thinking` of type `enabled`."""
    thinking_adaptive: int = 0
    """`thinking` of type `adaptive`, with what parts it from the rest."""
    task_budget: int = 0
    """`output_config.task_budget` (TB-01)."""
    schema: int = 0
    """`output_config.format`, beside its schema."""
    thinking: int = 0
    """Each thinking block that is replayed."""
    thinking_before_text: int = 0
    """The break between a thinking block and text."""
    calls: int = 0
    """Each run of calls with its results, beyond their markup."""
    compaction: int = 0
    """A compaction block, beside its summary and the opening of a conversation."""
    image: int = 0
    """Each image, beside its patches."""
    image_in_result: int = 0
    """A tool result that holds an image or a document, beside what these are elsewhere."""
    block_beside_image: int = 0
    """Each further block in such a result."""
    document_in_result: int = 0
    """A tool result that is nothing but a document."""
    patch_step: int = 1
    """Patches are counted in multiples of this along each edge."""
    document: int = 0
    """Each document of plain text."""
    pdf: int = 0
    """Each page of a PDF, beside its text and picture."""
    search_result: int = 0
    """Each search result, beside its title, source and text."""
    citations: int = 0
    """Once, where a document may be cited (CTX-15)."""
    sentence: int = 0
    """Each sentence of a document that may be cited."""
    unsure: frozenset[str] = frozenset()
    """Names of the constants that fewer than three recordings bear out."""

    def around(self, tokens: int, *names: str) -> Count:
        """Tokens that come of these constants: a count without doubt, unless one of them is unsure."""
        return exactly(tokens) if self.unsure.isdisjoint(names) else roughly(tokens, spread=0)


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recordings that tell a constant."""

    pairs: int
    """Recorded requests that this constant is part of and whose other parts are all known."""
    agree: int
    """Those that come out to the token with it."""
    models: tuple[str, ...]
    """Models among those that agree."""
    clients: tuple[str, ...]
    """Repositories of the client libraries among them."""
    examples: tuple[str, ...]
    """Some of the pairs that agree, each of another system prompt and tools: `repository:file[index]`."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One constant."""

    tokens: int
    evidence: Evidence | None = None
    """None: no recording tells it."""
    note: str = ""


class Framing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of `framing.json`."""

    about: str
    tokenizers: dict[Tokenizer, dict[str, Finding]]
    """Tokenizer generation -> field of `Frame` -> finding."""
    models: dict[str, dict[str, Finding]]
    """Model -> field -> finding, where it differs from its generation."""
    tools: dict[Tokenizer, dict[str, Finding]]
    """Tokenizer generation -> type of a built-in tool -> its definition, beside the prompt of tools."""

    def frame(self, tokenizer: Tokenizer, model: str) -> Frame:
        """The constants that hold for a model."""
        found = {**self.tokenizers[tokenizer], **self.models.get(model, {})}
        unsure = {
            name for name, finding in found.items() if finding.evidence is None or finding.evidence.agree < _BEAR_OUT
        }
        values: dict[str, Any] = {name: finding.tokens for name, finding in found.items()}
        return msgspec.convert({**values, "unsure": unsure}, Frame)


@functools.cache
def packaged_framing() -> Framing:
    """The findings that are shipped.

    Raises:
        HistoryError: the installed package lacks its data file.
    """
    try:
        return msgspec.json.decode(get_data("ctxwindow.window", "framing.json") or b"", type=Framing)
    except (OSError, msgspec.DecodeError) as error:
        raise HistoryError(
            "the framing data of the installed package cannot be read.",
            path="ctxwindow/window/framing.json",
            remedy="Reinstall ctxwindow.",
        ) from error


def builtin_tool(kind: str, tokenizer: Tokenizer) -> int | None:
    """Tokens of a built-in tool's definition; None where no recording tells."""
    found = packaged_framing().tools.get(tokenizer, {}).get(kind)
    return None if found is None else found.tokens


def frame_of(profile: ModelProfile) -> Frame:
    """The constants of a model, or of its tokenizer generation where nothing else is known."""
    return _frame(profile.tokenizer, profile.id)


@functools.lru_cache(maxsize=256)
def _frame(tokenizer: Tokenizer, model: str) -> Frame:
    return packaged_framing().frame(tokenizer, model)


def exactly(tokens: int) -> Count:
    """A count without doubt."""
    return Count(tokens=tokens, low=tokens, high=tokens, exact=True)


def roughly(tokens: int, spread: float = 0.15, slack: int = 2) -> Count:
    """A count of structure that is estimated: `tokens` with `spread` either way and `slack` more."""
    width = round(abs(tokens) * spread) + slack
    return Count(tokens=tokens, low=tokens - width, high=tokens + width, exact=False)
