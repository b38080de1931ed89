"""Re-derive `ctxwindow/window/estimator.json`, and say how good it is on files it never saw.

    python -m benchmarks.fit_estimator [--data DIR] [--check]

Needs Python 3.12 or newer with ctok, which labels the texts, and the recordings (`--data`, by default
`../shared/data/dev` beside the repository). Plain Python, no numpy. Takes one to two minutes. Nothing is drawn at
random: samples, splits and synthetic texts follow from hashes, so the same data give the same file.
`benchmarks/estimator_texts.py` says what the texts are and how they are split.

`--check` compares with the packaged file and writes nothing; it exits with 1 if a bound or a weight is off by 0.02.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import ctok
import msgspec

from benchmarks.estimator_texts import VOCABULARIES, Sample, samples
from ctxwindow.window.estimator import CLASSES, Bound, Class, Estimator, Fit
from ctxwindow.window.shapes import SHAPES, pieces

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "ctxwindow" / "window" / "estimator.json"
LONG = 60.0
"""Tokens from which on a text's error counts as a ratio, below it as slack."""
WORDS, GROUPS = 2_000, 3
"""Frequent words kept, and in how many groups of files (repositories) one must occur: no name of one project gets in."""
SPREAD = ("latin", "cjk", "script")
"""Classes of few and different sources: files that fit set their bounds as well, over sources and not over texts."""
ABOUT = (
    "Fitted by benchmarks/fit_estimator.py, labels by ctok 1.3 (MIT). Texts: recorded Claude Code sessions and API "
    "requests from public repositories (Apache-2.0, BSD-3-Clause, MIT), MemoryBank dialogues (MIT), UDHR and MultiPL-E as in "
    "ctok's fixtures (MIT). No text is kept, only words that occur in at least three of the sources."
)


def frequent_words(chosen: Iterable[Sample]) -> dict[str, str]:
    """Words by cost in both vocabularies, from the files that fit."""
    found: dict[str, set[str]] = defaultdict(set)
    for sample in chosen:
        if sample.part != "fit" or sample.source.startswith(("udhr", "synthetic")) or sample.kind == "signature":
            continue
        for piece in set(pieces(sample.text)):
            word = piece.strip()
            if word.isascii() and word.isalpha() and len(word) <= 14 and (len(word) == 1 or word[1:].islower()):
                found[word.lower()].add(sample.source)
    groups = {word: {group_of(source) for source in sources} for word, sources in found.items()}
    common = [word for word in found if len(groups[word]) >= GROUPS]
    costs: dict[str, list[str]] = defaultdict(list)
    for word in sorted(common, key=lambda word: (-len(found[word]) * len(word), word))[:WORDS]:
        # After another word, so that no edge of the message takes part.
        pair = [ctok.token_count(f"a {word}", v) - ctok.token_count("a", v) for v, _ in VOCABULARIES.values()]
        costs[" ".join(map(str, pair))].append(word)
    return {cost: " ".join(sorted(words)) for cost, words in sorted(costs.items())}


def group_of(source: str) -> str:
    """The repository of a recorded file; dialogues and programs are a group each."""
    owner, name = source.split("/")[:2]
    return owner if owner in ("memory", "multipl_e") else f"{owner}/{name}"


def least_squares(rows: list[tuple[list[float], float, float]], usable: list[int]) -> list[float]:
    """Non-negative least squares by coordinate descent on the normal equations; rows are (x, y, weight)."""
    size = len(SHAPES)
    gram, right = [[0.0] * size for _ in range(size)], [0.0] * size
    for x, y, weight in rows:
        used = [(index, x[index] * weight) for index in usable if x[index]]
        for index, value in used:
            right[index] += value * y * weight
            line = gram[index]
            for other, factor in used:
                line[other] += value * factor
    for index in usable:
        # Keeps shapes that hardly occur from running away, words near what their length suggests.
        hold = 0.005 if suggested(SHAPES[index]) else 0.0005
        gram[index][index] += hold
        right[index] += hold * suggested(SHAPES[index])
    weights = [0.0] * size
    for _ in range(400):
        for index in usable:
            line = gram[index]
            slope = right[index] - sum(map(float.__mul__, line, weights)) + line[index] * weights[index]
            weights[index] = max(0.0, slope / line[index])
    return weights


def suggested(shape: str) -> float:
    """Tokens of an unfamiliar word or of one of its letters, about; nothing is suggested for other shapes."""
    form, _, length = shape.rstrip("+").partition(".")
    if form not in ("lower", "bare", "title", "upper"):
        return 0.0
    return 0.5 + int(length) / 3 if length else 0.45


def fit_weights(chosen: list[Sample], vocabulary: str) -> dict[str, float]:
    unused = {"word.v3", "word.v4.7", "run bytes"} - {f"word.{vocabulary}"}
    usable = [index for index, name in enumerate(SHAPES) if name not in unused]
    # Errors are relative, but not of a text of three tokens; unfamiliar languages must not outweigh the usual.
    rows = [
        (s.amounts(), float(s.tokens[vocabulary]), (0.4 if s.kind == "udhr Latn" else 1) / (s.tokens[vocabulary] + 10))
        for s in chosen
        if s.part == "fit"
    ]
    weights = least_squares(rows, usable)
    return {name: round(weight, 3) for name, weight in zip(SHAPES, weights, strict=True) if weight >= 0.0005}


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * (len(ordered) - 1))))]


