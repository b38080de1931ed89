"""The baselines, with numbers worked out by hand from sizes and published prices."""

from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.catalog import resolve
from ctxwindow.tiers import Segment
from ctxwindow.transcripts import Session
from ctxwindow.transcripts.baselines import LEFT_OUT, Leave, Sliding, Threshold
from ctxwindow.transcripts.outcome import Outcome
from ctxwindow.transcripts.session import Step
from ctxwindow.transcripts.simulated import SUMMARY_TOKENS
from ctxwindow.transcripts.unmanaged import Baseline, Plain, run_unmanaged
from ctxwindow.window import size_message
from tests.transcripts.scenes import OPUS, SONNET, call, lines, reply, result, session, thinking, user

BOUND = "claude-opus-5-5"

# Dollars per million tokens of Claude Opus 4.6 (PRICE-01).
INPUT, OUTPUT, WRITE, READ = 5.0, 25.0, 6.25, 0.5


def dollars(*parts: tuple[int, float]) -> float:
    return sum(tokens * price for tokens, price in parts) / 1_000_000


def size(message: dict[str, Any], model: str = OPUS) -> int:
    return size_message(message, resolve(model)).count.tokens


def run(found: Session, *baselines: Baseline, model: str = OPUS, unseen: bool = False) -> tuple[Plain, ...]:
    return run_unmanaged(found, found.main, model=model, unseen=unseen, baselines=baselines).sends


def outcome(baseline: Baseline) -> Outcome:
    return baseline.book.outcome("it")


class Fixed:
    """Writes the same summary for everything, and remembers what it was asked."""

    name = "fixed"

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[Segment] = []

    def summarize(self, segment: Segment, count: Any) -> str:
        assert count("word") == 1
        self.asked.append(segment)
        return self.text


# -- the server's own compaction -----------------------------------------------------------------------------


SECOND, THIRD, FOURTH = lines(300, "b"), lines(20, "c"), lines(10, "d")


def four_sends(*, gap: float = 10) -> Session:
    """Requests of 10,000 tokens, then some 6,000, 300 and 150 more; a system prompt of nearly 10,000 that is not in the file."""
    return session(
        user("Fix tests/test_a.py.", at=0),
        reply(text="First.", prompt=10_000, output=100, at=0),
        user(SECOND, at=gap),
        reply(text="Second.", output=200, prompt=0, at=gap),
        user(THIRD, at=2 * gap),
        reply(text="Third, tests/test_a.py and entry_b_7.", output=300, prompt=0, at=2 * gap),
        user(FOURTH, at=3 * gap),
        reply(text="Fourth.", output=400, prompt=0, at=3 * gap),
    )


def test_at_the_trigger_the_whole_prompt_is_read_and_a_summary_written() -> None:
    summarizer = Fixed("About tests/test_a.py.")
    threshold = Threshold("5m", trigger=15_000, summarizer=summarizer)
    sends = run(four_sends(), threshold, unseen=True)
    first, second, third, fourth = (plain.tokens for plain in sends)
    assert first == 10_000
    assert second >= 15_000
    fixed = first - size({"role": "user", "content": "Fix tests/test_a.py."})
    compacted = fixed + SUMMARY_TOKENS  # the second request goes on from system prompt and summary
    by_hand = [
        dollars((first, WRITE), (100, OUTPUT)),
        # the compaction: what the first request wrote is read, the rest written, the summary paid as output ...
        dollars((first, READ), (second - first, WRITE), (SUMMARY_TOKENS, OUTPUT)),
        # ... then the reply, of which only system prompt and tools are cached (CMP-13)
        dollars((fixed, READ), (SUMMARY_TOKENS, WRITE), (200, OUTPUT)),
        dollars((compacted, READ), (third - second, WRITE), (300, OUTPUT)),
        dollars((compacted + third - second, READ), (fourth - third, WRITE), (400, OUTPUT)),
    ]
    found = outcome(threshold)
    assert found.cost == pytest.approx(sum(by_hand))
    assert found.summaries_cost == pytest.approx(by_hand[1])
    assert (found.edits, found.epochs, found.overflows) == ({"compact_threshold": 1}, 2, 0)
    windows = [first, compacted, compacted + third - second, compacted + fourth - second]
    assert found.window_mean == pytest.approx(sum(windows) / 4)
    assert found.window_peak == second, "the prompt that the summary was written from"
    (asked,) = summarizer.asked
    assert (asked.first, asked.end, asked.previous, asked.budget) == (0, 3, None, SUMMARY_TOKENS)


