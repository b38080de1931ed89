"""What a hold promises with every kind of store. What needs a file or a second process is in test_locking.py."""

from __future__ import annotations

import gc
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from ctxwindow.errors import MisuseError
from ctxwindow.stores import Hold, MemoryStore, Row, SqliteStore, Store
from ctxwindow.stores.holds import ProcessHolds


def taken(store: Store, conversation: str) -> bool:
    """Whether somebody has it now."""
    hold = store.hold(conversation)
    if hold is None:
        return True
    hold.release()
    return False


def in_thread(call: Callable[[], object]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_one_has_it(store: Store) -> None:
    hold = store.hold("a")
    assert isinstance(hold, Hold)
    assert store.hold("a") is None
    assert not taken(store, "b")
    hold.release()
    assert not taken(store, "a")


def test_releasing_twice_does_not_release_the_next(store: Store) -> None:
    first = store.hold("a")
    assert first
    first.release()
    first.release()
    second = store.hold("a")
    assert second
    first.release()
    assert taken(store, "a")
    second.release()


def test_with(store: Store) -> None:
    hold = store.hold("a")
    assert hold
    with hold as entered:
        assert entered is hold
        assert taken(store, "a")
    assert not taken(store, "a")


def test_an_error_releases_too(store: Store) -> None:
    with pytest.raises(MisuseError), store.hold("a") or pytest.fail("nobody has it"):
        store.version("")
    assert not taken(store, "a")


def test_threads_keep_each_other_out_and_any_may_release(store: Store) -> None:
    hold = store.hold("a")
    assert hold
    seen: list[bool] = []
    in_thread(lambda: seen.append(taken(store, "a")))
    in_thread(hold.release)
    in_thread(lambda: seen.append(taken(store, "a")))
    assert seen == [True, False]


def test_of_many_threads_one_gets_it(store: Store) -> None:
    """Each round, all ask at once; nobody asks again before all have asked."""
    barrier = threading.Barrier(8, timeout=30)
    got: list[list[Hold | None]] = [[] for _ in range(20)]

    def ask() -> None:
        for holds in got:
            barrier.wait()
            holds.append(store.hold("a"))
            if barrier.wait() == 0:
                for hold in holds:
                    if hold:
                        hold.release()
            barrier.wait()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sum(hold is not None for hold in holds) for holds in got] == [1] * 20


def test_a_hold_that_is_lost_is_released(store: Store) -> None:
    hold = store.hold("a")
    assert hold
    cycle: list[object] = [hold]
    cycle.append(cycle)
    del hold
    assert taken(store, "a")
    del cycle
    gc.collect()
    assert not taken(store, "a")


def test_collection_in_the_middle_of_taking(store: Store) -> None:
    """Holds in cycles are released wherever the collector happens to run, also inside the store's own lines."""
    before = gc.get_threshold()
    cycle: list[object] = []
    gc.set_threshold(1)
    try:
        for n in range(300):
            cycle = [store.hold(f"c{n % 7}")]
            cycle.append(cycle)
    finally:
        gc.set_threshold(*before)
    del cycle
    gc.collect()
    assert not any(taken(store, f"c{n}") for n in range(7))


def test_an_append_needs_no_hold_and_a_purge_ends_none(store: Store) -> None:
    hold = store.hold("a")
    assert hold
    store.append("a", [Row(seq=1, kind="k", payload=b"{}", at=1.0)], expect=0)
    store.purge("a")
    assert taken(store, "a")
    assert store.version("a") == 0
    hold.release()
    assert not taken(store, "a")


def test_a_hold_is_no_conversation(store: Store) -> None:
    with store.hold("a") or pytest.fail("nobody has it"):
        assert store.conversations() == []


def test_many_at_once(store: Store) -> None:
    names = [f"conversation {n}" for n in range(2_000)]
    holds = [store.hold(name) for name in names]
    assert all(holds)
    assert not any(store.hold(name) for name in names)
    for hold in holds[::2]:
        assert hold
        hold.release()
    assert [taken(store, name) for name in names] == [False, True] * 1_000


def test_closing_releases_and_ends_it(store: Store) -> None:
    hold = store.hold("a")
    assert hold
    store.close()
    hold.release()
    with pytest.raises(MisuseError, match="closed"):
        store.hold("a")


@pytest.mark.parametrize("name", ["", "x" * 1_025, "\ud800"])
def test_a_name_must_be_one(store: Store, name: str) -> None:
    with pytest.raises(MisuseError) as caught:
        store.hold(name)
    assert caught.value.path == "conversation"


def test_any_name_will_do(store: Store) -> None:
    for name in ("a\0b", "../x", "é" * 1_024, " "):
        hold = store.hold(name)
        assert hold
        assert taken(store, name)
        hold.release()


@pytest.mark.parametrize("make", [MemoryStore, lambda: SqliteStore(":memory:")])
def test_stores_without_a_file_do_not_share_holds(make: Callable[[], Store]) -> None:
    with make() as one, make() as two:
        hold = one.hold("a")
        assert hold
        assert not taken(two, "a")


def test_a_child_has_no_holds_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    holds = ProcessHolds()
    parents = holds.take("a")
    assert parents
    monkeypatch.setattr("os.getpid", lambda: -1)
    childs = holds.take("a")
    assert childs
    parents.release()  # the child's copy
    assert holds.take("a") is None


NAMES = st.sampled_from(["a", "b", "c"])


class Holders(RuleBasedStateMachine):
    """Two stores on one file, opened and closed at will, against a dict of who has what."""

    holds: Bundle[tuple[str, Hold]] = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.stores = [self.open(), self.open()]
        self.holder: dict[str, tuple[int, Hold]] = {}

    def open(self) -> SqliteStore:
        return SqliteStore(self.folder / "log.db")

    @rule(target=holds, which=st.integers(0, 1), name=NAMES)
    def take(self, which: int, name: str) -> tuple[str, Hold]:
        hold = self.stores[which].hold(name)
        assert (hold is None) == (name in self.holder)
        if hold:
            self.holder[name] = which, hold
        return name, hold or self.holder[name][1]

    @rule(held=holds)
    def release(self, held: tuple[str, Hold]) -> None:
        name, hold = held
        hold.release()
        if name in self.holder and self.holder[name][1] is hold:
            del self.holder[name]

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        self.stores[which].close()
        self.stores[which] = self.open()
        self.holder = {name: held for name, held in self.holder.items() if held[0] != which}

    @invariant()
    def both_see_the_same(self) -> None:
        for store in self.stores:
            for name in "abc":
                assert taken(store, name) == (name in self.holder)

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)


TestHolders = Holders.TestCase
