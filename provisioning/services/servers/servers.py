"""SIP servers: saving, deleting, and asking how they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog
from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from provisioning.core.errors import AccessRefused, InvalidInput, ProvisioningError
from provisioning.core.records import ServerHealth, ServerRecord
from provisioning.core.text import require_line
from provisioning.drivers.base import ServerDriver
from provisioning.models import SipServer
from provisioning.services import wake
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.directory.certificates import check_authorities
from provisioning.services.probes.forgetting import forget_probes
from provisioning.services.push import outbox
from provisioning.services.routing.marking import marking_pool_servers
from provisioning.services.servers import driver_access, health_history, targets
from provisioning.services.settings.marking import mark_server_removed

log = structlog.stdlib.get_logger(__name__)

_CONTROL = driver_access.CONTROL


def save_server(*, server: SipServer, actor: Actor, secret: str | None = None) -> bool:
    """Keep a new or changed server; `secret` None keeps the stored control secret, empty erases it.

    The stored secret never goes to a new place: it is erased when scheme, host, port or the
    certificate authority changes and no new one is given. Returns whether a stored secret was
    erased that way.
    """
    tidy(server)
    before = saving.find_stored(server)
    moved = before is None or _endpoint(before) != _endpoint(server)
    erased = keep_secret_from_strangers(server, before) and secret is None
    if moved:
        endpoint = _endpoint(server)
        targets.check_target(host=endpoint.host, port=endpoint.port, what=_CONTROL)
    saving.check_fields(server)
    if server.store.pool_id != server.pool_id:
        raise InvalidInput(
            f"“{server.store}” belongs to the pool “{server.store.pool}”; choose a store of "
            f"“{server.pool}”."
        )
    if secret is not None and not require_line(secret, "The secret").isascii():
        raise InvalidInput("The secret travels in an HTTP header: use ASCII characters only.")
    if before is not None and before.pool_id != server.pool_id:
        server.stage_place = SipServer.BY_NAME
    facts = {"secret": "erased"} if erased else {"secret": "changed"} if secret is not None else {}
    with marking_pool_servers(actor=actor, about=f"SIP server {server}"):
        saving.save(row=server, before=before, actor=actor, **facts)
        if secret is not None:
            server.set_rpc_secret(secret)
            server.save(update_fields=["sealed_rpc_secret"])
        forget_probes(SipServer.objects.filter(pk=server.pk))
        wake.check_server(server_id=server.pk)
    return erased


def delete_server(*, server: SipServer, actor: Actor) -> None:
    """Forget a server; it is not touched, and of its store only settings of its own are taken."""
    with marking_pool_servers(actor=actor, about=f"SIP server {server} deleted"):
        mark_server_removed(server)
        saving.delete(row=server, actor=actor)


def check_server_health(*, server: SipServer) -> None:
    """Ask the server how it is and keep the answer; a failure is an answer, never an exception."""
    _check([server])
    server.refresh_from_db()


def check_servers(*, servers: QuerySet[SipServer] | None = None) -> None:
    """The same for `servers`, or all enabled ones, at the same time: a silent one delays none."""
    chosen = SipServer.objects.filter(enabled=True) if servers is None else servers
    _check(list(chosen.select_related("store")))


def _check(servers: Sequence[SipServer]) -> None:
    """Only the columns of health are written, so an edit that is under way is not overwritten."""
    questions = [_health for _ in servers]
    answers = driver_access.ask_servers(servers, questions)
    for server, answer in zip(servers, answers, strict=True):
        if isinstance(answer, ProvisioningError):
            note_failure(server=server, error=answer)
        else:
            _keep_health(server, answer)
    health_history.note(servers=servers, answers=answers)


def _health(driver: ServerDriver) -> ServerHealth:
    return driver.health()


def note_failure(*, server: SipServer, error: ProvisioningError) -> None:
    """Keep that the server does not answer as it should; pushes leave it alone until it does.

    One that does not let the console in is refusing, not down: it may serve everybody else.
    """
    refused = isinstance(error, AccessRefused)
    health = SipServer.Health.REFUSED if refused else SipServer.Health.DOWN
    SipServer.objects.filter(pk=server.pk).update(
        health=health,
        health_problem=error.message,
        latency_ms=None,
        registration_count=None,
        memory_percent=None,
        connections=None,
        up_since=None,
        checked_at=Now(),
        down_since=Coalesce("down_since", Now()),
    )
    if server.health != health:
        event = "SIP server refuses the console" if refused else "SIP server is down"
        log.warning(event, server=server.name, problem=error.message)


def server_candidate(*, server: SipServer, secret: str | None) -> ServerRecord:
    """The record of a server that is perhaps not saved, for a connection test.

    The stored secret is used only where nothing changed that it must not be sent to.
    """
    tidy(server)
    keep_secret_from_strangers(server, saving.find_stored(server))
    record = server.as_record()
    return record if secret is None else replace(record, rpc_secret=secret)


def keep_secret_from_strangers(server: SipServer, before: SipServer | None) -> bool:
    """Take the stored secret from `server` where it would go elsewhere; whether there was one."""
    if before is None or (_endpoint(before), before.ca_pem) == (_endpoint(server), server.ca_pem):
        return False
    server.set_rpc_secret("")
    return before.sealed_rpc_secret is not None


def tidy(server: SipServer) -> None:
    """Bring what was typed to its one form; raises InvalidInput where it has none."""
    server.name = require_line(server.name, "The name").strip()
    server.rpc_url = require_line(server.rpc_url, _CONTROL).strip()
    server.sip_host = targets.check_host(host=server.sip_host, what="The SIP host").lower()
    server.ca_pem = check_authorities(server.ca_pem, "The certificate authority")
    _endpoint(server)
    ports = [
        port for port in (server.tls_port, server.tcp_port, server.udp_port) if port is not None
    ]
    if not ports:
        raise InvalidInput(
            "Give at least one port at which clients reach the server, such as 5061 for TLS."
        )
    if not all(1 <= port <= 65535 for port in ports):
        raise InvalidInput("A port is a number from 1 to 65535.")


def _endpoint(server: SipServer) -> targets.Endpoint:
    return driver_access.control_endpoint(driver=server.store.driver, url=server.rpc_url)


def _keep_health(server: SipServer, health: ServerHealth) -> None:
    now = timezone.now()
    this = SipServer.objects.filter(pk=server.pk)
    was_out = this.filter(health__in=SipServer.Health.out_of_reach()).exists()
    this.update(
        health=SipServer.Health.UP,
        health_problem="",
        version=health.version[:100],
        latency_ms=health.latency_ms,
        registration_count=health.registrations,
        memory_percent=health.memory_percent,
        connections=health.connections,
        up_since=now - timedelta(seconds=health.uptime_seconds),
        checked_at=now,
        down_since=None,
    )
    if was_out:
        log.info("SIP server is up again", server=server.name)
        outbox.end_waiting(store_id=server.store_id)
