"""Making rows take effect: reloads and the end of registrations, server by server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog
from django.db import transaction

from provisioning.core.errors import ProvisioningError
from provisioning.drivers.base import Kind
from provisioning.models import ConfigStore, SipServer
from provisioning.services.driver_access import open_server

log = structlog.stdlib.get_logger(__name__)


def activate_servers(*, store: ConfigStore, kinds: Iterable[Kind]) -> None:
    """Reload `kinds`, and whatever is still to be reloaded, at every server of `store`.

    A server that does not answer keeps its list: "written, reload pending". Only the reload is tried again.
    """
    for server in SipServer.objects.filter(store=store, enabled=True).order_by("name"):
        wanted = sorted({*server.reload_pending, *(kind.value for kind in kinds)})
        if not wanted:
            continue
        _set_pending(server, wanted)
        try:
            with open_server(server) as driver:
                driver.activate([Kind(name) for name in wanted])
        except ProvisioningError as error:
            log.warning("reload pending", server=server.name, kinds=wanted, reason=error.message)
        else:
            _set_pending(server, [])


def end_registrations(*, store: ConfigStore, aors: Sequence[str]) -> dict[str, str]:
    """End what is registered for `aors` at every server of `store`; returns the reason for those left over."""
    failed: dict[str, str] = {}
    if not aors:
        return failed
    for server in SipServer.objects.filter(store=store, enabled=True).order_by("name"):
        try:
            with open_server(server) as driver:
                for aor in aors:
                    driver.end_registration(aor)
        except ProvisioningError as error:
            log.warning(
                "registrations left over", server=server.name, count=len(aors), reason=error.message
            )
            problem = f"Refused from now on, but a registration may still be alive at {server}: {error.message}"
            failed |= dict.fromkeys(aors, problem)
    return failed


def _set_pending(server: SipServer, kinds: list[str]) -> None:
    with transaction.atomic():
        SipServer.objects.filter(pk=server.pk).update(reload_pending=kinds)
