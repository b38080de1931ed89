from __future__ import annotations

import copy
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.record import identifier_set
from ctxwindow.summarize import HEADINGS, Extractive, Summarizer, provenance
from ctxwindow.summarize.passages import passages
from ctxwindow.tiers.segment import Segment


def tokens(text: str) -> int:
    """A stand-in for a token counter: a known rate, rounded up."""
    return -(-len(text) * 5 // 16)


def segment(*messages: dict[str, Any], budget: int = 1_000, previous: str | None = None, first: int = 0) -> Segment:
    return Segment(
        first=0 if previous else first,
        end=first + len(messages),
        previous=previous,
        messages_from=first,
        messages=messages,
        budget=budget,
    )


def summarize(of: Segment, count: Callable[[str], int] = tokens) -> str:
    return Extractive().summarize(of, count)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def works(call: str, answer: str, *, is_error: bool = False) -> list[dict[str, Any]]:
    use = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": call}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": answer, "is_error": is_error}
    return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]


def under(summary: str, heading: str) -> list[str]:
    lines = summary.splitlines()
    if heading not in lines:
        return []
    start = lines.index(heading) + 1
    end = next((at for at in range(start, len(lines)) if lines[at] in HEADINGS), len(lines))
    return [line.removeprefix("- ") for line in lines[start:end]]


def session(rounds: int) -> list[dict[str, Any]]:
    """A made-up session of four messages a round."""
    made: list[dict[str, Any]] = [user("Port the parser in src/parse.py to Rust. Keep the tests green.")]
    for number in range(rounds):
        made += works(f"cat src/mod_{number}.py", f"def f_{number}(x):\n    return x + {10_000 + number}\n" * 8)
        made.append(says(f"I fixed mod_{number}.py because f_{number} was wrong. Next is mod_{number + 1}.py."))
        made.append(user(f"Now look at issue #{number} too."))
    return made


def test_it_is_a_summarizer() -> None:
    summarizer: Summarizer = Extractive()
    assert summarizer.name == "extractive"


def test_a_summary_by_headings() -> None:
    found = summarize(
        segment(
            user("Fix the login bug. Never touch db/schema.sql!"),
            *works("pytest tests/test_login.py", "FAILED tests/test_login.py::test_token\n1 failed"),
            says("The token was compared as text. I decided to parse it in auth/token.py."),
            {"role": "system", "content": "Answer in French."},
            user("Good. Now commit."),
        )
    )
    assert under(found, "[User instructions]") == [
        "Fix the login bug.",
        "Never touch db/schema.sql!",
        "Good.",
        "Now commit.",
    ]
    assert under(found, "[System messages]") == ["Answer in French."]
    assert "I decided to parse it in auth/token.py." in under(found, "[Decisions and state of work]")
    assert under(found, "[Errors seen]") == ["FAILED tests/test_login.py::test_token"]
    assert under(found, "[Tool calls]") == ["Bash: pytest tests/test_login.py"]


def test_the_newest_instruction_goes_before_everything() -> None:
    messages = [*session(20), user("Stop and revert commit 1a2b3c4d.")]
    found = summarize(segment(*messages, budget=25))
    assert found == "[User instructions]\n- Stop and revert commit 1a2b3c4d."


def test_what_the_conversation_is_about_stays_over_many_compactions() -> None:
    """With `previous` given, its lines compete too; instructions in it rank first."""
    made = session(60)
    previous: str | None = None
    step = 48
    for start in range(0, len(made), step):
        of = segment(*made[start : start + step], budget=400, previous=previous, first=start)
        previous = summarize(of)
        assert provenance(previous, of) == []
        assert tokens(previous) <= 400
        assert under(previous, "[User instructions]")[0] == "Port the parser in src/parse.py to Rust."


