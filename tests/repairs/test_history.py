from __future__ import annotations

from typing import Any

from ctxwindow.repairs import Repair
from ctxwindow.repairs.history import Draft, History
from tests.repairs.broken import request

GO: dict[str, Any] = {"role": "user", "content": "Go."}
BLOCKS: dict[str, Any] = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}


def test_what_nothing_was_done_to_is_the_object_it_came_as() -> None:
    body = request([GO, BLOCKS, None, 7])
    history = History(body)
    history.settle()
    assert history.body() == body
    assert history.body()["messages"] is body["messages"]
    assert [draft.form() for draft in history.drafts] == body["messages"]
    for odd in ({}, {"messages": None}, {"messages": "x"}):
        assert History(odd).body() == odd


def test_a_path_leads_to_message_block_and_rest() -> None:
    history = History(request([GO, BLOCKS]))
    first, second = history.drafts
    assert history.at("messages.0") == (first, None, [])
    assert history.at("messages.0.content") == (first, first.blocks[0], [])
    assert history.at("messages.1.content.1.text") == (second, second.blocks[1], ["text"])
    assert history.at("messages.1.content.9") == (second, None, ["9"])
    assert history.at("messages.1.role") == (second, None, ["role"])
    assert history.at("tools.0.name") == (None, None, ["tools", "0", "name"])
    assert history.at("messages") == (None, None, ["messages"])


def test_paths_are_those_of_before() -> None:
    history = History(request([GO, BLOCKS]))
    history.drafts[0].gone = True
    history.settle()
    draft, part, _ = history.at("messages.0.content.1")
    assert draft is not None
    assert part is not None
    assert (draft.path, part.path) == ("messages.1", "messages.1.content.1")
    history.remove(draft, part)
    history.settle()
    assert history.body()["messages"] == [{"role": "user", "content": [{"type": "text", "text": "a"}]}]


def test_a_message_that_loses_its_last_block_is_left_out_and_named() -> None:
    history = History(request([GO, GO]))
    history.remove(history.drafts[0], history.drafts[0].blocks[0])
    history.settle()
    assert history.body()["messages"] == [GO]
    assert [(one.rule, one.path) for one in history.repairs] == [("MSG-07", "messages.0")]


def test_new_messages_stand_behind_the_one_they_were_put_behind() -> None:
    history = History(request([GO, BLOCKS]))
    one, other = (Draft("messages.0", {"role": "user", "content": words}) for words in ("1", "2"))
    history.drafts[0].behind += [one, other]
    history.settle()
    assert [draft.form()["content"] for draft in history.drafts] == ["Go.", "1", "2", BLOCKS["content"]]


def test_a_repair_in_one_line() -> None:
    one = Repair(what="text left out", rule="MSG-06", path="messages.0.content.1", why="it is blank.")
    assert str(one) == "messages.0.content.1: text left out [MSG-06]: it is blank."
