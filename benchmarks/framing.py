"""What does the API add around content? Derives the constants of `ctxwindow/window/framing.json` from recordings.

    python -m benchmarks.framing PAIRS [--steps STEPS] [--write]

PAIRS is a JSONL file (plain or gzip) of exchanges: request body, and the prompt tokens that the API reported for it. A
constant is what is left of that number when everything else in the request is counted, divided by how often the
constant occurs; of the requests in which all other constants are known, the value that most agree on is taken. Each is
listed with its evidence: how many requests, models and client libraries agree, and what the others say. A model has a
value of its own where its own requests agree on another. Needs `ctok` (Python 3.12 and newer).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from benchmarks.accuracy import pairs_of
from benchmarks.derivation import (
    FORCED_PROMPT,
    ORDER,
    PROMPT,
    PROMPTS,
    UNPUBLISHED,
    Derivation,
    Row,
    evidence_of,
    mode,
    others,
    prompts,
)
from benchmarks.steps import replayed_thinking
from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.window import count
from ctxwindow.window.framing import Finding, Frame, Framing
from ctxwindow.window.tokens import Tokenizer, have_exact

_TARGET = Path(__file__).parent.parent / "ctxwindow/window/framing.json"
_USERS = tuple(f"ctxwindow.window.{name}" for name in ("fixed", "sizes", "block_sizes", "documents"))


def _counted(request: Mapping[str, Any], profile: ModelProfile, frame: Frame) -> int:
    with contextlib.ExitStack() as stack:
        for module in _USERS:
            stack.enter_context(mock.patch(f"{module}.frame_of", return_value=frame))
        return count(request, profile).tokens


def rows_of(path: Path, steps: Mapping[str, int], *, default: int = 1) -> Iterator[Row]:
    """The exchanges whose prompt follows from the body alone, each with the uses of every constant.

    Args:
        path: of the exchanges.
        steps: `Frame.patch_step` by model.
        default: that of the other models.
    """
    for pair in pairs_of(path):
        actual = pair.get("total_prompt_tokens", pair.get("input_tokens"))
        if pair.get("error") or not actual or pair.get("suspect"):
            continue
        try:
            profile = resolve(pair["model"])
        except UnknownModel:
            continue
        if not (pair["self_contained"] or _follows(pair, profile)):
            continue
        yield _row(pair["request"], actual, profile, pair["source"], steps.get(profile.id, default))


def _follows(pair: Mapping[str, Any], profile: ModelProfile) -> bool:
    """Whether nothing keeps a prompt from following from the body but a compaction that was made before, or deferred
    tools of the client's own: these since Opus 4.8 come with 93 to 126 tokens more in ways that are not understood.
    """
    tools = pair["request"].get("tools") or ()
    flags = set(pair["flags"])
    known = "block:compaction" in flags or ("defer_loading" in flags and profile.tokenizer == "v3")
    return known and all(tool.get("type") in (None, "custom") for tool in tools)


def _row(request: Mapping[str, Any], actual: int, profile: ModelProfile, source: Mapping[str, Any], step: int) -> Row:
    bare = Frame(patch_step=step)
    tokens = _counted(request, profile, bare)
    uses = {}
    for name in ("request", "user", *ORDER, "citations", "sentence", "search_result"):
        if name not in PROMPTS:
            more = _counted(request, profile, msgspec.structs.replace(bare, **{name: 1000})) - tokens
            if more:
                uses[name] = more // 1000
    if request.get("tools"):
        forced = (request.get("tool_choice") or {}).get("type") in ("any", "tool")
        uses[FORCED_PROMPT if forced else PROMPT] = 1
        published = profile.tool_prompt.any_tool if forced else profile.tool_prompt.auto_none
        tokens -= UNPUBLISHED if published is None else published
    template = json.dumps([source["repo"], profile.id, request.get("system"), request.get("tools")], sort_keys=True)
    digest = blake2b(template.encode(), digest_size=8).hexdigest()
    where = f"{source['repo']}:{source['path'].rsplit('/', 1)[-1]}[{source['index']}]"
    return Row(actual, tokens, uses, profile, source["repo"], "image" in uses, where, digest)


def builtins_of(path: Path, derivation: Derivation) -> dict[Tokenizer, dict[str, Finding]]:
    """The definitions of built-in tools: what a request with one has beyond the same without it, where none ran."""
    votes: dict[tuple[Tokenizer, str], list[tuple[Row, int]]] = {}
    for pair in pairs_of(path):
        actual, tools = pair.get("total_prompt_tokens", pair.get("input_tokens")), pair["request"].get("tools") or []
        builtin = [tool for tool in tools if tool.get("type") not in (None, "custom")]
        if pair.get("error") or not actual or len(builtin) != 1:
            continue
        if "server_tool_use" in json.dumps([pair["request"], pair.get("response_content")]):
            continue
        profile = resolve(pair["model"])
        bare = {**pair["request"], "tools": [tool for tool in tools if tool is not builtin[0]]}
        row = _row(bare, actual, profile, pair["source"], 1)
        # The prompt of tools comes with the built-in one, too.
        row = row if bare["tools"] else row._replace(uses={**row.uses, PROMPT: 1})
        rest = row.rest({**prompts(profile), **derivation.values(profile)})
        votes.setdefault((profile.tokenizer, builtin[0]["type"]), []).append((row, rest))
    found: dict[Tokenizer, dict[str, Finding]] = {}
    for (tokenizer, kind), said in sorted(votes.items()):
        tokens = mode(said) or 0
        evidence = evidence_of([row for row, _ in said], [row for row, vote in said if vote == tokens])
        found.setdefault(tokenizer, {})[kind] = Finding(tokens=tokens, evidence=evidence, note=others(said, tokens))
    return found


def steps_of(path: Path) -> dict[str, int]:
    """Models whose images fit better in patches by twos: fewer different remainders of what is not explained."""
    rests: dict[int, dict[str, Counter[int]]] = {}
    for step in (1, 2):
        rests[step] = {}
        derivation = Derivation(list(rows_of(path, {}, default=step)))
        derivation.run()
        for row in derivation.rows:
            if row.has_image:
                rests[step].setdefault(row.profile.id, Counter())[row.rest(derivation.values(row.profile))] += 1
    return {model: 2 for model, found in rests[2].items() if found[0] > rests[1][model][0]}


def derive(path: Path, sessions: Path | None = None) -> Framing:
    """All constants, from a file of exchanges, and one of the steps of sessions. Needs `ctok`."""
    steps = steps_of(path)
    derivation = Derivation(list(rows_of(path, steps)))
    derivation.run()
    for model, step in steps.items():
        derivation.models.setdefault(model, {})["patch_step"] = Finding(
            tokens=step, note="More of its requests with images come out exact than with single patches."
        )
    if sessions is not None:
        replayed_thinking(sessions, derivation)
    return Framing(
        about=f"Derived by benchmarks/framing.py on {datetime.date.today()} from recorded exchanges.",  # noqa: DTZ011
        tokenizers=derivation.tokenizers,
        models=dict(sorted(derivation.models.items())),
        tools=builtins_of(path, derivation),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="What does the API add around content?")
    parser.add_argument("pairs", type=Path, help="JSONL of exchanges, plain or gzip")
    parser.add_argument("--steps", type=Path, help="JSONL of the steps of recorded sessions, plain or gzip")
    parser.add_argument("--write", action="store_true", help="write framing.json")
    options = parser.parse_args()
    if not have_exact():
        print("texts cannot be counted exactly here: install ctok, on Python 3.12 or newer", file=sys.stderr)
        return 2
    framing = derive(options.pairs, options.steps)
    for title, findings in [*framing.tokenizers.items(), *framing.models.items(), *framing.tools.items()]:
        print(title)
        for name, finding in findings.items():
            seen = f"{finding.evidence.agree} of {finding.evidence.pairs}" if finding.evidence else "-"
            clients = len(finding.evidence.clients) if finding.evidence else 0
            print(f"  {name:<32}{finding.tokens:>6}  {seen:>12}  {clients} clients  {finding.note}")
    if options.write:
        _TARGET.write_bytes(msgspec.json.format(msgspec.json.encode(framing), indent=1) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
