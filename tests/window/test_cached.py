from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.catalog import resolve
from ctxwindow.testing import exchanges, requests
from ctxwindow.window import Bill, PromptCache, Served, serve
from ctxwindow.window.framing import packaged_framing
from ctxwindow.window.rendered import render
from tests.window.scenes import (
    HAIKU,
    OPUS,
    Message,
    assistant,
    body,
    call,
    clear_uses,
    keep,
    result,
    rounds,
    text,
    thinking,
    user,
)

CONTROL = {"type": "ephemeral"}
HOURLY = {"type": "ephemeral", "ttl": "1h"}
_FRAME = packaged_framing().frame("v4.8", "")
_END = _FRAME.request + _FRAME.user // 2
"""Tokens behind the last block, which no breakpoint reaches."""
LONG = "You answer questions about parts of machines. " * 100
"""Longer than every minimum below 1,024 tokens (CACHE-08)."""


def _serve(request: dict[str, Any]) -> Served:
    return serve(request, resolve(request["model"]))


def _marked(content: str, control: Message = CONTROL) -> Message:
    return {**text(content), "cache_control": control}


def _system(control: Message = CONTROL) -> list[Message]:
    return [_marked(LONG, control)]


def _second(first: dict[str, Any], second: dict[str, Any], *, after: float = 1.0) -> Bill:
    """What the second of two requests reads and writes."""
    cache = PromptCache()
    cache.use(_serve(first), at=0.0)
    return cache.use(_serve(second), at=after)


def _upto(request: dict[str, Any], path: str) -> int:
    """Tokens of the prompt up to the end of a block."""
    tokens = 0
    for piece in render(_serve(request).request, resolve(request["model"])):
        tokens += piece.tokens
        if piece.path == path:
            return tokens
    raise AssertionError(path)


def test_a_second_request_reads_what_the_first_wrote() -> None:
    """CACHE-07: writes happen only at breakpoints; reads find entries earlier requests wrote."""
    request = body([user("Hello.")], system=_system())
    first = PromptCache().use(_serve(request), at=0.0)
    written = _upto(request, "system.0")
    assert first == Bill(written_5m=written, uncached=_serve(request).window.tokens - written)
    assert _second(request, request) == Bill(read=written, uncached=first.uncached)
    other = body([user("Good night.")], system=_system())
    assert _second(request, other).read == written
    unmarked = body([user("Hello.")], system=LONG)
    assert _second(unmarked, unmarked) == Bill(uncached=first.prompt)


def test_the_cache_is_warmed_without_a_reply() -> None:
    """MSG-17: max_tokens 0 pre-warms the cache (V-CACHE-3)."""
    request = {**body([user("Hello.")], system=_system()), "max_tokens": 0}
    assert PromptCache().use(_serve(request), at=0.0).written_5m > 0
    assert _second(request, {**request, "max_tokens": 1_000}).read > 0


@pytest.mark.parametrize(("control", "lives"), [(CONTROL, 300.0), (HOURLY, 3_600.0)])
def test_entries_live_from_the_start_of_the_request(control: Message, lives: float) -> None:
    """CACHE-05: lifetime counts from the start of the request that wrote or read the entry; a read refreshes it."""
    served = _serve(body([user("Hello.")], system=_system(control)))
    cache = PromptCache()
    cache.use(served, at=0.0)
    assert cache.use(served, at=lives).read > 0
    assert cache.use(served, at=2 * lives).read > 0, "the read before refreshed it"
    assert cache.use(served, at=3 * lives + 1).read == 0


def test_an_entry_is_readable_once_the_response_begins() -> None:
    """CACHE-16: entries become readable when the first response begins."""
    served = _serve(body([user("Hello.")], system=_system()))
    cache = PromptCache()
    cache.use(served, at=0.0, began=3.0)
    assert cache.use(served, at=2.0, began=5.0).read == 0
    assert cache.use(served, at=5.0).read > 0


