"""Who waits together: everybody whose entries one run makes one person, or parts again."""

from __future__ import annotations

from collections.abc import Collection

from provisioning.models import Run


def whole_people(run: Run, subjects: Collection[str]) -> set[str]:
    """`subjects` (GUIDs) with those whom `run` joins to them or separates from them."""
    found = set(subjects)
    rows = run.changes.filter(kind="person", action__in=["join", "separate"])
    pairs = list(rows.values_list("key", "subject"))
    grown = True
    while grown:
        size = len(found)
        for pair in pairs:
            if not found.isdisjoint(pair):
                found.update(pair)
        grown = len(found) > size
    return found
