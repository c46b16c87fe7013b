"""Asking for accounts to be decided by the next sync, though the directory says nothing new."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import F, QuerySet

from provisioning.models import Person, PlannedChange
from provisioning.services import bulk

_PERSON = Person._meta.db_table
_ASK = f"UPDATE {_PERSON} SET to_decide = to_decide + 1 WHERE source_id = %s AND "  # noqa: S608
_DECIDED = f"UPDATE {_PERSON} SET to_decide = 0 WHERE id = %s AND to_decide = %s"  # noqa: S608


def ask(people: QuerySet[Person]) -> None:
    """Make the next sync decide the accounts of `people`, in the caller's transaction."""
    people.update(to_decide=F("to_decide") + 1)


def ask_about(changes: QuerySet[PlannedChange]) -> None:
    """Make the next sync decide the accounts that `changes` would have changed.

    Their people may be applied already, so that a read of the directory shows no difference.
    """
    subjects: dict[int, set[str]] = {}
    rows = changes.filter(kind="account").values_list("source_id", "subject")
    for source_id, guid in rows.iterator(chunk_size=10_000):
        subjects.setdefault(source_id, set()).add(guid)
    for source_id, guids in subjects.items():
        bulk.execute(_ASK + bulk.one_of("guid"), [source_id, bulk.array(guids)])


def settle(asked: Mapping[int, int]) -> None:
    """Forget what was asked so often (person id → times) and is decided by now.

    Whoever asked once more since the decision goes on waiting for another.
    """
    bulk.execute_many(_DECIDED, sorted((person, times) for person, times in asked.items()))