def fit_bound(sources: list[list[tuple[float, int]]], *, spread: bool) -> Bound:
    """Bounds over (weighted sum, tokens): ratios that hold for the longer texts, then slack for the shorter.

    With `spread` the texts of one source (a language, a run) err alike and sources differ, so what has to be covered
    is a new source: the ends are taken over sources, of what covers nearly all texts of one. Rounded outwards.
    """
    ratios = [[tokens / weighed for weighed, tokens in pairs if weighed >= LONG] for pairs in sources]
    ratios = [found for found in ratios if found]
    middle = quantile([tokens / weighed for pairs in sources for weighed, tokens in pairs if weighed >= 20], 0.5)
    if spread:
        lows = [quantile(found, 0.05) * 0.95 for found in ratios]
        highs = [quantile(found, 0.95) * 1.05 for found in ratios]
    else:
        lows = highs = [ratio for found in ratios for ratio in found]
    low = int(100 * quantile(lows, 0.03)) / 100
    high = -int(-100 * quantile(highs, 0.97) // 1) / 100
    short = [pair for pairs in sources for pair in pairs if pair[0] < LONG]
    slack = quantile([max(low * weighed - tokens, tokens - high * weighed) for weighed, tokens in short], 0.97)
    return Bound(low=low, mid=round(middle, 3), high=high, slack=max(1, -int(-slack // 1)))


def fit_all(chosen: list[Sample]) -> Fit:
    draft = Fit(about=ABOUT, words=frequent_words(chosen), weights={}, bounds={})
    reader = Estimator(draft)
    for sample in chosen:
        sample.features = reader.features(sample.text)
    weights = {vocabulary: fit_weights(chosen, vocabulary) for vocabulary in VOCABULARIES}
    bounds: dict[str, dict[Class, Bound]] = {}
    for vocabulary, known in weights.items():
        pairs: dict[Class, dict[str, list[tuple[float, int]]]] = {name: defaultdict(list) for name in CLASSES}
        table = [known.get(shape, 0.0) for shape in SHAPES]
        for sample in chosen:
            # Languages and runs are few and all different, and the fit is too coarse to be a fit to one of them.
            if sample.kind == "run":
                continue  # runs have limits of their own
            if sample.part == "bounds" or (sample.part == "fit" and sample.content_class() in SPREAD):
                weighed = sum(map(float.__mul__, table, sample.amounts()))
                pairs[sample.content_class()][sample.source].append((max(weighed, 0.5), sample.tokens[vocabulary]))
        bounds[vocabulary] = {
            name: fit_bound(list(found.values()), spread=name in SPREAD) for name, found in pairs.items()
        }
    return Fit(about=ABOUT, words=draft.words, weights=weights, bounds=bounds)


def report(fit: Fit, chosen: list[Sample]) -> None:
    estimator = Estimator(fit)
    print(
        f"{'held out':<26}{'n':>5}{'median':>9}{'5 %':>8}{'95 %':>8}{'within':>8}{'width':>8}   (error of the estimate; width of the bounds)"
    )
    for vocabulary in ("v3", "v4.7"):
        groups: dict[str, list[tuple[float, bool, float]]] = defaultdict(list)
        for sample in chosen:
            if sample.part != "held":
                continue
            exact, guess = sample.tokens[vocabulary], estimator.estimate(sample.text, vocabulary)
            row = (
                (guess.tokens - exact) / max(exact, 1),
                guess.low <= exact <= guess.high,
                (guess.high - guess.low) / max(exact, 1),
            )
            length = "short" if len(sample.text) < 300 else "long"
            groups[f"~ {sample.kind.split()[0]}, {length}"].append(row)
            if sample.kind == "run":
                continue
            groups[f"{sample.content_class()}, {length}"].append(row)
            if not sample.source.startswith(("synthetic", "udhr")) and sample.kind != "signature":
                groups[f" recorded, {length}"].append(row)
            groups[f" all, {length}"].append(row)
        for name in sorted(groups):
            rows = groups[name]
            errors = [error for error, _, _ in rows]
            within = sum(inside for _, inside, _ in rows) / len(rows)
            width = quantile([width for _, _, width in rows], 0.5)
            print(
                f"{vocabulary:<5}{name:<21}{len(rows):>5}{quantile(errors, 0.5):>+9.1%}{quantile(errors, 0.05):>+8.1%}{quantile(errors, 0.95):>+8.1%}{within:>8.1%}{width:>8.0%}"
            )


def differences(old: Fit, new: Fit) -> Iterator[str]:
    """Where a re-derived fit differs from the packaged one by more than rounding."""
    if old.words != new.words:
        yield "words"
    for vocabulary, known in new.weights.items():
        for name in SHAPES:
            if abs(old.weights[vocabulary].get(name, 0) - known.get(name, 0)) > 0.02:
                yield f"weights.{vocabulary}.{name}"
        for name in CLASSES:
            was, now = old.bounds[vocabulary][name], new.bounds[vocabulary][name]
            if max(abs(was.low - now.low), abs(was.mid - now.mid), abs(was.high - now.high)) > 0.02:
                yield f"bounds.{vocabulary}.{name}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Re-derive the weights and bounds of the token estimator.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "dev", help="the recordings")
    parser.add_argument("--check", action="store_true", help="compare with the packaged file, write nothing")
    given = parser.parse_args()
    began = time.perf_counter()
    chosen = samples(given.data)
    characters = sum(len(sample.text) for sample in chosen)
    print(f"{len(chosen):,} texts, {characters:,} characters, labelled after {time.perf_counter() - began:.0f} s")
    fit = fit_all(chosen)
    print(f"fitted after {time.perf_counter() - began:.0f} s")
    report(fit, chosen)
    if given.check:
        off = list(differences(msgspec.json.decode(TARGET.read_bytes(), type=Fit), fit))
        print("as packaged" if not off else f"not as packaged: {', '.join(off)}")
        return 1 if off else 0
    TARGET.write_bytes(msgspec.json.format(msgspec.json.encode(fit), indent=1) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
