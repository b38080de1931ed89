"""What an edit does: one request against the one before it, before any money is spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ctxwindow.catalog import ModelProfile, resolve
from ctxwindow.record import content_key
from ctxwindow.record.blocks import blocks_of, is_thinking, seal
from ctxwindow.rules.enforcement import STALE, enforced_as, thinking_states
from ctxwindow.rules.exchange import Exchange, Previous
from ctxwindow.rules.view import Enforcement, View, plain
from ctxwindow.window.cached import Prompt, PromptCache
from ctxwindow.window.cost import bill, latest_price
from ctxwindow.window.countable import countable
from ctxwindow.window.effect import Change, Effect
from ctxwindow.window.payback import sends_to_pay_back
from ctxwindow.window.rendered import SECTIONS, Piece, Section, settings_of
from ctxwindow.window.served import Served, serve
from ctxwindow.window.window import BlockCount, Disposition

__all__ = ["compare"]


def compare(
    before: Previous,
    after: Mapping[str, Any],
    *,
    model: str | ModelProfile | None = None,
    at: float | None = None,
    age: float = 0.0,
    enforcement: Enforcement = "auto",
) -> Effect:
    """What sending `after` does, when `before` was the request before it. Neither is changed.

    Args:
        before: the body that was sent; or a pair of it and its response. All of them may hold the SDK's objects.
        after: the body that is to be sent.
        model: overrides the model of both.
        at: seconds since the epoch, for prices; by default those published last.
        age: seconds from the start of one request to the start of the other: how old the cache is.
        enforcement: what the API does about thinking that fails the prefix check, as for `check`.

    Raises:
        UnknownModel: a model is not in the catalog.
        InvalidRequest: a request is none that could be counted, as for `count`.
    """
    exchange = Exchange.of(before, "before") or Exchange(request={})
    sent_before, after = countable(exchange.request, "before"), countable(after, "after")
    profile = resolve(model if model is not None else str(after.get("model")))
    earlier = resolve(model if model is not None else str(sent_before.get("model")))
    view = View.of(after, profile=profile, previous=exchange, enforcement=enforcement)
    states, enforced = tuple(thinking_states(view)), enforced_as(view)
    stale = [state.path for state in states if state.state in STALE] if enforced != "off" else []
    unreadable = [state.path for state in states if state.state == "unreadable"]
    was, now = serve(sent_before, earlier), serve(after, profile, dropped=stale, unreadable=unreadable)
    cache, unedited, prompt, old_prompt = PromptCache(), PromptCache(), Prompt.of(now), Prompt.of(was)
    age = max(0.0, age)
    first = cache.use(old_prompt, 0.0)
    warm, cold = cache.use(prompt, age), PromptCache().use(prompt, 0.0)
    unedited.use(old_prompt, 0.0)
    when = latest_price(profile) if at is None else at
    counted, sent = _blocks(sent_before, was), _blocks(after, now)
    return Effect(
        model=profile.id,
        rejected=bool(stale) and enforced == "error",
        thinking=states,
        thinking_lost=tuple(sorted([*stale, *unreadable], key=[state.path for state in states].index)),
        thinking_left_out=len(_seals(sent_before) - _seals(after)),
        tokens_before=was.window.tokens,
        tokens=now.window.tokens,
        removed=_removed(counted, sent),
        not_counted=_newly(was.window.not_counted, now.window.not_counted),
        cached=first.read + first.written_5m + first.written_1h,
        warm=warm,
        cold=cold,
        cost_warm=bill(profile, warm, when),
        cost_cold=bill(profile, cold, when),
        change=_first_change(was, now, prompt.pieces, old_prompt.pieces, sent),
        pays_back=_pays_back(
            without=bill(earlier, unedited.use(old_prompt, age), when),
            first=bill(profile, warm, when),
            then=bill(profile, cache.use(prompt, 2 * age), when),
        ),
    )


def _pays_back(*, without: float | None, first: float | None, then: float | None) -> int | None:
    if without is None or first is None or then is None:
        return None
    return sends_to_pay_back(paid=0.0, without=without, first=first, then=then)


def _seals(request: Mapping[str, Any]) -> set[str]:
    """What identifies the thinking blocks of a request."""
    return {
        seal(block)
        for message in request.get("messages") or ()
        for block in blocks_of(plain(message))
        if isinstance(block, Mapping) and is_thinking(block)
    }


def _blocks(request: Mapping[str, Any], served: Served) -> list[tuple[str, BlockCount]]:
    """A key of the content of every block of a request, and what becomes of the block, in order."""
    contents = [
        *blocks_of({"content": request.get("system")}),
        *(request.get("tools") or ()),
        *(block for message in request.get("messages") or () for block in blocks_of(plain(message))),
    ]
    return [(_content(content), block) for content, block in zip(contents, served.window.blocks, strict=True)]


def _content(block: Any) -> str:
    return content_key({key: value for key, value in plain(block).items() if key != "cache_control"})


def _removed(counted: Sequence[tuple[str, BlockCount]], sent: Sequence[tuple[str, BlockCount]]) -> int:
    """Tokens of blocks that counted and that are not sent any more."""
    left = Counter(key for key, _ in sent)
    tokens = 0
    for key, block in counted:
        if left[key]:
            left[key] -= 1
        elif block.disposition == "counted":
            tokens += block.tokens
    return tokens


def _newly(was: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """Rule -> tokens that it leaves out now over those that it left out before."""
    return {rule: tokens - was.get(rule, 0) for rule, tokens in now.items() if tokens > was.get(rule, 0)}


_SETTING_RULES: dict[Section, str] = {"tools": "CACHE-15", "system": "CACHE-11", "messages": "CACHE-11"}

_WHY: dict[Disposition, str] = {
    "stripped": "a later turn has begun, and this model keeps the thinking of the last turn only.",
    "expired": "it was said for one turn, and a later user message stands behind it.",
    "compacted": "it stands before the last compaction block.",
    "dropped": "this thinking fails the prefix check.",
    "unreadable": "this model does not read the thinking of the model that made it.",
    "cleared": "context editing clears it.",
}


def _first_change(
    was: Served, now: Served, pieces: list[Piece], old_pieces: list[Piece], sent: Sequence[tuple[str, BlockCount]]
) -> Change | None:
    """The first difference in what is rendered; None where the earlier prompt is a beginning of the later one."""
    settings, old_settings = (settings_of(served.request, served.profile) for served in (now, was))
    for section in SECTIONS:
        for name, value in settings[section].items():
            if value != old_settings[section][name]:
                reason = f"The cache of {section} and of all behind it depends on it."
                return Change(path=name, reason=f"setting_changed [{_SETTING_RULES[section]}]: {reason}")
        new, old = ([piece for piece in side if piece.section == section] for side in (pieces, old_pieces))
        at = next((index for index, (a, b) in enumerate(zip(new, old, strict=False)) if a.key != b.key), None)
        if at is None and (len(old) > len(new) or (len(new) > len(old) and section != "messages")):
            at = min(len(new), len(old))
        if at is not None:
            return _change(section, new[at:], old[at:], now, sent)
    return None


def _change(
    section: Section, new: list[Piece], old: list[Piece], now: Served, sent: Sequence[tuple[str, BlockCount]]
) -> Change:
    """What happened where two prompts part, `new` and `old` being what follows in either."""
    key = _content(old[0].block) if old else None
    fate = next((block for content, block in sent if content == key and block.disposition in _WHY), None)
    if fate is not None:
        return Change(path=fate.path, reason=f"{fate.disposition} [{fate.rule}]: {_WHY[fate.disposition]}")
    path = _sent_path(new[0].path, now) if new else _end(section, now)
    if not new or new[0].key in {piece.key for piece in old[1:]}:
        return Change(path=path, reason="removed [CACHE-01]: What stood here before is not sent any more.")
    if not old or old[0].key in {piece.key for piece in new[1:]}:
        return Change(path=path, reason="inserted [CACHE-01]: It was not there before.")
    return Change(path=path, reason="modified [CACHE-01]: Its bytes differ from those sent before.")


def _sent_path(path: str, now: Served) -> str:
    """A path of the request as the model sees it, in the request as it was sent."""
    head, index, *rest = path.split(".")
    if head == "messages":
        return ".".join([head, str(now.origins[int(index)]), *rest])
    shown = [block.path for block in now.window.blocks if block.kind == "tool" and block.disposition != "deferred"]
    return shown[int(index)] if head == "tools" else path


def _end(section: Section, now: Served) -> str:
    """The path just behind the last item of a section."""
    if section == "messages":
        return f"messages.{now.origins[-1] + 1 if now.origins else 0}"
    return f"{section}.{sum(block.path.startswith(f'{section}.') for block in now.window.blocks)}"
