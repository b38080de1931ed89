"""What counts, and what it costs: sizes, the ledger, what the server makes of a request, the prompt cache, edits."""

from ctxwindow.window.billing import Share, input_weight, shares
from ctxwindow.window.breakpoints import Breakpoint, breakpoints
from ctxwindow.window.cached import PromptCache
from ctxwindow.window.compare import compare
from ctxwindow.window.cost import TTL_SECONDS, Bill, Ttl, bill
from ctxwindow.window.doubt import Suspicion, contradiction, is_open_ended
from ctxwindow.window.effect import Change, Effect
from ctxwindow.window.entry import Entry, entry_for
from ctxwindow.window.learning import Learning
from ctxwindow.window.ledger import Ledger
from ctxwindow.window.reply import Billed
from ctxwindow.window.request import count, ledger_of, open_ledger
from ctxwindow.window.served import Served, serve
from ctxwindow.window.sizes import CATEGORIES, BlockSize, Category, Fixed, MessageSize, fixed_sizes, size_message
from ctxwindow.window.tokens import Count, Tokenizer, count_text
from ctxwindow.window.usage import Usage, latest, read_usage
from ctxwindow.window.window import BlockCount, Disposition, Source, Window

__all__ = [
    "CATEGORIES",
    "TTL_SECONDS",
    "Bill",
    "Billed",
    "BlockCount",
    "BlockSize",
    "Breakpoint",
    "Category",
    "Change",
    "Count",
    "Disposition",
    "Effect",
    "Entry",
    "Fixed",
    "Learning",
    "Ledger",
    "MessageSize",
    "PromptCache",
    "Served",
    "Share",
    "Source",
    "Suspicion",
    "Tokenizer",
    "Ttl",
    "Usage",
    "Window",
    "bill",
    "breakpoints",
    "compare",
    "contradiction",
    "count",
    "count_text",
    "entry_for",
    "fixed_sizes",
    "input_weight",
    "is_open_ended",
    "latest",
    "ledger_of",
    "open_ledger",
    "read_usage",
    "serve",
    "shares",
    "size_message",
]
