"""Who writes summaries. The offline one quotes and invents nothing."""

from ctxwindow.summarize.extractive import HEADINGS, Extractive, Summarizer, provenance

__all__ = ["HEADINGS", "Extractive", "Summarizer", "provenance"]
