"""Finding again what was said: by words, by meaning, by place; and opening it."""

from ctxwindow.recall.archive import Archive
from ctxwindow.recall.index import Index, Match
from ctxwindow.recall.opening import Excerpt, Line
from ctxwindow.recall.questions import Found, Neighbour, Question, Recalled, Searcher, Standing
from ctxwindow.recall.search import recall
from ctxwindow.recall.tool import RECALL_TOOL
from ctxwindow.recall.vectors import Embedder, Vectors

__all__ = [
    "RECALL_TOOL",
    "Archive",
    "Embedder",
    "Excerpt",
    "Found",
    "Index",
    "Line",
    "Match",
    "Neighbour",
    "Question",
    "Recalled",
    "Searcher",
    "Standing",
    "Vectors",
    "recall",
]
