"""Answering one body: judged by every rule, counted, compacted, replied to.

The order is that of the API as far as errors tell it: the model, the rules, signatures, the thinking, the size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ctxwindow.catalog import ModelProfile
from ctxwindow.emulator import compaction
from ctxwindow.emulator.binding import Binder, Chain, Standing
from ctxwindow.emulator.faults import Fault, ScriptedFault
from ctxwindow.emulator.generation import Generated, generate, shown
from ctxwindow.emulator.http import ApiError, refusal
from ctxwindow.emulator.prompt import prompt_of
from ctxwindow.emulator.replies import Replies, Reply, make_reply
from ctxwindow.emulator.schema import check_types, only_for_create
from ctxwindow.emulator.usage import compaction_entry, message_entry, usage_of
from ctxwindow.emulator.verdict import BINDING_BETA, ReplyMemory, Verdict, behavior, finding_of, judge
from ctxwindow.rules import View, find_violations
from ctxwindow.rules.view import plain
from ctxwindow.window import Bill, PromptCache, Served

__all__ = ["Answer", "Service", "Setting"]

_OVER_WINDOW = "model-context-window-exceeded-2025-08-26"
_COMPACT = "compact-2026-01-12"

_SCHEMA = ("SHAPE-", "VER-08", "CACHE-09")
"""Rules of the request's schema, which come before all others: an empty text block with a cache marker is refused for
the marker (recorded: NousResearch/hermes-agent#1216)."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Under what a body is judged.

    Attributes:
        at: when its request came, seconds since the epoch.
        version: value of `anthropic-version`.
        betas: values of `anthropic-beta`.
        batch: whether it is an item of a batch.
    """

    at: float
    version: str
    betas: tuple[str, ...] = ()
    batch: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A message, and what it weighs for the rate limits (RATE-02, RATE-03)."""

    message: dict[str, Any]
    input_tokens: int
    output_tokens: int


class _Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A body that broke no rule."""

    body: dict[str, Any]
    profile: ModelProfile
    chain: Chain
    prompt: Served
    verdict: Verdict


class _Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply starts from."""

    standing: Standing
    prompt: Served
    blocks: list[dict[str, Any]] = []
    """The compaction block in front of it, if there is one."""
    bills: list[Bill] = []
    """Of that compaction."""


class Service:
    """The Messages API behind its endpoints."""

    def __init__(
        self,
        *,
        profiles: Mapping[str, ModelProfile],
        replies: Replies,
        summaries: Replies,
        binder: Binder,
        new_account: bool,
    ) -> None:
        self.profiles = profiles
        self.cache = PromptCache()
        self._replies = replies
        self._summaries = summaries
        self._binder = binder
        self._new_account = new_account
        self._memory = ReplyMemory()
        self._messages = 0

    def profile(self, model: object) -> ModelProfile:
        """The model of that id or alias.

        Raises:
            ApiError: there is none (404).
        """
        found = self.profiles.get(model) if isinstance(model, str) else None
        if found is None:
            raise ApiError(404, f"model: {model}")
        return found

    def count_tokens(self, body: dict[str, Any], setting: Setting) -> dict[str, Any]:
        """The answer of `count_tokens` (TOK-12 to TOK-18). Nothing is compacted, and nothing is cached."""
        check_types(body, required=("model", "messages"))
        only_for_create(body)
        # TOK-15: on-demand compaction does not count. It is judged, because such a request may end in a reply (MSG-04).
        accepted = self._accept(body, setting)
        found: dict[str, Any] = {"input_tokens": accepted.prompt.window.tokens}
        if body.get("context_management") is not None:
            found["context_management"] = {"original_input_tokens": accepted.prompt.original_tokens}
        return found

    def create(self, body: dict[str, Any], setting: Setting) -> Answer:
        """The message that a body is answered with.

        Raises:
            ApiError: it is refused.
        """
        check_types(body, required=("model", "max_tokens", "messages"))
        accepted = self._accept(body, setting)
        self._check_size(accepted, setting)
        if body.get("compaction") is not None:
            return self._compact(accepted, setting)
        return self._reply(accepted, setting)

    def _accept(self, body: dict[str, Any], setting: Setting) -> _Accepted:
        """Judge a body by everything but its size."""
        profile = self.profile(body["model"])
        view = View.of(body, profile=profile, enforcement="auto" if self._new_account else "off")
        too_many = finding_of("CTX-19", view)
        if too_many is not None:  # before everything that takes as long as the request is
            raise refusal(too_many)
        found = find_violations(body, profile=profile, betas=setting.betas, api_version=setting.version)
        errors = [violation for violation in found if violation.severity == "error"]
        if errors:
            first = min(errors, key=lambda violation: not violation.rule.startswith(_SCHEMA))
            raise refusal(first.message, path=first.path)
        binder, betas = self._binder, frozenset(setting.betas)
        compaction.verify(body, binder.signer, accept_foreign=binder.accept_foreign)
        chain = Chain(body, binder.signer)
        thoughts = binder.examine(body, chain)
        self._memory.check(view)
        action = behavior(view, batch=setting.batch)
        verdict = judge(thoughts, binder, profile, action, betas)
        prompt = prompt_of(body, profile, verdict=verdict, signer=binder.signer)
        return _Accepted(body=body, profile=profile, chain=chain, prompt=prompt, verdict=verdict)

    @staticmethod
    def _check_size(accepted: _Accepted, setting: Setting) -> None:
        """CTX-08 on every model; CTX-10 on those before Claude 4.5."""
        profile, tokens = accepted.profile, accepted.prompt.window.tokens
        if tokens > profile.window:
            raise ApiError(400, f"prompt is too long: {tokens} tokens > {profile.window} maximum")
        asked = accepted.body["max_tokens"]
        if profile.features.over_window_accepted or _OVER_WINDOW in setting.betas:
            return
        if tokens + asked > profile.window:
            raise ApiError(
                400,
                f"input length and `max_tokens` exceed context limit: {tokens} + {asked} > {profile.window}, decrease "
                "input length or `max_tokens` and try again",
            )

    def _ask(self, source: Replies, accepted: _Accepted) -> Reply:
        """What the model says.

        Raises:
            ApiError: the script says so, or it has a fault of its own (500), which no retry mends.
        """
        try:
            reply = make_reply(source(accepted.body, accepted.profile))
        except ApiError:
            raise
        except Exception as error:
            raise ApiError(
                500,
                f"the emulator's own replies failed: {type(error).__name__}: {error}",
                headers={"x-should-retry": "false"},
            ) from error
        if isinstance(reply, Fault):
            raise ScriptedFault(reply)
        return reply

    def _sent(self, prompt: Served, setting: Setting, output: int) -> Bill:
        """How a prompt is billed; what it writes to the cache can be read from now on (CACHE-16)."""
        return msgspec.structs.replace(self.cache.use(prompt, setting.at), output=output)

    def _compact(self, accepted: _Accepted, setting: Setting) -> Answer:
        """Compaction on demand (CMP-16). Without a summary the answer is empty, and billed all the same (CMP-27)."""
        reply = self._ask(self._summaries, accepted)
        generated = generate(reply, accepted.body, accepted.profile, accepted.prompt.window.tokens)
        text = compaction.summary_text(Reply(content=generated.content))
        whole = bool(text) and generated.stop_reason == reply.reason
        block = compaction.signed_block(
            text,
            accepted.body,
            accepted.chain,
            profile=accepted.profile,
            signer=self._binder.signer,
            betas=setting.betas,
        )
        content = [block] if whole else []
        bill = self._sent(accepted.prompt, setting, generated.output)
        usage = usage_of(Bill(), None, [compaction_entry(bill)])
        message = self._message(
            accepted, setting, content, usage, stop_reason="compaction" if whole else generated.stop_reason
        )
        return _answer(message, [bill])

    def _reply(self, accepted: _Accepted, setting: Setting) -> Answer:
        """A reply, behind a compaction block where the threshold is reached (CMP-01)."""
        opening = _Opening(standing=accepted.chain.end, prompt=accepted.prompt)
        if accepted.prompt.compaction_due and accepted.body["max_tokens"]:
            opening = self._close(accepted, setting)
            if compaction.pauses(accepted.body):
                usage = usage_of(Bill(), None, [compaction_entry(bill) for bill in opening.bills])
                message = self._message(accepted, setting, opening.blocks, usage, stop_reason="compaction")
                return _answer(message, opening.bills)
        # MSG-17: with max_tokens 0 the model is not asked at all.
        reply = self._ask(self._replies, accepted) if accepted.body["max_tokens"] else Reply(content=[])
        generated = generate(reply, accepted.body, accepted.profile, opening.prompt.window.tokens)
        content = self._binder.sign([*opening.blocks, *generated.content], opening.standing, accepted.profile)
        content = shown(content, accepted.body, accepted.profile)
        self._memory.add(content)
        bill = self._sent(opening.prompt, setting, generated.output)
        iterations = [*(compaction_entry(closed) for closed in opening.bills), message_entry(bill)]
        usage = usage_of(bill, generated, iterations if _COMPACT in setting.betas else None)
        message = self._message(accepted, setting, content, usage, generated=generated)
        return _answer(message, [*opening.bills, bill])

    def _close(self, accepted: _Accepted, setting: Setting) -> _Opening:
        """Summarise everything, so that the reply starts from the summary; without one it starts as it would have."""
        prompt, profile = accepted.prompt, accepted.profile
        reply = self._ask(self._summaries, accepted)
        generated = generate(reply, {"max_tokens": profile.max_output}, profile, prompt.window.tokens)
        text = compaction.summary_text(Reply(content=generated.content))
        block = compaction.threshold_block(text, accepted.chain, self._binder.signer)
        bill = self._sent(prompt, setting, generated.output)
        if not text:
            return _Opening(standing=accepted.chain.end, prompt=prompt, blocks=[block], bills=[bill])
        return _Opening(
            standing=accepted.chain.end.behind(block),
            prompt=self._behind(accepted, block),
            blocks=[block],
            bills=[bill],
        )

    def _behind(self, accepted: _Accepted, block: Mapping[str, Any]) -> Served:
        """The prompt once a compaction block stands for all messages (CMP-02)."""
        body = {**accepted.body, "messages": [{"role": "assistant", "content": [dict(block)]}]}
        return prompt_of(body, accepted.profile, verdict=Verdict(), signer=self._binder.signer)

    def _message(
        self,
        accepted: _Accepted,
        setting: Setting,
        content: list[dict[str, Any]],
        usage: dict[str, Any],
        *,
        generated: Generated | None = None,
        stop_reason: str | None = None,
    ) -> dict[str, Any]:
        """The body of the response."""
        self._messages += 1
        message: dict[str, Any] = {
            "id": f"msg_{self._messages:024}",
            "type": "message",
            "role": "assistant",
            "model": accepted.profile.id,
            "content": content,
            "stop_reason": generated.stop_reason if generated else stop_reason,
            "stop_sequence": generated.stop_sequence if generated else None,
            "usage": usage,
        }
        if generated and generated.stop_details is not None:
            message["stop_details"] = generated.stop_details
        if plain(accepted.body.get("context_management")):
            message["context_management"] = {"applied_edits": list(accepted.prompt.applied_edits)}
        if BINDING_BETA in setting.betas and accepted.profile.thinking.accepts:
            message["input_transformations"] = list(accepted.verdict.transformations)
        return message


def _answer(message: dict[str, Any], bills: Sequence[Bill]) -> Answer:
    return Answer(
        message=message,
        input_tokens=sum(bill.prompt - bill.read for bill in bills),
        output_tokens=sum(bill.output for bill in bills),
    )
