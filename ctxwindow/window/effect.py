"""What an edit of a request does, as values: the answer of `compare`."""

from __future__ import annotations

from typing import Any

import msgspec

from ctxwindow.rules import ThinkingState
from ctxwindow.window.cost import Bill

__all__ = ["Change", "Effect"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The first place at which the prompt that the model sees differs from the one before."""

    path: str
    """In the request that is to be sent: `messages.3.content.0`, `tools.1`, `tool_choice`. Where that has nothing any
    more, the place at which it ends."""
    reason: str
    """A word, the rules behind it, and a sentence."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of thinking, cache, window and cost when one request follows another."""

    model: str
    rejected: bool
    """Whether the API answers with an error, because thinking is bound to another conversation (BIND-05). Everything
    else here is then as under `drop_block`: what it would be if the failing blocks were left out."""
    thinking: tuple[ThinkingState, ...]
    """Every thinking block of the request, in order, and why those that are not valid are not."""
    thinking_lost: tuple[str, ...]
    """Paths of the blocks that the model will not see: they fail the check, or it cannot read them."""
    thinking_left_out: int
    """Thinking blocks that the request before sent and this one does not."""
    tokens_before: int
    """Input tokens of the request before."""
    tokens: int
    """Input tokens of this one."""
    removed: int
    """Tokens that counted before and are not sent any more."""
    not_counted: dict[str, int]
    """Rule id -> tokens of blocks that the server leaves out of this request over those that it left out of the one
    before. Of results that are cleared it is all of them (EDIT-02); what stands in their place counts, so that less is
    freed, as `Served.applied_edits` says."""
    cached: int
    """Tokens of the prefix that the request before left in the cache; 0 when it had no breakpoint."""
    warm: Bill
    """The prompt, sent `age` seconds after the one before."""
    cold: Bill
    """The prompt when nothing is in the cache."""
    cost_warm: float | None
    """Dollars for the prompt, without output; None where no price is known."""
    cost_cold: float | None
    change: Change | None
    """None: the prompt only grew."""
    pays_back: int | None = None
    """Sends, this one the first of them, after which it has cost no more than as many of the request before would have,
    each `age` seconds after the other; None: never, or no price is known."""

    @property
    def cache_lost(self) -> int:
        """Tokens that were in the cache and are not read from it."""
        return max(0, self.cached - self.warm.read)

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        form: dict[str, Any] = msgspec.to_builtins(self)
        lists = {name: list(form[name]) for name in ("thinking", "thinking_lost")}
        return {**form, **lists, "cache_lost": self.cache_lost}

    def explain(self) -> str:
        """What happens, in a few lines for people."""
        lines = [self._thinking_line(), self._window_line(), self._cache_line(), self._cost_line()]
        if self.change is not None:
            lines.insert(0, f"First change at {self.change.path}: {self.change.reason}")
        else:
            lines.insert(0, "The prompt only grew at its end.")
        if self.rejected:
            lines.insert(0, "The API would reject this request (BIND-05); below is what it does without that thinking.")
        return "\n".join(lines)

    def _thinking_line(self) -> str:
        lost = [state for state in self.thinking if state.path in self.thinking_lost]
        line = f"Thinking: {len(self.thinking) - len(lost)} of {len(self.thinking)} blocks survive"
        if self.thinking_left_out:
            line += f"; {self.thinking_left_out} of the request before are not sent"
        return f"{line}; the first lost is {lost[0].path}: {lost[0].reason}" if lost else f"{line}."

    def _window_line(self) -> str:
        line = f"Window: {self.tokens_before:,} -> {self.tokens:,} tokens; {self.removed:,} are not sent any more"
        rules = ", ".join(f"{tokens:,} by {rule}" for rule, tokens in self.not_counted.items())
        return f"{line}; not counted any more: {rules}." if rules else f"{line}."

    def _cache_line(self) -> str:
        written = self.warm.written_5m + self.warm.written_1h
        return (
            f"Cache: {self.warm.read:,} of {self.cached:,} cached tokens are read, {written:,} written, "
            f"{self.warm.uncached:,} neither."
        )

    def _cost_line(self) -> str:
        if self.cost_warm is None or self.cost_cold is None:
            return "Cost: no price is known."
        line = (
            f"Cost of the prompt: ${self.cost_warm:.6f} with the cache as it is, ${self.cost_cold:.6f} with a cold one"
        )
        if self.change is None or self.tokens >= self.tokens_before:
            return f"{line}."
        pays = "never" if self.pays_back is None else f"after {self.pays_back:,} of such sends"
        return f"{line}; it pays back {pays}."
