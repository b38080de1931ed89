"""CTX: what occupies the window. Other packages follow these rules; those that a request can break are in
`ctxwindow.rules.limits`.
"""

from __future__ import annotations

from ctxwindow.rules.rule import Rule

__all__ = ["RULES"]

_WINDOWS = "platform.claude.com/docs/en/build-with-claude/context-windows"
_CACHING = "platform.claude.com/docs/en/build-with-claude/prompt-caching"
_COUNTING = "platform.claude.com/docs/en/build-with-claude/token-counting"
_ADVISOR = "platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool"
_STOPS = "platform.claude.com/docs/en/build-with-claude/handling-stop-reasons"
_PRICING = "platform.claude.com/docs/en/about-claude/pricing"
_SKILL = "claude-api skill"
_SDK = "anthropic 2.12.0 types"
_AUGUST, _SEPTEMBER, _OCTOBER, _SDK_DATE = "2026-08-22", "2026-09-26", "2026-10-06", "2026-11-20"

RULES = (
    Rule(
        id="CTX-01",
        sentence="Everything that is sent and generated occupies the window: system, tools, messages, and the reply.",
        source=_WINDOWS,
        date=_SEPTEMBER,
        modelled="window.request.count",
    ),
    Rule(
        id="CTX-02",
        sentence="The prompt is the sum of input_tokens, cache_read_input_tokens and cache_creation_input_tokens.",
        source=f"{_CACHING}; {_SKILL}, prompt-caching.md",
        date=_OCTOBER,
        modelled="window.usage.read_usage",
    ),
    Rule(
        id="CTX-03",
        sentence="Caching changes price and rate limits, never what the window holds.",
        source=_WINDOWS,
        date=_SEPTEMBER,
        modelled="window.request.count",
    ),
    Rule(
        id="CTX-04",
        sentence="Windows of 1M tokens are the default of newer models and need no header.",
        source=f"{_WINDOWS}; {_SKILL}, models.md",
        date=_OCTOBER,
        models="Opus and Sonnet 4.6 and later, Haiku 5.5, Fable and Mythos",
        modelled="catalog.profile.ModelProfile",
    ),
    Rule(
        id="CTX-05",
        sentence="The windows of Claude 4.5 and earlier have 200,000 tokens.",
        source=f"{_WINDOWS}; {_SKILL}, models.md",
        date=_OCTOBER,
        models="Claude 4.5 and earlier",
        modelled="catalog.profile.ModelProfile",
    ),
    Rule(
        id="CTX-07",
        sentence="The Models API tells window, longest reply and capabilities of each model; they are never hard-coded.",
        source=f"{_SDK}/model_info.py; {_SKILL}, models.md",
        date=_SDK_DATE,
        modelled="catalog.live.overlay",
    ),
    Rule(
        id="CTX-08",
        sentence="A prompt longer than the window is rejected on every model.",
        source=f"{_WINDOWS}; github.com/anthropics/claude-code/issues/59696",
        date=_SEPTEMBER,
        modelled="tiers.recovery.recover",
    ),
    Rule(
        id="CTX-09",
        sentence="Since Claude 4.5 prompt and max_tokens may exceed the window together; the reply then ends at its edge.",
        source=f"{_WINDOWS}; {_STOPS}",
        date=_SEPTEMBER,
        models="Claude 4.5 and later",
        modelled="emulator.generation.generate",
    ),
    Rule(
        id="CTX-10",
        sentence="Before Claude 4.5 that is rejected, unless a beta asks for the stop reason.",
        source=f"{_WINDOWS}; github.com/continuedev/continue/issues/6080",
        date=_AUGUST,
        models="before Claude 4.5",
        modelled="emulator.service.Service.create",
    ),
    Rule(
        id="CTX-11",
        sentence="A reply that ends with model_context_window_exceeded is valid and not complete.",
        source=_STOPS,
        date=_AUGUST,
        modelled="tiers.state.usable",
    ),
    Rule(
        id="CTX-13",
        sentence="Since Claude 4.6 a long prompt costs no more per token than a short one; PRICE-03 has the one exception.",
        source=_PRICING,
        date=_AUGUST,
        models="Claude 4.6 and later, Mythos Preview",
        modelled="window.cost.bill",
    ),
    Rule(
        id="CTX-14",
        sentence="Some models are told their budget by the server, at the start and after each call; it occupies the window.",
        source=_WINDOWS,
        date=_SEPTEMBER,
        models="Sonnet 4.5, 4.6 and 5, Haiku 4.5",
        out_of_scope=(
            "How long the text is is not published, so it is not counted on its own; the usage of the first response tells it "
            "with the rest."
        ),
    ),
    Rule(
        id="CTX-15",
        sentence=(
            "Text that the server adds occupies the window: what it adds for tools and thinking is counted; what it adds for "
            "structured output, memory and citations only once a usage told it."
        ),
        source=f"{_COUNTING}; {_PRICING}",
        date=_AUGUST,
        modelled="window.fixed.fixed_sizes",
    ),
    Rule(
        id="CTX-16",
        sentence="The next prompt is the last one and its reply, as their usage says, and what was added.",
        source=f"{_SDK}/beta/beta_usage.py; platform.claude.com/docs/en/build-with-claude/compaction-on-demand",
        date=_SDK_DATE,
        modelled="window.total.Total",
    ),
    Rule(
        id="CTX-17",
        sentence="With iterations the size of the prompt is that of the last message or fallback_message entry.",
        source=f"{_SDK}/beta/beta_usage.py; {_ADVISOR}",
        date=_SDK_DATE,
        modelled="window.usage.read_usage",
    ),
    Rule(
        id="CTX-20",
        sentence="Newer models have a tokenizer that makes about 30% more tokens; counts never transfer.",
        source=f"{_PRICING}; {_SKILL}, model-migration.md",
        date=_OCTOBER,
        models="Claude 4.7 and later, Mythos Preview",
        modelled="window.tokens.count_text",
    ),
    Rule(
        id="CTX-21",
        sentence="Length divided by four is no rule: a recorded prompt had 1.49 times as many tokens.",
        source="probe E1",
        date="2026-10-08",
        modelled="window.tokens.estimate_text",
    ),
)
