"""What every store promises. Test functions with a `store` run once per kind of store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from ctxwindow.errors import CtxwindowError, MisuseError, StoreConflict
from ctxwindow.stores import ConversationInfo, Row, Store, Text
from ctxwindow.window.memo import TextCount

SECRET = "sk-ant-do-not-tell"  # noqa: S105 - made up
AWKWARD_TEXTS = [
    "\ud800 lone",
    "nul \0 inside",
    "",
    "\udfff",
    "שלום عالم नमस्ते 你好 👩‍👩‍👧",
    "\r\n\t",
    "x" * 5_000,
    "Z" + "\u0301" * 5_000,
]
AWKWARD_QUERIES = [
    *AWKWARD_TEXTS,
    'AND OR NOT NEAR("',
    '"',
    "'; DROP TABLE events; --",
    "* ^ : ( ) { } [ ] + - .",
    "NEAR(a b, 5)",
    "text:secret",
    "%_",
    "a" * 100_000,
    "to be or not " * 8_000,
    "".join(map(chr, range(1, 3_000))),
    "/" * 100_000,
    "a/" * 50_000,
    "你" * 100_000,
]


def row(seq: int, *texts: str, kind: str = "text", at: float = 1.0) -> Row:
    return Row(
        seq=seq,
        kind="appended",
        payload=b'{"seq":%d}' % seq,
        at=at,
        texts=tuple(Text(path=f"messages.{seq}.content.{n}", kind=kind, text=text) for n, text in enumerate(texts)),
    )


def fill(store: Store, conversation: str, *texts: str) -> None:
    expect = store.version(conversation)
    store.append(conversation, [row(expect + 1 + n, text) for n, text in enumerate(texts)], expect=expect)


def test_is_a_store(store: Store) -> None:
    assert isinstance(store, Store)


def test_appends_and_reads_in_order(store: Store) -> None:
    assert store.version("a") == 0
    assert list(store.read("a")) == []
    assert store.append("a", [row(1, "x"), row(2)], expect=0) == 2
    assert store.append("a", [row(3)], expect=2) == 3
    assert list(store.read("a")) == [row(1), row(2), row(3)]
    assert list(store.read("a", after=2)) == [row(3)]
    assert list(store.read("a", after=99)) == []
    assert list(store.read("a", after=-99)) == [row(1), row(2), row(3)]
    assert store.version("a") == 3


def test_keeps_payloads_byte_for_byte(store: Store) -> None:
    payloads = [b"{}", b'"\\ud800"', bytes(range(256)), b"", b"x" * 3_000_000, b"y" * 3_000_000, b"\0"]
    rows = [Row(seq=n, kind=f"k\0{n}", payload=p, at=n / 3) for n, p in enumerate(payloads, 1)]
    store.append("ä\0/'\"", rows, expect=0)
    assert list(store.read("ä\0/'\"")) == rows


def test_reads_many_rows(store: Store) -> None:
    rows = [row(n) for n in range(1, 1_001)]
    store.append("a", rows, expect=0)
    assert list(store.read("a", after=100)) == rows[100:]


def test_a_reader_sees_the_log_as_it_was(store: Store) -> None:
    store.append("a", [row(1), row(2)], expect=0)
    reader = store.read("a")
    assert next(reader) == row(1)
    store.append("a", [row(3)], expect=2)
    assert list(reader) == [row(2)]


def test_a_reader_of_a_purged_conversation_is_told(store: Store) -> None:
    store.append("a", [row(n) for n in range(1, 600)], expect=0)
    reader = store.read("a")
    next(reader)
    store.purge("a")
    store.append("a", [row(n) for n in range(1, 600)], expect=0)
    with pytest.raises(StoreConflict, match="purged"):
        list(reader)


@pytest.mark.parametrize("expect", [0, 1, 3, 10**30])
def test_refuses_a_writer_that_has_not_seen_the_last_row(store: Store, expect: int) -> None:
    store.append("a", [row(1), row(2)], expect=0)
    with pytest.raises(StoreConflict, match=f"event 2 .* expected {expect}"):
        store.append("a", [row(expect + 1, SECRET)], expect=expect)
    with pytest.raises(StoreConflict):
        store.append("a", [], expect=expect)
    assert list(store.read("a")) == [row(1), row(2)]
    assert not store.contains("a", SECRET)


def test_no_rows_change_nothing(store: Store) -> None:
    assert store.append("a", [], expect=0) == 0
    assert store.conversations() == []
    with pytest.raises(StoreConflict):
        store.append("a", [], expect=1)


def test_lists_conversations_the_last_updated_first(store: Store) -> None:
    store.append("old", [row(1, at=10.0), row(2, at=20.5)], expect=0)
    store.append("new", [row(1, at=30)], expect=0)
    store.append("also new", [row(1, at=30.0)], expect=0)
    assert store.conversations() == [
        ConversationInfo(id="also new", version=1, created_at=30.0, updated_at=30.0, events=1),
        ConversationInfo(id="new", version=1, created_at=30.0, updated_at=30.0, events=1),
        ConversationInfo(id="old", version=2, created_at=10.0, updated_at=20.5, events=2),
    ]


BAD_ROWS: dict[str, Any] = {
    "seq too high": row(2),
    "seq too low": row(0),
    "seq no number": Row(seq=cast("Any", "1"), kind="k", payload=b"", at=0.0),
    "seq a bool": Row(seq=True, kind="k", payload=b"", at=0.0),
    "payload a string": Row(seq=1, kind="k", payload=cast("Any", SECRET), at=0.0),
    "payload can change": Row(seq=1, kind="k", payload=cast("Any", bytearray(b"x")), at=0.0),
    "kind a surrogate": Row(seq=1, kind="\ud800", payload=b"", at=0.0),
    "kind None": Row(seq=1, kind=cast("Any", None), payload=b"", at=0.0),
    "time not a number": Row(seq=1, kind="k", payload=b"", at=float("nan")),
    "time infinite": Row(seq=1, kind="k", payload=b"", at=float("inf")),
    "time too large": Row(seq=1, kind="k", payload=b"", at=10**400),
    "time None": Row(seq=1, kind="k", payload=b"", at=cast("Any", None)),
    "text None": row(1, cast("Any", None)),
    "path a surrogate": Row(
        seq=1, kind="k", payload=b"", at=0.0, texts=(Text(path="\ud800", kind="text", text=SECRET),)
    ),
    "text kind a number": Row(
        seq=1, kind="k", payload=b"", at=0.0, texts=(Text(path="p", kind=cast("Any", 1), text=SECRET),)
    ),
}


@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS)
def test_refuses_bad_rows_and_writes_none(store: Store, bad: Row) -> None:
    if bad.seq in (0, 2):
        rows, index = [bad], 0
    else:
        rows, index = [bad, row(2)], 0
    with pytest.raises(MisuseError) as caught:
        store.append("a", rows, expect=0)
    assert str(caught.value.path).startswith(f"rows.{index}.")
    assert SECRET not in str(caught.value)
    assert store.version("a") == 0
    assert store.conversations() == []


def test_refuses_a_gap_inside_rows(store: Store) -> None:
    with pytest.raises(MisuseError) as caught:
        store.append("a", [row(1), row(3)], expect=0)
    assert caught.value.path == "rows.1.seq"
    assert store.version("a") == 0


@pytest.mark.parametrize("name", ["", "x" * 1_025, "\ud800", None, 7, b"a"])
def test_refuses_what_names_no_conversation(store: Store, name: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.append(name, [row(1)], expect=0),
        lambda: store.read(name),
        lambda: store.version(name),
        lambda: store.search(name, "x"),
        lambda: store.contains(name, "x"),
        lambda: store.purge(name),
    ]
    for call in calls:
        with pytest.raises(MisuseError) as caught:
            call()
        assert caught.value.path == "conversation"


def test_refuses_wrong_types_of_arguments(store: Store) -> None:
    calls: dict[str, Callable[[], object]] = {
        "expect": lambda: store.append("a", [], expect=-1),
        "query": lambda: store.search("a", cast("Any", b"x")),
        "k": lambda: store.search("a", "x", k=cast("Any", 2.5)),
        "kinds": lambda: store.search("a", "x", kinds="text"),
        "needle": lambda: store.contains("a", cast("Any", None)),
    }
    for path, call in calls.items():
        with pytest.raises(MisuseError) as caught:
            call()
        assert caught.value.path == path
    with pytest.raises(MisuseError):
        store.search("a", "x", kinds=cast("Any", [1]))


FOUND_BY = [
    ("src/app/parse_json.py", "path"),
    ("parse_json.py", "path"),
    ("parse_json", "path"),
    ("JSON", "path"),
    ("app", "path"),
    ("getHTTPResponse2", "camel"),
    ("http response", "camel"),
    ("gethttpresponse2", "camel"),
    ("what about error 53008", "number"),
    ("E53008", "number"),
    ("3.14.2", "number"),
    ("2026-11-22", "date"),
    ("22 11", "date"),
    ("the tests were failing", "prose"),
    ("failed test", "prose"),
    ("CAFE", "accent"),
    ("cafe\u0301", "accent"),
    ("错误", "chinese"),
    ("误", "chinese"),
    ("ошибка", "russian"),
]


def test_finds_words_and_identifiers_whole_and_by_part(store: Store) -> None:
    texts = {
        "path": "edited src/app/parse_json.py today",
        "camel": "call getHTTPResponse2(url)",
        "number": "version 3.14.2 gives E53008",
        "date": "on 2026-11-22 it rained",
        "prose": "One test fails again.",
        "accent": "Un café, s'il vous plaît",
        "chinese": "数据库返回错误代码",
        "russian": "Произошла ОШИБКА",
        "noise": "lorem ipsum dolor sit amet",
    }
    fill(store, "a", *texts.values())
    for query, found in FOUND_BY:
        hits = store.search("a", query)
        assert hits, query
        assert hits[0].seq == list(texts).index(found) + 1, query
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_hit_says_where_it_is(store: Store) -> None:
    store.append("a", [row(1, "nothing", at=5.0), row(2, "x", "the needle is here", at=7.5, kind="summary")], expect=0)
    (hit,) = store.search("a", "needle")
    assert (hit.conversation, hit.seq, hit.path, hit.kind, hit.at) == ("a", 2, "messages.2.content.1", "summary", 7.5)
    assert hit.snippet == "the needle is here"
    assert hit.score > 0


def test_a_long_text_is_found_and_shown_where_it_matches(store: Store) -> None:
    lines = [f"line {n} says nothing at all about it" for n in range(5_000)]
    lines[3_217] = "and here the \ud83dporcupine\udc00 hides"
    fill(store, "a", "\n".join(lines), "a porcupinish animal")
    (hit,) = store.search("a", "porcupine")
    assert hit.seq == 1
    assert "\ufffdporcupine\ufffd" in hit.snippet
    assert len(hit.snippet) <= 402


def test_newer_texts_come_first_among_equals(store: Store) -> None:
    fill(store, "a", "same words", "same words", "same words")
    assert [hit.seq for hit in store.search("a", "same", k=2)] == [3, 2]


def test_filters_by_kind_and_number(store: Store) -> None:
    store.append("a", [row(n, "same words", kind="text" if n % 2 else "tool\0result") for n in range(1, 31)], expect=0)
    assert len(store.search("a", "same")) == 10
    assert len(store.search("a", "same", k=100)) == 30
    assert store.search("a", "same", k=0) == []
    assert store.search("a", "same", k=-1) == []
    assert store.search("a", "same", kinds=[]) == []
    assert {hit.kind for hit in store.search("a", "same", k=100, kinds={"tool\0result"})} == {"tool\0result"}
    assert len(store.search("a", "same", k=100, kinds=["text", "tool\0result", "text", "none"])) == 30


def test_any_query_has_an_answer(store: Store) -> None:
    fill(store, "a", *AWKWARD_TEXTS, "to be or not to be")
    for query in AWKWARD_QUERIES:
        assert len(store.search("a", query)) <= 10
        assert store.search("unknown", query) == []


def test_contains_is_exact(store: Store) -> None:
    text = "a\0b \ud800\ud83d\ude00 ünï İ ß 'quoted' 100%_x\\" + "." * 3_000 + "end"
    fill(store, "a", text, "second")
    for needle in ["", text, "a\0b", "\0", "\ud800", "\ude00 ü", "ï İ ß '", "%_x\\", ".end", "cond"]:
        assert store.contains("a", needle), needle
    for needle in ["A\0B", "\udbff", "😀", "end second", "ss", "endsecond", "x\\\\"]:
        assert not store.contains("a", needle), needle
    assert not store.contains("b", "")


def test_very_large_texts_are_taken(store: Store) -> None:
    filler = "padding words of no interest\n" * 110_000  # 3.2 million characters
    text = f"firstword {filler} middleword {filler}\ud800 lastword"
    store.append("a", [row(1, text)], expect=0)
    assert store.contains("a", " middleword ")
    assert [hit.seq for hit in store.search("a", "firstword")] == [1]
    assert store.search("a", "lastword")[0].snippet.endswith("\ufffd lastword")
    assert store.search("a", "middleword") == []  # documented: only the ends of such a text are indexed


def test_one_conversation_never_sees_another(store: Store) -> None:
    """Isolated. Content of one conversation never reaches another's wire or recall."""
    fill(store, "mine", "my own notes about parsers", "the parser again")
    before = store.search("mine", "the parser secret " + SECRET)
    for n in range(30):
        fill(store, f"theirs{n}", f"{SECRET} parser the secret", "the the the")
    assert store.search("mine", "the parser secret " + SECRET) == before  # neither hits nor scores have moved
    assert not store.contains("mine", SECRET)
    assert {hit.conversation for hit in store.search("theirs3", "parser")} == {"theirs3"}
    assert [hit.seq for hit in store.search("theirs1", "parser")] == [1]
    for query in ("2:secret", "2:" + SECRET, SECRET, "1:parser 2:parser theirs1 sk"):  # as if one knew the index
        assert {hit.seq for hit in store.search("mine", query)} <= {1, 2}
        assert store.search("new", query) == []


