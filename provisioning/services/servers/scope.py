"""The managed scope of a store: what lies outside is never written, and can be listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from provisioning.core.errors import InvalidInput
from provisioning.core.states import State
from provisioning.drivers.base import Kind
from provisioning.models import (
    Account,
    Alias,
    ConfigStore,
    DirectoryGroup,
    Number,
    SipDomain,
)
from provisioning.services import bulk
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.directory.nesting import WITHIN
from provisioning.services.push import outbox

# SIP domains and groups narrow these; all else is the servers' own, and narrowed by its kind alone.
_OF_A_DOMAIN = frozenset({Kind.SIP_DOMAIN, Kind.SUBSCRIBER, Kind.ALIAS, Kind.PREFERENCE})
# Whose account it is: of an entry that belongs to somebody, theirs.
_MEMBERS = f"""
SELECT COALESCE(person.same_as_id, person.id) FROM provisioning_groupmember member
JOIN provisioning_person person ON person.id = member.person_id
WHERE member.group_id IN ({WITHIN})
"""  # noqa: S608


def set_scope(
    *,
    store: ConfigStore,
    kinds: Sequence[str],
    domains: Sequence[SipDomain],
    groups: Sequence[DirectoryGroup],
    actor: Actor,
) -> None:
    """Narrow what of `store` is written; empty means everything. A managed store is compared anew.

    Rows outside stay at the server as they are, those of the console's own among them.
    """
    unknown = set(kinds) - {kind.value for kind in Kind}
    if unknown:
        raise InvalidInput(f"“{min(unknown)[:40]}” is not something that is written.")
    before = describe(store)
    store.scope_kinds = sorted(kinds)
    store.save(update_fields=["scope_kinds"])
    store.scope_domains.set(domains)
    store.scope_groups.set(groups)
    store.__dict__.pop("scope", None)
    if before == describe(store):
        return
    audit.record(
        actor=actor,
        action="changed the managed scope of",
        obj=store,
        detail={"scope": [before, describe(store)]},
    )
    if store.mode == ConfigStore.Mode.MANAGE:
        outbox.mark_store(store)


def describe(store: ConfigStore) -> str:
    """The scope in words."""
    if store.scope.is_whole:
        return "everything"
    parts = [
        ", ".join(sorted(store.scope.kinds)),
        ", ".join(sorted(store.scope.domains.values())),
        ", ".join(str(group) for group in store.scope_groups.order_by("name_key")),
    ]
    return "; ".join(part for part in parts if part)


def narrow_domains(store: ConfigStore, rows: QuerySet[SipDomain]) -> QuerySet[SipDomain]:
    """Those of `rows` that are within the scope."""
    if not store.scope.has_kind(Kind.SIP_DOMAIN):
        return rows.none()
    return rows.filter(pk__in=store.scope.domains) if store.scope.domains else rows


def narrow(store: ConfigStore, kind: Kind, rows: QuerySet[Any], account: str = "") -> QuerySet[Any]:
    """Those of `rows` whose account is within the scope; `account` is the way to it."""
    scope = store.scope
    if not scope.has_kind(kind):
        return rows.none()
    if scope.domains:
        rows = rows.filter(**{f"{account}domain__in": list(scope.domains)})
    if scope.groups:
        rows = rows.filter(_in_groups(store, account))
    return rows


def outside(*, store: ConfigStore) -> QuerySet[Account]:
    """The accounts of the store's pool that are never written because they lie outside."""
    accounts = Account.objects.filter(pool_id=store.pool_id).exclude(state=State.REMOVED)
    if store.scope.is_whole:
        return accounts.none()
    inside = narrow(store, Kind.SUBSCRIBER, accounts)
    return accounts.exclude(pk__in=inside.values("pk"))


def within_scope(*, store: ConfigStore, kind: Kind, keys: Sequence[str]) -> Sequence[str]:
    """Those of `keys` that may be written.

    A key that nobody has any more is judged by its SIP domain alone, so that what the console wrote
    there is taken away.
    """
    scope = store.scope
    if not scope.has_kind(kind):
        return []
    if scope.is_whole or kind not in _OF_A_DOMAIN:
        return keys
    keys = [key for key in keys if scope.has_domain(key.rpartition("@")[2])]
    if not scope.groups or kind is Kind.SIP_DOMAIN:
        return keys
    there, inside = _owners(store, kind, keys)
    return [key for key in keys if key in inside or key not in there]


def _owners(store: ConfigStore, kind: Kind, keys: Sequence[str]) -> tuple[set[str], set[str]]:
    """The keys that have an account, and those of them with one inside the groups."""
    if kind is Kind.SUBSCRIBER:
        rows = Account.objects.filter(aor__in=bulk.among(keys))
        inside = rows.filter(_in_groups(store, "")).values_list("aor", flat=True)
        return set(rows.values_list("aor", flat=True)), set(inside)
    if kind is Kind.PREFERENCE:
        by_aor: dict[str, list[str]] = {}
        for key in keys:
            by_aor.setdefault(key.partition("/")[2], []).append(key)
        there, inside_of = _owners(store, Kind.SUBSCRIBER, list(by_aor))
        return (
            {key for aor in there for key in by_aor[aor]},
            {key for aor in inside_of for key in by_aor[aor]},
        )
    domains = dict(SipDomain.objects.values_list("pk", "domain"))
    numbers = Number.objects.filter(
        account__isnull=False, e164__in=bulk.among(key.partition("@")[0] for key in keys)
    )
    former = Alias.objects.filter(aor__in=bulk.among(keys))
    narrowed = _in_groups(store, "account__")
    found = []
    for owned, old in ((numbers, former), (numbers.filter(narrowed), former.filter(narrowed))):
        values = owned.values_list("e164", "account__domain_id")
        keys_found = {f"{number}@{domains[domain]}" for number, domain in values}
        found.append(keys_found | set(old.values_list("aor", flat=True)))
    return found[0], found[1]


def _in_groups(store: ConfigStore, account: str) -> Q:
    condition = Q()
    for group in sorted(store.scope.groups):
        members = RawSQL(_MEMBERS, [group])  # noqa: S611 - no text of anybody's is in it
        condition |= Q(**{f"{account}person_id__in": members})
    return condition