def test_lines_of_the_summary_before_keep_their_heading() -> None:
    before = "[User instructions]\n- Use tabs.\n[Errors seen]\n- disk full\n[Files and identifiers]\n- src/old.py"
    found = summarize(segment(user("Go on."), previous=before, first=10))
    assert under(found, "[User instructions]") == ["Use tabs.", "Go on."]
    assert under(found, "[Errors seen]") == ["disk full"]
    assert under(found, "[Files and identifiers]") == ["src/old.py"]


def test_a_summary_before_that_somebody_else_wrote_is_quoted_as_such() -> None:
    before = "The user wants a parser. Work is in src/parse.py.\n\n## Next\n- write tests"
    of = segment(user("Go on."), previous=before, first=10)
    found = summarize(of)
    assert under(found, "[Earlier summary]") == [
        "The user wants a parser.",
        "Work is in src/parse.py.",
        "Next",
        "write tests",
    ]
    assert provenance(found, of) == []


def test_an_attachment_is_named_as_not_carried_over() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
    of = segment({"role": "user", "content": [image, {"type": "text", "text": "What is this?"}]})
    assert under(summarize(of), "[Attachments, not carried over]") == ["image: image/png"]
    assert provenance(summarize(of), of) == []


def test_reasoning_and_reminders_are_left_out() -> None:
    thinking = {"type": "thinking", "thinking": "I will call secret_function", "signature": "c2ln"}
    found = summarize(
        segment(
            user("Go.\n<system-reminder>\nAlways be brief_and_kind.\n</system-reminder>"),
            {"role": "assistant", "content": [thinking, {"type": "text", "text": "Done."}]},
        )
    )
    assert "secret_function" not in found
    assert "brief_and_kind" not in found
    assert "- Done." in found


def test_an_instruction_that_a_tool_prints_later_is_still_the_users() -> None:
    found = summarize(segment(user("Run make all now."), *works("cat todo", "Run make all now.")))
    assert under(found, "[User instructions]") == ["Run make all now."]


def test_a_budget_for_nothing_gives_nothing() -> None:
    for budget in (-1, 0, 1, 5):
        assert summarize(segment(user("Do it."), budget=budget)) == ""
    assert summarize(segment()) == ""


def test_room_that_the_sum_of_the_lines_does_not_see_is_given_away() -> None:
    """A counter that charges every text a little makes the sum of the lines too high."""

    def count(text: str) -> int:
        return 8 + tokens(text)

    found = summarize(segment(*session(100), budget=2_000), count)
    assert 0.9 * 2_000 < count(found) <= 2_000


def test_identifiers_kept_grow_with_the_budget() -> None:
    made = session(100)
    wanted = identifier_set(spoken(made))
    found = [summarize(segment(*made, budget=budget)) for budget in (50, 200, 800, 3_200)]
    kept = [sum(name in summary for name in wanted) for summary in found]
    assert kept == sorted(set(kept))
    assert kept[-1] == len(wanted)


@pytest.mark.parametrize(
    ("line", "of"),
    [
        ("- The user wants a pony.", segment(user("The user wants a horse."))),
        ("- wants a", segment(user("The user wants"), user("a horse"))),
        ("- ", segment(user("- "))),
        ("a horse", segment(user("a horse"))),
        ("[Made up heading]", segment(user("x"))),
        ("- Bash: rm -rf", segment(*works("ls", "rm -rf"))),
        ("- Read: ls", segment(*works("ls", "ok"))),
        ("- no\u2028way", segment(user("no\u2028way"))),
        ("- hidden", segment({"role": "assistant", "content": [{"type": "thinking", "thinking": "hidden"}]})),
    ],
)
def test_what_does_not_stand_in_the_source_is_found_out(line: str, of: Segment) -> None:
    unproven = provenance(f"[User instructions]\n{line}", of)
    assert unproven == [part for part in line.splitlines() if part != "- no"]


