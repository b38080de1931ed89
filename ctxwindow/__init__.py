"""ctxwindow manages the context window of conversations with Claude.

Start with `Conversation`: it takes messages in and decides what the next request sends. `count` and `check` work on
single request bodies, `compare` on a request and the one before it; `repair` makes broken histories sendable. Stores are in `ctxwindow.stores`, summarisers in
`ctxwindow.summarize`, models and prices in `ctxwindow.catalog`, readers of recorded sessions in
`ctxwindow.transcripts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctxwindow.catalog import ModelProfile
from ctxwindow.conversation import Conversation
from ctxwindow.errors import (
    CtxwindowError,
    EndpointError,
    HistoryError,
    InvalidRequest,
    MisuseError,
    PolicyError,
    ProtocolError,
    StoreConflict,
    StoreError,
    StoreUnavailable,
    StreamCut,
    UnknownModel,
    WindowOverflow,
)
from ctxwindow.record.log import Branch, Place
from ctxwindow.repairs import Repair, repair
from ctxwindow.rules import Report, ThinkingState, Violation, check
from ctxwindow.tiers import (
    Compact,
    Count,
    Decision,
    Edit,
    Forecast,
    Hot,
    Pins,
    Policy,
    Recovery,
    Segment,
    Send,
    Spill,
    Summarize,
    Warm,
)
from ctxwindow.tiers.travel import Moment
from ctxwindow.window import BlockCost, BlockCount, Effect, Expense, Spending, Window, compare, count

# isort: split
# Last: importing the package of that name would take the name back. `from` imports still find the package.
from ctxwindow.client.naming import conversation

if TYPE_CHECKING:
    from ctxwindow.client import (
        AsyncSession,
        AsyncSessionStream,
        Limits,
        Middleware,
        Reply,
        Session,
        SessionReport,
        SessionStream,
    )

__version__ = "0.1.0"

__all__ = [
    "AsyncSession",
    "AsyncSessionStream",
    "BlockCost",
    "BlockCount",
    "Branch",
    "Compact",
    "Conversation",
    "Count",
    "CtxwindowError",
    "Decision",
    "Edit",
    "Effect",
    "EndpointError",
    "Expense",
    "Forecast",
    "HistoryError",
    "Hot",
    "InvalidRequest",
    "Limits",
    "Middleware",
    "MisuseError",
    "ModelProfile",
    "Moment",
    "Pins",
    "Place",
    "Policy",
    "PolicyError",
    "ProtocolError",
    "Recovery",
    "Repair",
    "Reply",
    "Report",
    "Segment",
    "Send",
    "Session",
    "SessionReport",
    "SessionStream",
    "Spending",
    "Spill",
    "StoreConflict",
    "StoreError",
    "StoreUnavailable",
    "StreamCut",
    "Summarize",
    "ThinkingState",
    "UnknownModel",
    "Violation",
    "Warm",
    "Window",
    "WindowOverflow",
    "check",
    "compare",
    "conversation",
    "count",
    "repair",
]


def __getattr__(name: str) -> object:
    """What needs the SDK is imported when it is asked for."""
    from ctxwindow import client  # noqa: PLC0415 - only for those who use it

    if name in client.__all__:
        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
