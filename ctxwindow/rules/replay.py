"""REPLAY: thinking goes back as it came.

One request shows only whether a block carries a signature at all (REPLAY-04) and whether an open turn begins
with thinking (THINK-07). Given the exchange before, a message that stands in both, at the same place and equal
but for its thinking, also shows what was done to that thinking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ctxwindow.record import same_message
from ctxwindow.record.blocks import is_blank_text, is_thinking, seal
from ctxwindow.record.turns import is_turn_start
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.thinking import begins_with_thinking
from ctxwindow.rules.view import Step, View

__all__ = ["RULES", "modified", "rearranged", "runs_of", "thinking_of"]


def thinking_of(message: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Index and block of each thinking block of a message."""
    content = message.get("content")
    return [
        (place, block)
        for place, block in enumerate(content if isinstance(content, list) else ())
        if isinstance(block, (dict, Mapping)) and is_thinking(block)  # asking for dict first is ten times as fast
    ]


def signed(step: Step) -> Iterator[Finding]:
    """REPLAY-04, as far as it can be seen: only the API can verify a signature that is there."""
    for block in step.blocks:
        if block.family == "thinking" and not seal(block.data):
            yield Finding(
                path=block.path,
                message=_invalid(block.path, block.data),
                remedy="Only thinking that the API returned may go back, with its signature; leave other reasoning out.",
            )


def original_kept(view: View) -> Iterator[Finding]:
    """REPLAY-04, against the exchange before: another seal in the place of one that is known (BIND-23)."""
    known = {seal(block) for message in view.history for _, block in thinking_of(message)}
    for index in range(min(len(view.messages), len(view.history)) if known else 0):
        thinking = thinking_of(view.message(index))
        then = None if all(seal(block) in known for _, block in thinking) else _then(view, index)
        if then is None:
            continue
        originals = [original for _, original in thinking_of(then)]
        ranked = originals if len(originals) == len(thinking) else [None] * len(thinking)
        texts = [original["thinking"] for original in originals if original.get("thinking")]
        for (place, block), original in zip(thinking, ranked, strict=True):
            new = seal(block) and seal(block) not in known
            if new and (block.get("thinking") in texts or (original is not None and _may_be(block, original))):
                path = f"messages.{index}.content.{place}"
                yield Finding(
                    path=path,
                    message=_invalid(path, block),
                    remedy="Send the block as it came: its signature is not that of the exchange before.",
                )


def _may_be(block: Mapping[str, Any], original: Mapping[str, Any]) -> bool:
    """Whether two blocks of one rank are one. Two texts that differ are of two replies, perhaps to one question.

    An empty text is one that is not shown (THINK-11).
    """
    texts = {str(one["thinking"]) for one in (block, original) if one.get("thinking")}
    return block.get("type") == original.get("type") and len(texts) <= 1


def _invalid(path: str, block: Mapping[str, Any]) -> str:
    """What the API says of a signature that does not verify."""
    field = "signature" if block.get("type") == "thinking" else "data"
    return f"{path}: Invalid `{field}` in `{block.get('type')}` block"


def _then(view: View, index: int) -> Mapping[str, Any] | None:
    """Message `index` as the exchange before had it, where the two are equal but perhaps for their thinking."""
    if not 0 <= index < min(len(view.history), len(view.messages)):
        return None
    now, then = view.message(index), view.history[index]
    same = now.get("role") == "assistant" and same_message(now, then)
    return then if same else None


