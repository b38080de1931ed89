"""Each send of a managed conversation as it is judged: valid or not, what it costs, what it keeps."""

from __future__ import annotations

import msgspec

from ctxwindow.rules import Violation
from ctxwindow.tiers import Edit
from ctxwindow.transcripts.charges import charge
from ctxwindow.transcripts.checks import Checker, Checks
from ctxwindow.transcripts.live import Exchange, Feed
from ctxwindow.transcripts.survival import Survival, Tally
from ctxwindow.transcripts.thoughts import Losses, Thoughts, ThoughtTally
from ctxwindow.transcripts.unmanaged import Plain, Unmanaged

__all__ = ["SendRow", "Watch"]


class SendRow(msgspec.Struct, frozen=True, kw_only=True):
    """One send of the managed conversation."""

    number: int
    turn: int
    epoch: int
    window: int
    low: int
    high: int
    source: str
    unmanaged_window: int
    edits: tuple[Edit, ...]
    cost: float | None
    """Dollars, output included."""
    unmanaged_cost: float | None
    read: int
    """Prompt tokens read from the cache."""
    valid: bool
    violations: tuple[str, ...]
    """Rule and path of each."""
    actual: int | None
    """Prompt tokens the API reported, where this very request was recorded."""
    survival: Tally
    thinking: ThoughtTally


class Watch:
    """Judges each send of a managed conversation; what that takes is kept from send to send.

    Attributes:
        losses: the thinking that it had and missed.
    """

    def __init__(self, feed: Feed, plain: Unmanaged, checks: Checks) -> None:
        """Before the first send of a feed; `plain` is the same thread without management."""
        self.losses = Losses()
        self._feed = feed
        self._checker = Checker(checks)
        self._survival = Survival(plain.names)
        self._thoughts = Thoughts()

    def row(self, ours: Exchange, theirs: Plain) -> SendRow:
        """One send, beside what it would be without management."""
        send, feed = ours.send, self._feed
        profile, conversation = feed.current, feed.conversation
        violations = self._checker.check(send, profile, ours.answer)
        ttl = conversation.policy.cache
        tokens, cached = send.window.tokens, send.forecast.cached if send.forecast.lives else 0
        if ours.resumed is not None:  # the reply went on from less; what was read before is the price of the compaction
            tokens, cached = ours.resumed.tokens, ours.resumed.fixed
        cost = charge(profile, tokens, cached=cached, output=theirs.output, at=ours.at, ttl=ttl)
        counted = self._thoughts.take(send.window, conversation.hot(), len(send.request["messages"]))
        return SendRow(
            number=send.number,
            turn=ours.turn,
            epoch=send.epoch,
            window=send.window.tokens,
            low=send.window.low,
            high=send.window.high,
            source=send.window.source,
            unmanaged_window=theirs.tokens,
            edits=send.edits,
            cost=cost.dollars,
            unmanaged_cost=theirs.charge(ttl).dollars,
            read=cost.read,
            valid=not violations,
            violations=_named(violations),
            actual=ours.actual,
            survival=self._survival.judge(conversation, send, ours.reply.message, resumed=ours.resumed),
            thinking=self.losses.compare(theirs.thinking, counted),
        )

    def finish(self, rows: list[SendRow]) -> list[SendRow]:
        """The rows, with what was left to check of the last send."""
        late = self._checker.finish()
        if not late:
            return rows
        last = rows[-1]
        broken = (*last.violations, *_named(late))
        return [*rows[:-1], msgspec.structs.replace(last, valid=False, violations=broken)]


def _named(violations: list[Violation]) -> tuple[str, ...]:
    return tuple(f"{violation.rule} at {violation.path}" for violation in violations)