def test_what_stands_in_the_source_is_proven() -> None:
    of = segment(*works("ls -l /tmp", "total 0"), user("Why?"), previous="- earlier words")
    good = "[Tool calls]\n- Bash: ls -l\n- Bash\n- total 0\n- Why?\n- earlier words"
    assert provenance(good, of) == []


WORDS = st.sampled_from(
    [
        "fix", "the", "parser", "src/app.py", "now.", "must", "camelCase", "12345", "Error:", "bad", "#12", "`x y z`",
        "\n", "\n- ", "\n```\n", "| a | b |\n", "\u4e2d\u6587\u3002", "\u2028", "done.", "\t", "[User instructions]",
    ]
)  # fmt: skip
TEXT = st.lists(WORDS, max_size=25).map(" ".join)
MESSAGE = st.one_of(
    TEXT.map(user),
    TEXT.map(says),
    st.tuples(TEXT, TEXT).map(lambda both: works(*both)[0]),
    st.tuples(TEXT, TEXT, st.booleans()).map(lambda all_: works(*all_[:2], is_error=all_[2])[1]),
    TEXT.map(lambda text: {"role": "system", "content": text}),
    TEXT.map(lambda text: {"role": "assistant", "content": [{"type": "compaction", "content": text}]}),
    TEXT.map(lambda text: {"role": "user", "content": [{"type": "document", "title": text, "source": None}]}),
    st.sampled_from([{}, {"role": None, "content": 3}, {"role": "user", "content": [None, "x", {"type": 5}]}]),
)
MESSAGES = st.lists(MESSAGE, max_size=12)
PREVIOUS = st.none() | TEXT | st.lists(TEXT, min_size=1).map(lambda rows: "\n- ".join([HEADINGS[0], *rows]))
BUDGET = st.integers(0, 60) | st.integers(60, 3_000)
COUNTS: dict[str, Callable[[str], int]] = {
    "characters": len,
    "tokens": tokens,
    "words": lambda text: len(text.split()),
    "superadditive": lambda text: tokens(text) + text.count("\n") ** 2 // 20,
}


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS.keys())
@given(messages=MESSAGES, previous=PREVIOUS, budget=BUDGET)
def test_property_fits_and_is_proven(
    count: Callable[[str], int], messages: list[dict[str, Any]], previous: str | None, budget: int
) -> None:
    """Never longer than asked; every line it returns stands in the source; the same again; nothing is changed."""
    of = segment(*messages, budget=budget, previous=previous, first=4)
    before = copy.deepcopy(of)
    found = summarize(of, count)
    assert not found or count(found) <= budget
    assert provenance(found, of) == []
    assert found == summarize(of, count)
    assert of == before
    assert not found or found.splitlines()[0] in HEADINGS


@given(messages=MESSAGES, budget=BUDGET)
def test_property_the_newest_instruction_survives(messages: list[dict[str, Any]], budget: int) -> None:
    """The newest user instruction is always kept where the budget allows its line."""
    of = segment(*messages, budget=budget)
    said = [passage for passage in passages(of.messages, 0) if passage.kind == "instruction"]
    if said:
        newest = next(passage for passage in said if passage.message == said[-1].message)
        smallest = f"{HEADINGS[0]}\n- {newest.text}"
        assert (f"- {newest.text}" in summarize(of).splitlines()) or tokens(smallest) > budget


@given(messages=MESSAGES)
def test_property_with_room_for_all_every_identifier_is_kept(messages: list[dict[str, Any]]) -> None:
    of = segment(*messages, budget=1_000_000)
    found = summarize(of)
    for passage in passages(of.messages, 0):
        assert passage.kind == "reminder" or all(name in found for name in identifier_set(passage.literal))


