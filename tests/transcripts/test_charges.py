from __future__ import annotations

import datetime

import msgspec
import pytest

from ctxwindow.catalog import resolve
from ctxwindow.transcripts.charges import Charge, charge, is_alive
from tests.transcripts.scenes import OPUS, START

# Dollars per million tokens of Claude Opus 4.6 (PRICE-01).
INPUT, OUTPUT, WRITE_5M, WRITE_1H, READ = 5.0, 25.0, 6.25, 10.0, 0.5


@pytest.mark.parametrize(
    ("ttl", "cached", "dollars", "read"),
    [
        ("5m", 0, 20_000 * WRITE_5M, 0),
        ("5m", 15_000, 15_000 * READ + 5_000 * WRITE_5M, 15_000),
        ("1h", 15_000, 15_000 * READ + 5_000 * WRITE_1H, 15_000),
        ("5m", 25_000, 20_000 * READ, 20_000),
        ("5m", 4_000, 20_000 * WRITE_5M, 0),  # CACHE-08: under 4,096 tokens nothing is cached
        (None, 15_000, 20_000 * INPUT, 0),
    ],
)
def test_by_hand(ttl: object, cached: int, dollars: float, read: int) -> None:
    found = charge(resolve(OPUS), 20_000, cached=cached, output=100, at=START, ttl=ttl)  # type: ignore[arg-type]
    assert found.read == read
    assert found.dollars == pytest.approx((dollars + 100 * OUTPUT) / 1_000_000)


def test_before_its_first_day_a_model_has_the_price_of_that_day() -> None:
    profile = resolve(OPUS)
    first = datetime.datetime.combine(profile.prices[0].since, datetime.time(12), tzinfo=datetime.UTC).timestamp()
    options = {"cached": 0, "output": 1, "ttl": None}
    assert charge(profile, 10, at=0.0, **options) == charge(profile, 10, at=first, **options)  # type: ignore[arg-type]
    free = msgspec.structs.replace(profile, prices=())
    assert charge(free, 10, at=START, **options) == Charge(None, 0)  # type: ignore[arg-type]


def test_how_long_a_cache_lives() -> None:
    """CACHE-05."""
    assert is_alive(START, START + 300, "5m")
    assert not is_alive(START, START + 301, "5m")
    assert is_alive(START, START + 3_600, "1h")
    assert not is_alive(START, START + 1, None)
    assert not is_alive(None, START, "5m")
    assert not is_alive(START, START - 1, "5m"), "a clock that ran backwards tells nothing"
