"""How far off are the counts? Every recorded exchange against `ctxwindow.count`, by feature, tokenizer and model.

    python -m benchmarks.accuracy PAIRS [--sessions FOLDER] [--worst N]

PAIRS is a JSONL file (plain or gzip) of exchanges: request body, and the prompt tokens that the API reported for it.
Judged are those whose prompt follows from the body alone (no server tool, no file behind an id), whose body and usage
fit together, and whose model is in the catalog. With `--sessions` the forecasts of recorded Claude Code sessions are
judged too: before each request its size is forecast, from the usage of the one before and what came in since.

The worst are listed with what can be said of them: the parts of the count that are estimated, and signs that the
recording is not what it says, such as a number that fits another model to the token. What is printed depends on the Python: texts are counted exactly where `ctok` is installed (3.12 and newer), and
estimated elsewhere.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ctxwindow import count
from ctxwindow.catalog import ModelProfile, models, resolve
from ctxwindow.errors import UnknownModel
from ctxwindow.transcripts import read
from ctxwindow.transcripts.inspect import RequestRow, accuracy, inspect
from ctxwindow.window.tokens import have_exact

_PLAIN = frozenset({"system", "multi_message", "cache_control", "prefill", "mid_conversation_system"})
"""Flags of a request that holds nothing but text."""


_IDS, _ID = re.compile(r'"(toolu_[^"]{1,60})"'), re.compile(r"toolu_(bdrk_|vrtx_)?01[0-9A-Za-z]{22}")
_CLOSE, _FAR = 4, 0.05
"""Tokens within which a count of the same request on another model is called a fit, where it is this far off on its own."""


class Judged(NamedTuple):
    """One exchange: what was reported, what was counted."""

    actual: int
    counted: int
    low: int
    high: int
    model: str
    tokenizer: str
    features: frozenset[str]
    flags: tuple[str, ...]
    source: str
    request: dict[str, Any]
    reply: Any = None

    @property
    def error(self) -> float:
        """(counted - actual) / actual."""
        return (self.counted - self.actual) / self.actual

    @property
    def inside(self) -> bool:
        """Whether the bounds hold the actual number."""
        return self.low <= self.actual <= self.high


class Score(NamedTuple):
    """Shares and percentiles over some exchanges."""

    pairs: int
    exact: float
    within_1: float
    """Share with at most 1 % error."""
    within_2: float
    median: float
    """Median absolute error, as a share of the actual number."""
    p95: float
    worst: float
    inside: float
    """Share with the actual number inside the bounds."""
    width: float
    """Median width of the bounds, as a share of the actual number."""


def features_of(flags: Iterable[str]) -> frozenset[str]:
    """What of a request makes it hard to count; an exchange may be in several groups."""
    given = set(flags)
    found = {"tools"} if any(flag == "tools" or "tool_use" in flag for flag in given) else set()
    found |= {"thinking"} if any("thinking" in flag for flag in given) else set()
    found |= {"images"} if "block:image" in given else set()
    found |= {"documents"} if "block:document" in given else set()
    found |= {"structured output"} if "output_config" in given else set()
    return frozenset(found or ({"text only"} if given <= _PLAIN else {"other"}))


def pairs_of(path: Path) -> Iterator[dict[str, Any]]:
    """The exchanges of a JSONL file, plain or gzip."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def judge(pair: dict[str, Any]) -> Judged | str:
    """An exchange counted, or why it is left out."""
    actual = pair.get("total_prompt_tokens", pair.get("input_tokens"))
    if pair.get("error") or not actual:
        return "not answered"
    if pair.get("suspect"):
        return "request and usage do not fit together"
    if not pair["self_contained"]:
        return "the prompt does not follow from the body alone"
    try:
        profile = resolve(pair["model"])
    except UnknownModel:
        return "the model is not in the catalog"
    window = count(pair["request"], profile)
    source = pair["source"]
    return Judged(
        actual=actual,
        counted=window.tokens,
        low=window.low,
        high=window.high,
        model=profile.id,
        tokenizer=profile.tokenizer,
        features=features_of(pair["flags"]),
        flags=tuple(pair["flags"]),
        request=pair["request"],
        reply=pair.get("response_content"),
        source=f"{source['repo']}:{source['path'].rsplit('/', 1)[-1]}[{source['index']}]",
    )


def score(rows: Sequence[Judged]) -> Score:
    """The figures of some exchanges, of at least one."""
    errors = sorted(abs(row.error) for row in rows)
    number = len(errors)
    return Score(
        pairs=number,
        exact=sum(row.counted == row.actual for row in rows) / number,
        within_1=sum(error <= 0.01 for error in errors) / number,
        within_2=sum(error <= 0.02 for error in errors) / number,
        median=statistics.median(errors),
        p95=errors[min(number - 1, int(number * 0.95))],
        worst=errors[-1],
        inside=sum(row.inside for row in rows) / number,
        width=statistics.median((row.high - row.low) / row.actual for row in rows),
    )


