"""What counts, and what it costs: sizes, the ledger, what the server makes of a request, the prompt cache, edits."""

from ctxwindow.window.attribution import BlockCost, Sending
from ctxwindow.window.billing import Share, Terms, input_weight, shares, terms
from ctxwindow.window.breakpoints import Breakpoint, breakpoints
from ctxwindow.window.cached import PromptCache
from ctxwindow.window.clearing import Held
from ctxwindow.window.compare import compare
from ctxwindow.window.cost import BOUGHT, TTL_SECONDS, Bill, Bought, Rates, Ttl, bill, latest_price, lives, rates
from ctxwindow.window.doubt import Suspicion, contradiction, is_open_ended
from ctxwindow.window.effect import Change, Effect
from ctxwindow.window.entry import Entry, entry_for
from ctxwindow.window.expense import Charge, Expense
from ctxwindow.window.fixed import Fixed, fixed_sizes
from ctxwindow.window.learning import Learning
from ctxwindow.window.ledger import Ledger
from ctxwindow.window.parts import CATEGORIES, BlockSize, Category, MessageSize
from ctxwindow.window.payback import Payback, payback, sends_to_pay_back
from ctxwindow.window.reply import Billed
from ctxwindow.window.request import count, ledger_of, open_ledger
from ctxwindow.window.served import Served, serve
from ctxwindow.window.sizes import size_message
from ctxwindow.window.spending import Book, Group, Spending
from ctxwindow.window.tokens import Count, Tokenizer, count_text
from ctxwindow.window.usage import Usage, latest, read_usage
from ctxwindow.window.window import BlockCount, Disposition, Source, Window

__all__ = [
    "BOUGHT",
    "CATEGORIES",
    "TTL_SECONDS",
    "Bill",
    "Billed",
    "BlockCost",
    "BlockCount",
    "BlockSize",
    "Book",
    "Bought",
    "Breakpoint",
    "Category",
    "Change",
    "Charge",
    "Count",
    "Disposition",
    "Effect",
    "Entry",
    "Expense",
    "Fixed",
    "Group",
    "Held",
    "Learning",
    "Ledger",
    "MessageSize",
    "Payback",
    "PromptCache",
    "Rates",
    "Sending",
    "Served",
    "Share",
    "Source",
    "Spending",
    "Suspicion",
    "Terms",
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
    "latest_price",
    "ledger_of",
    "lives",
    "open_ledger",
    "payback",
    "rates",
    "read_usage",
    "sends_to_pay_back",
    "serve",
    "shares",
    "size_message",
    "terms",
]
