"""Bulk SQL: what is the same on both databases, and what is put back."""

from __future__ import annotations

import pytest

from provisioning.models import ServerPool
from provisioning.services import bulk
from tests.factories import make_pool

pytestmark = pytest.mark.django_db

_TABLE = ServerPool._meta.db_table


@pytest.mark.database
def test_what_is_there_already_is_not_among_the_new_rows() -> None:
    make_pool("Known")
    sql = f"""
        INSERT INTO {_TABLE} (name, maintenance_reason)
        SELECT name, '' FROM (SELECT %(known)s AS name UNION SELECT %(new)s) AS named WHERE TRUE
    """  # noqa: S608
    names = {"known": "Known", "new": "New"}
    assert list(bulk.insert_new(sql, names, "name")) == [("New",)]
    assert set(ServerPool.objects.values_list("name", flat=True)) == {"Known", "New"}
    assert list(bulk.insert_new(sql, names, "name")) == []


def test_checkpoints_are_as_usual_after_a_run_that_failed() -> None:
    before = bulk.fetch("PRAGMA wal_autocheckpoint")

    def fail() -> None:
        with bulk.checkpointing_rarely():
            assert bulk.fetch("PRAGMA wal_autocheckpoint") != before
            raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        fail()
    assert bulk.fetch("PRAGMA wal_autocheckpoint") == before
