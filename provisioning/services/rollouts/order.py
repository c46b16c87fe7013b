"""In which order the stages of a pool come to its servers: the chosen ones first, then by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import transaction
from django.db.models import QuerySet

from provisioning.core.errors import InvalidFields
from provisioning.models import ConfigStore, ServerPool, SipServer
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.servers.pools import save_pool

_ORDER = ("stage_place", "name")


def chosen_first(pool: ServerPool) -> list[SipServer]:
    """The servers that somebody put first, in their order."""
    return list(_servers(pool).exclude(stage_place=SipServer.BY_NAME))


def save_stages(*, pool: ServerPool, first: Sequence[str], actor: Actor) -> None:
    """Keep how changes come to a pool, and to which of its servers first; all of it or nothing."""
    with transaction.atomic():
        save_pool(pool=pool, actor=actor)
        choose_first(pool=pool, names=first, actor=actor)


def choose_first(*, pool: ServerPool, names: Sequence[str], actor: Actor) -> None:
    """Let stages come to the servers of these names first, in this order; the others follow.

    A rollout that is planned already keeps its stages. Raises InvalidFields (`first`) for a name
    that no server of the pool has, or that is there twice; nothing is changed then.
    """
    with transaction.atomic():
        servers = {server.name: server for server in _servers(pool).select_for_update()}
        _check(pool, names, servers)
        before = [server.name for server in chosen_first(pool)]
        if before == list(names):
            return
        SipServer.objects.filter(pool=pool).update(stage_place=SipServer.BY_NAME)
        for place, name in enumerate(names, 1):
            SipServer.objects.filter(pk=servers[name].pk).update(stage_place=place)
        audit.record(
            actor=actor, action="changed the order of stages of", obj=pool,
            detail={"first servers": [", ".join(before), ", ".join(names)]},
        )  # fmt: skip


def in_order(pool: ServerPool) -> list[tuple[ConfigStore, list[SipServer]]]:
    """The managed stores of a pool, each with its enabled servers, as stages come to them."""
    managed = ConfigStore.objects.filter(pool=pool, mode=ConfigStore.Mode.MANAGE)
    found: dict[int, tuple[ConfigStore, list[SipServer]]] = {
        store.pk: (store, []) for store in managed.order_by("name")
    }
    for server in SipServer.objects.filter(store__in=managed, enabled=True).order_by(*_ORDER):
        found[server.store_id][1].append(server)
    # Sorting keeps the order by name of stores whose servers have no place.
    return sorted(found.values(), key=lambda each: _place(each[1]))


def _servers(pool: ServerPool) -> QuerySet[SipServer]:
    return SipServer.objects.filter(pool=pool).order_by(*_ORDER)


def _place(servers: Sequence[SipServer]) -> int:
    return min((server.stage_place for server in servers), default=SipServer.BY_NAME)


def _check(pool: ServerPool, names: Sequence[str], known: Collection[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        there = ", ".join(sorted(known)) or "none"
        raise InvalidFields(
            {"first": f"{pool} has no server “{unknown[0][:80]}”. There are: {there}."}
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InvalidFields({"first": f"“{twice[0]}” is there twice."})
