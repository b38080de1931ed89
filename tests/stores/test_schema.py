from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ctxwindow.errors import StoreUnavailable
from ctxwindow.stores import Row, SqliteStore, Text, database, schema
from ctxwindow.window.memo import TextCount


def open_raw(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(path, isolation_level=None))


def test_migrations_are_recorded_by_name(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    SqliteStore(path).close()
    with open_raw(path) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
        assert db.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
        names = [name for (name,) in db.execute("SELECT name FROM migrations ORDER BY name")]
    assert names == [migration.__name__ for migration in schema.MIGRATIONS]
    assert [name[:5] for name in names] == [f"m{number:03}_" for number in range(1, len(names) + 1)]


def test_an_older_file_gets_what_it_misses_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path) as store:
        store.append("a", [Row(seq=1, kind="k", payload=b"{}", at=1.0)], expect=0)

    def m999_next(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE next (x)")

    monkeypatch.setattr(database, "MIGRATIONS", (*schema.MIGRATIONS, m999_next))
    for _ in range(2):
        with SqliteStore(path) as store:
            assert store.version("a") == 1
    with open_raw(path) as db:
        assert ("m999_next",) in db.execute("SELECT name FROM migrations").fetchall()
        assert db.execute("SELECT count(*) FROM next").fetchone() == (0,)


def test_a_file_of_the_first_schema_takes_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.db"
    monkeypatch.setattr(database, "MIGRATIONS", schema.MIGRATIONS[:1])
    SqliteStore(path).close()
    monkeypatch.undo()
    with SqliteStore(path) as store:
        count = TextCount("v3 x", b"hash", 7)
        store.append("a", [Row(seq=1, kind="k", payload=b"{}", at=1.0)], expect=0, counts=[count])
        assert store.counts("a") == [count]


def test_a_count_is_a_number(tmp_path: Path) -> None:
    """Whatever writes into the file: nothing is learnt from nonsense."""
    path = tmp_path / "log.db"
    SqliteStore(path).close()
    with open_raw(path) as db:
        for tokens in (-1, "many", 1.5):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute("INSERT INTO counts VALUES (1, 'v3 x', x'00', ?)", (tokens,))


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.db"
    SqliteStore(path).close()

    def m999_bad(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half (x)")
        raise sqlite3.OperationalError

    monkeypatch.setattr(database, "MIGRATIONS", (*schema.MIGRATIONS, m999_bad))
    with pytest.raises(Exception, match="SQLite refused"):
        SqliteStore(path)
    monkeypatch.undo()
    with SqliteStore(path) as store:
        assert store.conversations() == []
    with open_raw(path) as db:
        assert db.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall() == []


def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    SqliteStore(path).close()
    with open_raw(path) as db:
        db.execute("PRAGMA user_version = 999")
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"newer version .*999.* Update ctxwindow"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_events_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path) as store:
        store.append("a", [Row(seq=1, kind="k", payload=b"{}", at=1.0)], expect=0)
    with open_raw(path) as db, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute("UPDATE events SET payload = x'00'")


def test_the_index_holds_no_term_of_a_purged_conversation(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with SqliteStore(path) as store:
        for name in ("a", "b"):
            texts = tuple(Text(path="p", kind="text", text=f"word{n} running " * 500) for n in range(5))
            row = Row(seq=1, kind="k", payload=b"{}", at=1.0, texts=texts)
            store.append(name, [row], expect=0, counts=[TextCount("v3 x", b"hash", 7)])
        store.purge("a")
    with open_raw(path) as db:
        terms = [term for (term,) in db.execute("SELECT term FROM postings_by_term")]
        assert {term.split(":")[0] for term in terms} == {"2"}
        for table in ("events", "texts", "passages", "counts"):
            assert db.execute(f"SELECT DISTINCT conversation FROM {table}").fetchall() == [(2,)]  # noqa: S608
        db.execute("INSERT INTO postings (postings) VALUES ('integrity-check')")
