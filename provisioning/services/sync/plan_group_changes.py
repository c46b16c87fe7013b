"""Planning the groups that changed, and what follows from it in the groups around them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import chain

from provisioning.core.records import Entry
from provisioning.directory.dn import normalise_dn
from provisioning.models import DirectorySource
from provisioning.services.directory.changed_groups import (
    ChangedGroups,
    PeopleNow,
    read_changed_groups,
)
from provisioning.services.directory.group_members import (
    GroupNow,
    KeptMember,
    kept_members_of,
    resolve_members,
)
from provisioning.services.directory.group_uses import GroupUse
from provisioning.services.directory.read_groups import description_of, name_of
from provisioning.services.directory.readers import AnyReader
from provisioning.services.runs.plan import PlanWriter
from provisioning.services.sync.group_shifts import GroupChange, Shift, find_shifts
from provisioning.services.sync.plan_group_rows import (
    GroupAfter,
    GroupPlan,
    GroupRows,
    KeptGroup,
    group_after,
    kept_groups,
)

_NOBODY = frozenset[str]()


def plan_group_changes(
    *,
    source: DirectorySource,
    reader: AnyReader,
    keys: Collection[str],
    people: PeopleNow,
    watched: Mapping[str, int],
    uses: Mapping[int, list[GroupUse]],
    writer: PlanWriter,
) -> GroupPlan | None:
    """Read the groups among `keys`, and those that `people` come into or leave, and plan them.

    It writes the rows that `plan_groups` would for everything, provided that what is kept of all
    groups is what the directory said before. None where reading all of them is faster; nothing is
    written then.
    """
    known = kept_groups(source)
    present = {guid: old["dn"] for guid, old in known.items() if old["left_at"] is None}
    changed = read_changed_groups(
        source=source, reader=reader, keys=keys, people=people, present=present
    )
    if changed is None:
        return None
    plan = GroupPlan(read=len(changed.read))
    if not changed.read and not changed.gone:
        return plan
    kept = {guid: kept_members_of(known[guid]["id"])
            for guid in {*changed.read, *changed.gone} & known.keys()}  # fmt: skip
    plan.foreign |= {each.guid: each.source_id for each in chain.from_iterable(kept.values())
                     if each.source_id != source.pk}  # fmt: skip
    now = resolve_members(
        source=source, reader=reader, entries=changed.read.values(),
        kept=chain.from_iterable(kept.values()), people=people,
        groups=_by_name(present, changed), foreign=plan.foreign,
    )  # fmt: skip
    shifts = find_shifts(
        source=source, ids={guid: known[guid]["id"] for guid in present},
        changes=_changes(now, kept, changed.gone), gone=changed.gone, foreign=plan.foreign,
    )  # fmt: skip
    if shifts is None:
        return None
    planned = _Planned(known, kept, uses, GroupRows(source, watched, writer, plan))
    groups = shifts.groups
    for guid in sorted(changed.gone):
        planned.leave(guid)
    for guid, entry in sorted(changed.read.items()):
        planned.change(entry, now[guid], groups.get(guid, Shift()))
    for guid in sorted(groups.keys() - changed.read.keys() - changed.gone):
        planned.follow(guid, groups[guid], shifts.children.get(guid, ()))
    return plan


def _by_name(present: Mapping[str, str], changed: ChangedGroups) -> dict[str, str]:
    """All groups that there are now, by normalised DN."""
    dns = {guid: dn for guid, dn in present.items() if guid not in changed.gone}
    dns |= {guid: entry.dn for guid, entry in changed.read.items()}
    return {normalise_dn(dn): guid for guid, dn in dns.items()}


def _changes(
    now: Mapping[str, GroupNow], kept: Mapping[str, list[KeptMember]], gone: Collection[str]
) -> dict[str, GroupChange]:
    before = {guid: frozenset(each.guid for each in members if each.direct)
              for guid, members in kept.items()}  # fmt: skip
    changes = {
        guid: GroupChange(before.get(guid, _NOBODY), each.direct, each.children)
        for guid, each in now.items()
    }
    return changes | {guid: GroupChange(before[guid], _NOBODY, _NOBODY) for guid in gone}


class _Planned:
    """Writes the rows of groups that were read, that are gone, and that are around those."""

    def __init__(
        self, known: Mapping[str, KeptGroup], kept: Mapping[str, list[KeptMember]],
        uses: Mapping[int, list[GroupUse]], rows: GroupRows,
    ) -> None:  # fmt: skip
        self._known, self._kept, self._uses, self._rows = known, kept, uses, rows

    def leave(self, guid: str) -> None:
        """It is not in the directory any more."""
        old, existing = self._known[guid], self._existing(guid)
        if self._rows.leave(old, existing, self._uses.get(old["id"], [])):
            self._note(guid, (), existing.keys())

    def change(self, entry: Entry, now: GroupNow, shift: Shift) -> None:
        """It was read."""
        old, existing = self._known.get(entry.guid), self._existing(entry.guid)
        after = group_after(
            guid=entry.guid, dn=entry.dn, name=name_of(entry), description=description_of(entry),
            count=_count(old, shift), foreign=now.foreign, unknown=now.unknown,
            direct=now.direct, children=now.children,
        )  # fmt: skip
        wanted = dict.fromkeys(now.direct, True)
        if old is not None and old["id"] in self._uses:
            nested = (existing.keys() | shift.joined) - shift.left
            wanted = dict.fromkeys(nested, False) | wanted
        if after.is_kept(old) and existing == wanted:
            return
        if self._rows.change(after, old, wanted, existing, len(existing)):
            self._note(entry.guid, wanted.keys() - existing.keys(), existing.keys() - wanted.keys())

    def follow(self, guid: str, shift: Shift, children: Collection[str]) -> None:
        """Somebody comes or goes through the groups within it; nobody else was looked at."""
        old = self._known[guid]
        asked = old["id"] in self._uses
        after = GroupAfter(
            guid, old["dn"], old["name"], old["description"], old["content_hash"],
            _count(old, shift), old["foreign_count"], old["unresolved_count"],
            old["unknown_members"], children,
        )  # fmt: skip
        if after.is_kept(old) and not asked:
            return
        joined = dict.fromkeys(shift.joined if asked else (), False)
        left = dict.fromkeys(shift.left if asked else (), False)
        if self._rows.change(after, old, joined, left, old["member_count"]):
            self._note(guid, joined.keys(), left.keys())

    def _existing(self, guid: str) -> dict[str, bool]:
        return {each.guid: each.direct for each in self._kept.get(guid, ())}

    def _note(self, guid: str, joined: Iterable[str], left: Iterable[str]) -> None:
        """Accounts are decided by who comes into groups of rules, and who leaves them."""
        if guid in self._rows.watched:
            self._rows.plan.shifts[self._rows.watched[guid]] = set(joined), set(left)


def _count(old: KeptGroup | None, shift: Shift) -> int:
    return (old["member_count"] if old else 0) + len(shift.joined) - len(shift.left)
