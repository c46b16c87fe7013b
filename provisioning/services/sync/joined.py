"""One decision for each person, though several entries of theirs may have changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from django.db.models import Q
from django.utils import timezone

from provisioning.core.moments import moment
from provisioning.core.precedence import EntryValues, merge
from provisioning.models import Person, PlannedChange, Run
from provisioning.services.rules.decide import PersonView
from provisioning.services.rules.matching import has_joined, load_precedence
from provisioning.services.sync.affected import COLUMNS, Memberships, replanned, view_of

_CHUNK = 500


class Joins:
    """Puts the entries of one person together, as `run` will leave them.

    `changed` are the entries that the run itself joins (id → the person's) or separates (→ None).
    Without anybody who has several entries it costs one query.
    """

    def __init__(
        self, run: Run, memberships: Memberships, changed: Mapping[int, int | None] | None = None
    ) -> None:
        self._run = run
        self._memberships = memberships
        self._changed = changed or {}
        self._joining: dict[int, list[int]] = {}
        for pk, owner in self._changed.items():
            if owner is not None:
                self._joining.setdefault(owner, []).append(pk)
        self._used = bool(self._changed) or has_joined()
        self._precedence = load_precedence()
        self._now = moment(timezone.now())
        self._decided: set[int] = set()

    def people(self, views: Iterable[PersonView]) -> Iterable[PersonView]:
        """The people whose entries `views` are, each once, with what all their entries say.

        Each is followed by those entries that are not the first, as if they were not there: what
        such an entry had of its own ends.
        """
        return self._together(views) if self._used else views

    def _together(self, views: Iterable[PersonView]) -> Iterator[PersonView]:
        stream = iter(views)
        while chunk := list(islice(stream, _CHUNK)):
            known = {view.person_id: view for view in chunk if view.person_id is not None}
            groups = self._entries(known)
            for view in chunk:
                owner = None if view.person_id is None else self._owner(view)
                entries = groups.get(owner) if owner is not None else None
                if owner is None or entries is None or len(entries) == 1:
                    yield view
                    continue
                if owner not in self._decided:
                    self._decided.add(owner)
                    yield self._merged(entries)
                    for entry in entries[1:]:
                        yield replace(entry, present=False, groups=(), same_as=owner)

    def _owner(self, view: PersonView) -> int | None:
        """The id of the person that an entry will belong to."""
        if view.person_id is None:
            return None
        joined = self._changed.get(view.person_id, view.same_as)
        return view.person_id if joined is None else joined

    def _entries(self, known: Mapping[int, PersonView]) -> dict[int, list[PersonView]]:
        """Every entry of the people that `known` belong to, by the id of the person, theirs first.

        Those of `known` are as they were given, the others as the run's rows or the database say.
        """
        owners = {owner for view in known.values() if (owner := self._owner(view)) is not None}
        joining = [pk for owner in owners for pk in self._joining.get(owner, ())]
        rows = Person.objects.filter(
            Q(pk__in=owners) | Q(same_as__in=owners) | Q(pk__in=joining)
        ).values(*COLUMNS)
        others = {row["id"]: row for row in rows if row["id"] not in known}
        planned = self._planned([row["guid"] for row in others.values()])
        views = dict(known)
        for pk, row in others.items():
            change = planned.get((row["source_id"], row["guid"]))
            view = replanned(row, *change) if change else view_of(row, {})
            view.groups = self._memberships.get(row["guid"], ())
            views[pk] = view
        groups: dict[int, list[PersonView]] = {}
        for _, view in sorted(views.items()):
            owner = self._owner(view)
            if owner in owners and owner is not None:
                place = 0 if view.person_id == owner else len(groups.get(owner, ()))
                groups.setdefault(owner, []).insert(place, view)
        return groups

    def _planned(
        self, guids: Sequence[str]
    ) -> dict[tuple[int, str], tuple[str, dict[str, object]]]:
        """What this run planned about entries, by source and GUID."""
        rows = self._run.changes.filter(
            kind="person", key__in=guids, status=PlannedChange.Status.PLANNED,
            action__in=["update", "refresh", "return", "leave"],
        )  # fmt: skip
        return {
            (source_id, key): (action, after)
            for source_id, key, action, after in rows.values_list(
                "source_id", "key", "action", "after"
            )
        }

    def _merged(self, entries: Sequence[PersonView]) -> PersonView:
        own = entries[0]
        merged = merge(
            entries=[EntryValues(each.source_id, each.values, each.present) for each in entries],
            precedence=self._precedence,
            now=self._now,
        )
        return replace(
            own,
            values=merged.values,
            present=merged.present,
            joined=merged.places,
            groups={group for each in entries for group in each.groups},
            same_as=None,
        )


def with_entries(guids: Iterable[str]) -> set[str]:
    """The keys of every entry of the people to whom some of the entries `guids` belong."""
    wanted = sorted(guids)
    found = set(wanted)
    for start in range(0, len(wanted), _CHUNK):
        some = Person.objects.filter(guid__in=wanted[start : start + _CHUNK])
        joined = Person.objects.filter(
            Q(same_as__in=some.values("pk")) | Q(same_as__in=some.values("same_as"))
            | Q(pk__in=some.values("same_as"))
        )  # fmt: skip
        found.update(joined.values_list("guid", flat=True))
    return found
