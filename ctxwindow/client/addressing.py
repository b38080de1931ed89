"""The name by which requests ask for a model: the caller's own, for the platforms each have theirs."""

from __future__ import annotations

from ctxwindow.catalog import ModelProfile, models

__all__ = ["model_name"]

_MARK = "[1m]"
"""By which some tools name the large window of a model; no platform knows it."""


def model_name(profile: ModelProfile, given: str | None, platform: str) -> str:
    """What stands in the `model` of a request.

    Args:
        profile: the model.
        given: what the caller called it, if he has: it may say more than the model, such as the region of an inference
            profile of Bedrock. Left out or a name of the Claude API, it is that of the platform.
        platform: the policy's.
    """
    known = _names_on(profile, platform)
    of_the_api = (profile.id, *profile.aliases)
    if given is not None:
        asked = given[: -len(_MARK)] if given.lower().endswith(_MARK) else given
        if asked.lower() not in of_the_api:
            return asked
        if not known:
            return asked.lower()
    # A profile of the caller's own, under another id, is called as he calls it.
    is_listed = any(profile.id == listed.id for listed in models())
    return known[0] if known and is_listed else profile.id


def _names_on(profile: ModelProfile, platform: str) -> tuple[str, ...]:
    """The names that a platform has for a model, where it has names of its own."""
    names = {
        "bedrock": profile.bedrock_ids,
        "google_cloud": (profile.vertex_id,),
        "foundry": (profile.foundry_id,),
    }.get(platform, ())
    return tuple(name for name in names if name)
