"""All recorded Claude Code sessions, against another reader's account of the same files (`session_steps`)."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ctxwindow.transcripts import Incoming, Session, Thread, detect, read

DEV = Path(__file__).parents[2].parent / "shared" / "data" / "dev"

pytestmark = [
    pytest.mark.recorded,
    pytest.mark.skipif(not DEV.exists(), reason="the recordings are not here"),
]


@cache
def sessions() -> dict[str, Session]:
    """path within the recordings -> session."""
    root = DEV / "sessions"
    files = sorted(file for file in root.rglob("*.jsonl*") if file.is_file())
    return {str(file.relative_to(root)).removesuffix(".gz"): read(file) for file in files}


@cache
def requests() -> dict[str, dict[str, dict[str, Any]]]:
    """path within the recordings -> message id -> what the other reader says of the request."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with gzip.open(DEV / "session_steps.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            step = json.loads(line)
            path = f"{step['source']['repo'].replace('/', '+')}/{step['source']['path']}"
            found.setdefault(path, {})[step["message_id"]] = step
    return found


def threads() -> list[tuple[str, Thread]]:
    return [(path, thread) for path, session in sessions().items() for thread in session.threads]


def blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def ids(message: dict[str, Any], kind: str, key: str) -> list[str]:
    return [block[key] for block in blocks(message) if block["type"] == kind]


def test_every_session_is_read() -> None:
    assert len(sessions()) == 80
    assert {session.format for session in sessions().values()} == {"claude_code"}
    assert {detect(session.path) for session in sessions().values()} == {"claude_code"}
    assert sum(len(session.threads) for session in sessions().values()) == 90
    assert sum(not thread.complete for _, thread in threads()) == 13


def test_every_request_is_there_once_with_its_usage() -> None:
    replies = [(path, reply) for path, thread in threads() for reply in thread.replies]
    assert len(replies) == 3524
    assert len({(path, reply.id) for path, reply in replies}) == len(replies)
    for path, reply in replies:
        other = requests()[path][str(reply.id)]
        assert reply.usage is not None
        assert reply.usage == other["usage"]
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        assert sum(reply.usage[name] for name in names) == other["this_total_prompt"]
        assert reply.usage_final == other["output_tokens_final"]
        assert reply.model == other["model"]
    assert sum(reply.usage_final for _, reply in replies) == 59


def test_what_went_into_each_request_is_what_the_other_reader_found() -> None:
    kinds: Counter[str] = Counter()
    for path, thread in threads():
        before: list[dict[str, Any]] = []  # blocks since the reply before, that reply included
        calls: list[str] = []
        for step in thread.steps:
            if isinstance(step, Incoming):
                if step.kind == "compact_summary":
                    before = []  # the other reader begins anew at the summary
                before += blocks(step.message)
                continue
            other = requests()[path][str(step.id)]
            theirs = [block for message in other["appended"] for block in blocks(message)]
            kinds[difference(before, theirs, calls, other)] += 1
            before = list(blocks(step.message))
            calls = ids(step.message, "tool_use", "id")
    # 99.9 % equal; 14 of them once the results, which the other reader has in file order, are put in the order of
    # the calls (TOOL-06). Two follow a row whose parent is not in the file, where the other reader begins anew. Three
    # begin with a result whose call is in another file, which is left out here.
    assert kinds == {"equal": 3505, "order of results": 14, "parent missing": 2, "result without call": 3}


def difference(
    mine: list[dict[str, Any]], theirs: list[dict[str, Any]], calls: list[str], other: dict[str, Any]
) -> str:
    if mine == theirs:
        return "equal"
    results = [block for block in theirs if block["type"] == "tool_result"]
    if results and all(block["tool_use_id"] in calls for block in results):
        results.sort(key=lambda block: calls.index(block["tool_use_id"]))
        ordered = iter(results)
        if mine == [next(ordered) if block["type"] == "tool_result" else block for block in theirs]:
            return "order of results"
    if "prev_message_id" not in other and mine[-len(theirs) :] == theirs:
        return "parent missing"
    if mine == [block for block in theirs if block["type"] != "tool_result"]:
        return "result without call"
    return "other"


def test_every_call_is_answered_in_the_next_message_by_one_result() -> None:
    """TOOL-01, TOOL-02, TOOL-03, TOOL-04: calls and results pair off, each in the message after its call's."""
    open_ends = 0
    for _, thread in threads():
        seen: list[str] = []
        for message, following in pairwise([*thread.messages, {"role": "user", "content": []}]):
            calls = ids(message, "tool_use", "id")
            seen += calls
            if following["content"] == []:
                open_ends += bool(calls)
            else:
                assert ids(following, "tool_result", "tool_use_id") == calls
        assert len(seen) == len(set(seen))
        assert ids(thread.messages[0], "tool_result", "tool_use_id") == []
    assert open_ends == 1  # one session was recorded while a tool ran


def test_what_was_mended_is_said() -> None:
    texts = Counter(
        " ".join(word for word in note.text.split() if not word.strip(".,;").isdigit())
        for session in sessions().values()
        for note in session.all_notes
    )
    assert texts == {
        "the conversation begins outside this file; what came before this row is unknown.": 13,
        "its parent is not among the rows of this conversation; taken to follow line": 8,
        "a tool call without a result; answered with one that says it is unknown.": 3,
        "a tool result without its call; left out.": 3,
        "more conversations (the context was cleared, or the user began anew); each is a thread.": 2,
        "two objects on one line, all read.": 2,
        "rows from here on, replies among them, lie on abandoned branches; left out.": 1,
        "written by the client in the model's place (such as an API error); left out.": 1,
        "rows repeat an earlier row's uuid; each was read once.": 1,
    }


def test_compactions_keep_their_numbers() -> None:
    found = [
        (step.compact_trigger, step.compacted_from)
        for _, thread in threads()
        for step in thread.steps
        if isinstance(step, Incoming) and step.kind == "compact_summary"
    ]
    assert len(found) == 13
    assert Counter(trigger for trigger, _ in found) == {"auto": 12, "manual": 1}
    assert all(tokens is not None and 15_000 < tokens < 180_000 for _, tokens in found)


def test_threads_that_change_the_model() -> None:
    models = [{reply.model for reply in thread.replies} for _, thread in threads()]
    assert sum(len(used) > 1 for used in models) == 3


def test_replies_are_in_the_order_of_time() -> None:
    for _, thread in threads():
        times = [reply.at for reply in thread.replies if reply.at is not None]
        assert len(times) == len(thread.replies)
        assert times == sorted(times)
