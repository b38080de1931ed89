"""Finding a model by any of its documented names. Nothing is guessed: a name matches exactly or not at all."""

from __future__ import annotations

import datetime as dt
import re
from difflib import get_close_matches
from functools import cache, lru_cache
from pkgutil import get_data

import msgspec

from ctxwindow.catalog.document import Document
from ctxwindow.catalog.profile import ModelProfile
from ctxwindow.errors import HistoryError, MisuseError, UnknownModel

__all__ = ["REGIONS", "document", "models", "names_of", "resolve"]

# Geographies of Bedrock inference profiles (platform_rules.bedrock in the facts).
REGIONS = ("us.", "eu.", "apac.", "au.", "jp.", "global.")

_DATED = re.compile(r"-(\d{8})$")


@cache
def document() -> Document:
    """The shipped catalog file, decoded at the first call."""
    # pkgutil reads from zip files as importlib.resources does, and imports in 3 ms instead of 20.
    content = get_data("ctxwindow.catalog", "models.json")
    if content is None:
        raise HistoryError(
            "the catalog of the installed package cannot be read.",
            path="ctxwindow/catalog/models.json",
            remedy="Reinstall ctxwindow.",
        )
    return msgspec.json.decode(content, type=Document)


def models() -> tuple[ModelProfile, ...]:
    """Every model of the catalog, retired ones included, by release date."""
    return document().models


def resolve(model: str | ModelProfile) -> ModelProfile:
    """The profile of a model.

    Args:
        model: an id of the API, Bedrock, Google Cloud or Foundry, or an alias; with or without the prefix of a
            Bedrock region or in an ARN, `anthropic.` or `anthropic/`, and the suffixes `@YYYYMMDD`, `@default` and `[1m]`; upper
            and lower case alike. A profile is returned as it is.

    Raises:
        UnknownModel: no model has that name; `near` has the closest ones. A retired model of which the catalog
            keeps no data is named as such.
    """
    if isinstance(model, ModelProfile):
        return model
    name: object = model  # what a request body holds here may be anything
    if not isinstance(name, str):
        raise MisuseError(
            f"a model is named by a string, not by {type(name).__name__}.",
            path="model",
            remedy="Pass an id such as 'claude-opus-5-5', or a ModelProfile.",
        )
    return _find(name)


@lru_cache(maxsize=512)
def _find(name: str) -> ModelProfile:
    """`resolve` for strings."""
    bare = _bare(name)
    found = _index().get(bare) or _versioned(bare)
    if found is None:
        raise _unknown(name, bare)
    return found


def _bare(name: str) -> str:
    """`name` without the decorations that say where or how a model is reached."""
    # Bedrock and Google Cloud put ids into URLs, from where recordings take them with `:` and `@` encoded.
    bare = name.lower().replace("%3a", ":").replace("%40", "@")
    if bare.startswith("arn:"):  # of a model or an inference profile of Bedrock
        bare = bare.rpartition("/")[2]
    bare = bare.removesuffix("[1m]").removeprefix("anthropic/")
    for region in REGIONS:
        if bare.startswith(f"{region}anthropic."):
            bare = bare.removeprefix(region)
    return bare.removeprefix("anthropic.")


@cache
def _index() -> dict[str, ModelProfile]:
    """Every documented name without its decorations -> profile."""
    return {name: profile for profile in models() for name in names_of(profile)}


def names_of(profile: ModelProfile) -> set[str]:
    """The names of a model, less what `resolve` strips from them."""
    names = {profile.id, *profile.aliases}
    names.update(name for name in (profile.vertex_id, profile.foundry_id) if name)
    for bedrock in profile.bedrock_ids:
        bare = bedrock.removeprefix("anthropic.")
        names.add(bare)
        # `-v1:0` is version and revision; invoke URLs and some recordings carry the version alone. No model has two.
        names.add(bare.partition(":")[0])
    return names


def _versioned(bare: str) -> ModelProfile | None:
    """The model of `NAME@YYYYMMDD` or `NAME@default` (Google Cloud)."""
    name, at, version = bare.rpartition("@")
    if not at:
        return None
    if version == "default":
        return _index().get(name) or _default_versions().get(name)
    profile = _index().get(name)
    return profile if profile and _date_fits(profile, version) else None


@cache
def _default_versions() -> dict[str, ModelProfile]:
    """Google Cloud's names without their date -> profile; there is one version of each."""
    return {profile.vertex_id.partition("@")[0]: profile for profile in models() if profile.vertex_id}


def _date_fits(profile: ModelProfile, version: str) -> bool:
    """Whether a date after `@` can mean this model.

    An id with a date is that snapshot and no other. An id without one (all since 4.6) is itself a pinned snapshot, so
    that a date adds nothing and is only checked to be one.
    """
    if not re.fullmatch(r"\d{8}", version, re.ASCII):
        return False
    dated = _DATED.search(profile.id)
    if dated:
        return dated[1] == version
    try:
        dt.date.fromisoformat(version)
    except ValueError:
        return False
    return True


def _unknown(name: str, bare: str) -> UnknownModel:
    """The error for a name that no model has."""
    for retired in document().retired_without_data:
        if bare == retired.id:
            error = UnknownModel(name)
            error.reason = f"model {name!r} was retired on {retired.retired_on}; the catalog keeps no data of it."
            error.args = (error.reason,)
            error.remedy = "Use a current model, or pass a ModelProfile of your own."
            return error
    return UnknownModel(name, _near(bare))


def _near(bare: str) -> tuple[str, ...]:
    """Up to three API ids and aliases that look like `bare`, best first."""
    names = [name for profile in models() for name in (profile.id, *profile.aliases)]
    # The same words in another order (`claude-4-5-haiku`) or with other separators (`claude-opus-4.6`) look far
    # apart to difflib, though they are the likeliest mistakes of all.
    words = sorted(re.split(r"[^a-z0-9]+", bare))
    same = [name for name in names if sorted(name.split("-")) == words]
    close = get_close_matches(bare, names, n=3, cutoff=0.6)
    return tuple(dict.fromkeys([*same, *close]))[:3]