def _of_last_turn(view: View) -> Iterator[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
    """Assistant messages of the last turn that also stand in the exchange before: index and both forms."""
    for index in range(view.outline.turn_start or 0, min(len(view.messages), len(view.history))):
        then = _then(view, index)
        if then is not None:
            yield index, view.message(index), then


def _changed(now: Mapping[str, Any], then: Mapping[str, Any]) -> int | None:
    """Index of the block from which on the thinking of `now` differs from that of `then`; None when it does not."""
    new, old = thinking_of(now), thinking_of(then)
    for (place, block), (_, original) in zip(new, old, strict=False):
        if seal(block) != seal(original):
            return place
    if len(new) == len(old):
        return None
    return new[len(old)][0] if len(new) > len(old) else old[len(new)][0]


def _runs(message: Mapping[str, Any]) -> list[list[tuple[int, Mapping[str, Any]]]]:
    """The thinking of a message by runs of consecutive blocks, as `thinking_of` tells them.

    Blank text, which may be dropped (BIND-14), separates nothing.
    """
    runs: list[list[tuple[int, Mapping[str, Any]]]] = [[]]
    content = message.get("content")
    for place, block in enumerate(content if isinstance(content, list) else ()):
        known = isinstance(block, (dict, Mapping))
        if known and is_thinking(block):
            runs[-1].append((place, block))
        elif runs[-1] and not (known and is_blank_text(block)):
            runs.append([])
    return [run for run in runs if run]


def rearranged(message: Mapping[str, Any], originals: Mapping[str, Sequence[str]]) -> int | None:
    """Index of the block from which on a run of thinking is not the one that the API wrote; None when each is.

    This does not depend on where the message stands, so that it sees two replies merged into one as well (E2 V1).

    Args:
        message: an assistant message.
        originals: the seals of a run for each seal in it; seals that it does not hold are not judged.
    """
    for run in _runs(message):
        seals = [seal(block) for _, block in run]
        original = next((originals[value] for value in seals if originals.get(value)), seals)
        if list(original) != seals:
            same = next((at for at, pair in enumerate(zip(seals, original, strict=False)) if pair[0] != pair[1]), None)
            return run[min(len(original), len(run) - 1) if same is None else same][0]
    return None


def runs_of(messages: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The seals of each run of thinking in some messages, under each of its seals.

    A seal of two different runs, which no API wrote, tells nothing and has an empty one.
    """
    found: dict[str, list[str]] = {}
    for message in messages:
        for run in _runs(message):
            seals = [seal(block) for _, block in run]
            for value in filter(None, seals):
                found[value] = seals if found.get(value, seals) == seals else []
    return found


def _latest_assistant(view: View) -> int:
    """Index of the last assistant message, looking back over the user messages of the last turn; -1 without one."""
    index = len(view.messages) - 1
    while index >= 0 and view.message(index).get("role") != "assistant":
        index -= 1
    return index


def modified(path: str) -> str:
    """What the API says of the block at `path` under REPLAY-02."""
    return (
        f"{path}: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. "
        "These blocks must remain as they were in the original response."
    )


def latest_unchanged(view: View) -> Iterator[Finding]:
    """REPLAY-02. Once the turn is finished its thinking may also be left out, all of it (REPLAY-03)."""
    latest = _latest_assistant(view)
    then = _then(view, latest)
    place = _changed(view.message(latest), then) if then is not None else None
    if place is None and latest >= 0 and thinking_of(view.message(latest)):
        place = rearranged(view.message(latest), runs_of(view.history))
    if place is None:
        return
    open_turn = view.outline.turn_start is None or latest > view.outline.turn_start
    if open_turn or thinking_of(view.message(latest)):
        path = f"messages.{latest}.content.{place}"
        yield Finding(
            path=path,
            message=modified(path),
            remedy="Send the last reply back with all its thinking blocks, in the order in which they came.",
        )


def open_turn_unchanged(view: View) -> Iterator[Finding]:
    """REPLAY-01, for the messages before the latest.

    Not on bound models: there a recorded probe (E1) dropped edge runs of thinking and was answered, so that
    BIND-10 decides.
    """
    if view.frame.profile is not None and view.frame.profile.bound:
        return
    if not view.messages or is_turn_start(view.message(len(view.messages) - 1)):
        return
    latest = _latest_assistant(view)
    for index, now, then in _of_last_turn(view):
        place = _changed(now, then)
        if index != latest and place is not None:
            yield Finding(
                path=f"messages.{index}.content.{place}",
                message=f"messages.{index}: thinking of a tool loop that is still open was changed or left out.",
                remedy="Send the assistant messages of an open tool loop back with all their thinking blocks.",
            )


def text_unchanged(view: View) -> Iterator[Finding]:
    """REPLAY-05. An emptied text is how omitted thinking is displayed (THINK-11) and is no edit."""
    for index, now, then in _of_last_turn(view):
        originals = {seal(block): block.get("thinking") for _, block in thinking_of(then)}
        for place, block in thinking_of(now):
            original = originals.get(seal(block))
            if original and block.get("thinking") and block["thinking"] != original:
                yield Finding(
                    path=f"messages.{index}.content.{place}.thinking",
                    message=f"messages.{index}.content.{place}: the text of a signed thinking block was changed.",
                    remedy="Send it as it came; changing it saves no tokens.",
                )


def turn_keeps_its_thinking(view: View, index: int) -> bool:
    """REPLAY-01 with THINK-07: inside an open turn of manual thinking, what is kept begins with thinking."""
    start = view.outline.turn_start
    inside = index < len(view.messages) and (start is None or index > start)
    return not (inside and view.frame.manual_thinking) or begins_with_thinking(view, index)


RULES = (
    Rule(
        id="REPLAY-01",
        sentence="While a tool loop is open its assistant messages go back with all their thinking, unchanged and in order.",
        source="platform.claude.com/docs/en/build-with-claude/thinking-tool-workflows",
        date="2026-08-22",
        check=open_turn_unchanged,
        may_cut=turn_keeps_its_thinking,
    ),
    Rule(
        id="REPLAY-02",
        sentence="The thinking blocks of the latest assistant message equal the original exactly.",
        source="platform.claude.com/docs/en/api/errors; github.com/bastani-inc/atomic/issues/1318",
        date="2026-09-26",
        check=latest_unchanged,
    ),
    Rule(
        id="REPLAY-03",
        sentence="Outside tool use thinking of earlier turns may be left out or kept, on bound models as an unbroken run.",
        source="platform.claude.com/docs/en/build-with-claude/thinking",
        date="2026-09-26",
        modelled="rules.replay.latest_unchanged",
    ),
    Rule(
        id="REPLAY-04",
        sentence="A forged, empty or corrupted signature is rejected anywhere in the history, on every model.",
        source="platform.claude.com/docs/en/build-with-claude/preserved-thinking; github.com/anthropics/claude-code/issues/10627",
        date="2026-09-26",
        on="assistant",
        holding=frozenset({"thinking"}),
        check_message=signed,
        check=original_kept,
    ),
    Rule(
        id="REPLAY-05",
        sentence="The text of a signed block is not edited (the SDK's words; a probe that did so was answered).",
        source="anthropic 2.12.0 types/beta/beta_thinking_block_param.py",
        date="2026-11-20",
        severity="warning",
        check=text_unchanged,
    ),
    Rule(
        id="REPLAY-06",
        sentence="Thinking in the history never counts as output again; on keep-all models it counts as input.",
        source="platform.claude.com/docs/en/build-with-claude/thinking-steering-and-cost",
        date="2026-08-22",
        modelled="window.ledger.Ledger",
    ),
    Rule(
        id="REPLAY-07",
        sentence="Leaving a turn's thinking out costs the prompt cache from that block on.",
        source="recorded probes E1, E2",
        date="2026-10-08",
        severity="warning",
        modelled="window.compare.compare",
    ),
)
