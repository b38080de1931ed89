"""The bench itself: what it says it does to a client, it does."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from ctxwindow.catalog import resolve
from ctxwindow.emulator import Emulator
from ctxwindow.window import count_text
from tests.client.agents import Agent, crowd, rounds, varied
from tests.client.breaking import BROKEN, FAULTS, SILENT, Break, Breaking, Fault, Silence, spots
from tests.client.child import Forks
from tests.client.failures import FINAL, PASSING, REFUSED, STRANGE, recorded
from tests.client.loopback import Log, serving

MODEL = "claude-opus-5-5"
HELLO: Any = [{"role": "user", "content": "Hello."}]
BODY: Any = {"model": MODEL, "max_tokens": 500, "messages": HELLO}
SAID = "Grüße ☃ 𝄞"


def sdk(url: str, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="k", base_url=url, **{"max_retries": 0, "timeout": 5.0, **options})


# -- loopback ---------------------------------------------------------------------------------------------


def test_every_surface_of_the_plain_sdk_and_what_the_log_says_of_it() -> None:
    log = Log()

    async def asynchronously(url: str) -> None:
        async with anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0) as client:
            for messages in (client.messages, client.beta.messages):
                await messages.create(**BODY)
                async with messages.stream(**BODY) as stream:
                    await stream.until_done()

    with serving(Emulator([SAID] * 8), log=log) as url:
        with sdk(url) as client:
            for messages in (client.messages, client.beta.messages):
                assert messages.create(**BODY).content[-1].text == SAID
                with messages.stream(**BODY) as stream:
                    assert stream.get_final_text() == SAID
            with pytest.raises(anthropic.NotFoundError):
                client.messages.create(**{**BODY, "model": "nope"})
        asyncio.run(asynchronously(url))
        log.wait(9)
    assert [one.status for one in log.exchanges] == [200] * 4 + [404] + [200] * 4
    assert len(log.created) == 9
    assert [one.number for one in log.refused] == [5]
    assert "model: nope" in repr(log.refused)
    assert log.exchanges[0].json == BODY
    assert log.exchanges[0].answer["content"][-1]["text"] == SAID
    assert all(one.complete and one.response for one in log.exchanges)
    assert log.exchanges[1].parts > 5


def test_a_stream_really_streams() -> None:
    with serving(Emulator(["word " * 100]), pace=0.02) as url, sdk(url) as client:
        times = [time.monotonic() for event in client.messages.create(**BODY, stream=True)]
    assert times[-1] - times[0] > 0.02 * 10


def test_something_can_be_done_at_a_moment_of_an_exchange() -> None:
    log, done = Log(), []
    log.at(2, lambda: done.append(("arrived", log.exchanges[1].status, 0)))
    log.at(2, lambda: done.append(("streaming", log.exchanges[1].status, log.exchanges[1].parts)), parts=3)
    with serving(Emulator([SAID] * 2), log=log) as url, sdk(url) as client:
        client.messages.create(**BODY)
        assert not done
        with client.messages.stream(**BODY) as stream:
            stream.until_done()
    assert done == [("arrived", None, 0), ("streaming", 200, 3)]
    with pytest.raises(TimeoutError, match="2 of 3"):
        log.wait(3, timeout=0.01)


def test_it_starts_and_ends_quickly_even_with_open_connections() -> None:
    start = time.monotonic()
    with serving(Emulator()) as url:
        listening = time.monotonic() - start
        client = httpx2.Client()
        assert client.get(url, headers={"x-api-key": "k"}).status_code == 400
        start = time.monotonic()
    ending = time.monotonic() - start
    client.close()
    assert listening < 0.3
    assert ending < 2


# -- breaking ---------------------------------------------------------------------------------------------


def streamed(client: anthropic.Anthropic) -> anthropic.types.Message:
    with client.messages.stream(**BODY) as stream:
        return stream.get_final_message()


def whole_stream() -> bytes:
    """The bytes of a short stream."""
    log = Log()
    with serving(Emulator([SAID]), log=log) as url, sdk(url) as client:
        streamed(client)
    return log.exchanges[0].response


@pytest.mark.parametrize(
    ("way", "step"), [("closed", 13), ("reset", 11), pytest.param("closed", 1, marks=pytest.mark.long)]
)
def test_a_stream_that_is_cut_at_any_byte_raises_and_never_hangs(way: Any, step: int) -> None:
    length = len(whole_stream())
    places = list(range(0, length + 1, step))
    breaking = Breaking.at({number: Break(way, place) for number, place in enumerate(places, 1)})
    start = time.monotonic()
    with serving(Emulator([SAID] * len(places)), breaking=breaking) as url, sdk(url) as client:
        for _ in places:
            # The last one too, where nothing but the end of the transfer is missing.
            with pytest.raises((httpx2.TransportError, anthropic.APIConnectionError)):
                streamed(client)
    assert [injected.cut for injected in breaking.injected] == [(place, length) for place in places]
    assert time.monotonic() - start < 60


def test_a_stream_that_ends_early_without_an_error_looks_finished_to_the_sdk() -> None:
    """What a client has to tell for itself: the stop reason is missing."""
    body = whole_stream()
    place = body.index(b"event: message_delta")
    with (
        serving(Emulator([SAID]), breaking=Breaking.at({1: Break("ended", place)})) as url,
        sdk(url) as client,
    ):
        message = streamed(client)
    assert message.stop_reason is None
    assert message.content[-1].text == SAID  # type: ignore[union-attr]


def test_the_spots_of_a_stream() -> None:
    body = whole_stream()
    for place in spots(body, "inside a character"):
        with pytest.raises(UnicodeDecodeError):
            body[:place].decode()
    assert len(spots(body, "inside a character")) == sum(len(char.encode()) - 1 for char in body.decode())
    assert all(b"\n" not in body[place - 1 : place + 1] for place in spots(body, "inside a line"))
    assert [body[place:][:6] for place in spots(body, "between events")] == [b"event:"] * (body.count(b"\n\n") - 1)
    assert spots(body, "after message_stop") == [len(body)]
    assert list(spots(body, "any")) == list(range(len(body) + 1))
    assert all(spots(body, one.spot) for one in BROKEN if isinstance(one, Break) and isinstance(one.spot, str))


@pytest.mark.parametrize(
    "answer", [*PASSING.values(), *FINAL.values(), *REFUSED.values()], ids=lambda answer: answer.name
)
def test_errors_arrive_as_the_sdk_knows_them(errors: tuple[Breaking, str], answer: Any) -> None:
    breaking, url = errors
    breaking.then(answer)
    with sdk(url) as client, pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(**BODY)
    assert caught.value.status_code == answer.status
    if answer.name.startswith(("compaction_", "thread_", "tool_", "file_", "image_")):
        assert type(caught.value) is not anthropic.BadRequestError, "the SDK has a class of its own for this code"
        assert getattr(caught.value, "error_code", None) == answer.name


@pytest.fixture(scope="module")
def errors() -> Iterator[tuple[Breaking, str]]:
    """One server that only breaks."""
    breaking = Breaking.at({})
    with serving(Emulator(), breaking=breaking) as url:
        yield breaking, url


def test_recorded_errors_arrive_too(errors: tuple[Breaking, str]) -> None:
    breaking, url = errors
    answers = recorded()
    assert len(answers) > 40
    breaking.then(*answers)
    with sdk(url) as client:
        for answer in answers:
            with pytest.raises(anthropic.APIStatusError) as caught:
                client.messages.create(**BODY)
            assert caught.value.status_code == answer.status


@pytest.mark.parametrize("answer", STRANGE.values(), ids=lambda answer: answer.name)
def test_strange_answers_arrive_as_they_are(errors: tuple[Breaking, str], answer: Any) -> None:
    breaking, url = errors
    breaking.then(answer)
    response = httpx2.post(f"{url}/v1/messages", json=BODY)
    assert (response.status_code, response.content) == (answer.status, answer.body)
    assert response.headers["content-type"] == answer.content_type


def test_silence_and_stalling_end_with_the_client_s_patience() -> None:
    plan: dict[int, Fault] = {
        1: Silence(seconds=20),
        2: Silence(carried_out=True, seconds=20),
        3: Break("stalled", 300, seconds=20),
    }
    log = Log()
    start = time.monotonic()
    with (
        serving(Emulator([SAID] * 4), log=log, breaking=Breaking.at(plan)) as url,
        sdk(url, timeout=0.2) as client,
    ):
        for _ in range(2):
            with pytest.raises(anthropic.APITimeoutError):
                streamed(client)
        with pytest.raises((httpx2.ReadTimeout, anthropic.APITimeoutError)):
            streamed(client)
        assert streamed(client).stop_reason == "end_turn"
    assert time.monotonic() - start < 10
    assert len(log.exchanges) == 3, "the first was not carried out"


def test_an_error_event_comes_behind_whole_events_and_an_error_in_place_of_a_body() -> None:
    plan = {1: Break("error event", "after message_stop"), 2: Break("error event", 700), 3: Break("error event")}
    breaking = Breaking.at(plan)
    with serving(Emulator([SAID] * 3), breaking=breaking) as url, sdk(url) as client:
        for _ in range(2):
            with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
                streamed(client)
        with pytest.raises(anthropic.OverloadedError):
            client.messages.create(**BODY)
    body = whole_stream()
    assert [one.cut[0] for one in breaking.injected if one.cut][1:] == [body.rindex(b"\n\n", 0, 700) + 2, 0]


def injected(seed: int, requests: int = 60, **settings: Any) -> Breaking:
    breaking = Breaking(seed, **settings)
    with serving(Emulator([SAID] * requests), breaking=breaking) as url, httpx2.Client() as client:
        for number in range(requests):
            with contextlib.suppress(httpx2.TransportError):
                client.post(
                    f"{url}/v1/messages",
                    json={**BODY, "stream": number % 2 == 0},
                    headers={"x-api-key": "k", "anthropic-version": "2023-06-01"},
                )
    return breaking


def test_a_plan_follows_from_its_seed() -> None:
    first = injected(3, rate=0.5)
    assert first.injected == injected(3, rate=0.5).injected
    assert first.injected != injected(4, rate=0.5).injected
    assert 15 <= len(first.injected) <= 45
    assert first.requests == 60
    rows = [one.number for one in injected(3, rate=0.9, in_a_row=2).injected]
    assert not any({number, number + 1, number + 2} <= set(rows) for number in rows)
    assert {type(one) for one in FAULTS} == {type(one) for one in (*PASSING.values(), *BROKEN, *SILENT)}


def test_the_sdk_s_own_retries_take_no_time(quickly: None) -> None:
    plan: dict[int, Fault] = {1: PASSING["529 without retry-after"], 2: Break("closed", "inside a line"), 4: Silence()}
    breaking = Breaking.at(plan)
    start = time.monotonic()
    with serving(Emulator([SAID] * 5), breaking=breaking) as url, sdk(url, max_retries=2) as client:
        for _ in range(2):
            client.messages.create(**BODY)
    assert len(breaking.injected) == 3
    assert time.monotonic() - start < 5


# -- agents -----------------------------------------------------------------------------------------------


def talk(agent: Agent, client: anthropic.Anthropic, *, model: str = MODEL, streams: bool = False) -> list[Any]:
    """The tool loop as somebody writes it who knows nothing of this library; the history."""
    tools: Any = [{"name": "inspect_part", "input_schema": {"type": "object"}}]
    history: list[Any] = [{"role": "user", "content": agent.task}]
    while True:
        request: Any = {
            "model": model,
            "max_tokens": 8_000,
            "system": agent.system,
            "tools": tools,
            "messages": history,
        }
        if streams:
            with client.messages.stream(**request) as stream:
                reply = stream.get_final_message()
        else:
            reply = client.messages.create(**request)
        history.append({"role": "assistant", "content": [block.to_dict() for block in reply.content]})
        calls = [block for block in reply.content if block.type == "tool_use"]
        if not calls:
            return history
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": agent.tools[0](**call.input)} for call in calls
        ]
        history.append({"role": "user", "content": results})


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-4-6", MODEL])
def test_an_agent_calls_for_its_rounds_and_then_ends_its_turn(model: str) -> None:
    agent = rounds(6, parallel=3)
    log = Log()
    with serving(Emulator(agent.reply), log=log) as url, sdk(url) as client:
        history = talk(agent, client, model=model)
    assert log.refused == []
    assert agent.ran == agent.asked
    assert len(log.created) == 7
    said = "".join(str(message["content"]) for message in history)
    assert all(said.count(agent.mark(*call)) == said.count(agent.needle(*call)) == 1 for call in agent.asked)
    ids = [
        block["id"] for message in history for block in message["content"] if isinstance(block, dict) and "id" in block
    ]
    assert len(ids) == len(set(ids)) == 18


def test_a_lost_reply_is_said_again_under_other_ids(quickly: None) -> None:
    agent = rounds(8)
    breaking = Breaking(5, rate=0.4, faults=[Break("closed", "inside a line"), Silence(carried_out=True)], in_a_row=2)
    log = Log()
    with serving(Emulator(agent.reply), log=log, breaking=breaking) as url, sdk(url, max_retries=2) as client:
        talk(agent, client)
    assert agent.ran == agent.asked
    assert breaking.injected
    assert len(log.created) == 9 + len(breaking.injected)
    ids = [block["id"] for one in log.created for block in one.answer["content"] if block["type"] == "tool_use"]
    assert len(ids) == len(set(ids)) > 8


def test_an_agent_goes_by_marks_and_not_by_the_length_of_the_history() -> None:
    agent = rounds(9, thinking=False)

    def asks(*messages: Any) -> Any:
        reply: Any = agent.reply({"model": MODEL, "max_tokens": 9, "messages": list(messages)})
        return reply[-1]["input"]["number"] if reply[-1]["type"] == "tool_use" else reply[-1]["text"]

    assert asks({"role": "user", "content": "Begin."}) == 1
    assert asks({"role": "user", "content": f"Summary: {agent.result(6, 0)[:30]} was seen."}) == 7
    call = {
        "type": "tool_use",
        "id": "toolu_x",
        "name": "inspect_part",
        "input": {"agent": "a", "number": 4, "lane": 0},
    }
    result = {"type": "tool_result", "tool_use_id": "toolu_x", "content": "unknown"}
    assert asks({"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}) == 5
    assert asks({"role": "user", "content": "A summary without marks."}) == 7, "of the last that was seen"
    assert asks({"role": "user", "content": agent.mark(9, 0)}) == "Agent a is done: 9 parts were inspected."


def test_an_agent_can_end_its_turn_in_between() -> None:
    agent = rounds(4, per_turn=2, thinking=False)
    body: Any = {"model": MODEL, "max_tokens": 9}
    result = {"type": "tool_result", "tool_use_id": "toolu_x", "content": agent.result(2, 0)}
    paused: Any = agent.reply({**body, "messages": [{"role": "user", "content": [result]}]})
    assert [block["type"] for block in paused] == ["text"]
    went_on: Any = agent.reply(
        {**body, "messages": [{"role": "user", "content": [result]}, {"role": "user", "content": "Go on."}]}
    )
    assert went_on[-1]["input"]["number"] == 3


def test_two_agents_on_one_emulator() -> None:
    agents = [rounds(3, name="one"), rounds(4, name="two", parallel=2)]
    log = Log()
    with serving(Emulator(crowd(agents)), log=log) as url, sdk(url) as client:
        for agent in agents:
            talk(agent, client, streams=True)
    assert log.refused == []
    assert all(agent.ran == agent.asked for agent in agents)


def test_results_are_as_large_as_they_are_asked_to_be() -> None:
    agent = rounds(30, result_tokens=varied())
    tokenizer = resolve(MODEL).tokenizer
    sizes = [count_text(agent.result(number, 0), tokenizer).tokens for number in range(1, 31)]
    assert 15_000 < max(sizes) < 21_000
    assert min(sizes) < 150
    assert agent.result(7, 0) == agent.result(7, 0) != agent.result(7, 1)


# -- children ---------------------------------------------------------------------------------------------


def test_a_child_talks_over_http_and_is_killed_at_a_request(forks: Forks) -> None:
    log = Log()
    with serving(Emulator(), log=log) as url:
        child = forks.run("tests.client.scripts:ask", base_url=url, times=2)
        assert child.wait() == 0, child.output
        assert child.result == ["end_turn", "end_turn"]
        child = forks.run("tests.client.scripts:ask", base_url=url, times=1_000)
        log.at(5, child.kill)
        assert child.wait() == -signal.SIGKILL
        assert len(log.exchanges) == 5
        with pytest.raises(AssertionError, match="returned nothing"):
            _ = child.result


@pytest.mark.parametrize(("when", "written"), [("before", 2), ("after", 3)])
def test_a_child_is_killed_at_a_named_point(forks: Forks, tmp_path: Path, when: str, written: int) -> None:
    path = tmp_path / "numbers"
    child = forks.run("tests.client.scripts:count_up", path=str(path), stop=3, when=when)
    child.reached("writing").kill()
    assert child.wait() == -signal.SIGKILL
    assert path.read_text(encoding="utf-8").split() == [str(number) for number in range(1, written + 1)]


def test_an_agent_is_killed_before_and_inside_replies_and_goes_on_in_the_next_child(
    forks: Forks, tmp_path: Path
) -> None:
    agent, log = rounds(8), Log()
    given: Any = {"database": str(tmp_path / "a.db"), "journal": str(tmp_path / "ran"), "parts": 8, "model": MODEL}
    with serving(Emulator(agent.reply), log=log, pace=0.002) as url:
        for number, parts in ((3, 0), (7, 4), (11, 9)):
            child = forks.run("tests.client.scripts:work", base_url=url, **given)
            log.at(number, child.kill, parts=parts)
            assert child.wait() == -signal.SIGKILL, child.output
            assert len(log.exchanges) == number
        child = forks.run("tests.client.scripts:work", base_url=url, **given)
        assert child.wait() == 0, child.output
        assert child.result == "Agent a is done: 8 parts were inspected."
    assert log.refused == []
    ran = [line.split() for line in (tmp_path / "ran").read_text(encoding="utf-8").splitlines()]
    assert {(int(number), int(lane)) for number, lane in ran} == set(agent.asked)


def test_a_child_that_raises_or_hangs_is_told_of(forks: Forks, tmp_path: Path) -> None:
    child = forks.run("tests.client.scripts:fail")
    assert child.wait() == 1
    assert "RuntimeError: as it should" in child.output
    child = forks.run("tests.client.scripts:count_up", path=str(tmp_path / "numbers"), stop=1, when="before")
    with pytest.raises(TimeoutError, match="did not end"):
        child.wait(timeout=0.1)
    with pytest.raises(TimeoutError, match="did not reach 'nowhere'"):
        forks.run("tests.client.scripts:fail").reached("nowhere")


def test_a_fork_is_quick(forks: Forks) -> None:
    start = time.monotonic()
    children = [forks.run("tests.client.scripts:fail") for _ in range(5)]
    assert [child.wait() for child in children] == [1] * 5
    assert time.monotonic() - start < 5, "an import of the SDK alone takes more than a second"