def test_the_hash_seed_makes_no_difference(tmp_path: Path) -> None:
    """The same segment gives the same text in any process."""
    program = tmp_path / "program.py"
    program.write_text(
        "import json, sys\n"
        "from ctxwindow.summarize import Extractive\n"
        "from ctxwindow.tiers.segment import Segment\n"
        "made = json.load(sys.stdin)\n"
        "of = Segment(first=0, end=len(made), previous=None, messages_from=0, messages=tuple(made), budget=900)\n"
        "print(Extractive().summarize(of, lambda text: len(text) // 3))\n"
    )
    made = json.dumps(session(30))

    def run(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, str(program)]
        return subprocess.run(command, input=made, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603

    first = run("1")
    assert len(first) > 1_000
    assert run("2") == first


def read_files(rounds: int) -> Segment:
    """A segment of two messages and some 2 KB a round."""
    made = [
        message
        for number in range(rounds)
        for message in works(
            f"cat pkg/dir_{number % 40}/file_{number}.py",
            "\n".join(f"    value_{line} = self.lookup('{number}-{line}', limit={line})" for line in range(38)),
        )
    ]
    return segment(user("Read everything."), *made, budget=8_000)


def test_two_megabytes_of_two_thousand_messages() -> None:
    """About linear in the segment, and few counts: those of the whole, which are long, are a handful."""
    counted: list[int] = []

    def count(text: str) -> int:
        counted.append(len(text))
        return tokens(text)

    def seconds(of: Segment) -> float:
        counted.clear()
        began = time.process_time()
        found = summarize(of, count)
        took = time.process_time() - began
        assert 0.9 * of.budget < tokens(found) <= of.budget
        assert len(counted) < 2 * len(found.splitlines()) + 200
        assert sum(length > 10_000 for length in counted) <= 8
        return took

    small, large = seconds(read_files(250)), seconds(read_files(1_000))
    assert large < 10 * small


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The messages of a Claude Code session: one a row, of the main thread, in file order."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            message = row.get("message")
            main = not (row.get("isSidechain") or row.get("isMeta") or row.get("isCompactSummary"))
            if row.get("type") in ("user", "assistant") and isinstance(message, dict) and main:
                yield {"role": message["role"], "content": message["content"]}


def spoken(messages: list[dict[str, Any]]) -> str:
    """Every string of the messages but reasoning, as one text."""
    found: list[str] = []
    stack: list[Any] = [message["content"] for message in reversed(messages)]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            stack.extend(reversed(value))
        elif isinstance(value, dict) and value.get("type") not in ("thinking", "redacted_thinking", "base64"):
            stack.extend(reversed([inner for key, inner in value.items() if key not in ("type", "id", "tool_use_id")]))
    return "\n".join(found)


@pytest.mark.recorded
@pytest.mark.parametrize(("budget", "at_least"), [(2_000, 0.6), (8_000, 0.85)])
def test_recorded_sessions_keep_what_is_used_later(recordings: Path, budget: int, at_least: float) -> None:
    """Of the identifiers of the first half that the model uses in the second, more stay than in the last N tokens.

    Over all 46 sessions of 60 messages and more: 0.73 against 0.37 at 2,000 tokens, 0.95 against 0.61 at 8,000.
    """
    shares: list[tuple[float, float]] = []
    for path in sorted(recordings.glob("sessions/**/full.jsonl.gz"))[::5]:
        messages = list(rows(path))
        half = messages[: len(messages) // 2]
        later = [message for message in messages[len(half) :] if message["role"] == "assistant"]
        text = spoken(half)
        used = identifier_set(spoken(later)) & identifier_set(text)
        if len(used) < 10:
            continue
        of = segment(*half, budget=budget)
        found = summarize(of)
        assert tokens(found) <= budget
        assert provenance(found, of) == []
        tail = text[-budget * 16 // 5 :]
        shares.append((sum(name in found for name in used) / len(used), sum(name in tail for name in used) / len(used)))
    kept, naive = (sum(column) / len(shares) for column in zip(*shares, strict=True))
    assert len(shares) > 3
    assert kept > at_least
    assert kept > naive + 0.1
