"""Hypothesis strategies for conversations: test your own agents with them. Needs the extra `test`."""

from ctxwindow.testing.strategies import SERVER_TOOLS, Step, conversations, json_values, replies, user_messages

__all__ = ["SERVER_TOOLS", "Step", "conversations", "json_values", "replies", "user_messages"]
