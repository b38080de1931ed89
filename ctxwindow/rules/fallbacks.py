"""FB: fallbacks of the server to another model after a refusal, and what of such a turn goes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ctxwindow.record.blocks import block_type, blocks_of, call_id, is_thinking, result_id
from ctxwindow.rules.fields import extra, needs
from ctxwindow.rules.replay import seal
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, plain

__all__ = ["RULES", "echo"]

_BETA, _LIST_BETA = "server-side-fallback-2026-07-01", "server-side-fallback-2026-06-01"
_MOST = 3
_ENTRY = frozenset({"model", "max_tokens", "output_config", "speed", "thinking"})


def _final_fallback(blocks: Sequence[Any]) -> int:
    """Index of the last `fallback` block; 0 when there is none, so that nothing stands before it."""
    return max((place for place, block in enumerate(blocks) if plain(block).get("type") == "fallback"), default=0)


def _left_out(blocks: Sequence[Any]) -> Iterator[int]:
    """Indexes of the blocks before the final `fallback` block that do not go back (FB-05)."""
    answered = {result_id(plain(block)) for block in blocks}
    for place, block in enumerate(blocks[: _final_fallback(blocks)]):
        data = plain(block)
        family = block_type(data).family
        unpaired = family == "server_call" and call_id(data) not in answered
        if family in ("thinking", "call") or unpaired or data.get("type") == "connector_text":
            yield place


def echo(content: Sequence[Any]) -> list[Any]:
    """What of a reply goes back as the assistant's turn (FB-05): its blocks as they came, in order, without those before
    the final `fallback` block that the model which took over does not go on from.

    Those are thinking, calls of client tools, server tool calls without a result, and connector text. No result is sent
    for a call that was left out (FB-07).
    """
    left_out = set(_left_out(content))
    return [block for place, block in enumerate(content) if place not in left_out]


def shape(view: View) -> Iterator[Finding]:
    """FB-03. Which models a model falls back to is not known here."""
    given = view.frame.settings.get("fallbacks")
    if given is None:
        return
    if given != "default" and not isinstance(given, list):
        yield Finding(
            path="fallbacks",
            message="fallbacks: Input should be 'default' or a valid list",
            remedy='Send "default", or up to three entries with a `model`.',
        )
        return
    yield from needs(view.frame, "fallbacks", _BETA, *(() if given == "default" else (_LIST_BETA,)))
    if isinstance(given, list):
        yield from _entries(given)


def _entries(given: list[Any]) -> Iterator[Finding]:
    models = [plain(entry).get("model") for entry in given]
    if not 0 < len(given) <= _MOST:
        yield Finding(
            path="fallbacks",
            message=f"fallbacks: {len(given)} entries; a list has one to {_MOST}.",
            remedy="Name the models that matter most.",
        )
    for place, entry in enumerate(given):
        path = f"fallbacks.{place}"
        if not isinstance(models[place], str) or models[place] in models[:place]:
            yield Finding(
                path=f"{path}.model",
                message=f"{path}.model: each entry names a model, and no model is named twice.",
                remedy="Name every model once.",
            )
        for field in plain(entry):
            if field not in _ENTRY:
                yield extra(f"{path}.{field}", f"An entry takes {', '.join(sorted(_ENTRY))}.")


def echoed(step: Step) -> Iterator[Finding]:
    """FB-05. What the API does about each kind is not documented; the SDK speaks of thinking around the seam (FB-06)."""
    blocks = blocks_of(step.message)
    for place in _left_out(blocks):
        kind = blocks[place].get("type")
        yield Finding(
            path=f"{step.path}.content.{place}",
            message=f"{step.path}.content.{place}: a `{kind}` block of before the final `fallback` block is left out.",
            remedy="Send `ctxwindow.rules.fallbacks.echo(content)`: the turn without what the refusing model had begun.",
            severity="warning" if is_thinking(blocks[place]) else None,
        )


def _seams(message: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Thinking blocks that stand next to each other but for `fallback` blocks between them, by their seals."""
    found: set[tuple[str, str]] = set()
    before, seam = "", False
    for block in map(plain, blocks_of(message)):
        if is_thinking(block):
            if before and seam:
                found.add((before, seal(block)))
            before, seam = seal(block), False
        elif block.get("type") == "fallback":
            seam = True
        else:
            before, seam = "", False
    return found


