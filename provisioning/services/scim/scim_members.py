"""Members of SCIM groups: a row each, so that one more does not write all of them again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from provisioning.directory.scim.errors import ScimRefused
from provisioning.directory.scim.filter import Comparison
from provisioning.directory.scim.patch import Operation
from provisioning.directory.scim.resource import members_of
from provisioning.models import ScimMember, ScimResource

_CHUNK = 500
_BATCH = 2000


def ids_of(value: object) -> list[str]:
    """The ids of a list of members; none where nothing is given."""
    return [] if value is None else members_of(value)


def add(group: ScimResource, ids: Sequence[str]) -> bool:
    """Put members into the group; whether any of them was not there."""
    there = {each for chunk in _chunks(ids) for each in _known(group, chunk)}
    new = [ScimMember(group=group, member=each) for each in ids if each not in there]
    ScimMember.objects.bulk_create(new, batch_size=_BATCH)
    return bool(new)


def remove(group: ScimResource, ids: Collection[str]) -> bool:
    """Take members from the group; whether any of them was there."""
    counts = [
        ScimMember.objects.filter(group=group, member__in=chunk).delete()[0]
        for chunk in _chunks(ids)
    ]
    return any(counts)


def put(group: ScimResource, ids: Sequence[str]) -> bool:
    """Make these the members of the group; whether they were others."""
    there = set(group.members.values_list("member", flat=True))
    gone = remove(group, there.difference(ids))
    new = [ScimMember(group=group, member=each) for each in ids if each not in there]
    ScimMember.objects.bulk_create(new, batch_size=_BATCH)
    return gone or bool(new)


def patch(group: ScimResource, operation: Operation) -> bool:
    """Carry out an operation on members; whether it changed any.

    What is said of a member besides its id is not kept, so an edit of it changes nothing.
    """
    op, value = operation.op, operation.value
    if operation.where is not None:
        if operation.path.part not in ("", "value"):
            return False
        if op != "remove":
            raise ScimRefused(400, "A member is removed or added, not changed.", "mutability")
        return remove(group, _chosen(group, operation))
    if op == "add":
        return add(group, ids_of(value))
    if op == "remove" and value not in (None, []):
        return remove(group, ids_of(value))
    return put(group, [] if op == "remove" else ids_of(value))


def _chosen(group: ScimResource, operation: Operation) -> list[str]:
    where = operation.where
    if isinstance(where, Comparison) and where.operator == "eq" and isinstance(where.value, str):
        return ids_of(where.value)
    members = group.members.values_list("member", flat=True)
    return [each for each in members if where is not None and where.matches({"value": each})]


def _known(group: ScimResource, ids: Sequence[str]) -> Iterator[str]:
    found = ScimMember.objects.filter(group=group, member__in=ids)
    yield from found.values_list("member", flat=True)


def _chunks(ids: Collection[str]) -> Iterator[Sequence[str]]:
    waiting = sorted(ids)
    for start in range(0, len(waiting), _CHUNK):
        yield waiting[start : start + _CHUNK]