@pytest.mark.parametrize(("blocks", "hit"), [(15, True), (34, False), (35, False), (29, True), (30, False)])
def test_the_lookback(blocks: int, *, hit: bool) -> None:
    """CACHE-06: at most 20 positions are looked at, the breakpoint's own included (V-CACHE-2).

    The first request has its breakpoint at block 10 of the conversation.
    """

    def said(number: int) -> list[Message]:
        parts = [text(f"{LONG if index == 0 else 'part'} {index}") for index in range(number)]
        return [user([*parts[:-1], {**parts[-1], "cache_control": CONTROL}])]

    assert (_second(body(said(10)), body(said(blocks))).read > 0) == hit


def test_a_breakpoint_between_keeps_the_cache_within_reach() -> None:
    """CACHE-06, CACHE-17: a second marker where the last request ended is found however much was added."""
    parts = [text(f"{LONG if index == 0 else 'part'} {index}") for index in range(40)]
    first = body([user([*parts[:9], _marked("part 9")])])
    far = body([user([*parts[:9], text("part 9"), *parts[10:39], _marked("part 39")])])
    near = body([user([*parts[:9], _marked("part 9"), *parts[10:39], _marked("part 39")])])
    assert _second(first, far).read == 0
    assert _second(first, near).read == _upto(first, "messages.0.content.9")


def test_a_run_of_parallel_calls_is_within_reach() -> None:
    """CACHE-06: forty calls and forty results are two positions."""
    calls = [call(f"t{index}") for index in range(40)]
    results = [result(f"t{index}", "done") for index in range(40)]
    asked = [user([_marked(LONG)])]
    after = [user(LONG), assistant(*calls), user([*results[:-1], {**results[-1], "cache_control": CONTROL}])]
    assert _second(body(asked), body(after)).read == _upto(body(asked), "messages.0.content.0")


@pytest.mark.parametrize(("model", "minimum"), [(OPUS, 512), ("claude-opus-4-8", 1_024), (HAIKU, 4_096)])
def test_short_prefixes_are_silently_not_cached(model: str, minimum: int) -> None:
    """CACHE-08: a prefix under the model's minimum is uncached, both cache fields 0."""
    profile = resolve(model)
    assert profile.cache_min_tokens == minimum
    for words in range(minimum - 40, minimum + 20, 5):
        request = body([user("Hello.")], model=model, system=[_marked("word " * words)])
        prefix = _upto(request, "system.0")
        assert (PromptCache().use(_serve(request), at=0.0).written_5m > 0) == (prefix >= minimum)


def test_two_lifetimes_are_billed_apart() -> None:
    """CACHE-13: read up to the highest hit, 1h write up to the last 1h breakpoint, 5m write up to the last one.

    In the proportions of V-CACHE-4 (10k read, 20k written for an hour, 20k for five minutes), at a tenth of its size.
    """
    ten = "word " * 1_000
    system = [_marked(ten, HOURLY)]
    before = body([user("Hello.")], system=system)
    request = body([user([_marked(ten * 2, HOURLY), _marked(ten * 2)])], system=system)
    spent = _second(before, request)
    at = [_upto(request, path) for path in ("system.0", "messages.0.content.0", "messages.0.content.1")]
    assert spent == Bill(read=at[0], written_1h=at[1] - at[0], written_5m=at[2] - at[1], uncached=_END)
    assert spent.written_1h == pytest.approx(2 * spent.read, rel=0.01)
    assert spent.as_usage()["cache_creation_input_tokens"] == spent.written_1h + spent.written_5m


def _tool(name: str, **fields: Any) -> Message:
    return {"name": name, "description": LONG, "input_schema": {"type": "object"}, **fields}


_DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grass is green."}}
_IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.invalid/a.png"}}
_WEB = {"type": "web_search_20260209", "name": "web_search"}


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"model": "claude-opus-5"}, None),
        ({"tools": [_tool("other", cache_control=CONTROL)]}, None),
        ({"speed": "fast"}, None),
        ({"tools": [_tool("search", cache_control=CONTROL), _WEB]}, "tools.0"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "tools.0"),
        ({"output_config": {"task_budget": {"type": "tokens", "total": 20_000}}}, "tools.0"),
        ({"messages": [user([{**_DOCUMENT, "citations": {"enabled": True}}, _marked(LONG)])]}, "tools.0"),
        ({"tool_choice": {"type": "none"}}, "system.0"),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, "system.0"),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, "system.0"),
        ({"output_config": {"effort": "low"}}, "system.0"),
        ({"messages": [user([_DOCUMENT, _marked(LONG), _IMAGE])]}, "system.0"),
        ({"tool_choice": {"type": "auto"}}, "messages.0.content.1"),
        ({"output_config": {"effort": "medium"}}, "messages.0.content.1"),
        ({"max_tokens": 5, "stop_sequences": ["x"], "metadata": {"user_id": "a"}}, "messages.0.content.1"),
    ],
)
def test_what_a_changed_setting_invalidates(change: dict[str, Any], kept: str | None) -> None:
    """CACHE-11, CACHE-15, MEDIA-08, TB-04: what each setting invalidates; saying a default aloud changes nothing
    (THINK-13).
    """
    request = body([user([_DOCUMENT, _marked(LONG)])], tools=[_tool("search", cache_control=CONTROL)], system=_system())
    assert _second(request, {**request, **change}).read == (_upto(request, kept) if kept is not None else 0)


def test_every_byte_counts() -> None:
    """CACHE-01: any byte change invalidates from there on, the order of keys too, unlike BIND-14."""
    given = {"type": "tool_use", "id": "t0", "name": "read", "input": {"path": "a", "line": 1}}
    turned = {**given, "input": {"line": 1, "path": "a"}}

    def after(block: Message, end: str = "done") -> dict[str, Any]:
        answered = {**result("t0", end), "cache_control": CONTROL}
        return body([user("Read."), assistant(block), user([answered])], system=_system())

    whole = _upto(after(given), "messages.2.content.0")
    assert _second(after(given), after(given)).read == whole
    for other in (after(turned), after(given, "done "), after({**given, "input": {"path": "a", "line": 1.0}})):
        assert _second(after(given), other).read == _upto(after(given), "system.0")


def test_markers_and_strings_do_not_count() -> None:
    """CACHE-17, MSG-08: markers can move each request, and a string equals one text block."""
    first = body([user([_marked("Hello.")])], system=LONG)
    later = body([user("Hello."), assistant(text("Yes?")), user([_marked("Go on.")])], system=[_marked(LONG)])
    assert _second(first, later).read == _upto(first, "messages.0.content.0")


def test_a_stripped_turn_ends_the_cached_prefix() -> None:
    """CACHE-12, RET-03: on last-turn-only models a plain user message invalidates from the first stripped thinking."""
    loop = [user([_marked("word " * 5_000)]), assistant(thinking("a"), call("t0")), user([result("t0", "done")])]
    first = body(loop, model=HAIKU, cache_control=CONTROL)
    then = [*loop, assistant(text("Done.")), user("And now?")]
    later = body(then, model=HAIKU, cache_control=CONTROL)
    assert _second(first, later).read == _upto(first, "messages.0.content.0")
    kept = _second({**first, "model": OPUS}, {**later, "model": OPUS})
    assert kept.read == _serve({**first, "model": OPUS}).window.tokens - _FRAME.request - _FRAME.after_results


def test_earlier_thinking_is_read_as_input() -> None:
    """CACHE-10: thinking of earlier turns is cached as part of the prefix, and counts as input when it is read."""
    turn = [user([_marked(LONG)]), assistant(thinking("a"), text("Yes?")), user([_marked("Go on.")])]
    bare = [turn[0], assistant(text("Yes?")), turn[2]]
    first, without = body(turn), body(bare)
    again = body([*turn, assistant(text("Done.")), user("And now?")])
    assert _second(first, again).read == _upto(first, "messages.2.content.0") > _upto(without, "messages.2.content.0")