def test_purge_forgets_everything_and_nothing_else(store: Store) -> None:
    fill(store, "a", SECRET, "other")
    fill(store, "b", "kept parser")
    before = (list(store.read("b")), store.search("b", "parser"))
    store.purge("a")
    store.purge("a")
    store.purge("never was")
    assert store.version("a") == 0
    assert list(store.read("a")) == []
    assert store.search("a", SECRET) == []
    assert not store.contains("a", SECRET)
    assert [info.id for info in store.conversations()] == ["b"]
    assert (list(store.read("b")), store.search("b", "parser")) == before
    assert store.append("a", [row(1, "new life")], expect=0) == 1
    assert [hit.seq for hit in store.search("a", "life other")] == [1]


COUNTS = [TextCount("v3 x", b"\x00" * 16, 0), TextCount("v4.8 x", b"\xff" * 16, 2**62)]


def test_counts_stay_with_their_conversation(store: Store) -> None:
    """Law 11: isolated."""
    assert store.counts("a") == []
    store.append("a", [row(1)], expect=0, counts=COUNTS[:1])
    store.append("b", [row(1)], expect=0)
    store.append("a", [row(2)], expect=1, counts=COUNTS[1:])
    assert store.counts("a") == COUNTS
    assert store.counts("b") == store.counts("never was") == []
    store.append("b", [row(2)], expect=1, counts=COUNTS)
    store.purge("a")
    assert (store.counts("a"), store.counts("b")) == ([], COUNTS)


