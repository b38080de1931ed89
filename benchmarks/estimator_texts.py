"""The texts that fit and judge the token estimator, with their tokens; see `benchmarks.fit_estimator`.

Blocks of recorded Claude Code sessions (text, thinking, signatures, tool inputs as JSON, tool results), texts and tool
definitions of recorded requests, dialogues, the Universal Declaration of Human Rights in 315 languages and MultiPL-E
programs (both with recorded counts, from which the frame of one message is taken off), and synthetic base64,
hexadecimal, identifiers, tables and runs. A third of the blocks are cut to at most 420 characters.

Files are split in three by hash: half of them fit the weights, a quarter set the bounds, a quarter is held out and
only reported. A language that is nearly alone in its script is cut in three instead, or its script had no weight.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ctok

from ctxwindow.window.estimator import Class, Features

VOCABULARIES = {"v3": ("3.0", 7), "v4.7": ("4.7", 11)}
"""Vocabulary -> version for ctok, and tokens of the frame around one user message."""
LONGEST = 8_000
QUOTA = {
    "user": 300_000, "assistant": 200_000, "thinking": 200_000, "signature": 60_000, "input": 300_000,
    "result": 900_000, "system": 100_000, "message": 150_000, "tool": 150_000, "memory": 150_000,
}  # fmt: skip
"""Characters of each kind of block that are labelled."""


@dataclass
class Sample:
    """One text with its tokens by vocabulary; `part` is fit, bounds or held."""

    source: str
    kind: str
    text: str
    part: str = ""
    tokens: dict[str, int] = field(default_factory=dict)
    features: Features | None = None

    def amounts(self) -> list[float]:
        """Amounts of the shapes, once `features` is set."""
        assert self.features is not None
        return self.features.amounts

    def content_class(self) -> Class:
        """The content class, once `features` is set."""
        assert self.features is not None
        return self.features.content_class()


def number(*parts: str) -> int:
    return int.from_bytes(hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest())


def part_of(source: str) -> str:
    return ("fit", "fit", "bounds", "held")[number(source) % 4]


def lines_of(path: Path) -> Iterator[Any]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def texts_in(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content or () if isinstance(block, dict) and isinstance(block.get("text"), str)]


def session_blocks(data: Path) -> Iterator[Sample]:
    for step in lines_of(data / "session_steps.jsonl.gz"):
        source = f"{step['source']['repo']}/{step['source']['path']}"
        for message in step.get("appended") or ():
            content = message["content"]
            for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
                match block["type"]:
                    case "text":
                        yield Sample(source, message["role"], block["text"])
                    case "thinking":
                        yield Sample(source, "thinking", block["thinking"])
                        yield Sample(source, "signature", block.get("signature") or "")
                    case "tool_use":
                        yield Sample(source, "input", json.dumps(block["input"], ensure_ascii=False))
                    case "tool_result":
                        yield Sample(source, "result", "".join(texts_in(block.get("content"))))


def request_blocks(data: Path) -> Iterator[Sample]:
    for pair in lines_of(data / "usage_pairs.jsonl"):
        source, request = f"{pair['source']['repo']}/{pair['source']['path']}", pair.get("request") or {}
        for text in texts_in(request.get("system")):
            yield Sample(source, "system", text)
        for message in request.get("messages") or ():
            for text in texts_in(message.get("content")) if isinstance(message, dict) else ():
                yield Sample(source, "message", text)
        for tool in request.get("tools") or ():
            yield Sample(source, "tool", json.dumps(tool, ensure_ascii=False))


def dialogues(data: Path) -> Iterator[Sample]:
    path = data / "memory/zhongwanjun+MemoryBank-SiliconFriend/eval_data/en/memory_bank_en.json.gz"
    for user, record in next(lines_of(path)).items():
        for day in record["history"].values():
            yield Sample(f"memory/{user}", "memory", "\n".join(f"{t['query']}\n{t['response']}" for t in day))


def counted_texts(data: Path) -> Iterator[Sample]:
    """Whole texts with recorded counts; cuts of them are labelled like everything else."""
    folder = data / "counts/sanderland+ctok/tests/fixtures"
    counts = {
        "udhr": json.loads(gzip.decompress((folder / "udhr_counts.json.gz").read_bytes())),
        "multipl_e": json.loads((folder / "multipl_e_counts.json").read_bytes()),
    }
    for name, recorded in counts.items():
        rows = list(lines_of(folder / f"{name}.jsonl.gz"))
        alone = {script for script, times in Counter(row.get("script") for row in rows).items() if times < 3}
        for row in rows:
            key, text, kind = row.get("f") or row["lang"], row["text"], f"{name} {row.get('script', '')}".strip()
            source = f"{name}/{key}"
            if row.get("script") in alone:
                third = len(text) // 3
                for index, part in enumerate(("fit", "bounds", "held")):
                    for start, length in ((0, third), (50, 400), (700, 60), (1000, 900)):
                        yield Sample(source, kind, text[index * third :][start : start + min(length, third)], part)
                continue
            exact = {v: recorded[v]["counts"][key] - frame for v, (_, frame) in VOCABULARIES.items()}
            yield Sample(source, kind, text, part_of(source), exact)
            for length in (60, 240, 900, 2500):
                start = number(source, str(length)) % max(1, len(text) - length)
                yield Sample(source, kind, text[start : start + length], part_of(source))


def synthetic() -> Iterator[Sample]:
    for index in range(72):
        size = 20 + index * index * 7 % 3000
        noise = b"".join(hashlib.sha256(f"{index}/{n}".encode()).digest() for n in range(size // 32 + 1))[:size]
        digits = noise.hex()
        shapes = {
            "base64": base64.b64encode(noise).decode(),
            "base64url": ".".join(base64.urlsafe_b64encode(noise[n : n + 150]).decode() for n in range(0, size, 150)),
            "hex": digits,
            "sums": "\n".join(f"{digits[n : n + 40]}  file{n}.py" for n in range(0, min(len(digits), 1200), 40)),
            "uuids": "\n".join("-".join((d[:8], d[8:12], d[12:16], d[16:20], d[20:32])) for n in range(0, min(len(digits), 960), 32) if (d := digits[n : n + 32])),
            "table": "\n".join(",".join(str(int(digits[n + k : n + k + 5], 16) / (1, 7, 100)[index % 3])[:8] for k in range(0, 30, 5)) for n in range(0, min(len(digits) - 35, 600), 30)),
        }  # fmt: skip
        for kind, text in shapes.items():
            yield Sample(f"synthetic/{kind}/{index}", kind, text)
    several = (
        "ab", "abc", "ha", "xyz", "01", "-=", "foo", "lol", "test", "aB", "0x", "aaaaaab", "abcdefgh", "n0", "\n ", "= ",
        "é", "я", "文", "ー", "─", "😀", "ω",
    )  # fmt: skip
    for unit in (*string.printable[:98], *several):
        for size in (16, 40, 120, 600, 4000):
            yield Sample(f"synthetic/run/{unit}", "run", (unit * size)[:size])


def samples(data: Path) -> list[Sample]:
    """Every sample, labelled, within the quota of its kind."""
    chosen: list[Sample] = []
    left, seen = dict(QUOTA), set()
    blocks = [*session_blocks(data), *request_blocks(data), *dialogues(data)]
    for key, sample in sorted(((number(s.kind, s.text), s) for s in blocks if s.text.strip()), key=lambda row: row[0]):
        if key in seen or left[sample.kind] <= 0:
            continue
        seen.add(key)
        length = LONGEST if key % 3 else 20 + (key >> 8) % 400
        start = (key >> 24) % max(1, len(sample.text) - length)
        sample.text = sample.text[start : start + length]
        left[sample.kind] -= len(sample.text)
        chosen.append(sample)
    chosen += [sample for sample in (*counted_texts(data), *synthetic()) if sample.text.strip() or sample.kind == "run"]
    for sample in chosen:
        sample.part = sample.part or part_of(sample.source)
        for name, (version, frame) in VOCABULARIES.items():
            if name not in sample.tokens:
                sample.tokens[name] = ctok.token_count(sample.text, version) - frame
    return chosen
