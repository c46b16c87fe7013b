"""Trusted hosts: saving and deleting."""

from __future__ import annotations

import ipaddress

from django.db import transaction

from provisioning.core.errors import InvalidFields
from provisioning.core.text import require_line
from provisioning.drivers.base import Kind
from provisioning.drivers.routing import TrustedHostRow
from provisioning.models import TrustedHost
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.push import outbox
from provisioning.services.routing.desired_routing import trusted_host_row

# Nothing wider is trusted: it would open the servers to whoever happens to be there.
_SHORTEST_PREFIX = {4: 8, 6: 32}


def save_trusted_host(*, host: TrustedHost, actor: Actor) -> None:
    """Keep a new or changed trusted host and ask for it at every managed store."""
    before = saving.find_stored(host)
    host.name = require_line(host.name, "The name").strip()
    host.network = _network(host.network)
    saving.check_fields(host)
    with transaction.atomic():
        saving.save(row=host, before=before, actor=actor)
        _mark(trusted_host_row(host), trusted_host_row(before or host))


def delete_trusted_host(*, host: TrustedHost, actor: Actor) -> None:
    """Delete a trusted host, and take it from every managed store."""
    with transaction.atomic():
        row = trusted_host_row(host)
        saving.delete(row=host, actor=actor)
        _mark(row)


def _network(text: str) -> str:
    """An address or network in its one form, with the length of the prefix."""
    try:
        network = ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise InvalidFields(
            {"network": "Give an IP address such as 192.0.2.7 or a network such as 192.0.2.0/24."}
        ) from error
    if network.prefixlen < _SHORTEST_PREFIX[network.version]:
        raise InvalidFields(
            {"network": f"{network} is too wide to be trusted; name the hosts or their networks."}
        )
    return str(network)


def _mark(*rows: TrustedHostRow) -> None:
    keys = sorted({row.key for row in rows})
    outbox.mark(store_ids=outbox.manageable_stores(), kind=Kind.TRUSTED_HOST, keys=keys)
