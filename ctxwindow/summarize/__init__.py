"""Who writes summaries: the offline one, which quotes and invents nothing, and Claude, whose text is checked."""

from ctxwindow.summarize.chain import Chain, ClaudeSummarizer, Written
from ctxwindow.summarize.checking import Problem, Verdict, check_summary
from ctxwindow.summarize.claude import Ask, SummaryRejected, read_summary, request_for
from ctxwindow.summarize.extractive import Extractive, Summarizer
from ctxwindow.summarize.provenance import provenance
from ctxwindow.summarize.sections import HEADINGS

__all__ = [
    "HEADINGS",
    "Ask",
    "Chain",
    "ClaudeSummarizer",
    "Extractive",
    "Problem",
    "Summarizer",
    "SummaryRejected",
    "Verdict",
    "Written",
    "check_summary",
    "provenance",
    "read_summary",
    "request_for",
]