def test_dropped_thinking_shifts_the_messages() -> None:
    """CACHE-18: dropped thinking shifts the messages cache from its position; tools and system caches are intact."""
    said = [user("Hello."), assistant(thinking("a"), text("Yes?")), user("Go on.")]
    request = body(said, system=_system(), cache_control=CONTROL)
    cache = PromptCache()
    cache.use(_serve(request), at=0.0)
    dropped = serve(request, resolve(OPUS), dropped=["messages.1.content.0"])
    assert cache.use(dropped, at=1.0).read == _upto(request, "system.0")


def test_clearing_invalidates_from_the_first_cleared_block() -> None:
    """EDIT-04: clearing invalidates the cached prefix from the first cleared block; then the new prefix is stable."""
    edit = clear_uses(trigger=keep(5), keep=keep(4))
    requests = [body(rounds(number), edit, system=_system(), cache_control=CONTROL) for number in (5, 6)]
    assert _second(*requests).read == _upto(requests[0], "system.0")


def test_deferred_tools_are_cached_where_they_are_named() -> None:
    """TOOL-20: a deferred tool is no part of the tools; it is rendered where the conversation names it."""
    deferred = _tool("deploy", defer_loading=True)
    tools = [{"name": "find", "input_schema": {"type": "object"}}]
    found = [
        user([_marked(LONG)]),
        assistant(call("t0", "find")),
        user([result("t0", [{"type": "tool_reference", "tool_name": "deploy"}])]),
    ]
    first = body(found[:1], tools=tools)
    later = body(found, tools=[*tools, deferred], cache_control=CONTROL)
    spent = _second(first, later)
    assert spent.read == _upto(first, "messages.0.content.0")
    assert spent.written_5m > 1_000, "the definition"
    reworded = body(found, tools=[*tools, {**deferred, "description": "Other."}], cache_control=CONTROL)
    assert _second(later, reworded).read == spent.read


def test_dead_entries_are_forgotten() -> None:
    cache = PromptCache()
    cache._prune_at = 4
    for number, at in enumerate((0.0, 0.0, 0.0, 2_000.0)):
        cache.use(_serve(body([user([_marked(f"{number} {LONG}")])])), at=at)
    assert len(cache._entries) == 1


@given(requests(), st.floats(0, 300))
def test_a_second_identical_request_reads_what_the_first_wrote(request: dict[str, Any], age: float) -> None:
    """A second identical request within the lifetime writes nothing, and reads all that the first wrote."""
    before, served, cache = copy.deepcopy(request), _serve(request), PromptCache()
    first = cache.use(served, at=0.0)
    second = cache.use(served, at=age)
    assert request == before
    assert first.prompt == second.prompt == served.window.tokens
    assert second == Bill(read=first.written_5m + first.written_1h, uncached=first.uncached)


@given(exchanges())
def test_an_appended_conversation_reads_its_last_prefix(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """What is read was written before, and never more than both prompts share."""
    first, second = pair
    old, new = (render(_serve(request).request, resolve(request["model"])) for request in (first, second))
    shared = 0
    for a, b in zip(old, new, strict=False):
        if a.prefix != b.prefix:
            break
        shared += b.tokens
    cache = PromptCache()
    wrote = cache.use(_serve(first), at=0.0)
    read = cache.use(_serve(second), at=1.0).read
    assert read <= shared
    assert read <= wrote.written_5m + wrote.written_1h


def test_thinking_is_cached_with_what_follows_it() -> None:
    """CACHE-10: a marker behind it writes it, and it is input when it is read."""
    thought = {"type": "thinking", "thinking": "Why? " * 400, "signature": "s"}
    end = {"role": "user", "content": [_marked("Go on.")]}

    def read(*blocks: Message) -> Bill:
        messages = [user("Hello."), assistant(*blocks, text("Well.")), end]
        request = {"model": OPUS, "system": LONG * 5, "messages": messages}
        cache = PromptCache()
        cache.use(_serve(request), 0.0)
        return cache.use(_serve(request), 1.0)

    with_it, without = read(thought), read()
    assert with_it.uncached == without.uncached
    assert with_it.read > without.read + 300
