"""Finding again what was said: terms, ranking, an index in memory."""

from ctxwindow.recall.index import Index, Match

__all__ = ["Index", "Match"]
