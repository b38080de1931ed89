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
from ctxwindow.summarize import HEADINGS, Extractive, Summarizer, check_summary, provenance
from ctxwindow.summarize.passages import passages
from ctxwindow.summarize.sections import INSTRUCTIONS, lines_under
from ctxwindow.tiers.segment import Segment
from tests.summarize.scenes import calls, says, segment, todos, tokens, user, works


def summarize(of: Segment, count: Callable[[str], int] = tokens) -> str:
    return Extractive().summarize(of, count)


def under(summary: str, heading: str) -> list[str]:
    return lines_under(summary, heading)


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


def test_work_is_marked_as_the_newest_list_shows() -> None:
    of = segment(
        user("Port the parser."),
        *todos(("Write the lexer", "completed"), ("Write the parser", "in_progress"), ("Write docs", "pending")),
        *todos(("Write the lexer", "pending"), ("Write the parser", "completed")),
        says("I have finished: Write the lexer is done."),
    )
    found = summarize(of)
    assert under(found, "[Done]") == ["Write the parser"]
    assert under(found, "[Open]") == ["Write the lexer"]
    assert "I have finished" not in found
    assert provenance(found, of) == []


def test_what_was_done_is_open_again_when_a_later_segment_says_so() -> None:
    before = "[User instructions]\n- Port it.\n[Done]\n- Write the lexer\n[Open]\n- Write docs"
    of = segment(*todos(("Write the lexer", "pending"), ("Write docs", "completed")), previous=before, first=10)
    found = summarize(of)
    assert under(found, "[Open]") == ["Write the lexer"]
    assert under(found, "[Done]") == ["Write docs"]


def test_numbered_tasks_keep_their_state_over_compactions() -> None:
    first = segment(
        user("Go."), *calls("TaskCreate", {"subject": "Add the table"}, "Task #3 created successfully: Add the table")
    )
    before = summarize(first)
    assert under(before, "[Open]") == ["Task #3 created successfully: Add the table"]
    later = segment(*calls("TaskUpdate", {"taskId": "3", "status": "completed"}), previous=before, first=3)
    found = summarize(later)
    assert under(found, "[Done]") == ["Task #3 created successfully: Add the table"]
    assert under(found, "[Open]") == []
    assert provenance(found, later) == []


def test_a_run_that_failed_later_takes_back_what_was_claimed() -> None:
    of = segment(
        user("Fix it."),
        *works("pytest", "3 passed in 0.1s"),
        says("All tests pass now. I moved the cache."),
        *works("pytest -x", "1 failed, 2 passed in 0.1s", is_error=True),
    )
    found = summarize(of)
    assert under(found, "[Newest test run]") == ["1 failed, 2 passed in 0.1s"]
    assert under(found, "[Decisions and state of work]") == ["I moved the cache."]


def test_the_question_that_is_left_open() -> None:
    assert under(summarize(segment(user("Go."), says("Done. Shall I commit?"))), "[Open questions]") == [
        "Shall I commit?"
    ]
    answered = segment(user("Go."), says("Shall I commit?"), user("Yes."))
    assert under(summarize(answered), "[Open questions]") == []


def test_constraints_go_before_other_sentences_of_the_user() -> None:
    """Of long instructions between the first and the newest, what must and must not be done stays."""
    chatter = [user(f"By the way, the weather in town number {number} was rather nice." * 3) for number in range(40)]
    of = segment(
        user("Port it."), *chatter[:20], user("Never touch the schema!"), *chatter[20:], user("Go on."), budget=300
    )
    found = under(summarize(of), "[User instructions]")
    assert found[0] == "Port it."
    assert "Never touch the schema!" in found
    assert found[-1] == "Go on."


def test_names_stand_in_lists() -> None:
    names = [f"module_{number}.py" for number in range(30)]
    of = segment(user("Read them."), *works("ls", "\n".join(names)), *works("wc", "\n".join(names)), budget=200)
    found = summarize(of)
    listed = under(found, "[Files and identifiers]")
    assert len(listed) < 4
    assert sum(name in found for name in names) > 25
    assert provenance(found, of) == []


def test_a_list_of_names_comes_apart_again() -> None:
    before = "[Files and identifiers]\n- src/a.py, src/b.py"
    of = segment(
        user("Look at src/b.py again."), *works("cat src/b.py", "src/b.py"), previous=before, first=4, budget=30
    )
    assert "src/a.py, " not in summarize(of)


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
        smallest = f"{INSTRUCTIONS}\n- {newest.text}"
        assert (f"- {newest.text}" in summarize(of).splitlines()) or tokens(smallest) > budget


@given(messages=MESSAGES, previous=PREVIOUS, budget=st.integers(1_000, 3_000))
def test_property_it_passes_the_check_of_summaries(
    messages: list[dict[str, Any]], previous: str | None, budget: int
) -> None:
    of = segment(*messages, budget=budget, previous=previous, first=4)
    found = summarize(of)
    assert not found or check_summary(found, of, tokens).problems == ()


LISTS = st.lists(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["pending", "in_progress", "completed"])), max_size=4),
    max_size=6,
)


@given(lists=LISTS, cut=st.integers(0, 6), budget=st.integers(60, 600))
def test_property_nothing_is_done_that_the_newest_list_shows_open(
    lists: list[list[tuple[str, str]]], cut: int, budget: int
) -> None:
    """Over one compaction or two, at any budget."""
    named = [[(f"Write part {letter}", state) for letter, state in items] for items in lists]
    rounds = [message for items in named for message in todos(*items)]
    before = summarize(segment(user("Go."), *rounds[: 2 * cut], budget=budget))
    found = summarize(segment(*rounds[2 * cut :], previous=before, first=1 + 2 * cut, budget=budget))
    newest = named[-1] if named else []
    done, left = under(found, "[Done]"), under(found, "[Open]")
    assert not set(done) & set(left)
    last = dict(newest)  # of equal items the later one counts
    assert not [text for text in done if last.get(text, "completed") != "completed"]
    assert not [text for text in left if last.get(text) == "completed"]


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
        assert len(counted) < 2 * (len(found.splitlines()) + found.count(", ")) + 200
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
@pytest.mark.parametrize(("budget", "at_least"), [(2_000, 0.8), (8_000, 0.95)])
def test_recorded_sessions_keep_what_is_used_later(recordings: Path, budget: int, at_least: float) -> None:
    """Of the identifiers of the first half that the model uses in the second, more stay than in the last N tokens.

    On the six sessions that are long enough: 0.89 against 0.53 at 2,000 tokens, 1.00 against 0.75 at 8,000.
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


def test_half_characters_are_quoted_as_what_can_be_sent() -> None:
    """No request could carry a lone surrogate; the record keeps it (law 1)."""
    given = segment(
        user("Never touch da\ud800ta.sql!"),
        *works("cat \udfff.py", "3 failed \ud83d"),
        *todos(("Fix \ud800 it", "pending")),
        *calls("TaskCreate", {"subject": "A \ud800"}, "Task #4 created: A \ud800"),
        previous="[Open]\n- #3 left \udc00",
    )
    text = Extractive().summarize(given, tokens)
    assert text.encode()
    assert "da\ufffdta.sql" in text
    assert "left \ufffd" in text
    assert provenance(text, given) == []
