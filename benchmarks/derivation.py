"""The constants of the API's framing, derived from exchanges in which each is the only one that is not known."""

from __future__ import annotations

import importlib
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ctxwindow.catalog import ModelProfile, document
from ctxwindow.window.framing import Evidence, Finding
from ctxwindow.window.tokens import Tokenizer

ORDER = (
    "assistant_first", "joined", "first_section", "system_message", "section", "system_block", "tool_prompt",
    "forced_tool_prompt",
    "named_tool", "single_forced_call", "thinking_enabled", "thinking_adaptive", "schema", "task_budget",
    "compaction", "calls", "after_results", "single_call", "tool_reference", "thinking",
    "thinking_before_text", "image", "image_in_result",
    "block_beside_image", "document", "pdf", "document_in_result",
)  # fmt: skip
"""The constants in the order in which they are derived, after `request` and `user`, and before those of citations."""
_EARLY = "after_results"
"""Taken over from the generation before, before `calls` is derived: later recordings have none without the other."""
PROMPT, FORCED_PROMPT = "tool_prompt", "forced_tool_prompt"
PROMPTS = (PROMPT, FORCED_PROMPT)
_BY_PROMPT = ("single_call", "single_forced_call")
UNPUBLISHED = 300
"""What is counted for the prompt of tools where none is published."""
_CARRIED = "No recording tells; taken from the generation before."
_EXAMPLES = 6
_LEAST = 2
"""Agreeing requests for which a model gets a value of its own."""


class Row(NamedTuple):
    """One exchange: what was reported, what is counted without any constant, and how often each occurs."""

    actual: int
    bare: int
    uses: Mapping[str, int]
    profile: ModelProfile
    client: str
    has_image: bool
    source: str
    template: str
    """System prompt and tools, hashed: requests that share them are one witness, not several."""

    def rest(self, values: Mapping[str, int]) -> int:
        """What the constants leave unexplained."""
        return self.actual - self.bare - sum(times * values.get(name, 0) for name, times in self.uses.items())


