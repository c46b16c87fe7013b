"""Certificates at the TLS ports of SIP servers: read on schedule, judged, reloaded on demand."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from provisioning.core.certificate import Inspection
from provisioning.core.errors import ProvisioningError
from provisioning.drivers.tls_port import inspect_port
from provisioning.models import SipServer
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.servers import targets
from provisioning.services.servers.driver_access import open_server

log = structlog.stdlib.get_logger(__name__)

# From then on an expiring certificate is told of.
WARN_BEFORE = timedelta(days=30)
# Ports that are looked at at the same time.
_THREADS = 16


def read_certificates(*, servers: QuerySet[SipServer] | None = None) -> None:
    """Look at the TLS port of `servers`, or all enabled ones, at the same time, where it is one."""
    chosen = SipServer.objects.filter(enabled=True) if servers is None else servers
    _read(list(chosen.filter(tls_port__isnull=False)))


def read_certificate(*, server: SipServer) -> None:
    """Look at one server's TLS port now; a failure is an answer, never an exception."""
    _read([server])
    server.refresh_from_db()


def reload_certificate(*, server: SipServer, actor: Actor) -> None:
    """Let the server read its certificate and key anew, and look at the port again.

    Raises Unreachable or Rejected with its own words; the old certificate then still serves. The
    console has no server's key: whoever renews the certificate puts both there.
    """
    with open_server(server) as driver:
        driver.reload_certificate()
    audit.record(actor=actor, action="reloaded the certificate of", obj=server)
    read_certificate(server=server)


def concern(server: SipServer) -> str:
    """What is wrong with the certificate, or is going to be; empty where nothing is."""
    if server.tls_port is None or server.certificate_checked_at is None:
        return ""
    if server.certificate_problem:
        return server.certificate_problem
    expires = server.certificate_expires_at
    if expires is None or expires > timezone.now() + WARN_BEFORE:
        return ""
    day = f"{timezone.localtime(expires):%-d %b %Y}"
    if expires <= timezone.now():
        return f"It expired on {day}: clients that check it do not connect."
    return f"It expires on {day}. Renew it, then let the server reload it."


def _read(servers: Sequence[SipServer]) -> None:
    with ThreadPoolExecutor(_THREADS) as threads:
        found = list(threads.map(_look, servers))
    now = timezone.now()
    for server, answer in zip(servers, found, strict=True):
        this = SipServer.objects.filter(pk=server.pk)
        if isinstance(answer, ProvisioningError):
            this.update(certificate_problem=answer.message, certificate_checked_at=now)
            log.warning("certificate not seen", server=server.name, problem=answer.message)
            continue
        certificate = answer.certificate
        problem = f"Clients that check it do not connect: {answer.refusal}."
        this.update(
            certificate_expires_at=certificate.not_after,
            certificate_subject=", ".join(certificate.names) or certificate.subject,
            certificate_issuer=certificate.issuer,
            certificate_problem=problem if answer.refusal else "",
            certificate_checked_at=now,
        )


def _look(server: SipServer) -> Inspection | ProvisioningError:
    """What the port shows, or why it shows nothing; asks no database of the console's."""
    port = server.tls_port or 0
    try:
        return inspect_port(
            host=server.sip_host,
            port=port,
            addresses=targets.check_target(host=server.sip_host, port=port, what="The SIP host"),
            ca_pem=server.ca_pem,
            timeout=settings.SERVER_CONNECT_TIMEOUT,
        )
    except ProvisioningError as error:
        return error
