"""What changed in a directory since the last time: what every way of asking gives and raises."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ldap
from ldap.controls import LDAPControl

from provisioning.core.errors import ProvisioningError
from provisioning.core.records import SourceRecord
from provisioning.directory.bases import dns_of
from provisioning.directory.dn import normalise_dn

# LDAP_SERVER_NOTIFICATION_OID ([MS-ADTS] 3.1.1.3.4.1.9)
_NOTIFICATION = "1.2.840.113556.1.4.528"
# Besides what is asked for: what a rename, a move, a deletion and a membership show in.
ALWAYS = ("name", "parentGUID", "isDeleted", "objectClass", "member", "uniqueMember")
_COMPARED = re.compile(r"\(\s*([A-Za-z][A-Za-z0-9;-]*)\s*(?::[^=()]*)?[~<>]?=")
_MEMBERSHIP = frozenset({"memberof", "ismemberof"})
_GROUPS = frozenset({"group", "groupofnames", "groupofuniquenames"})
_BRANCHES = frozenset({"organizationalunit", "container", "domaindns", "builtindomain"})

BRANCH_MOVED = "A branch of the directory was renamed or moved."


class ChangesRefused(ProvisioningError):
    """The directory does not tell what changed since then; everything has to be read."""


@dataclass(frozen=True, slots=True)
class Question:
    """What matters to a source: `attributes` in which a change counts, and whether who is a person
    depends on memberships, which show at the group and not at the person."""

    attributes: frozenset[str]
    by_membership: bool


@dataclass(slots=True)
class Found:
    """What one search found.

    `touched` are keys of entries that were added, changed, moved or deleted. `members` are the DNs
    that joined or left a group. `present`, where the directory gave it, are the keys of all entries
    that are there: every other one is gone. `everything` says why reading single entries is not
    enough; empty when it is. `cookie` is where the next search goes on.
    """

    cookie: str
    touched: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    present: set[str] | None = None
    everything: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What all searches of a source found; `present` holds them by the base that they cover."""

    cookie: bytes
    touched: frozenset[str]
    members: frozenset[str]
    present: Mapping[str, frozenset[str]]
    everything: str

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.touched or self.members or self.present or self.everything)


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading changes begins; `unseen` says what it will not notice, empty for nothing."""

    cookie: bytes
    unseen: str


class Way(ABC):
    """One way to ask a directory what changed; `key_attribute`, lower case, is what it answers."""

    key_attribute: str

    @abstractmethod
    def bases(self, connection: Any, source: SourceRecord) -> list[str]:
        """Below which entries to search, so that everything of the source is covered."""

    @abstractmethod
    def begin(self, connection: Any, base: str) -> tuple[str, str]:
        """A cookie that stands for now, and what reading from it will not notice."""

    @abstractmethod
    def read(self, connection: Any, base: str, cookie: str, question: Question) -> Found:
        """What happened below `base` since `cookie`; raises ChangesRefused or ldap.LDAPError."""

    @abstractmethod
    def listen(self, connection: Any, base: str) -> None:
        """Start a search that never ends and answers whenever something changes below `base`."""


def question_of(source: SourceRecord, attributes: frozenset[str]) -> Question:
    """What matters to `source`, whose mapping reads `attributes` (lower case)."""
    filters = "".join(
        (source.person_filter, source.group_filter, *source.person_bases, *source.group_bases)
    )
    compared = {name.lower() for name in _COMPARED.findall(filters)}
    names = attributes | compared
    return Question(
        frozenset(names - _MEMBERSHIP) | {name.lower() for name in ALWAYS},
        by_membership=not _MEMBERSHIP.isdisjoint(names),
    )


def joined(found: Mapping[str, Found]) -> Changes:
    """The searches of a source, by base, as one answer."""
    return Changes(
        cookie=packed({base: each.cookie for base, each in found.items()}),
        touched=frozenset().union(*(each.touched for each in found.values())),
        members=frozenset().union(*(each.members for each in found.values())),
        present={
            base: frozenset(each.present)
            for base, each in found.items()
            if each.present is not None
        },
        everything=next((each.everything for each in found.values() if each.everything), ""),
    )


def packed(cookies: Mapping[str, str]) -> bytes:
    """The cookies of all searches as the one value that is kept."""
    return json.dumps(cookies, sort_keys=True).encode()


def unpacked(cookie: bytes) -> dict[str, str]:
    """The cookies by base; raises ChangesRefused for what `packed` did not make."""
    try:
        cookies = dict(json.loads(cookie))
    except (ValueError, TypeError) as error:
        raise ChangesRefused("It was not kept where the last reading ended.") from error
    return {str(base): str(value) for base, value in cookies.items()}


def outermost(bases: list[str]) -> list[str]:
    """`bases` without those that lie below another one of them."""
    by_dn = {normalise_dn(base): base for base in bases}
    return [base for dn, base in by_dn.items() if not any(is_below(dn, other) for other in by_dn)]


def is_below(dn: str, base: str) -> bool:
    """Whether the normalised `dn` lies below the normalised `base`, which itself does not."""
    return dn != base and (not base or dn.endswith(f",{base}"))


def naming_contexts(connection: Any, source: SourceRecord) -> list[str]:
    """The naming contexts that hold the bases of `source`, each once."""
    rows = connection.search_s("", ldap.SCOPE_BASE, "(objectClass=*)", ["namingContexts"])
    contexts = [value.decode() for values in rows[0][1].values() for value in values]
    by_dn = sorted(((normalise_dn(dn), dn) for dn in contexts), key=lambda pair: -len(pair[0]))
    needed: dict[str, None] = {}
    for base in dns_of((*source.person_bases, *source.group_bases)):
        dn = normalise_dn(base)
        inside = (context for name, context in by_dn if dn == name or is_below(dn, name))
        needed[next(inside, base)] = None
    return list(needed)


def listen_for_notifications(connection: Any, base: str) -> None:
    """Start a search that Active Directory answers with every entry that changes below `base`."""
    connection.search_ext(
        base, ldap.SCOPE_SUBTREE, "(objectClass=*)", ["objectGUID"],
        serverctrls=[LDAPControl(_NOTIFICATION, True)],
    )  # fmt: skip


def is_group(classes: list[bytes]) -> bool:
    """Whether an entry with these object classes has members."""
    return any(each.decode("utf-8", "replace").lower() in _GROUPS for each in classes)


def is_branch(classes: list[bytes]) -> bool:
    """Whether an entry with these object classes has others below it, as a rule."""
    return any(each.decode("utf-8", "replace").lower() in _BRANCHES for each in classes)