def _joined(message: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Thinking blocks that stand directly next to each other, by their seals."""
    seals = [seal(block) if is_thinking(block) else "" for block in map(plain, blocks_of(message))]
    return {(left, right) for left, right in pairwise(seals) if left and right}


def seam_kept(view: View) -> Iterator[Finding]:
    """FB-06, against the exchange before."""
    for index, then in enumerate(view.history[: len(view.messages)]):
        if _seams(then) & _joined(view.message(index)):
            yield Finding(
                path=f"messages.{index}",
                message=f"messages.{index}: the `fallback` block between thinking of two models is missing.",
                remedy="Keep the `fallback` block where it stood: it tells the API which thinking belongs together.",
            )


_PAGE = "platform.claude.com/docs/en/build-with-claude/refusals-and-fallback"
_SDK = "anthropic 2.12.0 types/beta"
_READ, _SDK_DATE = "2026-08-22", "2026-11-20"

RULES = (
    Rule(
        id="FB-01",
        sentence="A refusal is an answer (200) with stop_reason refusal, and its category in stop_details.",
        source=f"{_SDK}/beta_refusal_stop_details.py; {_PAGE}",
        date=_SDK_DATE,
        modelled="tiers.state.usable",
    ),
    Rule(
        id="FB-02",
        sentence="A refused reply is discarded; what was streamed of it is billed, and before any output only limits count it.",
        source=_PAGE,
        date=_READ,
        modelled="tiers.state.usable",
    ),
    Rule(
        id="FB-03",
        sentence="fallbacks is default, or a list of one to three different models; it takes a beta.",
        source=f"{_PAGE}; {_SDK}/beta_fallbacks_param.py",
        date=_SDK_DATE,
        conflict="The skill asks for another beta with a list; page and SDK take the newer one for both, and are followed.",
        check=shape,
    ),
    Rule(
        id="FB-04",
        sentence="The answer of a fallback model has fallback blocks and a fallback_message iteration, which holds its usage.",
        source=f"{_PAGE}; {_SDK}/beta_iterations_usage.py",
        date=_SDK_DATE,
        modelled="window.usage.read_usage",
    ),
    Rule(
        id="FB-05",
        sentence=(
            "Before the final fallback block thinking, client calls, unpaired server calls and connector text are left out; "
            "everything else goes back."
        ),
        source=_PAGE,
        date=_READ,
        on="assistant",
        holding=frozenset({"marker"}),
        check_message=echoed,
    ),
    Rule(
        id="FB-06",
        sentence="A fallback block with thinking on both sides stays where it stood.",
        source=f"{_SDK}/beta_fallback_block_param.py; {_PAGE}",
        date=_SDK_DATE,
        conflict="The skill calls the block a marker that may be ignored; the SDK's newer text says rejected, and is followed.",
        check=seam_kept,
    ),
    Rule(
        id="FB-07",
        sentence="No tool_result is sent for a call that was left out.",
        source=f"{_SDK}/beta_fallback_block_param.py",
        date=_SDK_DATE,
        modelled="rules.pairing.results_known",
    ),
    Rule(
        id="FB-08",
        sentence="For about an hour the same prefix goes to the fallback model at once, which only the usage tells.",
        source=_PAGE,
        date=_READ,
        modelled="window.billing.shares",
    ),
    Rule(
        id="FB-09",
        sentence="There are no fallbacks in batches, on Bedrock, on Google Cloud or in Foundry.",
        source=_PAGE,
        date=_READ,
        modelled="emulator.batches.Batches",
    ),
    Rule(
        id="FB-13",
        sentence="An older model that takes over cannot read newer thinking, which is dropped for that turn, unbilled.",
        source="platform.claude.com/docs/en/build-with-claude/preserved-thinking",
        date="2026-09-26",
        modelled="window.served.serve",
    ),
)
