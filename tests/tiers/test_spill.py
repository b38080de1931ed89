from __future__ import annotations

from ctxwindow.tiers.spill import preview


def test_head_note_and_tail() -> None:
    block = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": "a" * 50 + "m" * 1_000 + "z" * 50}
    shown = preview(block, "m2.0", tokens=400, head=50, tail=50)
    assert shown["is_error"] is True
    text = shown["content"][0]["text"]
    assert text.startswith("a" * 30 + "\n")
    assert text.endswith("\n" + "z" * 30)
    assert "m2.0" in text
    assert block["content"] == "a" * 50 + "m" * 1_000 + "z" * 50


def test_images_and_tool_references_stay() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    reference = {"type": "tool_reference", "tool_name": "write"}
    content = [{"type": "text", "text": "x" * 100}, image, reference, {"type": "text", "text": "y" * 100}]
    shown = preview(
        {"type": "tool_result", "tool_use_id": "t", "content": content}, "m1.0", tokens=60, head=10, tail=10
    )
    assert shown["content"][1:] == [image, reference]


def test_nothing_but_the_note() -> None:
    shown = preview(
        {"type": "tool_result", "tool_use_id": "t", "content": "x" * 100}, "m1.0", tokens=30, head=0, tail=0
    )
    assert shown["content"][0]["text"].startswith("[about 30 tokens")


def test_names_of_what_is_hidden_are_listed_within_the_room() -> None:
    hidden = "\n".join(f"see src/mod_{number}.py, src/mod_7.py" for number in range(200))
    text = f"{'a' * 100} app_main.py {hidden} {'z' * 100}"
    block = {"type": "tool_result", "tool_use_id": "t", "content": text}
    shown = preview(block, "m2.0", tokens=2_000, head=200, tail=100)["content"][0]["text"]
    (listed,) = [line for line in shown.splitlines() if line.startswith("[names in it: ")]
    assert "src/mod_7.py" in listed
    assert "app_main.py" not in listed  # it is shown
    assert len(listed) <= 0.4 * 300
    assert all(name in text for name in listed.removeprefix("[names in it: ").rstrip("]").split(", "))
