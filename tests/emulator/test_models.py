from __future__ import annotations

import pytest

from ctxwindow.catalog import models, overlay, resolve
from ctxwindow.emulator import Emulator
from ctxwindow.emulator.models import model_info
from tests.emulator.scenes import get, refused


def test_what_the_catalog_says_comes_back_to_it() -> None:
    """CTX-07: laid over the catalog, the list changes nothing but what one of its fields cannot say."""
    changed = overlay([model_info(profile) for profile in models()]).changed
    assert {field for fields in changed.values() for field in fields} <= {"retires_on", "deprecated_on"}


def test_one_model() -> None:
    found = get(Emulator(), "/v1/models/claude-opus-5-5").json
    assert (found["id"], found["max_input_tokens"], found["max_tokens"]) == ("claude-opus-5-5", 1_000_000, 128_000)
    assert found["capabilities"]["thinking"]["types"]["enabled"] == {"supported": False}
    assert get(Emulator(), "/v1/models/claude-haiku-4-5").json["id"] == resolve("claude-haiku-4-5").id
    assert refused(get(Emulator(), "/v1/models/gpt"), 404) == "model: gpt"


def test_pages() -> None:
    emulator, seen, after = Emulator(), [], ""
    while True:
        page = get(emulator, f"/v1/models?limit=7{after}").json
        seen += [row["id"] for row in page["data"]]
        if not page["has_more"]:
            break
        assert page["last_id"] == seen[-1]
        after = f"&after_id={page['last_id']}"
    assert seen == [profile.id for profile in reversed(models())]
    back = get(emulator, f"/v1/models?limit=3&before_id={seen[10]}").json
    assert ([row["id"] for row in back["data"]], back["has_more"]) == (seen[7:10], True)


@pytest.mark.parametrize("limit", ["0", "1001", "many", "-5", "", "²"])
def test_limits_that_are_none(limit: str) -> None:
    response = get(Emulator(), f"/v1/models?limit={limit}")
    assert response.status == (200 if limit == "" else 400)
