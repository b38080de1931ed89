"""The ladder of a summary: Claude, Claude again and shorter with the faults named, then the extractive one.

`Chain` is sans-IO, as the engine is: it says what to do next, and a driver does it. It ends with a text whatever happens,
because the extractive summariser cannot fail. `ClaudeSummarizer` is a driver of it in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.errors import InvalidRequest
from ctxwindow.summarize.checking import check_summary
from ctxwindow.summarize.claude import Ask, SummaryRejected, paid, read_summary, request_for
from ctxwindow.summarize.extractive import Extractive, facts
from ctxwindow.summarize.restating import restated
from ctxwindow.tiers import Summarize
from ctxwindow.tiers.segment import Segment
from ctxwindow.window import count_text

__all__ = ["Chain", "ClaudeSummarizer", "Written"]

TRIES = 2
"""Requests to the model before the extractive summary: one, and one that knows what was wrong."""

SMALLER = 0.7
"""The budget of the second request, in budgets of the first: most summaries that are refused are too long."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A summary, and how it came about."""

    text: str
    by: str
    """`claude`, or `extractive`."""
    cost: float
    """Dollars of all replies that were paid for, also of those that were refused."""
    priced: bool
    """Whether that is all of it: False where a reply told no usage, or no price is known."""
    requests: int
    refused: tuple[str, ...]
    """Why each request brought no summary, in order: no content in it."""


class Chain:
    """The way to one summary. Ask `next_step` what to do until it gives a `Written`.

    step = chain.next_step()
    while isinstance(step, Ask):
        step = chain.answered(client.beta.messages.create(**step.request))   # or chain.failed(error)
    conversation.summarized(step.text, by=step.by, cost=step.cost)
    """

    def __init__(
        self,
        segment: Segment,
        prefix: Mapping[str, Any] | None = None,
        *,
        profile: ModelProfile,
        count: Callable[[str], int] | None = None,
        tries: int = TRIES,
        now: float = 0.0,
    ) -> None:
        """A chain at its first step.

        Args:
            segment: what is to be summarised: of a decision, `decision.segment`.
            prefix: `decision.prefix`; None: the segment goes as text.
            profile: the model of the conversation, which writes the summary.
            count: tokens of a text; the model's own by default.
            tries: requests at most; 0 goes to the extractive summary at once.
            now: seconds since the epoch, for prices.
        """
        self._segment = segment
        self._prefix = prefix
        self._profile = profile
        self._count = count or (lambda text: count_text(text, profile.tokenizer).tokens)
        self._tries = tries
        self._now = now
        self._ask: Ask | None = None
        self._requests = 0
        self._faults: tuple[str, ...] = ()
        self._refused: list[str] = []
        self._called = False
        self._cost = 0.0
        self._priced = True
        self._written: Written | None = None
        # What the record tells is not the model's to tell, and takes its room first.
        self._facts = facts(segment, self._count) if tries > 0 else ""
        self._room = segment.budget - (self._count(self._facts) if self._facts else 0)

    def next_step(self) -> Ask | Written:
        """What to do: send a request and hand back its reply, or take the summary. The same until something was handed back."""
        if self._written is not None:
            return self._written
        if self._ask is None and self._requests < self._tries:
            share = SMALLER if self._requests else 1.0
            ask = request_for(
                self._segment,
                self._prefix,
                profile=self._profile,
                budget=max(1, int(self._room * share)),
                problems=self._faults,
                no_tools=self._called,
                now=self._now,
            )
            if ask.fits:
                self._ask = ask
                self._requests += 1
            else:
                self._refused.append("the request would not fit the model's window")
        if self._ask is not None:
            return self._ask
        return self._finish(Extractive().summarize(self._segment, self._count), Extractive.name)

    def answered(self, reply: Any) -> Ask | Written:
        """Hand back the reply to the request of `next_step`; gives the step after it."""
        ask, self._ask = self._ask, None
        if ask is None:
            return self.next_step()
        try:
            text = read_summary(reply)
            cost = paid(ask, reply, self._profile, self._now)
        except InvalidRequest:
            text, cost = SummaryRejected(kind="unreadable", why="the reply is not JSON"), None
        except Exception as error:  # noqa: BLE001 - an object of the caller's; whatever it does, the chain ends with a text
            why = f"the reply cannot be read: {type(error).__name__}"
            text, cost = SummaryRejected(kind="unreadable", why=why), None
        self._cost += cost or 0.0
        self._priced = self._priced and cost is not None
        if isinstance(text, SummaryRejected):
            self._called = self._called or text.kind == "call"
            self._faults = (_TOLD[text.kind],) if text.kind in _TOLD else ()
            self._refused.append(text.why)
            return self.next_step()
        text = restated(text, self._facts)
        verdict = check_summary(text, self._segment, self._count)
        if verdict.ok:
            return self._finish(text, ClaudeSummarizer.name)
        self._faults = tuple(problem.told() for problem in verdict.problems)
        self._refused.append("; ".join(f"{problem.kind}: {problem.why}" for problem in verdict.problems))
        return self.next_step()

    def failed(self, error: BaseException) -> Ask | Written:
        """The request of `next_step` had no reply: the extractive summary, at once. Waiting and asking again is the driver's."""
        self._ask = None
        self._tries = 0
        self._refused.append(f"the request failed: {type(error).__name__}")
        return self.next_step()

    def _finish(self, text: str, by: str) -> Written:
        self._written = Written(
            text=text,
            by=by,
            cost=self._cost,
            priced=self._priced,
            requests=self._requests,
            refused=tuple(self._refused),
        )
        return self._written


