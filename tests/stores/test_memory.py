from __future__ import annotations

from ctxwindow.stores import MemoryStore, Row, Text


def test_stores_do_not_share_anything() -> None:
    one, two = MemoryStore(), MemoryStore()
    one.append("a", [Row(seq=1, kind="k", payload=b"{}", at=1.0)], expect=0)
    assert two.version("a") == 0


def test_does_not_keep_the_texts_in_the_rows_twice() -> None:
    store = MemoryStore()
    row = Row(seq=1, kind="k", payload=b"{}", at=1, texts=(Text(path="p", kind="text", text="x"),))
    store.append("a", [row], expect=0)
    (read,) = store.read("a")
    assert read.texts == ()
    assert isinstance(read.at, float)
