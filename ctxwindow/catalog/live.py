"""Laying what `client.models.list()` says over the catalog (CTX-07: limits should be asked for, not hard-coded).

The live list is the only authoritative source for limits, thinking types, effort, compaction and lifecycle. It has
no prices, cache minimum, image tier, tokenizer, tool prompt, retention or prefix check: those stay the catalog's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import msgspec

from ctxwindow.catalog.lookup import models, resolve
from ctxwindow.catalog.profile import Features, ModelProfile, ThinkingProfile
from ctxwindow.errors import MisuseError, UnknownModel

__all__ = ["Overlay", "overlay"]

_Tokens = Annotated[int, msgspec.Meta(gt=0)]


# The part of the Models API that is used. Every field may be absent: the stable and the beta list differ, and None
# means that the list does not say (anthropic 2.12, types/model_info.py and types/beta/beta_model_capabilities.py).
class _Support(msgspec.Struct, frozen=True):
    supported: bool = False


class _ThinkingTypes(msgspec.Struct, frozen=True):
    adaptive: _Support | None = None
    enabled: _Support | None = None
    disabled: _Support | None = None
    between_tools: _Support | None = None


class _Thinking(msgspec.Struct, frozen=True):
    types: _ThinkingTypes | None = None


class _Effort(msgspec.Struct, frozen=True):
    supported: bool = False
    low: _Support | None = None
    medium: _Support | None = None
    high: _Support | None = None
    xhigh: _Support | None = None
    max: _Support | None = None


class _ContextManagement(msgspec.Struct, frozen=True):
    supported: bool = False
    clear_tool_uses_20250919: _Support | None = None
    clear_thinking_20251015: _Support | None = None
    compact_20260112: _Support | None = None


class _Compaction(msgspec.Struct, frozen=True):
    supported: bool = False
    summarize: _Support | None = None


class _Capabilities(msgspec.Struct, frozen=True):
    thinking: _Thinking | None = None
    effort: _Effort | None = None
    context_management: _ContextManagement | None = None
    compaction: _Compaction | None = None


class _Model(msgspec.Struct, frozen=True):
    id: str
    max_input_tokens: _Tokens | None = None
    max_tokens: _Tokens | None = None
    lifecycle: Literal["active", "deprecated", "retired"] | None = None
    deprecated_at: dt.datetime | None = None
    retires_at: dt.datetime | None = None
    capabilities: _Capabilities | None = None


class Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """The catalog as corrected by a live list."""

    profiles: tuple[ModelProfile, ...]
    """The whole catalog in its order; a model that the list names carries what the list says of it."""
    unknown: tuple[str, ...]
    """Ids of the list that the catalog does not know. Pass a `ModelProfile` of your own for them."""
    changed: dict[str, tuple[str, ...]]
    """Model id -> names of the fields in which the list contradicts the catalog (`thinking.accepts`)."""

    def resolve(self, model: str | ModelProfile) -> ModelProfile:
        """As `ctxwindow.catalog.resolve`, with the live data laid over.

        Raises:
            UnknownModel: no model of the catalog has that name.
        """
        if isinstance(model, ModelProfile):
            return model
        wanted = resolve(model).id
        return next(profile for profile in self.profiles if profile.id == wanted)


def overlay(live: Iterable[object]) -> Overlay:
    """Lay the results of `client.models.list()` or `client.beta.models.list()` over the catalog.

    Args:
        live: SDK objects (`ModelInfo`, `BetaModelInfo`) or dicts of the same shape.

    Raises:
        MisuseError: an entry is not of that shape; `path` says which one (`models.3`).
    """
    profiles = {profile.id: profile for profile in models()}
    unknown: list[str] = []
    changed: dict[str, tuple[str, ...]] = {}
    for position, entry in enumerate(live):
        said = _read(entry, position)
        try:
            known = profiles[resolve(said.id).id]
        except UnknownModel:
            unknown.append(said.id)
            continue
        profiles[known.id] = _laid_over(known, said)
        if fields := tuple(_differences(known, profiles[known.id])):
            changed[known.id] = fields
    return Overlay(profiles=tuple(profiles.values()), unknown=tuple(unknown), changed=changed)


def _read(entry: object, position: int) -> _Model:
    """One entry of the list."""
    try:
        return msgspec.convert(entry, _Model, from_attributes=True)
    except msgspec.ValidationError as problem:
        raise MisuseError(
            f"not an entry of the Models API: {problem}.",
            rule="CTX-07",
            path=f"models.{position}",
            remedy="Pass the results of client.models.list() as they are.",
        ) from problem


def _laid_over(profile: ModelProfile, said: _Model) -> ModelProfile:
    """`profile` with everything that the list says, and nothing else."""
    capabilities = said.capabilities or _Capabilities()
    new: dict[str, Any] = {
        "thinking": _thinking(profile.thinking, capabilities),
        "features": _features(profile.features, capabilities),
    }
    if said.max_input_tokens is not None:
        new["window"] = said.max_input_tokens
    if said.max_tokens is not None:
        new["max_output"] = said.max_tokens
    if said.lifecycle is not None:
        # With a lifecycle, an absent date means that there is none (types/model_info.py).
        retires = said.retires_at.date() if said.retires_at else None
        new["state"] = said.lifecycle
        new["deprecated_on"] = said.deprecated_at.date() if said.deprecated_at else None
        new["retires_on"] = retires
        # A past `retires_at` alone is not retirement: "`lifecycle` is the retirement signal".
        new["retired_on"] = (profile.retired_on or retires) if said.lifecycle == "retired" else None
    return msgspec.structs.replace(profile, **new)


def _thinking(thinking: ThinkingProfile, said: _Capabilities) -> ThinkingProfile:
    """`accepts` and effort as the list has them."""
    new: dict[str, Any] = {}
    if said.thinking and (types := said.thinking.types):
        accepts = _listed(types, thinking.accepts)
        new["accepts"] = accepts
        new["deprecated"] = tuple(kind for kind in thinking.deprecated if kind in accepts)
        new["always_on"] = not {"disabled", "between_tools"} & set(accepts)
    if effort := said.effort:
        levels = _listed(effort, thinking.effort_levels) if effort.supported else ()
        new["effort_levels"] = levels
        new["effort_default"] = thinking.effort_default if thinking.effort_default in levels else None
        new["off_effort_cap"] = thinking.off_effort_cap if thinking.off_effort_cap in levels else None
    return msgspec.structs.replace(thinking, **new)


def _listed(said: _ThinkingTypes | _Effort, before: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the supported entries, in the order of the struct; one that is not said stays as it was."""
    names = [name for name in said.__struct_fields__ if name != "supported"]
    told: dict[str, _Support | None] = {name: getattr(said, name) for name in names}
    return tuple(name for name, entry in told.items() if (entry.supported if entry else name in before))


def _features(features: Features, said: _Capabilities) -> Features:
    """Context editing and compaction as the list has them."""
    new: dict[str, Any] = {}
    if managed := said.context_management:
        edits = [edit for edit in (managed.clear_tool_uses_20250919, managed.clear_thinking_20251015) if edit]
        if edits or not managed.supported:
            # One flag stands for both edits: with only one of them, using the other would be a 400.
            new["context_editing"] = managed.supported and all(edit.supported for edit in edits)
        if managed.compact_20260112 or not managed.supported:
            compact = managed.compact_20260112
            new["compaction_threshold"] = managed.supported and compact is not None and compact.supported
    if compaction := said.compaction:
        summarize = compaction.summarize
        new["compaction_on_demand"] = compaction.supported and (summarize is None or summarize.supported)
    return msgspec.structs.replace(features, **new)


def _differences(old: msgspec.Struct, new: msgspec.Struct, prefix: str = "") -> Iterator[str]:
    """Dotted names of the fields in which two structs of one type differ."""
    for name in old.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, msgspec.Struct):
            yield from _differences(before, after, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
