"""RATE, ERR and SDK: rate limits, errors, and what the SDK does around a request."""

from __future__ import annotations

from collections.abc import Iterator

from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import View

__all__ = ["RULES"]

_UNSTREAMED = 21_333
"""Most tokens that the SDK waits for without a stream: those of ten minutes, at 128,000 an hour (SDK-02)."""
_UNSTREAMED_ON = {"claude-opus-4-20250514": 8_192}
"""Opus 4.1 too, by its names on partner clouds, which are not seen here."""


def unstreamed(view: View) -> Iterator[Finding]:
    """SDK-02. Only where the request says that it is not streamed; a timeout of one's own lifts it too."""
    settings, profile = view.frame.settings, view.frame.profile
    asked = settings.get("max_tokens")
    if settings.get("stream") is not False or not isinstance(asked, int) or "timeout" in settings:
        return
    most = _UNSTREAMED_ON.get(profile.id, _UNSTREAMED) if profile is not None else _UNSTREAMED
    if asked > most:
        yield Finding(
            path="stream",
            message="Streaming is required for operations that may take longer than 10 minutes.",
            remedy=f"Stream the reply, or ask for at most {most:,} tokens: the SDK refuses this before it sends anything.",
        )


_LIMITS = "platform.claude.com/docs/en/api/rate-limits"
_ERRORS = "platform.claude.com/docs/en/api/errors"
_SDK = "anthropic 2.12.0"
_READ, _SDK_DATE = "2026-08-22", "2026-11-20"
_CALLERS = "The loop that runs tools and sends requests is the caller's; ctxwindow plans and checks them."

RULES = (
    Rule(
        id="RATE-01",
        sentence="Requests, input and output tokens per minute are limited by class of models, as token buckets.",
        source=_LIMITS,
        date=_READ,
        modelled="emulator.limits.Meter",
        conflict="Which models share a class is stated of some only; the emulator has buckets of its own for each model.",
    ),
    Rule(
        id="RATE-02",
        sentence="Of the input what was read from the cache does not count, but on Haiku 3.5.",
        source=_LIMITS,
        date=_READ,
        modelled="window.billing.input_weight",
    ),
    Rule(
        id="RATE-03",
        sentence="Of the output what was generated counts, not max_tokens.",
        source=_LIMITS,
        date=_READ,
        modelled="emulator.limits.Meter",
    ),
    Rule(
        id="RATE-04",
        sentence="The limits of the standard tiers, by class of models; those of Start for most classes are the default.",
        source=_LIMITS,
        date=_READ,
        modelled="emulator.limits.Limits",
        conflict="None are known for the newest models; the tier Start of the others stands in, and can be set.",
    ),
    Rule(
        id="RATE-05",
        sentence="There are no limits of their own for long prompts any more (inferred: the page has none).",
        source=_LIMITS,
        date=_READ,
        modelled="emulator.limits.Limits",
    ),
    Rule(
        id="RATE-06",
        sentence="A 429 is waited for, except at the spend limit of the account, which has a code and no retry-after.",
        source=_LIMITS,
        date=_READ,
        modelled="tiers.recovery.recover",
    ),
    Rule(
        id="RATE-07",
        sentence="Every sampling counts for the limits and the bill: compaction, and each attempt on its own model.",
        source=f"{_LIMITS}; platform.claude.com/docs/en/build-with-claude/compaction",
        date=_READ,
        modelled="window.billing.shares",
    ),
    Rule(
        id="RATE-08",
        sentence="A batch has at most 100,000 requests, judged one by one, without stream, speed, fallbacks or max_tokens 0.",
        source="platform.claude.com/docs/en/build-with-claude/batch-processing",
        date=_READ,
        modelled="emulator.batches.Batches",
    ),
    Rule(
        id="ERR-01",
        sentence="An error has a type and a message, and perhaps a code in its details, which is what to branch on.",
        source=f"{_SDK} types/beta_error.py, _exceptions.py; {_ERRORS}",
        date=_SDK_DATE,
        modelled="tiers.recovery.recover",
    ),
    Rule(
        id="ERR-02",
        sentence="Each status of an error has its type.",
        source=f"{_ERRORS}; {_SDK}",
        date=_SDK_DATE,
        modelled="tiers.recovery.recover",
    ),
    Rule(
        id="ERR-03",
        sentence="A stream can fail after it began with status 200, by an error event.",
        source="platform.claude.com/docs/en/build-with-claude/streaming",
        date=_READ,
        modelled="tiers.recovery.recover",
    ),
    Rule(
        id="SDK-01",
        sentence=(
            "What has status 408, 409, 429, or 500 and more is sent again; how often, how long after, and x-should-retry are "
            "the SDK's own."
        ),
        source=f"{_SDK} _base_client.py, lib/_retry.py",
        date=_SDK_DATE,
        modelled="tiers.recovery.recover",
    ),
    Rule(
        id="SDK-02",
        sentence="Without a stream the SDK asks for no more tokens than come in ten minutes.",
        source=f"{_SDK} _base_client.py, _constants.py",
        date=_SDK_DATE,
        severity="warning",
        check=unstreamed,
    ),
    Rule(
        id="SDK-03",
        sentence="The SDK has an exception for each status and each code; status and code are read from any of them.",
        source=f"{_SDK} _exceptions.py, _error_classes.py",
        date=_SDK_DATE,
        modelled="tiers.recovery.recover",
    ),
    Rule(
        id="SDK-04",
        sentence="The SDK's middleware sees each attempt, errors as responses, and can send a repaired request.",
        source=f"{_SDK} _middleware.py",
        date=_SDK_DATE,
        out_of_scope=_CALLERS,
    ),
    Rule(
        id="SDK-05",
        sentence="The SDK's fallback middleware retries the original request on each model, never beside fallbacks.",
        source=f"{_SDK} lib/middleware/_fallbacks.py",
        date=_SDK_DATE,
        out_of_scope=_CALLERS,
    ),
    Rule(
        id="SDK-06",
        sentence="The SDK's runner runs tools on tool_use, sends again on pause_turn and compaction, and stops on the rest.",
        source=f"{_SDK} lib/tools/_beta_runner.py",
        date=_SDK_DATE,
        out_of_scope=_CALLERS,
    ),
    Rule(
        id="SDK-07",
        sentence="The SDK's runner refuses a compaction parameter, and edits while a compaction is under way.",
        source=f"{_SDK} lib/tools/_beta_runner.py",
        date=_SDK_DATE,
        out_of_scope=_CALLERS,
    ),
    Rule(
        id="SDK-08",
        sentence="The SDK speaks through httpx2; what patches httpx no longer sees its traffic.",
        source=f"{_SDK} MIGRATION.md",
        date=_SDK_DATE,
        out_of_scope="It concerns how traffic is recorded, not what is in a request.",
    ),
)
