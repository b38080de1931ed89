from __future__ import annotations

from typing import Any

import pytest

from ctxwindow.rules import find_violations
from tests.files import base64_of, page, pdf, png, tree

LARGE, SMALL = "claude-opus-4-8", "claude-sonnet-4-5"
"""Windows of 1M and of 200k tokens; images of the high and of the standard tier (MEDIA-02)."""
VERTEX = {"anthropic_version": "vertex-2023-10-16"}


def image(width: int, height: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "image", "source": base64_of(png(width, height)), **more}


def pages(number: int) -> dict[str, Any]:
    content = pdf(tree(number), *(page(3 + index) for index in range(number)))
    return {"type": "document", "source": base64_of(content, "application/pdf")}


LINK = {"type": "image", "source": {"type": "url", "url": "u"}}
LINKED_PDF = {"type": "document", "source": {"type": "url", "url": "u"}}
NOTE = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}


def found(*blocks: Any, model: str = LARGE, **settings: Any) -> list[tuple[str, str, str]]:
    """Rule, path and message of everything found in one user message."""
    messages = [{"role": "user", "content": list(blocks)}]
    violations = find_violations({"model": model, "messages": messages, **settings})
    return [(violation.rule, violation.path, violation.message) for violation in violations]


def in_result(*blocks: Any, **more: Any) -> list[tuple[str, str]]:
    """Rule and path of everything found in a tool result, at `messages.2.content.0`."""
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}, **more}
    result = {"type": "tool_result", "tool_use_id": "t", "content": list(blocks), **more}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    return [(violation.rule, violation.path) for violation in find_violations({"model": LARGE, "messages": messages})]


def test_media_04() -> None:
    """An image has at most 8000 pixels a side and 10 MB of base64 (5 MB on partner clouds); a request holds at most 600 on
    1M windows, 100 on smaller ones."""
    path = "messages.0.content.0"
    said = f"{path}.image.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels"
    assert found(image(8_000, 8_000)) == []
    assert found(image(8_001)) == [("MEDIA-04", path, said)]
    assert found(image(1, 8_001)) == [("MEDIA-04", path, said)]
    assert in_result(image(8_001)) == [("MEDIA-04", "messages.2.content.0.content.0")]


@pytest.mark.parametrize(("settings", "megabytes"), [({}, 10), (VERTEX, 5)])
def test_media_04_bytes(settings: dict[str, Any], megabytes: int) -> None:
    data = base64_of(png(9, 9))["data"]
    whole = {"type": "base64", "media_type": "image/png", "data": data + "A" * (megabytes * 2**20 - len(data))}
    assert found({"type": "image", "source": whole}, **settings) == []
    ((rule, path, _),) = found({"type": "image", "source": {**whole, "data": whole["data"] + "A"}}, **settings)
    assert (rule, path) == ("MEDIA-04", "messages.0.content.0")


@pytest.mark.parametrize(("model", "most"), [(LARGE, 600), (SMALL, 100)])
def test_media_04_number(model: str, most: int) -> None:
    assert found(*[LINK] * most, NOTE, model=model) == []
    said = f"too many images and documents: {most} + 1 > {most}"
    assert found(*[LINK] * most, LINKED_PDF, model=model) == [("MEDIA-04", "messages", said)]
    assert [rule for rule, _, _ in found(*[LINK] * (most + 1), model="of-tomorrow")] == ["SHAPE-10"]


def test_media_05() -> None:
    """In a request of more than 20 images each has at most 2000 pixels a side."""
    assert found(*[LINK] * 19, image(8_000)) == []
    assert found(*[LINK] * 20, image(2_000, 2_000)) == []
    path = "messages.0.content.20"
    said = (
        f"{path}.image.source.base64.data: At least one of the image dimensions exceed max allowed size for many-image "
        "requests: 2000 pixels"
    )
    assert found(*[LINK] * 20, image(2_001)) == [("MEDIA-05", path, said)]
    assert found(*[LINK] * 19, LINKED_PDF, image(2_001)) == []
    assert found(*[LINK] * 19, LINKED_PDF, image(2_001), **VERTEX) == [("MEDIA-05", path, said)]
    assert in_result(*[LINK] * 20, image(2_001)) == [("MEDIA-05", "messages.2.content.0.content.20")]


def test_media_06() -> None:
    """oversized_image is downsize or error; with error, and in toolset screenshots, a larger image is rejected."""
    wide = (2_577, 100)
    assert found(image(*wide)) == []
    assert found(image(*wide, transformations={"oversized_image": "downsize"})) == []
    ((rule, path, _),) = found(image(*wide, transformations={"oversized_image": "error"}))
    assert (rule, path) == ("MEDIA-06", "messages.0.content.0")
    assert found(image(2_576, 100, transformations={"oversized_image": "error"})) == []
    assert len(found(image(2_576, 100, transformations={"oversized_image": "error"}), model=SMALL)) == 1
    field = "messages.0.content.0.transformations.oversized_image"
    assert found(image(9, transformations={"oversized_image": "crop"})) == [
        ("MEDIA-06", field, f"{field}: Input should be 'downsize' or 'error'")
    ]
    assert [path for _, path, _ in found(image(9, transformations="error"))] == [field]
    assert found(image(9, transformations={})) == []
    assert in_result(image(*wide)) == []
    assert in_result(image(*wide), toolset_name="computer") == [("MEDIA-06", "messages.2.content.0.content.0")]


@pytest.mark.parametrize(("model", "most"), [(LARGE, 600), (SMALL, 100)])
def test_media_07(model: str, most: int) -> None:
    """A request holds at most 600 PDF pages, 100 on windows under 1M; a page costs its text and its image."""
    assert found(pages(most), model=model) == []
    assert found(pages(most - 1), LINKED_PDF, model=model) == []
    said = f"messages: {most + 1} PDF pages, and a request to this model may hold {most}."
    assert found(pages(most + 1), model=model) == [("MEDIA-07", "messages", said)]
    assert found(pages(most), LINKED_PDF, model=model) == [("MEDIA-07", "messages", said)]
    assert [rule for rule, _, _ in found(pages(most + 1), model="of-tomorrow")] == ["SHAPE-10"]


def test_sizes_that_cannot_be_read_are_not_judged() -> None:
    damaged = {"type": "image", "source": base64_of(b"damage"), "transformations": {"oversized_image": "error"}}
    assert found(*[damaged] * 21) == []
