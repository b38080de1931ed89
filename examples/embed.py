"""The embedding example of the README, as a program that carries out every decision. Needs ANTHROPIC_API_KEY and network access.

python examples/embed.py "What is a monad?"
"""

from __future__ import annotations

import sys
import time

import anthropic

from ctxwindow import Compact, Conversation, Count, Policy, Send, Summarize
from ctxwindow.summarize import ClaudeSummarizer

MODEL = "claude-opus-5-5"


def ask(client: anthropic.Anthropic, chat: Conversation, text: str) -> str:
    """One turn: plan, do what the plan needs first, send, receive."""
    chat.append({"role": "user", "content": text}, now=time.time())
    while True:
        decision = chat.plan(max_tokens=8_000, now=time.time())
        if isinstance(decision, Send):
            reply = send(client, chat, decision)
            if reply is not None:
                return "".join(block.text for block in reply.content if block.type == "text")
        else:
            prepare(client, chat, decision)


def send(client: anthropic.Anthropic, chat: Conversation, decision: Send) -> anthropic.types.beta.BetaMessage | None:
    """The reply; None where another request has to be planned after an error that the rules know a way out of."""
    try:
        reply: anthropic.types.beta.BetaMessage = client.beta.messages.create(**decision.request)
    except anthropic.APIError as error:
        if chat.fail(error, now=time.time()).action == "send_again":
            raise  # the SDK has tried again already
        return None
    chat.receive(reply, now=time.time())
    return reply


def prepare(client: anthropic.Anthropic, chat: Conversation, decision: Summarize | Compact | Count) -> None:
    """What must be done before the next request: a summary, a compaction by the server, or an exact count."""
    match decision:
        case Summarize():
            writer = ClaudeSummarizer(lambda request: client.beta.messages.create(**request), model=chat.model)
            written = writer.write(decision, now=time.time())
            chat.summarized(written.text, by=written.by, cost=written.cost, of=decision, now=time.time())
        case Compact():
            try:
                reply = client.beta.messages.create(**decision.request)
            except anthropic.APIError as error:
                chat.compaction_failed(error, of=decision, now=time.time())
            else:
                chat.compacted(reply, of=decision, now=time.time())
        case Count():
            counted = client.beta.messages.count_tokens(**decision.request)
            chat.counted(counted.input_tokens, now=time.time())


def main() -> None:
    """Ask the questions on the command line, one after the other, in one conversation."""
    client = anthropic.Anthropic()
    policy = Policy.preset("chat", budget=200_000)
    chat = Conversation.start(model=MODEL, system="Be brief.", policy=policy, now=time.time())
    for question in sys.argv[1:] or ["What is a monad?"]:
        print(ask(client, chat, question))
    print(f"{chat.window.tokens:,} tokens in the window; {chat.spending.dollars} dollars")


if __name__ == "__main__":
    main()
