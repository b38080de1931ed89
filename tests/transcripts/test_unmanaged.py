from __future__ import annotations

import msgspec
import pytest

from ctxwindow.catalog import resolve
from ctxwindow.record import Outline
from ctxwindow.transcripts import Session
from ctxwindow.transcripts.baselines import Leave
from ctxwindow.transcripts.outcome import Book
from ctxwindow.transcripts.unmanaged import Scene, run_unmanaged
from ctxwindow.window import size_message
from tests.transcripts.scenes import OPUS, SONNET, call, lines, reply, result, session, thinking, user


def two_turns(*, second: str = OPUS) -> Session:
    return session(
        user("Look at src/app.py.", at=0),
        reply(thinking("one"), call("t1"), at=0, output=70, prompt=0),
        result("t1", lines(20), at=1),
        reply(thinking("two"), text="Done.", at=1, output=30, prompt=0),
        user("And src/app.py again?", at=400),
        reply(text="src/app.py is fine.", at=400, output=20, prompt=0, model=second),
    )


class Watcher:
    """A baseline that asks the scene what a test wants to know."""

    def __init__(self) -> None:
        self.book = Book()
        self.fixed: list[int] = []
        self.whole: list[int] = []
        self.firsts: list[int] = []
        self.last: list[int] = []
        self.thinking: list[dict[int, int]] = []
        self.boundaries: list[list[int]] = []

    def send(self, scene: Scene) -> None:
        length = len(scene.sources)
        self.fixed.append(scene.fixed)
        self.whole.append(scene.weigh(0))
        self.firsts.append(scene.first_thought)
        self.last.append(scene.weigh(length - 1))
        self.thinking.append(scene.thinking(1))
        self.boundaries.append(list(scene.outline.boundaries))
        assert scene.weigh(length) == 0
        assert scene.source(length) == scene.feed.conversation.recorded == length


def test_its_requests_by_hand() -> None:
    found = run_unmanaged(two_turns(), two_turns().main)
    first, second, third = found.sends
    assert [plain.output for plain in found.sends] == [70, 30, 20]
    assert [plain.max_tokens for plain in found.sends] == [8_000] * 3
    assert [plain.cached for plain in found.sends] == [0, first.tokens, second.tokens]
    assert first.before is None
    assert second.before is not None
    assert second.at - second.before == 1
    assert third.before is not None
    assert third.at - third.before == 399
    assert [dict(plain.thinking) for plain in found.sends] == [{}, {1: 1}, {1: 1, 3: 1}]
    assert [(plain.survival.used, plain.survival.on_wire) for plain in found.sends] == [(0, 0), (0, 0), (1, 1)]


def test_a_lifetime_of_the_cache_makes_the_price() -> None:
    third = run_unmanaged(two_turns(), two_turns().main).sends[2]
    large = msgspec.structs.replace(third, tokens=20_000, cached=15_000)
    assert [large.charge(ttl).read for ttl in ("5m", "1h", None)] == [0, 15_000, 0], "it comes 399 seconds later"
    assert large.charge("1h").dollars == pytest.approx((15_000 * 0.5 + 5_000 * 10.0 + 20 * 25.0) / 1_000_000)


def test_the_scene_adds_up() -> None:
    """What the messages weigh and what is fixed is the whole request; thinking goes with its model (RET-01, RET-02)."""
    for model, firsts in ((OPUS, [0, 0, 0]), (SONNET, [0, 0, 4])):
        watcher = Watcher()
        found = run_unmanaged(two_turns(), two_turns().main, model=model, baselines=[watcher])
        assert [sum(pair) for pair in zip(watcher.fixed, watcher.whole, strict=True)] == [
            plain.tokens for plain in found.sends
        ]
        assert len(set(watcher.fixed)) == 1, "nothing else grows"
        assert watcher.firsts == firsts
        newest = size_message({"role": "user", "content": "And src/app.py again?"}, resolve(model)).count.tokens
        assert watcher.last[2] == newest
        assert watcher.boundaries[2] == [0, 1, 3, 4, 5]
        kept = [{}, {1: 1}, {1: 1, 3: 1}] if model == OPUS else [{}, {1: 1}, {}]
        assert watcher.thinking == kept


def test_a_switch_of_the_model_weighs_everything_anew() -> None:
    """CTX-20."""
    switched = two_turns(second="claude-opus-5-5")
    found = run_unmanaged(switched, switched.main, baselines=[watcher := Watcher()])
    assert [plain.profile.id for plain in found.sends] == [OPUS, OPUS, "claude-opus-5-5"]
    assert found.sends[2].cached == 0, "caches are per model (CACHE-15)"
    assert found.sends[2].before is None
    assert watcher.fixed[2] + watcher.whole[2] == found.sends[2].tokens
    messages = [step.message for step in switched.main.steps[:5]]
    outline = Outline()
    for message in messages:
        outline.add(message)
    assert watcher.boundaries[2] == outline.boundaries


def test_the_unmanaged_column() -> None:
    leave = Leave("5m")
    found = run_unmanaged(two_turns(), two_turns().main, baselines=[leave])
    column = leave.book.outcome("unmanaged")
    assert column.cost == pytest.approx(sum(plain.charge("5m").dollars or 0 for plain in found.sends))
    assert (column.sends, column.epochs, column.edits, column.overflows) == (3, 1, {}, 0)
    assert (column.thinking_kept, column.thinking_lost, column.thinking_blocks) == (3, 0, 2)
    assert column.window_peak == found.sends[2].tokens