def test_a_cold_cache_makes_the_compaction_read_nothing() -> None:
    threshold = Threshold("5m", trigger=15_000, summarizer=Fixed("x"))
    sends = run(four_sends(gap=301), threshold, unseen=True)
    second = sends[1].tokens
    assert outcome(threshold).summaries_cost == pytest.approx(dollars((second, WRITE), (SUMMARY_TOKENS, OUTPUT)))
    none = Threshold(None, trigger=15_000, summarizer=Fixed("x"))
    run(four_sends(), none, unseen=True)
    assert outcome(none).summaries_cost == pytest.approx(dollars((second, INPUT), (SUMMARY_TOKENS, OUTPUT)))


def test_only_what_the_summary_says_survives_it() -> None:
    """The third reply names tests/test_a.py, which the summary holds, and entry_b_7, which went with the rest."""
    threshold = Threshold("5m", trigger=15_000, summarizer=Fixed("About tests/test_a.py."))
    run(four_sends(), threshold, unseen=True)
    found = outcome(threshold)
    assert (found.used, found.on_wire, found.recallable) == (2, 1, 1)


def test_a_second_compaction_summarises_the_first_summary_and_what_came_since() -> None:
    summarizer = Fixed("So far.")
    threshold = Threshold("5m", trigger=13_500 - 250, summarizer=summarizer)
    steps: list[Step] = [user("Hi.", at=0), reply(text="First.", prompt=10_000, output=1, at=0)]
    for number in range(8):
        steps += [user(lines(60, f"n{number}"), at=number), reply(text="Next.", at=number)]
    run(session(*steps), threshold, unseen=True)
    first, second, *_ = summarizer.asked
    assert first.previous is None
    assert (second.previous, second.messages_from) == ("So far.", first.end)
    assert outcome(threshold).edits["compact_threshold"] == len(summarizer.asked) >= 2


def test_a_model_without_it_goes_on_as_if_unmanaged() -> None:
    assert not resolve(SONNET).features.compaction_threshold
    threshold, leave = Threshold("5m", trigger=15_000), Leave("5m")
    run(four_sends(), threshold, leave, model=SONNET, unseen=True)
    assert outcome(threshold) == outcome(leave)


def test_what_passes_the_models_window_is_an_overflow() -> None:
    steps: list[Step] = [user("Hi.", at=0), reply(text="First.", prompt=191_900, at=0), user(SECOND, at=1)]
    threshold = Threshold("5m")
    run(session(*steps, reply(text="Second.", at=1)), threshold, model=SONNET, unseen=True)
    assert outcome(threshold).overflows == 1, "8,000 tokens of output are reserved"


# -- the sliding window --------------------------------------------------------------------------------------


def rounds(number: int, *, gap: float = 1, thoughts: bool = False) -> Session:
    """One instruction, then rounds of a reply and a result of some 1,000 tokens."""
    steps: list[Step] = [user("Read src/first.py and the others.", at=0)]
    for at in range(number):
        blocks = [thinking(f"{at} is next.")] if thoughts else []
        steps += [reply(*blocks, call(f"t{at}", path=f"src/file_{at}.py"), at=gap * at, output=50, prompt=0)]
        steps += [result(f"t{at}", lines(50, f"r{at}"), at=gap * at)]
    return session(*steps, reply(text="src/first.py, src/file_0.py, entry_r3_1", at=gap * number, output=60, prompt=0))


def messages_of(found: Session) -> list[dict[str, Any]]:
    return [step.message for step in found.main.steps]


def test_the_newest_rounds_that_fit_are_sent() -> None:
    """8,000 tokens are reserved for the output; what is left is room for two rounds, and the head."""
    found = rounds(5)
    messages = messages_of(found)
    sizes = [size(message) for message in messages]
    limit = run(found)[2].tokens + 100
    sliding = Sliding("5m", budget=8_000 + limit)
    sends = run(found, sliding)
    note = size({"role": "user", "content": LEFT_OUT})
    fixed = sends[0].tokens - sizes[0]
    fitting = [sends[0].tokens, sends[1].tokens, sends[2].tokens]
    assert max(fitting) <= limit < sends[3].tokens
    # The first slide drops the instruction, as the rounds behind it fit; no more than two rounds ever do.
    later = [fixed + note + sum(sizes[start:end]) for start, end in ((3, 7), (5, 9), (7, 11))]
    assert all(tokens <= limit < tokens + sizes[1] + sizes[2] for tokens in later)
    books = outcome(sliding)
    assert books.window_mean * 6 == pytest.approx(sum(fitting) + sum(later), abs=20)
    assert (books.edits, books.epochs, books.overflows) == ({"slide": 3}, 4, 0)


