from __future__ import annotations

from typing import Any

import pytest

from ctxwindow import Conversation, Warm
from ctxwindow.recall import Recalled
from ctxwindow.record.events import Compacted
from ctxwindow.transcripts.survival import Mentions, Names, Survival, Tally
from tests.driver import plan, small
from tests.transcripts.scenes import OPUS, call, lines, thinking


def said(text: str, *more: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": [*more, {"type": "text", "text": text}]}


class Scene:
    """A conversation whose replies are judged one after another."""

    def __init__(self, *, budget: int = 100_000, system: str | None = None, **settings: Any) -> None:
        self.conversation = Conversation.start(model=OPUS, system=system, policy=small(budget, **settings))
        self.survival = Survival()

    def user(self, content: Any) -> None:
        self.conversation.append({"role": "user", "content": content})

    def result(self, identity: str, content: str) -> None:
        self.user([{"type": "tool_result", "tool_use_id": identity, "content": content}])

    def reply(self, message: dict[str, Any], *, stop: str = "end_turn") -> Tally:
        send = plan(self.conversation)
        tally = self.survival.judge(self.conversation, send, message)
        self.conversation.receive({"content": message["content"], "stop_reason": stop})
        return tally


def tally(used: int, on_wire: int, recallable: int) -> Tally:
    return Tally(used=used, on_wire=on_wire, recallable=recallable)


def test_what_stands_on_the_wire_survives() -> None:
    scene = Scene()
    scene.user("Look at src/app.py and fix issue #4711.")
    assert scene.reply(said("I open src/app.py for #4711 now.")) == tally(2, 2, 2)
    scene.user("Go on.")
    assert scene.reply(said("src/app.py is fixed, see the_new_name.")) == tally(1, 1, 1), "its own names are no re-use"
    scene.user("Rename it.")
    assert scene.reply(said("the_new_name is renamed.")) == tally(1, 1, 1), "by now it had appeared"


def test_nothing_used_is_nothing_lost() -> None:
    scene = Scene()
    scene.user("Hello there.")
    assert scene.reply(said("Hi.")) == Tally() == tally(0, 0, 0)


def test_a_name_that_was_spilled_away_can_be_recalled() -> None:
    scene = Scene(budget=8_000, spill={"tokens": 500, "head_chars": 300, "tail_chars": 300})
    scene.user("Read it.")
    scene.reply({"role": "assistant", "content": [call("t1")]})
    scene.result("t1", lines(200))
    found = scene.reply(said("entry_line_0 and entry_line_199 are fine, entry_line_100 is not; entry_line_999 is new."))
    assert scene.conversation.spilled
    assert found == tally(3, 2, 3)


def spilled() -> tuple[Scene, Any]:
    scene = Scene(budget=8_000, spill={"tokens": 500, "head_chars": 300, "tail_chars": 300})
    scene.user("Read it.")
    scene.reply({"role": "assistant", "content": [call("t1")]})
    scene.result("t1", lines(200))
    return scene, said("entry_line_100 and entry_line_101 are not fine.")


def test_what_recall_does_not_find_is_not_recallable(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Conversation.recall
    asked: list[str] = []

    def half(self: Conversation, query: str = "", **more: Any) -> list[Recalled]:
        asked.append(query)
        return [] if query == "entry_line_100" else found(self, query, **more)

    monkeypatch.setattr(Conversation, "recall", half)
    scene, reply = spilled()
    assert scene.reply(reply) == tally(2, 0, 1)
    scene.user("Again.")
    assert scene.reply(reply) == tally(2, 2, 2), "by now a reply has said it"
    assert sorted(asked) == ["entry_line_100", "entry_line_101"]


def test_a_hit_without_the_name_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, reply = spilled()
    other = scene.conversation.recall(handle="m0.0")
    monkeypatch.setattr(Conversation, "recall", lambda *_, **__: other)
    assert scene.reply(reply) == tally(2, 0, 0)


def test_the_whole_text_behind_a_hit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What recall shows is a part; the handle gives the rest."""
    scene, reply = spilled()
    (opening,) = scene.conversation.recall(handle="m2.0")
    assert "entry_line_100" not in opening.text
    monkeypatch.setattr(Conversation, "recall", lambda *_, **__: [opening])
    assert scene.reply(reply) == tally(2, 0, 2)


@pytest.mark.parametrize("own", [False, True])
def test_what_the_server_clears_is_not_on_the_wire(own: bool) -> None:
    """EDIT-02: it is sent, and a placeholder stands in the server's copy; by the planner's edits or the caller's own."""
    edit = {"type": "clear_tool_uses_20250919", "trigger": {"type": "tool_uses", "value": 2}}
    settings = {"context_management": {"edits": [edit]}, "betas": ["context-management-2025-06-27"]} if own else {}
    policy = small(12_000, methods=("clear_tool_uses",))
    scene = Scene()
    scene.conversation = Conversation.start(model=OPUS, settings=settings, policy=policy, now=0.0)
    scene.user("Read them all.")
    for number in range(10):
        scene.reply({"role": "assistant", "content": [call(f"t{number}")]}, stop="tool_use")
        scene.result(f"t{number}", f"def name_of_{number}(): ...\n{lines(110, f'file{number}')}")
    names = [f"name_of_{number}" for number in range(10)]
    reply = said(" ".join(names))
    cleared = {block.path for block in plan(scene.conversation).window.blocks if block.disposition == "cleared"}
    assert 0 < len(cleared) < 10
    assert scene.reply(reply) == tally(10, 10 - len(cleared), 10)
    scene.user("Again.")
    assert scene.reply(reply) == tally(10, 10, 10), "by now a reply has said them"


def compacted(method: str) -> Scene:
    """One early name, much in between, then a new epoch: the summary can hold some of it only."""
    scene = Scene(budget=4_000, methods=(method,), warm=Warm(tokens=200))
    scene.user(f"Remember these: {lines(80, 'old')}")
    scene.reply(said("Noted in late_note.txt."))
    scene.user(lines(70, "more"))
    scene.reply(said("Noted."))
    assert scene.conversation.epoch == 0
    return scene


def test_only_in_the_head() -> None:
    scene = compacted("summarize_all")
    scene.user(f"Now go on with tests/test_tail.py. {lines(25, 'third')}")
    names = [f"entry_old_{number}" for number in range(80)]
    found = scene.reply(said(" ".join([*names, "tests/test_tail.py"])))
    assert scene.conversation.epoch == 1
    head = str(scene.conversation.wire[0])
    quoted = sum(name in head for name in names)
    assert 0 < quoted < len(names), "some of it is in the summary, some is not"
    assert found == tally(81, quoted + 1, 81)


def test_what_the_kept_tail_holds_survives_and_what_an_old_head_held_does_not() -> None:
    scene = compacted("summarize_keep_tail")
    scene.user(f"Now tests/test_tail.py. {lines(25, 'third')}")
    scene.reply(said("Looking at tests/test_tail.py."))
    assert scene.conversation.epoch == 1
    for number in range(6):
        scene.user(lines(25, f"round{number}"))
        scene.reply(said(f"Done with report_{number}.md."))
    assert scene.conversation.epoch >= 2
    everything = [f"entry_old_{number}" for number in range(60)] + [f"report_{number}.md" for number in range(6)]
    scene.user("Sum up.")
    found = scene.reply(said(" ".join(everything)))
    wire = "\n".join(str(message) for message in scene.conversation.wire[:-1])
    present = sum(name in wire for name in everything)
    assert 0 < present < len(everything)
    assert found == tally(66, present, 66)


def compaction(summary: str, at: int) -> Compacted:
    return Compacted(
        method="summarize_keep_tail",
        first=0,
        end=at,
        tail=at,
        instruction=None,
        carried=None,
        strip_thinking=False,
        summary=summary,
        by="hand",
        tokens=20,
        before=1_000,
        target=500,
    )


def test_what_only_an_earlier_head_held_is_gone() -> None:
    """The first message that is kept is joined to the head: the head's names are not the message's."""
    scene = Scene()
    scene.user("Look at old_name.py and other_name.py.")
    scene.reply(said("Noted."))
    scene.user("Go on with kept_name.py.")
    scene.conversation = Conversation.fold([*scene.conversation.events, compaction("About old_name.py.", 2)])
    assert len(scene.conversation.wire) == 1, "joined"
    assert scene.reply(said("kept_name.py is done.")) == tally(1, 1, 1)
    scene.conversation = Conversation.fold([*scene.conversation.events, compaction("About other_name.py.", 2)])
    scene.user("And now?")
    assert len(scene.conversation.wire) == 3
    assert scene.reply(said("old_name.py, other_name.py, kept_name.py")) == tally(3, 2, 3)


def test_the_system_prompt_is_on_every_wire() -> None:
    scene = Scene(
        budget=4_000, system="Always mention src/early_0.py.", methods=("summarize_all",), warm=Warm(tokens=200)
    )
    scene.user(f"Look at src/early_0.py: {lines(80)}")
    scene.reply(said("Yes."))
    scene.user(lines(70, "more"))
    scene.reply(said("Yes."))
    scene.user(f"Go on. {lines(25, 'third')}")
    found = scene.reply(said("src/early_0.py again."))
    assert scene.conversation.epoch == 1
    assert found == tally(1, 1, 1)


def test_thinking_is_no_place_to_survive_in() -> None:
    scene = Scene()
    scene.user("Think.")
    assert scene.reply(said("ok", thinking("about secret_plan.txt"))) == Tally()
    scene.user("Go on.")
    assert scene.reply(said("secret_plan.txt it is.")) == Tally(), "it never appeared where it could be read"


def test_a_message_that_cannot_be_sent_shifts_nothing() -> None:
    """A reply cut in its thinking is in the record and not on the wire: places on both still belong together."""
    scene = Scene(budget=4_000, methods=("summarize_keep_tail",), low=0.5, warm=Warm(tokens=200))
    scene.user(f"Look at old_name.py: {lines(50)}")
    scene.reply({"role": "assistant", "content": [thinking("hm")]}, stop="max_tokens")
    scene.reply(said("Noted."))
    for number in range(4):
        scene.user(lines(40, f"part{number}"))
        scene.reply(said(f"Read note_{number}.txt."))
    assert scene.conversation.epoch >= 1
    scene.user("And now?")
    names = ["old_name.py", *(f"note_{number}.txt" for number in range(4))]
    names += [f"entry_part{part}_{number}" for part in (0, 3) for number in range(40)]
    found = scene.reply(said(" ".join(names)))
    wire = "\n".join(str(message) for message in scene.conversation.wire[:-1])
    present = sum(name in wire for name in names)
    assert 0 < present < len(names)
    assert found == tally(len(names), present, len(names))


def test_tallies_add_up() -> None:
    assert tally(3, 2, 3) + tally(4, 1, 2) == tally(7, 3, 5)
    assert sum([tally(1, 1, 1), tally(2, 0, 1)], start=Tally()) == tally(3, 1, 2)


# -- messages that go out as they are, or not at all ---------------------------------------------------------


def mentions(*texts: str, off_wire: int = -1) -> Mentions:
    found = Mentions(Names())
    for index, text in enumerate(texts):
        found.take(index, said(text), on_wire=index != off_wire)
    return found


def test_the_last_mention_decides() -> None:
    found = mentions("See src/app.py.", "Nothing.", "src/app.py and old_name.py", "Nothing.")
    reply = said("src/app.py, old_name.py and new_name.py")
    assert found.judge(reply, start=0) == tally(2, 2, 2), "new_name.py had not appeared"
    assert found.judge(reply, start=2) == tally(2, 2, 2)
    assert found.judge(reply, start=3) == tally(2, 0, 0)
    assert found.judge(reply, start=3, head="Of old_name.py") == tally(2, 1, 1)


def test_what_cannot_be_sent_has_appeared_and_is_not_there() -> None:
    found = mentions("See src/app.py.", "old_name.py", off_wire=1)
    assert found.judge(said("src/app.py and old_name.py"), start=0) == tally(2, 1, 1)


def test_names_are_read_once() -> None:
    names = Names()
    first, again = names.of(said("See src/app.py.")), names.of(said("See src/app.py."))
    assert first == {"src/app.py"}
    assert first is again
