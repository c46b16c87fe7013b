"""Whose value counts for somebody with entries in several directories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from provisioning.core.records import PERSON_FIELDS
from provisioning.core.states import is_out

# What decides about service comes from one entry: an expiry of one and a lock of another say
# nothing together.
SERVICE = "service"
SERVICE_FIELDS = ("disabled", "expires_at", "locked_out", "must_change_password")
# Fields with an order of their own, where somebody gives them one.
ORDERED_FIELDS = (*(name for name in PERSON_FIELDS if name not in SERVICE_FIELDS), SERVICE)


class Service(StrEnum):
    """Which of the entries that are there decides about service."""

    FIRST = "first"
    ANY = "any"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class EntryValues:
    """What one source says of somebody: every field, flag and `dn`; `present` while it is there."""

    source_id: int
    values: Mapping[str, Any]
    present: bool

    def is_out(self, now: str) -> bool:
        """Whether this source takes service away at the moment `now`."""
        values = self.values
        return is_out(disabled=values["disabled"], expires_at=values["expires_at"], now=now)


@dataclass(frozen=True, slots=True)
class Precedence:
    """Ids of sources, the first wins: `order` for all fields, `orders` for those with their own.

    A source that an order does not name comes after those that it names.
    """

    order: tuple[int, ...] = ()
    orders: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    service: Service = Service.FIRST

    def sorted(self, entries: Sequence[EntryValues], name: str = "") -> list[EntryValues]:
        """The entries in the order that counts for the field; of one source as they were given."""
        order = (*self.orders.get(name, ()), *self.order)
        return sorted(
            entries,
            key=lambda each: order.index(each.source_id) if each.source_id in order else len(order),
        )


@dataclass(frozen=True, slots=True)
class Merged:
    """One person out of several entries.

    `origins` is the source of each field that has a value, and of `dn` and SERVICE; `places` are
    the source and the DN of every entry that is there.
    """

    values: dict[str, Any]
    origins: dict[str, int]
    places: tuple[tuple[int, str], ...]

    @property
    def present(self) -> bool:
        """Whether any entry is there."""
        return bool(self.places)


def merge(*, entries: Sequence[EntryValues], precedence: Precedence, now: str) -> Merged:
    """What the entries say together at the moment `now`.

    Entries that are gone count only when all are. A field is the first value that is not empty.
    """
    here = [each for each in entries if each.present]
    counted = here or list(entries)
    usual = precedence.sorted(counted)
    first = usual[0]
    values: dict[str, Any] = {"dn": first.values["dn"]}
    origins = {"dn": first.source_id}
    for name in ORDERED_FIELDS:
        if name == SERVICE:
            continue
        for each in precedence.sorted(counted, name) if name in precedence.orders else usual:
            if each.values[name]:
                values[name], origins[name] = each.values[name], each.source_id
                break
        else:
            values[name] = ""
    decides = _who_decides(precedence.sorted(counted, SERVICE), precedence.service, now)
    values |= {name: decides.values[name] for name in SERVICE_FIELDS}
    origins[SERVICE] = decides.source_id
    places = tuple((each.source_id, str(each.values["dn"])) for each in here)
    return Merged(values, origins, places)


def _who_decides(ordered: Sequence[EntryValues], service: Service, now: str) -> EntryValues:
    if service is not Service.FIRST:
        wanted = service is Service.ALL
        for each in ordered:
            if each.is_out(now) is wanted:
                return each
    return ordered[0]