def test_as_soon_as_it_slides_everything_is_written_anew() -> None:
    """Claude Opus 4.6 caches nothing under 4,096 tokens, so the numbers are larger here; nothing is cached before the messages."""
    found = rounds(9)
    sliding = Sliding("5m", budget=14_500)
    sends = run(found, sliding)
    slid = next(number for number, plain in enumerate(sends) if plain.tokens > 6_500)
    leave = Leave("5m")
    run(session(*found.main.steps[: 2 * slid]), leave)
    books, before = outcome(sliding), outcome(leave)
    read_before = before.cache_hit_ratio * before.window_mean * before.sends
    assert read_before > 0
    assert books.edits == {"slide": len(sends) - slid}, "each send after the first slide slides again"
    assert books.cache_hit_ratio * books.window_mean * books.sends == pytest.approx(read_before), "none of them reads"
    assert books.cost is not None
    assert before.cost is not None
    prompts = books.window_mean * books.sends - before.window_mean * before.sends
    replies = 50 * (len(sends) - slid - 1) + 60
    assert books.cost - before.cost == pytest.approx(dollars((round(prompts), WRITE), (replies, OUTPUT)))


def test_where_it_need_not_slide_the_cache_is_read() -> None:
    found = rounds(9)
    sliding, leave = Sliding("5m", budget=100_000), Leave("5m")
    run(found, sliding, leave)
    assert outcome(sliding) == outcome(leave)


def test_what_slid_away_does_not_survive() -> None:
    """The last reply names what only the instruction and two early calls and results said."""
    sliding = Sliding("5m", budget=10_600)
    run(rounds(5), sliding)
    books = outcome(sliding)
    assert (books.used, books.on_wire) == (3, 1), "entry_r3_1 alone is in the newest two rounds"


def test_a_turn_that_begins_needs_no_stand_in() -> None:
    found = session(
        user(lines(60, "a"), at=0), reply(text="One.", at=0), user(lines(60, "b"), at=1), reply(text="Two.", at=1)
    )
    messages = messages_of(found)
    with_stand_in = size({"role": "user", "content": LEFT_OUT}) + size(messages[1]) + size(messages[2])
    sliding = Sliding("5m", budget=8_000 + with_stand_in)
    first, _ = run(found, sliding)
    fixed = first.tokens - size(messages[0])
    assert fixed > 0, "so that the reply and its stand-in do not fit"
    assert outcome(sliding).window_mean * 2 == first.tokens + fixed + size(messages[2])


def test_a_round_that_does_not_fit_alone_is_an_overflow() -> None:
    found = session(
        user("Read it.", at=0), reply(call("t1"), at=0), result("t1", lines(200), at=1), reply(text="Read.", at=1)
    )
    sliding = Sliding("5m", budget=10_000)
    run(found, sliding)
    books = outcome(sliding)
    assert (books.overflows, books.edits) == (1, {"slide": 1})


def test_on_a_model_that_binds_thinking_a_slide_costs_all_of_it() -> None:
    """BIND-28. Elsewhere what stands in the newest rounds stays."""
    found = rounds(5, thoughts=True)
    kept = {}
    for model in (OPUS, BOUND):
        leave, sliding = Leave("5m"), Sliding("5m", budget=12_200)
        run(found, leave, sliding, model=model)
        assert outcome(leave).thinking_kept == 0 + 1 + 2 + 3 + 4 + 5
        assert (outcome(leave).thinking_lost, outcome(leave).thinking_blocks_lost) == (0, 0)
        books = outcome(sliding)
        assert books.edits["slide"] >= 2
        assert books.thinking_kept + books.thinking_lost == 15
        assert books.thinking_blocks == 5
        kept[model] = books.thinking_kept
    assert kept[OPUS] > kept[BOUND]


def test_a_slide_on_a_bound_model_by_hand() -> None:
    """Four requests; the third slides over the first round. Its thinking is gone, and that of the kept round is unreadable."""
    found = rounds(3, thoughts=True)
    sizes = [size(message, BOUND) for message in messages_of(found)]
    leave, sliding = Leave("5m"), Sliding("5m", budget=8_000 + sizes[0] + sum(sizes[1:5]) - 1)
    run(found, leave, sliding, model=BOUND)
    books = outcome(sliding)
    # Without management they have 0, 1, 2 and 3 blocks; the third and the fourth slide and keep none.
    assert (books.thinking_kept, books.thinking_lost, books.thinking_blocks_lost) == (1, 5, 3)