def groups(rows: Sequence[Judged]) -> dict[str, list[Judged]]:
    """All, by feature, by tokenizer, by model."""
    found: dict[str, list[Judged]] = {"all": list(rows)}
    for name in ("text only", "tools", "thinking", "images", "documents", "structured output", "other"):
        found[name] = [row for row in rows if name in row.features]
    for name in sorted({row.tokenizer for row in rows}):
        found[f"tokenizer {name}"] = [row for row in rows if row.tokenizer == name]
    for name in sorted({row.model for row in rows}):
        found[name.removeprefix("claude-")] = [row for row in rows if row.model == name]
    return {name: members for name, members in found.items() if members}


def reasons(row: Judged) -> list[str]:
    """What can be said of a count that is off."""
    found = []
    window = count(row.request, row.model)
    doubtful = sorted({block.kind for block in window.blocks if not block.exact})
    if row.inside:
        found.append(f"inside its bounds; estimated: {', '.join(doubtful) or 'what stands around the texts'}")
    if "text only" in row.features and row.actual > sum(map(len, _texts(row.request))):
        found.append("the API counted more tokens than the body has characters: it was replaced after recording")
    if row.actual % 100 == 0:
        found.append("a round number, as nobody counts but somebody writes")
    ids = _IDS.findall(json.dumps([row.request.get("messages"), row.reply]))
    if any(not _ID.fullmatch(one) for one in ids):
        found.append(f"an id as the API makes none ({next(one for one in ids if not _ID.fullmatch(one))}): made up")
    twins = [profile.id for profile in models() if _fits(row, profile)] if abs(row.error) > _FAR else []
    if twins:
        found.append(f"fits {' or '.join(twins[:3])} within {_CLOSE} tokens: recorded there and renamed?")
    return found or ["not explained"]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
        yield from value if isinstance(value, dict) else ()


def _fits(row: Judged, profile: ModelProfile) -> bool:
    if profile.id == row.model or profile.tokenizer != row.tokenizer:
        return False
    return abs(count(row.request, profile).tokens - row.actual) <= _CLOSE


def forecasts(folder: Path) -> list[RequestRow]:
    """Every request of every thread of every session in a folder, with its forecast."""
    files = sorted(file for file in folder.rglob("*.jsonl*") if file.is_file())
    inspections = [inspect(session, thread=thread) for session in map(read, files) for thread in session.threads]
    return [row for inspection in inspections for row in inspection.requests]


def table(rows: Sequence[Judged]) -> str:
    """The figures of every group, a line each."""
    lines = [
        f"{'':<24}{'pairs':>6}{'exact':>8}{'<= 1 %':>8}{'<= 2 %':>8}{'median':>9}{'p95':>8}{'worst':>9}{'inside':>8}{'width':>8}"
    ]
    for name, members in groups(rows).items():
        found = score(members)
        shares = "".join(f"{share:>8.1%}" for share in (found.exact, found.within_1, found.within_2))
        rest = f"{found.median:>9.2%}{found.p95:>8.1%}{found.worst:>9.1%}{found.inside:>8.1%}{found.width:>8.1%}"
        lines.append(f"{name:<24}{found.pairs:>6}{shares}{rest}")
    return "\n".join(lines)


def summary(requests: list[RequestRow]) -> str:
    """How far off the forecasts were that had an anchor."""
    found = accuracy(requests)
    errors = sorted(abs(row.error) for row in requests if row.error is not None)
    if found.median is None or found.p95 is None:
        return f"forecasts of the next request: none of {len(requests)} can be compared"
    return (
        f"forecasts of the next request: {found.compared} of {len(requests)} compared, median absolute error "
        f"{found.median:.3%}, 95th percentile {found.p95:.2%}, 99th {errors[int(len(errors) * 0.99)]:.2%}, "
        f"largest {errors[-1]:.1%}, inside bounds {found.within_bounds:.1%}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="How far off are the counts?")
    parser.add_argument("pairs", type=Path, help="JSONL of exchanges, plain or gzip")
    parser.add_argument("--sessions", type=Path, help="folder of recorded Claude Code sessions")
    parser.add_argument("--worst", type=int, default=20, help="how many of the worst to list")
    options = parser.parse_args()
    judged = [judge(pair) for pair in pairs_of(options.pairs)]
    rows = [row for row in judged if isinstance(row, Judged)]
    exact = "exactly" if have_exact() else "by the estimator"
    print(f"Python {platform.python_version()}, texts counted {exact}: {len(rows)} of {len(judged)} exchanges judged")
    for reason, number in Counter(row for row in judged if isinstance(row, str)).most_common():
        print(f"  left out, {reason}: {number}")
    if rows:
        print(f"\n{table(rows)}\n")
        for row in sorted(rows, key=lambda row: -abs(row.error))[: options.worst]:
            print(f"{row.error:>+8.1%}  {row.counted:,} for {row.actual:,}  {row.model}  {row.source}")
            print(f"{'':>10}{', '.join(row.flags) or 'one text'}")
            for reason in reasons(row):
                print(f"{'':>10}{reason}")
    if options.sessions is not None:
        print(f"\n{summary(forecasts(options.sessions))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