_TOLD = {
    "call": "It called a tool. Call none; write the summary as text.",
    "cut": "It was too long and was cut. Write a much shorter one.",
    "empty": "It was empty.",
}
"""What the model is told of a reply that was no summary."""


class ClaudeSummarizer:
    """Summaries by a model, with the whole ladder inside. A `Summarizer`, and more where there is a decision at hand.

        writer = ClaudeSummarizer(lambda request: client.beta.messages.create(**request), model="claude-opus-5-5")
        written = writer.write(decision)
        conversation.summarized(written.text, by=written.by, cost=written.cost)

    Attributes:
        last: how the last summary came about; None before the first.
        cost: dollars of all summaries so far.
    """

    name = "claude"

    def __init__(self, send: Callable[[dict[str, Any]], Any], *, model: str | ModelProfile, tries: int = TRIES) -> None:
        """A summariser.

        Args:
            send: sends one request and gives its reply. What it raises is a reason to fall back, and goes no further.
            model: writes the summaries; on a prefix, it must be the model of the conversation.
            tries: requests per summary at most.

        Raises:
            UnknownModel: the model is not in the catalog.
        """
        self._send = send
        self._profile = resolve(model)
        self._tries = tries
        self.last: Written | None = None
        self.cost = 0.0

    def write(self, decision: Summarize, *, now: float = 0.0) -> Written:
        """The summary that a decision asks for, on its prefix. It is within the budget, and may be empty.

        Args:
            decision: what the engine wants summarised.
            now: seconds since the epoch, for prices.
        """
        return self._run(Chain(decision.segment, decision.prefix, profile=self._profile, tries=self._tries, now=now))

    def summarize(self, segment: Segment, count: Callable[[str], int]) -> str:
        """The summary of a segment that goes as text. It has at most `segment.budget` tokens by `count`."""
        return self._run(Chain(segment, profile=self._profile, count=count, tries=self._tries)).text

    def _run(self, chain: Chain) -> Written:
        step = chain.next_step()
        while isinstance(step, Ask):
            try:
                reply = self._send(step.request)
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the conversation must go on
                step = chain.failed(error)
            else:
                step = chain.answered(reply)
        self.last = step
        self.cost += step.cost
        return step
