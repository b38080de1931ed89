"""THINK: which settings of thinking a model accepts. Where its blocks stand is in `ctxwindow.rules.thinking`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxwindow.catalog import ModelProfile
from ctxwindow.record.turns import is_turn_start
from ctxwindow.rules.fields import extra, needs, one_of
from ctxwindow.rules.rule import Finding, Rule
from ctxwindow.rules.view import Step, View, plain

__all__ = ["RULES", "refusal"]

_TYPES = ("adaptive", "enabled", "disabled", "between_tools")
_DISPLAYS = ("summarized", "omitted", "updates")
_BEHAVIORS = ("error", "drop_block")
_FIELDS = {
    "adaptive": ("type", "display", "block_binding"),
    "enabled": ("type", "display", "block_binding", "budget_tokens"),
    "disabled": ("type",),
    "between_tools": ("type",),
}

_BINDING_BETA = "thinking-binding-controls-2026-08-01"
_UPDATES_BETA = "thinking-display-updates-2026-08-18"
_INTERLEAVED_BETA = "interleaved-thinking-2025-05-14"
_ALSO_INTERLEAVED = "claude-sonnet-4-6"
"""Interleaves by itself in adaptive mode, and in manual mode with the beta (THINK-04)."""
_LEAST_BUDGET = 1024
_BUDGET = "thinking.enabled.budget_tokens"


def shape(view: View) -> Iterator[Finding]:
    """THINK-01. The fields of `between_tools` are THINK-12, the budget THINK-04."""
    thinking = view.frame.settings.get("thinking")
    if thinking is None:
        return
    setting = plain(thinking)
    kind = setting.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        yield one_of("thinking.type", _TYPES)
        return
    for field in setting:
        if field not in _FIELDS[kind] and kind != "between_tools":
            yield extra(f"thinking.{kind}.{field}", f"Thinking of type {kind} takes {', '.join(_FIELDS[kind])}.")
    if kind not in ("adaptive", "enabled"):
        return
    display = setting.get("display")
    if display is not None and display not in _DISPLAYS:
        yield one_of(f"thinking.{kind}.display", _DISPLAYS)
    if display == "updates":
        yield from needs(view.frame, f"thinking.{kind}.display", _UPDATES_BETA)
    if setting.get("block_binding") is not None:
        # BIND-08: without the beta the API does not know the field.
        yield from needs(view.frame, f"thinking.{kind}.block_binding", _BINDING_BETA)
        behavior = plain(setting["block_binding"]).get("prefix_mismatch_behavior")
        if behavior is not None and behavior not in _BEHAVIORS:
            yield one_of(f"thinking.{kind}.block_binding.prefix_mismatch_behavior", _BEHAVIORS)


def refusal(profile: ModelProfile, kind: str) -> str | None:
    """What the API says to `thinking.type` `kind` on a model (THINK-03); None: it is accepted, or it is not known.

    The text for `disabled` goes on, and on Mythos Preview in another way; only its beginning is documented.
    """
    accepts = profile.thinking.accepts
    if not accepts or kind in accepts or kind not in _TYPES:
        return None
    if kind == "adaptive":
        return "adaptive thinking is not supported on this model"
    text = f'"thinking.type.{kind}" is not supported for this model.'
    if kind == "enabled" and "adaptive" in accepts:
        text += ' Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
    return text


def accepted(view: View) -> Iterator[Finding]:
    """THINK-02: the type, and the effort that it may be turned off at."""
    profile, kind = view.frame.profile, view.frame.thinking_type
    if profile is None or kind is None:
        return
    text = refusal(profile, kind)
    if text is not None:
        yield Finding(
            path="thinking.type", message=text, remedy=f"This model accepts {' and '.join(profile.thinking.accepts)}."
        )
        return
    cap, levels = profile.thinking.off_effort_cap, profile.thinking.effort_levels
    if cap is None or kind not in ("disabled", "between_tools"):
        return
    given = plain(view.frame.settings.get("output_config")).get("effort")
    effort = given if given is not None else profile.thinking.effort_default
    if effort in levels and levels.index(effort) > levels.index(cap):
        yield Finding(
            path="output_config.effort",
            message=f"thinking.type {kind} is accepted on this model up to effort {cap} only.",
            remedy=f"Set the effort to {cap} or lower, or leave thinking on.",
        )


def _manual(view: View) -> Mapping[str, Any] | None:
    """The setting of thinking where it is manual, on a model that takes it."""
    profile = view.frame.profile
    if not view.frame.manual_thinking or (profile is not None and refusal(profile, "enabled") is not None):
        return None
    return plain(view.frame.settings.get("thinking"))


def budget(view: View) -> Iterator[Finding]:
    """THINK-04, the budget itself."""
    setting = _manual(view)
    if setting is None:
        return
    given = setting.get("budget_tokens")
    if not isinstance(given, int) or isinstance(given, bool):
        wrong = "Field required" if given is None else "Input should be a valid integer"
        yield Finding(path=_BUDGET, message=f"{_BUDGET}: {wrong}", remedy="Give a number of tokens, at least 1024.")
    elif given < _LEAST_BUDGET:
        yield Finding(
            path=_BUDGET,
            message=f"{_BUDGET}: Input should be greater than or equal to {_LEAST_BUDGET}",
            remedy="Give at least 1024 tokens, or disable thinking.",
        )


def budget_leaves_room(view: View) -> Iterator[Finding]:
    """THINK-04, beside max_tokens, which is known when a request is sent. Interleaved, a budget spans several replies."""
    given, most = plain(_manual(view)).get("budget_tokens"), view.frame.settings.get("max_tokens")
    # No max_tokens: this is to be counted. 0 is MSG-17, and too small a budget is said above.
    if type(given) is not int or type(most) is not int or most == 0 or given < max(most, _LEAST_BUDGET):
        return
    profile = view.frame.profile
    spans = profile is None or profile.thinking.interleaved == "beta" or profile.id == _ALSO_INTERLEAVED
    if spans and _INTERLEAVED_BETA in view.frame.betas:
        return
    yield Finding(
        path=_BUDGET,
        message="`max_tokens` must be greater than `thinking.budget_tokens`.",
        remedy="Raise `max_tokens`, which covers thinking and reply together (THINK-05), or lower the budget.",
        severity="warning" if spans and not view.frame.betas_known else None,
    )


def same_within_a_turn(view: View) -> Iterator[Finding]:
    """THINK-09, against the request before."""
    if view.previous is None or not view.messages or view.frame.profile is None:
        return
    last = view.message(len(view.messages) - 1)
    if view.outline.turn_start is None or last.get("role") != "user" or is_turn_start(last):
        return
    before = View.of(view.previous, profile=view.frame.profile)
    same_turn = len(before.messages) > view.outline.turn_start
    if same_turn and before.frame.thinking_off != view.frame.thinking_off:
        yield Finding(
            path="thinking",
            message="thinking was turned on or off inside a tool loop: it stays off for this request.",
            remedy="Change `thinking` with the next turn.",
        )


def between_tools(view: View) -> Iterator[Finding]:
    """THINK-12, the setting itself."""
    if view.frame.thinking_type == "between_tools":
        for field in plain(view.frame.settings.get("thinking")):
            if field != "type":
                yield extra(f"thinking.between_tools.{field}", "between_tools takes no other field.")


def between_tools_effort(step: Step) -> Iterator[Finding]:
    """THINK-12, per-message effort. The API's own text is not known."""
    changes = plain(step.message.get("output_config")).get("effort") is not None
    if step.frame.thinking_type == "between_tools" and changes:
        yield Finding(
            path=f"{step.path}.output_config.effort",
            message=f"{step.path}: the effort cannot be changed by a message with thinking.type between_tools.",
            remedy="Leave the message out, or use adaptive thinking.",
        )


