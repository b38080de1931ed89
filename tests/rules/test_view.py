from __future__ import annotations

from ctxwindow.record import Outline
from ctxwindow.rules import View
from ctxwindow.rules.frame import Frame
from ctxwindow.rules.view import Step, ends_in, families_of, first_block, plain

HI = {"role": "user", "content": "hi"}
TEXT = {"type": "text", "text": "a"}
CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
CALLS = {"role": "assistant", "content": [TEXT, CALL]}


def test_plain_stands_in_for_what_is_no_object() -> None:
    assert plain(HI) is HI
    assert plain(None) == plain("x") == plain([1]) == {}


def test_blocks_of_a_message() -> None:
    assert families_of(CALLS) == ["text", "call"]
    assert families_of(None) == []
    assert first_block(CALLS) == (0, TEXT)
    assert first_block(CALLS, skip="text") == (1, CALL)
    assert first_block({"role": "user"}) is None
    assert ends_in(CALLS, "call")
    assert not ends_in(CALLS, "text", "result")
    assert not ends_in(HI, "text")
    assert not ends_in(None, "text")


def test_a_step_knows_its_place() -> None:
    step = Step.of(CALLS, 3, HI, Outline(), Frame())
    assert step.path == "messages.3"
    assert [block.path for block in step.blocks] == ["messages.3.content.0", "messages.3.content.1"]
    assert step.families == {"text", "call"}
    assert (step.role, step.role_before, step.starts_turn) == ("assistant", "user", False)
    assert Step.of(HI, 0, None, Outline(), Frame()).role_before is None


def test_a_string_is_one_text_block_of_the_content() -> None:
    (block,) = Step.of(HI, 0, None, Outline(), Frame()).blocks
    assert (block.path, block.family, block.data) == ("messages.0.content", "text", {"type": "text", "text": "hi"})


def test_a_view_takes_a_request_apart() -> None:
    request = {"model": "m", "system": "s", "messages": [HI], "max_tokens": 5, "betas": ["a", 7]}
    view = View.of(request, betas=["b"])
    assert view.messages == [HI]
    assert view.frame.system == "s"
    assert view.frame.tools == []
    assert view.frame.settings == {"max_tokens": 5}
    assert view.frame.betas == {"a", "b"}
    assert not view.frame.compacts
    assert View.of({"compaction": {"type": "summarize"}}).frame.compacts


def test_steps_come_with_the_outline_before_each_message() -> None:
    view = View([HI, CALLS, "junk", HI])
    seen = [(step.index, step.outline.length, dict(step.outline.open_calls), step.last) for step in view.steps()]
    assert seen == [(0, 0, {}, False), (1, 1, {}, False), (2, 2, {"t": 1}, False), (3, 3, {"t": 1}, True)]
    assert view.outline.length == 4


def test_no_step_is_the_last_while_more_will_come() -> None:
    assert not any(step.last for step in View([HI, HI], final=False).steps())


def test_the_outline_that_the_caller_keeps_is_used() -> None:
    outline = Outline()
    assert View([HI], outline=outline).outline is outline
    assert View([HI]).outline.length == 1


def test_headers_are_known_where_they_are_given() -> None:
    views = [View.of({}), View.of({}, betas=[]), View.of({"betas": ["b"]}), View.of({"betas": 5})]
    assert [view.frame.betas_known for view in views] == [False, True, True, False]


def test_notable_blocks_are_the_same_however_a_request_is_looked_at() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image]}
    messages = [HI, "junk", {"role": "user", "content": [image, result]}]
    by_step = [entry for step in View(messages).steps() for entry in step.notable]
    walked = View(messages)
    list(walked.steps())
    assert View(messages).notable == walked.notable == by_step
    assert [path for path, _ in by_step] == ["messages.2.content.0", "messages.2.content.1.content.0"]
