"""Who writes summaries. The offline one quotes and invents nothing."""

from ctxwindow.summarize.extractive import Extractive, Summarizer
from ctxwindow.summarize.provenance import provenance
from ctxwindow.summarize.sections import HEADINGS

__all__ = ["HEADINGS", "Extractive", "Summarizer", "provenance"]