_SDK = "anthropic 2.12.0 types/beta/beta_thinking_config_*_param.py"
_SDK_DATE = "2026-11-20"
_THINKING = "platform.claude.com/docs/en/build-with-claude/thinking"
_STEERING = "platform.claude.com/docs/en/build-with-claude/thinking-steering-and-cost"
_READ = "2026-09-26"

RULES = (
    Rule(
        id="THINK-01",
        sentence=(
            "thinking has a type (adaptive, enabled, disabled, between_tools); display and block_binding go with the first "
            "two, and block_binding and display updates take a beta."
        ),
        source=_SDK,
        date=_SDK_DATE,
        check=shape,
    ),
    Rule(
        id="THINK-02",
        sentence="Each model accepts some types of thinking, and some models are turned off up to a certain effort only.",
        source=f"{_THINKING}; claude-api skill, models.md; platform.claude.com/docs/en/models/haiku-5-5/migration-guide",
        date="2026-10-08",
        check=accepted,
    ),
    Rule(
        id="THINK-03",
        sentence="What the API says to a type of thinking that a model does not accept.",
        source="platform.claude.com/docs/en/api/errors",
        date=_READ,
        modelled="rules.thinking_config.refusal",
        conflict="One probe saw `enabled` accepted on Opus and Sonnet 5.5; the documentation is followed.",
    ),
    Rule(
        id="THINK-04",
        sentence="A thinking budget has at least 1024 tokens and is less than max_tokens, which interleaved thinking lifts.",
        source=(
            "platform.claude.com/docs/en/build-with-claude/extended-thinking; github.com/router-for-me/CLIProxyAPI/issues/413; "
            "github.com/themaximalist/llm.js/issues/30"
        ),
        date="2026-08-22",
        models="requests with manual thinking",
        check=budget,
        check_end=budget_leaves_room,
    ),
    Rule(
        id="THINK-05",
        sentence="Thinking counts toward max_tokens.",
        source=_THINKING,
        date=_READ,
        modelled="window.usage.read_usage",
    ),
    Rule(
        id="THINK-06",
        sentence="Adaptive thinking interleaves: a turn holds any number of thinking blocks, before any text or call.",
        source=_STEERING,
        date="2026-08-22",
        modelled="rules.thinking.first_if_any",
    ),
    Rule(
        id="THINK-09",
        sentence="Thinking turned on or off inside a tool loop is off for that request, without an error.",
        source=_THINKING,
        date=_READ,
        severity="warning",
        check=same_within_a_turn,
    ),
    Rule(
        id="THINK-10",
        sentence="redacted_thinking is under every rule for thinking.",
        source="anthropic 2.12.0 types/beta/beta_redacted_thinking_block.py",
        date=_SDK_DATE,
        modelled="record.blocks.is_thinking",
    ),
    Rule(
        id="THINK-11",
        sentence="Where display is omitted, the default of newer models, a block with empty text is still real reasoning.",
        source=_THINKING,
        date=_READ,
        models="Opus 4.7 and later, Sonnet 5 and later, Haiku 5.5, Fable and Mythos",
        modelled="window.block_sizes.size_block",
    ),
    Rule(
        id="THINK-12",
        sentence="between_tools takes no other field, and no change of effort by a message.",
        source="platform.claude.com/docs/en/models/sonnet-5-5/whats-new; anthropic 2.12.0 types/beta/beta_thinking_types.py",
        date=_SDK_DATE,
        models="Sonnet 5.5",
        on="system",
        check_message=between_tools_effort,
        check=between_tools,
    ),
    Rule(
        id="THINK-14",
        sentence="Progress updates are thinking blocks with signatures of their own, right before a call.",
        source=_THINKING,
        date=_READ,
        models="Fable 5 and 5.1, Mythos 5.1, Sonnet 5.5",
        modelled="rules.replay.thinking_of",
    ),
    Rule(
        id="THINK-15",
        sentence="Signatures are valid on every platform; which account may use them is BIND-19.",
        source=_THINKING,
        date=_READ,
        modelled="catalog.lookup.resolve",
    ),
)
