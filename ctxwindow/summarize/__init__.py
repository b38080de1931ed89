"""Who writes summaries. The offline one quotes and invents nothing."""

from ctxwindow.summarize.extractive import HEADINGS, Extractive, Summarizer, provenance
from ctxwindow.summarize.identifiers import identifier_set

# `identifiers.identifiers` is not lifted up: it would hide the module of the same name.
__all__ = ["HEADINGS", "Extractive", "Summarizer", "identifier_set", "provenance"]
