"""Where each kind of routing stands at each SIP server; what no call has proven is never green."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count

from provisioning.drivers.base import Kind
from provisioning.drivers.registry import DRIVERS
from provisioning.models import ConfigStore, OwnedRow, PendingChange, SipServer
from provisioning.services.routing.desired_routing import MAKERS


@dataclass(frozen=True, slots=True)
class Standing:
    """One kind at one server: `word` is a status; `rows` stand in its store; `why` it is not there.

    The words: unsupported (the server has no place for it), observe (its store is not written),
    failed, pending (not written, or not reloaded), unproven (written and loaded), nothing.
    """

    kind: Kind
    word: str
    rows: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class AtServer:
    """All kinds of routing at one server."""

    server: SipServer
    kinds: tuple[Standing, ...]


def routing_at_servers() -> list[AtServer]:
    """Every enabled SIP server with the standing of each kind, in three queries."""
    servers = SipServer.objects.filter(enabled=True).select_related("store", "pool")
    counted = OwnedRow.objects.filter(kind__in=list(MAKERS)).values_list("store", "kind")
    owned = {(store, kind): n for store, kind, n in counted.annotate(count=Count("pk"))}
    pending: dict[tuple[int, str], PendingChange] = {}
    # Of several the one that was given up speaks for all.
    for change in PendingChange.objects.filter(kind__in=list(MAKERS)).order_by("dead", "pk"):
        pending[change.store_id, change.kind] = change
    return [
        AtServer(server, tuple(_standing(server, kind, owned, pending) for kind in MAKERS))
        for server in servers.order_by("pool__name", "name")
    ]


def _standing(
    server: SipServer,
    kind: Kind,
    owned: Mapping[tuple[int, str], int],
    pending: Mapping[tuple[int, str], PendingChange],
) -> Standing:
    store = server.store
    place = (store.pk, kind.value)
    rows, change = owned.get(place, 0), pending.get(place)
    if kind in DRIVERS[store.driver].unsupported:
        return Standing(kind, "unsupported")
    if store.mode != ConfigStore.Mode.MANAGE:
        return Standing(kind, "observe", rows)
    if change is not None:
        return Standing(kind, "failed" if change.dead else "pending", rows, change.problem)
    if kind.value in server.reload_pending:
        return Standing(kind, "pending", rows, "Written; the server has not reloaded it yet.")
    return Standing(kind, "unproven" if rows else "nothing", rows)
