"""What counts: token counts and the estimator, media formulas, the ledger, usage of responses, cost."""

from ctxwindow.window.cost import TTL_SECONDS, Bill, Ttl, bill
from ctxwindow.window.ledger import Entry, Ledger
from ctxwindow.window.request import count, entry_for, open_ledger
from ctxwindow.window.sizes import CATEGORIES, BlockSize, Category, Fixed, MessageSize, fixed_sizes, size_message
from ctxwindow.window.tokens import Count, Tokenizer, count_text
from ctxwindow.window.usage import Usage, read_usage
from ctxwindow.window.window import BlockCount, Disposition, Source, Window

__all__ = [
    "CATEGORIES",
    "TTL_SECONDS",
    "Bill",
    "BlockCount",
    "BlockSize",
    "Category",
    "Count",
    "Disposition",
    "Entry",
    "Fixed",
    "Ledger",
    "MessageSize",
    "Source",
    "Tokenizer",
    "Ttl",
    "Usage",
    "Window",
    "bill",
    "count",
    "count_text",
    "entry_for",
    "fixed_sizes",
    "open_ledger",
    "read_usage",
    "size_message",
]
