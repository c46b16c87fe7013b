"""Trusted hosts: saving and deleting."""

from __future__ import annotations

import ipaddress

from provisioning.core.errors import InvalidFields
from provisioning.core.text import require_line
from provisioning.models import TrustedHost
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.routing.marking import marking_routing

# Nothing wider is trusted: it would open the servers to whoever happens to be there.
_SHORTEST_PREFIX = {4: 8, 6: 32}


def save_trusted_host(*, host: TrustedHost, actor: Actor) -> None:
    """Keep a new or changed trusted host and ask for it at every managed store."""
    before = saving.find_stored(host)
    host.name = require_line(host.name, "The name").strip()
    host.network = _network(host.network)
    saving.check_fields(host)
    with marking_routing(actor=actor, about=f"trusted host {host}"):
        saving.save(row=host, before=before, actor=actor)


def delete_trusted_host(*, host: TrustedHost, actor: Actor) -> None:
    """Delete a trusted host, and take it from every managed store."""
    with marking_routing(actor=actor, about=f"trusted host {host} deleted"):
        saving.delete(row=host, actor=actor)


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