class Derivation:
    """The constants derived so far, by generation and by model."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.tokenizers: dict[Tokenizer, dict[str, Finding]] = {"v3": {}, "v4.7": {}, "v4.8": {}}
        self.models: dict[str, dict[str, Finding]] = {}

    def values(self, profile: ModelProfile) -> dict[str, int]:
        """What is known for a model."""
        found = {**self.tokenizers[profile.tokenizer], **self.models.get(profile.id, {})}
        return {name: finding.tokens for name, finding in found.items()}

    def run(self) -> None:
        """Derive everything, in order."""
        generations: list[tuple[Tokenizer, Tokenizer | None]] = [("v3", None), ("v4.8", "v3"), ("v4.7", "v4.8")]
        for tokenizer, before in generations:
            self._opening(tokenizer)
            for name in ORDER if before is None else (_EARLY, *(name for name in ORDER if name != _EARLY)):
                self._derive(name, tokenizer, before)
            self._citations(tokenizer, before)
            self._derive("search_result", tokenizer, before)
        newest, middle = self.tokenizers["v4.8"], self.tokenizers["v4.7"]
        for name, finding in middle.items():
            if finding.evidence is not None and newest[name].evidence is None:
                newest[name] = Finding(tokens=finding.tokens, note="No recording tells; taken from v4.7.")

    def _opening(self, tokenizer: Tokenizer) -> None:
        """`request` and `user` occur together: what a second user message adds tells them apart."""
        plain = [
            row for row in self.rows if row.profile.tokenizer == tokenizer and set(row.uses) <= {"request", "user"}
        ]
        sums = {
            users: Counter(row.rest({}) for row in plain if row.uses.get("user") == users).most_common(1)
            for users in sorted({row.uses.get("user", 0) for row in plain})
        }
        if 1 not in sums:
            self._opening_of_ctok(tokenizer)
            return
        several = [users for users in sums if users > 1]
        user = (sums[several[0]][0][0] - sums[1][0][0]) // (several[0] - 1) if several else None
        note = "" if user is not None else "The split from `user` is taken from v4.8: no recording has two turns."
        user = self.tokenizers["v4.8"]["user"].tokens if user is None else user
        request = sums[1][0][0] - user
        agreeing = [row for row in plain if row.rest({"request": request, "user": user}) == 0]
        evidence = evidence_of(plain, agreeing)
        self.tokenizers[tokenizer]["request"] = Finding(tokens=request, evidence=evidence, note=note)
        self.tokenizers[tokenizer]["user"] = Finding(tokens=user, evidence=evidence, note=note)

    def _opening_of_ctok(self, tokenizer: Tokenizer) -> None:
        """Where no recording is plain text: `ctok` knows the frame of one message, and the rest is taken over."""
        user = self.tokenizers["v4.8"]["user"].tokens
        frame = importlib.import_module("ctok").tokenize("", tokenizer.removeprefix("v")).count("⟨pad⟩")
        note = f"The frame of one message, {frame}, is ctok's; its split is taken from v4.8."
        self.tokenizers[tokenizer]["request"] = Finding(tokens=frame - user, note=note)
        self.tokenizers[tokenizer]["user"] = Finding(tokens=user, note=note)

    def _derive(self, name: str, tokenizer: Tokenizer, before: Tokenizer | None) -> None:
        rows = [row for row in self.rows if row.profile.tokenizer == tokenizer and row.uses.get(name)]
        votes = [(row, vote) for row in rows if (vote := self._vote(row, name)) is not None]
        general = mode(votes)
        if name in PROMPTS:
            general = None  # each model has a prompt of its own
        elif name in _BY_PROMPT:
            general = 0
            self.tokenizers[tokenizer][name] = Finding(tokens=0, note="Each prompt has its own: see the models.")
        elif general is not None and not self._outvoted(name, general, votes, before):
            evidence = evidence_of([row for row, _ in votes], [row for row, vote in votes if vote == general])
            self.tokenizers[tokenizer][name] = Finding(tokens=general, evidence=evidence, note=others(votes, general))
        elif before is not None:
            self.tokenizers[tokenizer][name] = Finding(tokens=self.tokenizers[before][name].tokens, note=_CARRIED)
        else:
            self.tokenizers[tokenizer][name] = Finding(tokens=0, note="No recording tells.")
        for group in {group_of(row.profile): None for row, _ in votes}:
            self._own(name, group, [(row, vote) for row, vote in votes if group_of(row.profile) == group], general)

    def _outvoted(self, name: str, vote: int, votes: list[tuple[Row, int]], before: Tokenizer | None) -> bool:
        """Whether it is one recording against what the generation before has evidence for."""
        carried = self.tokenizers[before][name] if before else None
        agreeing = sum(other == vote for _, other in votes)
        return carried is not None and carried.evidence is not None and carried.tokens != vote and agreeing < _LEAST

    def _citations(self, tokenizer: Tokenizer, before: Tokenizer | None) -> None:
        """The prompt for citations and the marks of each sentence occur together: two documents of different length
        tell them apart.
        """
        rows = [row for row in self.rows if row.profile.tokenizer == tokenizer and row.uses.get("citations") == 1]
        rests: dict[int, list[int]] = {}
        for row in rows:
            known = {**self.values(row.profile), "citations": 0, "sentence": 0}
            if all(name in known for name in row.uses) and "search_result" not in row.uses:
                rests.setdefault(row.uses.get("sentence", 0), []).append(row.rest(known))
        found = self.tokenizers[tokenizer]
        if len(rests) < _LEAST:
            for name in ("citations", "sentence"):
                value = self.tokenizers[before][name].tokens if before else 0
                found[name] = Finding(tokens=value, note=_CARRIED)
            return
        few, many = min(rests), max(rests)
        each = round((statistics.median(rests[many]) - statistics.median(rests[few])) / (many - few))
        once = round(statistics.median(rests[few]) - few * each)
        note = f"From documents of {few} and {many} sentences; the cut into sentences is the server's."
        for name, value in (("citations", once), ("sentence", each)):
            found[name] = Finding(tokens=value, evidence=evidence_of(rows, rows), note=note)

    def _own(self, name: str, group: tuple[Any, ...], votes: list[tuple[Row, int]], general: int | None) -> None:
        """A value of their own for models of one template, where their requests agree on another."""
        own = mode(votes)
        agreeing = [row for row, vote in votes if vote == own]
        witnesses, all_witnesses = len({row.template for row in agreeing}), len({row.template for row, _ in votes})
        if own is None or own == general or (general is not None and len(agreeing) < _LEAST):
            return
        if name in PROMPTS:
            published = votes[0][0].profile.tool_prompt
            if own == (published.any_tool if name == FORCED_PROMPT else published.auto_none):
                return
        elif 3 * witnesses < 2 * all_witnesses:
            return
        evidence = evidence_of([row for row, _ in votes], agreeing)
        for profile in document().models:
            if group_of(profile) == group:
                finding = Finding(tokens=own, evidence=evidence, note=others(votes, own))
                self.models.setdefault(profile.id, {})[name] = finding

    def _vote(self, row: Row, name: str) -> int | None:
        """What a row says of a constant; None while another of its constants is not derived."""
        known = {**prompts(row.profile), **self.values(row.profile)}
        if name in PROMPTS:
            known.pop(name)
        if any(other not in known for other in row.uses if other != name):
            return None
        rest, odd = divmod(row.rest({**known, name: 0}), row.uses[name])
        return None if odd else rest


def group_of(profile: ModelProfile) -> tuple[Any, ...]:
    """Models whose published tool prompts are of one size have one template, as far as the recordings tell."""
    prompt = profile.tool_prompt
    sizes = (prompt.auto_none, prompt.any_tool)
    return (profile.tokenizer, *(sizes if any(sizes) else (profile.id,)))


def mode(votes: Sequence[tuple[Row, int]]) -> int | None:
    """What most witnesses say; of several the middle one, or the higher of two."""
    counts = Counter(vote for _, vote in {(row.template, vote) for row, vote in votes})
    most = max(counts.values(), default=0)
    equal = [vote for vote, times in counts.items() if times == most]
    return statistics.median_high(equal) if equal else None


def evidence_of(rows: Sequence[Row], agreeing: Sequence[Row]) -> Evidence:
    return Evidence(
        pairs=len(rows),
        agree=len(agreeing),
        models=tuple(sorted({row.profile.id for row in agreeing})),
        clients=tuple(sorted({row.client for row in agreeing})),
        examples=tuple(sorted({row.template: row.source for row in agreeing}.values())[:_EXAMPLES]),
    )


def others(votes: Sequence[tuple[Row, int]], value: int) -> str:
    """What those say that do not agree."""
    others = Counter(vote for _, vote in votes if vote != value)
    said = ", ".join(f"{vote} ({times})" for vote, times in sorted(others.items(), key=lambda item: -item[1])[:6])
    return f"Others say {said}." if said else ""


def prompts(profile: ModelProfile) -> dict[str, int]:
    prompt = profile.tool_prompt
    return {PROMPT: prompt.auto_none or 0, FORCED_PROMPT: prompt.any_tool or 0}
