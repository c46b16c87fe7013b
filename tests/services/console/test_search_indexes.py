"""Search indexes: made on PostgreSQL when they are worth it, and never twice."""

from __future__ import annotations

import pytest
from django.db import connection

from provisioning.services import bulk
from provisioning.services.console import search_indexes
from provisioning.services.console.search_indexes import INDEXES, index_search
from tests.factories import make_person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
ON_POSTGRESQL = connection.vendor == "postgresql"
postgresql = pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has no search index")


@pytest.fixture(autouse=True)
def _from_two_rows_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_indexes, "LARGE", 2)
    if ON_POSTGRESQL:
        for name in INDEXES:
            bulk.execute(f"DROP INDEX IF EXISTS {name}")


def _valid() -> list[tuple[str, bool]]:
    return [
        (name, valid)
        for name, valid in bulk.fetch(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid"
            " WHERE relname LIKE %s ORDER BY relname", ["%_search"],
        )
    ]  # fmt: skip


def test_an_index_is_made_once_its_table_is_large() -> None:
    make_person()
    assert index_search() == []
    make_person()
    assert index_search() == (["person_search"] if ON_POSTGRESQL else [])
    assert index_search() == []
    if ON_POSTGRESQL:
        assert _valid() == [("person_search", True)]


@postgresql
def test_an_index_that_was_left_unfinished_is_made_anew() -> None:
    for _ in range(2):
        make_person()
    index_search()
    bulk.execute(
        "UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'person_search'::regclass"
    )
    assert index_search() == ["person_search"]
    assert _valid() == [("person_search", True)]


@postgresql
def test_only_one_worker_makes_them() -> None:
    for _ in range(2):
        make_person()
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [search_indexes._LOCK])
        assert index_search() == []
    finally:
        other.close()
    assert index_search() == ["person_search"]
