"""Bulk SQL: what is the same on both databases, and what is put back."""

from __future__ import annotations

import pytest

from provisioning.models import Number
from provisioning.services import bulk

pytestmark = pytest.mark.django_db

_TABLE = Number._meta.db_table


@pytest.mark.database
def test_what_is_there_already_is_not_among_the_new_rows() -> None:
    known, new = "+442079460001", "+442079460002"
    Number.objects.create(e164=known)
    sql = f"""
        INSERT INTO {_TABLE} (e164, state, note, changed_at)
        SELECT e164, 'free', '', %(now)s
        FROM (SELECT %(known)s AS e164 UNION SELECT %(new)s) AS both_of_them WHERE TRUE
    """  # noqa: S608
    names = {"known": known, "new": new, "now": bulk.moment()}
    assert list(bulk.insert_new(sql, names, "e164")) == [(new,)]
    assert set(Number.objects.values_list("e164", flat=True)) == {known, new}
    assert list(bulk.insert_new(sql, names, "e164")) == []


def test_checkpoints_are_as_usual_after_a_run_that_failed() -> None:
    before = bulk.fetch("PRAGMA wal_autocheckpoint")

    def fail() -> None:
        with bulk.checkpointing_rarely():
            assert bulk.fetch("PRAGMA wal_autocheckpoint") != before
            raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        fail()
    assert bulk.fetch("PRAGMA wal_autocheckpoint") == before
