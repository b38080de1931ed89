"""The engine: events in, decisions out. It does no I/O, reads no clock and starts nothing.

    conversation = Conversation.start(model="claude-opus-5-5", system="Be brief.", policy=Policy())
    conversation.append({"role": "user", "content": "Fix the failing test."})
    decision = conversation.plan(max_tokens=8_000, now=clock())

A driver carries out what `plan` decides and hands the result back:

    Send       -> send `decision.request`, then `receive(reply)`, or `fail(error)`
    Summarize  -> summarise `decision.segment`, then `summarized(text, by=...)`, and plan again
    Compact    -> send `decision.request`, then `compacted(reply)`, or `compaction_failed(error)`, and plan again
    Count      -> count `decision.request`, then `counted(tokens)`, and plan again

Every call that changes anything is recorded as an event; `Conversation.fold(events)` gives the same conversation
again. `ctxwindow.stores.keep` writes new events to a store.
"""

from ctxwindow.conversation.exchange import Exchange
from ctxwindow.conversation.history import History
from ctxwindow.conversation.interrupted import Interrupted
from ctxwindow.conversation.planning import Planning
from ctxwindow.conversation.recalling import Recalling
from ctxwindow.conversation.shrinking import Shrinking

__all__ = ["Conversation"]


class Conversation(Exchange, Interrupted, Planning, Shrinking, Recalling, History):
    """One conversation and its window. Not thread-safe: one driver at a time."""
