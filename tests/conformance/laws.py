"""What a replay is held to, beyond what it says of itself: laws 4, 5 and 9 at every send, checked from the request alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxwindow import Conversation, Policy, Send, Spill
from ctxwindow.record import Prefix
from ctxwindow.record.blocks import blocks_of, is_thinking
from ctxwindow.transcripts import Session, Thread
from ctxwindow.transcripts.live import Feed
from ctxwindow.transcripts.replay import Replay, SendRow, replay

BUDGET = 60_000
"""Tokens: small enough that a third of the recorded sessions are compacted, several times the longest ones."""

POLICY = Policy(budget=BUDGET, high=0.85, spill=Spill(tokens=7_800))
"""Shrinks, and spills results of a seventh of the room, also where there is space for them."""


class Watch:
    """Looks at each send of one replay. Every send is looked at whole: nothing is sampled."""

    def __init__(self) -> None:
        self._epoch = -1
        self._chain: list[str] = []
        self._seen = 0
        self._edits = 0
        self._begun = 0
        """Length of the record when the last edit was made."""
        self._made: set[int] = set()
        """Replies, by record index."""
        self._gone: set[int] = set()
        """Those of them whose thinking is off the wire for good (BIND-11)."""
        self._loose: set[int] = set()
        """Those whose thinking was kept over an edit, which only models that do not check it take (BIND-28)."""
        self.thinking = 0
        """Thinking blocks found on wires, over all sends."""
        self.kept = 0
        """Of these, on bound models, blocks that were made before the last edit (CMP-30)."""

    def __call__(self, row: SendRow, send: Send, feed: Feed) -> None:
        conversation = feed.conversation
        self._new_epoch, self._epoch = row.epoch != self._epoch, row.epoch
        bound = feed.current.bound
        self._note_edits(conversation, bound=bound)
        self._note_replies(conversation)
        self._law_4(send)
        self._law_5(conversation, send, bound=bound)
        window = send.window
        assert window.tokens == sum(window.by.values()), "law 9"
        assert window.by["overhead"] == sum(window.overheads.values()), "law 9"
        assert window.low <= window.tokens <= window.high, "bounds"

    def _note_replies(self, conversation: Conversation) -> None:
        """Replies that came since the send before."""
        messages = conversation.messages
        self._made |= {index for index in range(self._seen, len(messages)) if messages[index]["role"] == "assistant"}
        self._seen = len(messages)

    def _note_edits(self, conversation: Conversation, *, bound: bool) -> None:
        """What the edits since the send before, all of them made after the last reply came, do to its thinking."""
        edits = conversation.compactions[self._edits :]
        if edits:
            self._note_replies(conversation)
            self._begun = len(conversation.messages)
        for edit in edits:
            if edit.method == "restart" or (bound and edit.method != "compact"):
                self._gone |= self._made
            elif not bound:
                self._loose |= self._made
        self._edits += len(edits)
        if bound:
            self._gone |= self._loose
            self._loose = set()

    def _law_4(self, send: Send) -> None:
        """Each request extends the one before it under the equality of BIND-14."""
        prefix = Prefix(send.request.get("system"), send.request.get("tools"))
        for message in send.request["messages"]:
            prefix.add(message)
        assert prefix.last == send.fingerprint, "law 4: the fingerprint is not that of the request"
        if not self._new_epoch:
            assert prefix.chain[: len(self._chain)] == self._chain, f"law 4 at send {send.number}"
        self._chain = prefix.chain

    def _law_5(self, conversation: Conversation, send: Send, *, bound: bool) -> None:
        """No thinking goes to a bound model that an edit made stale, and all that may stay stays, as behind `compact` (CMP-30)."""
        hot, wire, record = conversation.hot(), send.request["messages"], conversation.messages
        for index, form in zip(reversed(hot), reversed(wire), strict=False):
            made = thinking_of(record[index])
            if not made:
                continue
            stays = index not in self._gone
            assert thinking_of(form) == (made if stays else []), f"law 5 at send {send.number}, message {index}"
            self.thinking += len(made) if stays else 0
            self.kept += len(made) if stays and bound and index < self._begun else 0
        heads = wire[: len(wire) - len(hot)]
        assert not any(thinking_of(message) for message in heads), "law 5: thinking in a head"


def thinking_of(message: Mapping[str, Any]) -> list[Any]:
    """The thinking blocks of a message."""
    return [block for block in blocks_of(message) if is_thinking(block)]


def hold(session: Session, thread: Thread, model: str | None = None, policy: Policy = POLICY) -> tuple[Replay, Watch]:
    """Replay a thread in a small window and hold it to the laws."""
    watch = Watch()
    result = replay(session, policy=policy, model=model, thread=thread, on_send=watch)
    totals = result.totals
    broken = [(row.number, row.violations) for row in result.sends if not row.valid]
    assert not broken, "law 2"
    assert totals.violations == 0
    assert (totals.overflows, result.overflow) == (0, None), "law 3"
    assert all(row.high + 8_000 <= BUDGET for row in result.sends), "law 3"
    assert totals.lossless, "law 1"
    assert totals.refused == 0
    assert totals.messages == len(thread.steps)
    assert all(totals.laws.values()), totals.laws
    assert totals.sends == sum(1 for _ in result.sends)
    assert totals.epochs == totals.compactions + 1
    return result, watch
