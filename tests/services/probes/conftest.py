"""A store with one Kamailio whose every port the console knows, and its probe accounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from lab.authority import Authority
from lab.kamailio import Kamailio
from lab.kamailio_store import KAMAILIO_5_6, KAMAILIO_6_1
from provisioning.models import ProbeResult, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.probes.accounts import set_up_probes
from provisioning.services.probes.probe import probe_server
from provisioning.services.push import outbox
from tests.factories import make_domain, make_gateway, make_route
from tests.lab.fixtures import authority
from tests.push_site import Site, cluster, make_server, new_kamailio, new_lab, new_site, quick, site

__all__ = ["authority", "cluster", "new_kamailio", "new_lab", "new_site", "quick", "site"]


@dataclass(frozen=True)
class Probed:
    """One real Kamailio with probe accounts, everything pushed."""

    site: Site
    kamailio: Kamailio
    server: SipServer

    def push(self) -> None:
        report = self.site.push()
        assert (report.failed, report.problem, self.site.pending()) == (0, "", set())

    def probe(self) -> dict[str, str]:
        """Probe now; the outcome of everything, by kind and key."""
        probe_server(server=SipServer.objects.get(pk=self.server.pk))
        return self.outcomes()

    def outcomes(self) -> dict[str, str]:
        rows = ProbeResult.objects.filter(server=self.server)
        return {f"{row.kind} {row.key}".strip(): row.outcome for row in rows}

    def result(self, kind: str, key: str = "") -> ProbeResult:
        return ProbeResult.objects.get(server=self.server, kind=kind, key=key)


@pytest.fixture
def server_of(authority: Authority) -> Callable[..., SipServer]:
    """Makes the row of a Kamailio with the ports of all its transports."""

    def make(site: Site, kamailio: Kamailio) -> SipServer:
        server = make_server(site, kamailio)
        server.tls_port, server.ca_pem = kamailio.tls_port, authority.certificate.read_text()
        server.tcp_port = server.udp_port = kamailio.sip_port
        server.save()
        return server

    return make


@pytest.fixture
def pings() -> int:
    """In how many seconds the servers ask gateways whether they are there."""
    return 10


@pytest.fixture
def probing(
    new_kamailio: Callable[..., Kamailio], server_of: Callable[..., SipServer], pings: int
) -> Callable[[Site], Probed]:
    """Makes a server that does as it should."""

    def make(site: Site) -> Probed:
        kamailio = new_kamailio(site, pings=pings)
        found = Probed(site, kamailio, server_of(site, kamailio))
        make_domain()
        make_route("+44", make_gateway(host="192.0.2.9"))
        assert set_up_probes(pool=site.store.pool, actor=COMMAND_LINE) >= 3
        outbox.mark_store(site.store)
        found.push()
        return found

    return make


@pytest.fixture
def probed(site: Site, probing: Callable[[Site], Probed]) -> Probed:
    """A Kamailio 5.6 on an SQLite file."""
    return probing(site)


@pytest.fixture(
    params=[("sqlite", KAMAILIO_5_6), ("postgresql", KAMAILIO_6_1)],
    ids=["sqlite-5.6", "postgresql-6.1"],
)
def either_probed(
    request: pytest.FixtureRequest,
    new_site: Callable[..., Site],
    probing: Callable[[Site], Probed],
) -> Probed:
    """The same, and a Kamailio 6.1 on PostgreSQL."""
    dialect, release = request.param
    return probing(new_site(dialect, release=release))
