"""What else could have been done with a conversation: the server's own compaction, and a sliding window.

Both are modelled, by the same prices, cache and sizes as the managed conversation, and where a choice had to be made it
is the one that is kinder to the baseline. Neither is checked against the rules.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ctxwindow.summarize import Extractive, Summarizer
from ctxwindow.tiers.segment import Segment
from ctxwindow.transcripts.charges import charge, is_alive
from ctxwindow.transcripts.outcome import Book
from ctxwindow.transcripts.simulated import SUMMARY_TOKENS
from ctxwindow.transcripts.unmanaged import Scene
from ctxwindow.window import Ttl, count_text, size_message

__all__ = ["LEFT_OUT", "TRIGGER", "Leave", "Sliding", "Threshold"]

TRIGGER = 150_000
"""Input tokens at which the server compacts by default (CMP-01)."""

LEFT_OUT = "[Earlier messages were left out.]"
"""What stands in for the start of a wire that would begin with a reply (MSG-03)."""


class Leave:
    """Nothing is done, in a window without end."""

    def __init__(self, ttl: Ttl | None) -> None:
        """`ttl`: lifetime of the cache."""
        self.book = Book()
        self._ttl = ttl

    def send(self, scene: Scene) -> None:
        """The next request."""
        plain = scene.plain
        cost = plain.charge(self._ttl)
        thinking = self.book.losses.compare(plain.thinking, plain.thinking)
        self.book.send(plain.tokens, dollars=cost.dollars, read=cost.read, thinking=thinking, survival=plain.survival)


class _Client:
    """What the two baselines share: a wire that is a head and the messages from some place on.

    Attributes:
        book: what it came to.
        start: wire index of the first message that is sent.
        thoughts: wire index from which thinking can still be read.
        head: what stands before the messages.
    """

    def __init__(self, ttl: Ttl | None) -> None:
        """`ttl`: lifetime of the cache."""
        self.book = Book()
        self.start = self.thoughts = 0
        self.head = ""
        self._ttl = ttl
        self._head_tokens = 0
        self._written = 0
        self._before: float | None = None

    def _tokens(self, scene: Scene) -> int:
        """Tokens of the prompt: the head, and the messages from `start` on."""
        return scene.fixed + self._head_tokens + scene.weigh(self.start, thoughts=self.thoughts)

    def _cached(self, scene: Scene, *, changed: bool) -> int:
        """Tokens that can be read from the cache; where the messages changed, those before them."""
        if not is_alive(self._before, scene.plain.at, self._ttl):
            return 0
        return min(self._written, scene.fixed) if changed else self._written

    def _send(self, scene: Scene, *, changed: bool, budget: int) -> None:
        plain, tokens = scene.plain, self._tokens(scene)
        if tokens + plain.max_tokens > min(budget, plain.profile.window):
            self.book.overflows += 1
        cost = charge(
            plain.profile,
            tokens,
            cached=self._cached(scene, changed=changed),
            output=plain.output,
            at=plain.at,
            ttl=self._ttl,
        )
        first = scene.source(self.start)
        self.book.send(
            tokens,
            dollars=cost.dollars,
            read=cost.read,
            thinking=self.book.losses.compare(plain.thinking, scene.thinking(max(self.start, self.thoughts))),
            survival=scene.mentions.judge(scene.exchange.reply.message, start=first, head=self.head),
        )
        self._written, self._before = tokens, plain.at


class Threshold(_Client):
    """The server's own compaction, with its defaults (CMP-01): at the trigger the model that answers first writes a summary.

    That is one more iteration over the whole prompt, read from the cache as far as it lives (CMP-10). The reply then
    goes on from system prompt, tools and summary, and later requests grow from there; what was written before them in
    the cache is of no use but for system prompt and tools (CMP-13). Thinking before the block is gone (CMP-02).
    """

    def __init__(self, ttl: Ttl | None, *, trigger: int = TRIGGER, summarizer: Summarizer | None = None) -> None:
        """Args as for the server, and who writes the summary: as for managed conversations, by quoting."""
        super().__init__(ttl)
        self._trigger = trigger
        self._summarizer = summarizer or Extractive()
        self._summarized = 0

    def send(self, scene: Scene) -> None:
        """The next request."""
        compacts = scene.plain.profile.features.compaction_threshold and self._tokens(scene) >= self._trigger
        if compacts:
            self._compact(scene)
        self._send(scene, changed=compacts, budget=scene.plain.profile.window)

    def _compact(self, scene: Scene) -> None:
        plain, tokens = scene.plain, self._tokens(scene)
        if tokens + plain.max_tokens > plain.profile.window:
            self.book.overflows += 1  # the summary is written from the prompt, which must fit
        messages = scene.feed.conversation.messages
        segment = Segment(
            first=0,
            end=len(messages),
            previous=self.head or None,
            messages_from=self._summarized,
            messages=messages[self._summarized :],
            budget=SUMMARY_TOKENS,
        )
        tokenizer = plain.profile.tokenizer
        self.head = self._summarizer.summarize(segment, lambda text: count_text(text, tokenizer).tokens)
        cached = self._cached(scene, changed=False)
        paid = charge(plain.profile, tokens, cached=cached, output=SUMMARY_TOKENS, at=plain.at, ttl=self._ttl)
        self.book.pay(paid.dollars, tokens)
        self.book.edit("compact_threshold")
        self.book.epochs += 1
        self._head_tokens, self._summarized = SUMMARY_TOKENS, len(messages)
        self._written, self._before = tokens, plain.at
        self.start = self.thoughts = len(scene.sources)


class Sliding(_Client):
    """The newest messages that fit the budget, whole rounds only, chosen anew at each send: what most libraries do.

    The start only moves forward, and only as far as it must. As soon as it moves, what follows system prompt and
    tools is another prefix, so that it is written to the cache anew, and on models that bind thinking to its prefix all of
    it that stands there is lost (BIND-28).
    """

    def __init__(self, ttl: Ttl | None, *, budget: int) -> None:
        """`budget`: tokens that prompt and output may take together."""
        super().__init__(ttl)
        self._budget = budget

    def send(self, scene: Scene) -> None:
        """The next request."""
        plain = scene.plain
        limit = min(self._budget, plain.profile.window) - plain.max_tokens
        slides = self._tokens(scene) > limit and self._slide(scene, limit)
        self._send(scene, changed=slides, budget=self._budget)

    def _slide(self, scene: Scene, limit: int) -> bool:
        """Move the start to the first place from which the rest fits, or the last there is; False if that is none."""
        places = scene.outline.boundaries
        first = bisect_right(places, self.start)
        last = bisect_left(places, len(scene.sources))  # the end is no place to start from
        if first >= last:
            return False
        lost = len(scene.sources) if scene.plain.profile.bound else 0
        self.thoughts = max(self.thoughts, lost)
        for place in places[first:last]:
            self._begin(scene, place)
            if self._tokens(scene) <= limit:
                break
        self.book.edit("slide")
        self.book.epochs += 1
        return True

    def _begin(self, scene: Scene, place: int) -> None:
        self.start, self.head, self._head_tokens = place, "", 0
        if not scene.outline.starts_turn(place):
            profile = scene.plain.profile
            self._head_tokens = size_message({"role": "user", "content": LEFT_OUT}, profile).count.tokens
