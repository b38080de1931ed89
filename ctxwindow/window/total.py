"""The size of a wire: an exact size, and an estimate of what came and went since (CTX-16)."""

from __future__ import annotations

import functools

import msgspec

from ctxwindow.window.learning import NOTHING_LEARNED, Learning
from ctxwindow.window.parts import ZERO
from ctxwindow.window.tokens import Count
from ctxwindow.window.window import Source

__all__ = ["Total", "minus"]


def minus(left: Count, right: Count) -> Count:
    """`left - right`, with the doubt of both."""
    return Count(
        tokens=left.tokens - right.tokens,
        low=left.low - right.high,
        high=left.high - right.low,
        exact=left.exact and right.exact,
    )


class Total(msgspec.Struct, frozen=True, kw_only=True, dict=True):  # a dict for what is worked out once
    """What is known of the size; a value, made anew by every change."""

    base: Count
    """The last exact size; before there is one, the parts outside the messages."""
    came: Count = ZERO
    """What was put in since, as it was counted or estimated."""
    gone: Count = ZERO
    """What was taken out since."""
    source: Source = "estimated"
    learning: Learning = NOTHING_LEARNED
    doubt: str | None = None
    """Why the size that was last reported is not believed, or None."""
    doubted_by: int = 0
    """Tokens by which the size would be another if the report was right after all."""

    def with_more(self, count: Count) -> Total:
        """After something was put in."""
        return msgspec.structs.replace(self, came=self.came + count, source=self._moved)

    def with_less(self, count: Count) -> Total:
        """After something was taken out."""
        return msgspec.structs.replace(self, gone=self.gone + count, source=self._moved)

    @property
    def _moved(self) -> Source:
        return "estimated" if self.source == "estimated" else "anchored"

    @functools.cached_property
    def count(self) -> Count:
        """Tokens in the window, with bounds; what is not believed is not in them."""
        if self.source == "exact":
            return self.base
        known = minus(self.base + self.learning.corrected(self.came), self.learning.corrected(self.gone))
        return self.learning.widened(known, self.base.tokens) if self.source == "anchored" else known

    @property
    def correction(self) -> int:
        """Tokens by which what was learnt moves what came and went since."""
        if self.source == "exact":
            return 0
        return self.count.tokens - (self.base.tokens + self.came.tokens - self.gone.tokens)

    def bounded(self, count: Count) -> Count:
        """A size with bounds that hold the doubtful one too."""
        if not self.doubted_by:
            return count
        low, high = count.low + min(0, self.doubted_by), count.high + max(0, self.doubted_by)
        return Count(tokens=count.tokens, low=low, high=high, exact=False)

    def taught(self, tokens: int, expected: int, *, whole: bool) -> Total:
        """After an exact size has shown how good the estimates were; of an estimate without one before it nothing is told.

        Args:
            tokens: the exact size.
            expected: what was expected, context editing included.
            whole: whether context editing cleared nothing since.
        """
        if self.source != "anchored":
            return self
        grown = tokens - self.base.tokens if whole and self.gone == ZERO and self.base.exact else None
        learning = self.learning.after(came=self.came, error=tokens - expected, measured=grown)
        return msgspec.structs.replace(self, learning=learning)

    def refitted(self, fixed: Count, *, came: Count, gone: Count) -> Total:
        """After the parts outside the messages became others: an exact size moves by the difference.

        Args:
            fixed: all of them.
            came: what of them is new.
            gone: what of them is not there any more.
        """
        base = fixed if self.source == "estimated" else minus(self.base, gone) + came
        return msgspec.structs.replace(self, base=base, source=self._moved)

    def pinned(self, tokens: int) -> Total:
        """After the exact size is known."""
        exact = Count(tokens=tokens, low=tokens, high=tokens, exact=True)
        return Total(base=exact, source="exact", learning=self.learning)

    def doubtful(self, doubt: str, by: int) -> Total:
        """After a size was reported that is not believed: the estimate stands, within bounds that hold both.

        Args:
            doubt: why not.
            by: tokens by which the size would be another if the report was right after all.
        """
        source: Source = "anchored" if self.source == "exact" else self.source
        return msgspec.structs.replace(self, doubt=doubt, doubted_by=by, source=source)
