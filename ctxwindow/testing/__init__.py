"""Hypothesis strategies for conversations and requests: test your own agents with them. Needs the extra `test`."""

from ctxwindow.testing.broken import Broken, broken_requests, mutations
from ctxwindow.testing.requests import exchanges, requests
from ctxwindow.testing.strategies import SERVER_TOOLS, Step, conversations, json_values, replies, user_messages

__all__ = [
    "SERVER_TOOLS",
    "Broken",
    "Step",
    "broken_requests",
    "conversations",
    "exchanges",
    "json_values",
    "mutations",
    "replies",
    "requests",
    "user_messages",
]
