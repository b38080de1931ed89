"""Rate limits: token buckets by model, and the headers that tell of them (RATE-01 to RATE-03)."""

from __future__ import annotations

import datetime
import math

import msgspec

from ctxwindow.emulator.http import ApiError

__all__ = ["Limits", "Meter"]

_MINUTE = 60.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one model may be asked in a minute.

    The defaults are those that the tier Start has for most models (RATE-04); for the newest none are known.

    Attributes:
        requests: per minute.
        input_tokens: per minute; cache reads do not count (RATE-02).
        output_tokens: per minute, as generated; `max_tokens` does not count (RATE-03).
    """

    requests: int = 1_000
    input_tokens: int = 2_000_000
    output_tokens: int = 400_000


class _Bucket:
    """A bucket that fills at a steady rate up to `size`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.level = float(size)
        self.at = -math.inf

    def fill(self, at: float) -> None:
        if at > self.at:
            passed = at - self.at
            self.level = min(float(self.size), self.level + passed * self.size / _MINUTE)
            self.at = at

    def seconds_to(self, level: float) -> float:
        """Until it holds `level`."""
        return max(0.0, (level - self.level) * _MINUTE / self.size)


class Meter:
    """The three buckets of one model."""

    def __init__(self, limits: Limits) -> None:
        self._buckets = {
            "requests": _Bucket(limits.requests),
            "input-tokens": _Bucket(limits.input_tokens),
            "output-tokens": _Bucket(limits.output_tokens),
        }

    def admit(self, at: float) -> None:
        """Take one request in.

        Raises:
            ApiError: a bucket is empty (429), with `retry-after` in whole seconds.
        """
        for name, bucket in self._buckets.items():
            bucket.fill(at)
            if bucket.level < 1:
                wait = max(1, math.ceil(bucket.seconds_to(1)))
                raise ApiError(
                    429,
                    f"This request would exceed the rate limit of {bucket.size} {name.replace('-', ' ')} per minute.",
                    headers={"retry-after": str(wait), **self.headers(at)},
                )
        self._buckets["requests"].level -= 1

    def charge(self, *, input_tokens: int, output_tokens: int) -> None:
        """Take the tokens of an answered request. A bucket may go below zero: what was sent is only known afterwards."""
        self._buckets["input-tokens"].level -= input_tokens
        self._buckets["output-tokens"].level -= output_tokens

    def headers(self, at: float) -> dict[str, str]:
        """`anthropic-ratelimit-*`: limit, what is left, and when it is full again."""
        found: dict[str, str] = {}
        for name, bucket in self._buckets.items():
            full = datetime.datetime.fromtimestamp(at + bucket.seconds_to(bucket.size), tz=datetime.UTC)
            found[f"anthropic-ratelimit-{name}-limit"] = str(bucket.size)
            found[f"anthropic-ratelimit-{name}-remaining"] = str(max(0, math.floor(bucket.level)))
            found[f"anthropic-ratelimit-{name}-reset"] = full.strftime("%Y-%m-%dT%H:%M:%SZ")
        return found
