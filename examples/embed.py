"""The embedding example of the README, as a program. Needs ANTHROPIC_API_KEY and network access.

python examples/embed.py "What is a monad?"
"""

from __future__ import annotations

import sys
import time

import anthropic

from ctxwindow import Conversation, Policy, Send, Summarize
from ctxwindow.summarize import Extractive
from ctxwindow.window import count_text

MODEL = "claude-opus-5-5"


def ask(client: anthropic.Anthropic, chat: Conversation, text: str) -> str:
    """One turn: plan, summarise if the plan says so, send, receive."""
    chat.append({"role": "user", "content": text})
    while not isinstance(step := chat.plan(max_tokens=8_000, now=time.time()), Send):
        assert isinstance(step, Summarize)
        summary = Extractive().summarize(step.segment, lambda part: count_text(part, "v4.8").tokens)
        chat.summarized(summary, by="extractive")
    reply = client.beta.messages.create(**step.request)
    chat.receive(reply, now=time.time())
    return "".join(block.text for block in reply.content if block.type == "text")


def main() -> None:
    """Ask the questions on the command line, one after the other, in one conversation."""
    client = anthropic.Anthropic()
    chat = Conversation.start(model=MODEL, system="Be brief.", policy=Policy(budget=200_000))
    for question in sys.argv[1:] or ["What is a monad?"]:
        print(ask(client, chat, question))
    print(f"{chat.window.tokens:,} tokens in the window")


if __name__ == "__main__":
    main()
