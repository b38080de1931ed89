"""Reading recorded sessions (request bodies, lists of messages, Claude Code JSONL), and replaying them."""

from ctxwindow.transcripts.detect import detect, read
from ctxwindow.transcripts.session import Format, Incoming, Note, Reply, Session, Step, Thread

__all__ = ["Format", "Incoming", "Note", "Reply", "Session", "Step", "Thread", "detect", "read"]