def test_counts_without_rows_are_added_once_to_a_conversation_that_exists(store: Store) -> None:
    with pytest.raises(StoreConflict):
        store.append("a", [row(8)], expect=7, counts=COUNTS)
    assert store.append("a", [], expect=0, counts=COUNTS) == 0
    assert (store.counts("a"), store.conversations()) == ([], [])
    store.append("a", [row(1)], expect=0, counts=COUNTS[:1])
    for _ in range(2):  # two processes may find out the same
        assert store.append("a", [], expect=1, counts=COUNTS) == 1
    assert store.counts("a") == COUNTS
    with pytest.raises(StoreConflict):
        store.append("a", [], expect=7, counts=[TextCount("v5 x", b"", 1)])
    assert (store.counts("a"), store.version("a")) == (COUNTS, 1)


@pytest.mark.parametrize(
    "bad",
    [
        TextCount("\ud800", b"", 1),
        TextCount(None, b"", 1),  # type: ignore[arg-type]
        TextCount("v", bytearray(), 1),  # type: ignore[arg-type]
        TextCount("v", b"", -1),
        TextCount("v", b"", True),
        TextCount("v", b"", 1.0),  # type: ignore[arg-type]
        TextCount("v", b"", 2**63),
    ],
)
def test_refuses_bad_counts_and_writes_nothing(store: Store, bad: TextCount) -> None:
    with pytest.raises(MisuseError, match=r"counts\.1"):
        store.append("a", [row(1)], expect=0, counts=[COUNTS[0], bad])
    assert store.version("a") == 0


