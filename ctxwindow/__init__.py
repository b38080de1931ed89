"""ctxwindow manages the context window of conversations with Claude.

Start with `Conversation`: it takes messages in and decides what the next request sends. `count` and `check` work on
single request bodies, `compare` on a request and the one before it; `repair` makes broken histories sendable. Stores are in `ctxwindow.stores`, summarisers in
`ctxwindow.summarize`, models and prices in `ctxwindow.catalog`, readers of recorded sessions in
`ctxwindow.transcripts`.
"""

from ctxwindow.catalog import ModelProfile
from ctxwindow.conversation import Conversation
from ctxwindow.errors import (
    CtxwindowError,
    HistoryError,
    InvalidRequest,
    MisuseError,
    PolicyError,
    ProtocolError,
    StoreConflict,
    StoreError,
    StoreUnavailable,
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

__version__ = "0.1.0"

__all__ = [
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
    "Expense",
    "Forecast",
    "HistoryError",
    "Hot",
    "InvalidRequest",
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
    "Report",
    "Segment",
    "Send",
    "Spending",
    "Spill",
    "StoreConflict",
    "StoreError",
    "StoreUnavailable",
    "Summarize",
    "ThinkingState",
    "UnknownModel",
    "Violation",
    "Warm",
    "Window",
    "WindowOverflow",
    "check",
    "compare",
    "count",
    "repair",
]
