"""The servers that a pool asks for accounts which are not its own: those of every other pool."""

from __future__ import annotations

from provisioning.drivers.base import Kind
from provisioning.drivers.registry import DRIVERS
from provisioning.drivers.routing import PoolServerRow
from provisioning.models import ConfigStore, SipServer


def pool_server_rows(*, pool_id: int) -> dict[str, PoolServerRow]:
    """A row by its key for each server in use that knows the other pools as well.

    Its store is managed: it would not believe who asks otherwise.
    """
    servers = SipServer.objects.filter(
        enabled=True,
        store__mode=ConfigStore.Mode.MANAGE,
        store__driver__in=[
            name for name, driver in DRIVERS.items() if Kind.POOL_SERVER in driver.store.kinds
        ],
    ).exclude(pool_id=pool_id)
    rows = [_row(server) for server in servers.order_by("pk") if server.listeners()]
    return {row.key: row for row in rows}


def _row(server: SipServer) -> PoolServerRow:
    at = server.listeners()[0]
    host = f"[{at.host}]" if ":" in at.host else at.host
    uri = f"sip:{host}:{at.port};transport={at.transport}"
    return PoolServerRow(server.pool_id, uri, server.name)
