"""Whom single groups name, for where not everybody is read: people and groups by their DNs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from provisioning.core.records import Entry
from provisioning.directory.dn import normalise_dn
from provisioning.directory.sid import foreign_sid


@dataclass(frozen=True, slots=True)
class NamedMembers:
    """The members of a group, as `directory.groups.Membership` tells them apart.

    `people` and `groups` are GUIDs, `foreign` the SIDs of another forest's members, `unknown` the
    normalised DNs of all others.
    """

    people: frozenset[str]
    groups: frozenset[str]
    foreign: frozenset[str]
    unknown: tuple[str, ...]


def member_dns(entry: Entry) -> set[str]:
    """The normalised DNs that a group names."""
    values = entry.attributes
    named = (*values.get("member", ()), *values.get("uniquemember", ()))
    return {normalise_dn(value.decode("utf-8", "replace")) for value in named}


def tell_apart(
    dns: Iterable[str], people: Mapping[str, str], groups: Mapping[str, str]
) -> NamedMembers:
    """Whom `dns` mean; `people` and `groups` are the GUIDs of those who are known, by DN."""
    found: tuple[set[str], set[str], set[str], list[str]] = set(), set(), set(), []
    for dn in dns:
        person, group = people.get(dn), groups.get(dn)
        if person is not None:
            found[0].add(person)
        if group is not None:
            found[1].add(group)
        if person is None and group is None:
            if sid := foreign_sid(dn):
                found[2].add(sid)
            else:
                found[3].append(dn)
    unknown = tuple(sorted(found[3]))
    return NamedMembers(frozenset(found[0]), frozenset(found[1]), frozenset(found[2]), unknown)


def without(dns: Iterable[str], *known: Collection[str]) -> set[str]:
    """Those of `dns` that are in none of `known`, and nobody of another forest."""
    return {dn for dn in dns if not any(dn in each for each in known) and not foreign_sid(dn)}