def test_threads_share_a_store(store: Store) -> None:
    errors: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for n in range(10):
                store.append(name, [row(n + 1, f"thread {name}")], expect=n)
                while True:
                    try:
                        seen = store.version("shared")
                        store.append("shared", [row(seen + 1, name)], expect=seen)
                        break
                    except StoreConflict:
                        continue
                assert len(store.search(name, name, k=100)) == n + 1
                assert len(list(store.read(name))) == n + 1
        except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
            errors.append(error)

    names = ("alpha", "beta", "gamma", "delta")
    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [r.seq for r in store.read("shared")] == list(range(1, 41))
    assert all(len(store.search("shared", name, k=100)) == 10 for name in names)


def test_a_closed_store_says_so(store: Store) -> None:
    store.append("a", [row(1), row(2)], expect=0)
    reader = store.read("a")
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.append("a", [row(3)], expect=2),
        lambda: next(reader),
        lambda: store.version("a"),
        lambda: store.counts("a"),
        store.conversations,
        lambda: store.search("a", "x"),
        lambda: store.contains("a", "x"),
        lambda: store.purge("a"),
    ]
    for call in calls:
        with pytest.raises(MisuseError, match="closed"):
            call()


def test_errors_are_ours_and_quote_no_content(store: Store) -> None:
    fill(store, "a", SECRET)
    with pytest.raises(CtxwindowError) as caught:
        store.append("a", [Row(seq=1, kind=SECRET, payload=SECRET.encode(), at=1.0)], expect=0)
    assert SECRET not in str(caught.value)
    assert SECRET not in str(caught.value.as_dict())
