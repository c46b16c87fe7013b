"""Marks for the next push whatever a change of routing makes different at the servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from provisioning.drivers.base import Kind
from provisioning.models import ConfigStore, PendingChange
from provisioning.services.actor import Actor
from provisioning.services.push import outbox
from provisioning.services.rollouts.staging import mark_configuration
from provisioning.services.routing.desired_routing import (
    MAKERS,
    main_numbers,
    routing_rows,
    sites_that_dial,
)
from provisioning.services.routing.pool_servers import pool_server_rows


@contextmanager
def marking_routing(*, actor: Actor, about: str) -> Iterator[None]:
    """One transaction around a change; rows of routing that are others behind it are marked.

    So are main numbers of sites, and the accounts of all stores where callers of other sites than
    before differ from the rest. `about` says what was changed.
    All rows are made before and after it: they are few, and one change may concern many of them.
    """
    with transaction.atomic():
        before = {kind: routing_rows(kind=kind) for kind in MAKERS}
        dialled = set(sites_that_dial().values_list("pk", flat=True))
        numbers = main_numbers()
        yield
        stores = outbox.manageable_stores()
        for kind, old in before.items():
            new = routing_rows(kind=kind)
            keys = [
                key
                for key in {**old.rows, **old.failed, **new.rows, **new.failed}
                if (old.rows.get(key), old.failed.get(key))
                != (new.rows.get(key), new.failed.get(key))
            ]
            mark_configuration(store_ids=stores, kind=kind, keys=keys, actor=actor, about=about)
        changed = [key for key, _ in numbers.items() ^ main_numbers().items()]
        mark_configuration(
            store_ids=stores, kind=Kind.SETTING, keys=changed, actor=actor, about=about
        )
        if dialled != set(sites_that_dial().values_list("pk", flat=True)):
            everybody = [PendingChange.ALL]
            mark_configuration(
                store_ids=stores, kind=Kind.PREFERENCE, keys=everybody, actor=actor, about=about
            )


@contextmanager
def marking_pool_servers(*, actor: Actor, about: str) -> Iterator[None]:
    """One transaction around a change of servers; what other pools are to know of it is marked."""
    with transaction.atomic():
        pools = dict(ConfigStore.objects.order_by("pk").values_list("pk", "pool_id"))
        before = {pool: pool_server_rows(pool_id=pool) for pool in set(pools.values())}
        yield
        managed = outbox.manageable_stores()
        for pool, old in before.items():
            changed = {key for key, _ in old.items() ^ pool_server_rows(pool_id=pool).items()}
            mark_configuration(
                store_ids=[store for store in managed if pools.get(store) == pool],
                kind=Kind.POOL_SERVER, keys=sorted(changed), actor=actor, about=about,
            )  # fmt: skip
