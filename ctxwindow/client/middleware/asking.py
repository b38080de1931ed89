"""A request of the SDK as the middleware reads it, and the requests that go out in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anthropic import DEFAULT_MAX_RETRIES, APIRequest

from ctxwindow.client.incidents import log
from ctxwindow.tiers.recovery import with_binding

__all__ = ["Asked", "asked_of", "without_markers"]

_PATH, _COUNT_PATH = "/v1/messages", "/v1/messages/count_tokens"
_BETA = "anthropic-beta"
_THREADS_BETA = "message-threads-2026-08-12"

_NAMED = ("model", "messages", "max_tokens", "system", "tools")
_OF_THE_REQUEST = ("stream", "diagnostics", "fallback_credit_token")
"""Fields that say something of one request only: they go out with it, and are no settings of the conversation."""


@dataclass(frozen=True)
class Asked:
    """What the caller asks for: a request to `messages`, whole, or the next messages of a thread."""

    request: APIRequest
    model: str
    messages: list[Any]
    """As the SDK made it of what the caller gave: a copy of its own. Do not mutate."""
    system: Any
    tools: Any
    max_tokens: int
    settings: dict[str, Any]
    """Other request fields, `betas` among them."""
    extras: dict[str, Any]
    """Fields of this request alone."""
    previous: str | None
    """Of the continuation of a thread: the id of the reply that it follows (THR-01). System and tools are not resent."""

    @property
    def streams(self) -> bool:
        """Whether the reply is to be streamed."""
        return bool(self.request.stream)

    @property
    def retries(self) -> int:
        """Times to try a request of ours again: as for the caller's, where it says so. What his client has is not told."""
        return self.request.options.get_max_retries(DEFAULT_MAX_RETRIES)

    def rewritten(self, request: Mapping[str, Any]) -> APIRequest:
        """The caller's request with another body: what the engine planned."""
        return self._with({**self._body(request), **self.extras}, request)

    def own(self, request: Mapping[str, Any], *, count: bool = False) -> APIRequest:
        """A request of ours beside the caller's, by the way of his: not streamed, its reply for nobody else."""
        made = self._with(self._body(request), request)
        options = made.options
        if count:
            _, mark, query = options.url.partition("?")
            options.url = _COUNT_PATH + mark + query
        return APIRequest(options=options, cast_to=object)

    def settings_on(self, current: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that the conversation must have for this request.

        Args:
            current: those that it has. What a recovery has set among them stays (BIND-26).
        """
        return with_binding(self.settings, current)

    def _body(self, request: Mapping[str, Any]) -> dict[str, Any]:
        body = {key: value for key, value in request.items() if key != "betas"}
        return {**body, "model": self.model}  # by the name that the caller has for it

    def _with(self, body: dict[str, Any], request: Mapping[str, Any]) -> APIRequest:
        # `APIRequest.copy` would copy the body that is thrown away here, however deep.
        options = self.request.options.model_copy()
        options.json_data = body
        headers = dict(self.request.headers)
        name = next((name for name in headers if name.lower() == _BETA), _BETA)
        if betas := request.get("betas"):
            headers[name] = ",".join(betas)
        else:
            headers.pop(name, None)
        options.headers = headers
        request_ = self.request
        return APIRequest(
            options=options,
            cast_to=request_.cast_to,
            stream=request_.stream,
            stream_cls=request_.stream_cls,
            retries_taken=request_.retries_taken,
        )


def asked_of(request: APIRequest, *, marks: bool) -> Asked | None:
    """What a request asks for; None where it is none that can be managed, and goes as it is.

    Args:
        request: of the SDK.
        marks: whether the policy sets cache breakpoints, so that those of the caller are taken off.
    """
    body = request.json
    if request.method.lower() != "post" or request.url.partition("?")[0] != _PATH or not isinstance(body, dict):
        return None
    model, messages, max_tokens = body.get("model"), body.get("messages"), body.get("max_tokens")
    if not (isinstance(model, str) and isinstance(messages, list) and type(max_tokens) is int):
        return None
    if body.get("compaction") is not None:
        return None  # a compaction that the caller orders is his own (SDK-07)
    thread = body.get("thread")
    continues = isinstance(thread, Mapping) and thread.get("type") == "continue"
    previous = thread.get("previous_message_id") if isinstance(thread, Mapping) and continues else None
    if (continues and not isinstance(previous, str)) or (not continues and not messages):
        return None
    place = next((place for place, message in enumerate(messages) if not isinstance(message, dict)), None)
    if place is not None:
        log.warning("messages.%d: this is no message; the caller's request goes out unchanged", place)
        return None
    left_out = {*_NAMED, *_OF_THE_REQUEST, "thread", *(("cache_control",) if marks else ())}
    settings = {key: value for key, value in body.items() if key not in left_out}
    if betas := _betas(request):
        settings["betas"] = betas
    return Asked(
        request=request,
        model=model,
        messages=messages,
        system=body.get("system"),
        tools=body.get("tools"),
        max_tokens=max_tokens,
        settings=settings,
        extras={key: body[key] for key in _OF_THE_REQUEST if key in body},
        previous=previous,
    )


def _betas(request: APIRequest) -> list[str]:
    """The betas of the caller; that of threads is of no use to a request without one."""
    values = [value for name, value in request.headers.items() if name.lower() == _BETA and isinstance(value, str)]
    named = {beta.strip() for value in values for beta in value.split(",")}
    return sorted(named - {"", _THREADS_BETA})


def without_markers(value: Any) -> Any:
    """Content without the cache breakpoints of its blocks; what has none is given back as it is."""
    if isinstance(value, list):
        found = [without_markers(item) for item in value]
        return found if any(new is not old for new, old in zip(found, value, strict=True)) else value
    if not isinstance(value, dict):
        return value
    content = value.get("content")
    bare = without_markers(content) if isinstance(content, (list, dict)) else content
    if "cache_control" in value:
        value = {key: item for key, item in value.items() if key != "cache_control"}
    return {**value, "content": bare} if bare is not content else value
