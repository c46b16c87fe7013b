"""Two pools with a real Kamailio each, and the accounts whose phones prove how they reach them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from lab.gateway import Gateway as LabGateway
from lab.kamailio import Kamailio
from lab.kamailio_store import KAMAILIO_5_6, KAMAILIO_6_1
from lab.process import wait_until
from lab.sip import Login, Response, SipClient
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.core.settings.types import Value
from provisioning.models import Number, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import EVERYWHERE, Place
from tests import factories
from tests.push_site import Site, make_server

ANN, BOB, MOBILE = "+442079460001", "+442079460002", "+447700900123"
DOMAIN = "voice.example.com"


class Pools:
    """Two pools, a store and a Kamailio each: ann is at home in the first, bob in the second."""

    def __init__(
        self, sites: list[Site], new_kamailio: Callable[[Site], Kamailio], transport: str
    ) -> None:
        self.sites = sites
        self.kamailios = [new_kamailio(site) for site in sites]
        self.servers = [
            self._server(*each, transport) for each in zip(sites, self.kamailios, strict=True)
        ]
        self.accounts = {
            user: factories.make_account(user, user_part=user, pool=site.store.pool)
            for user, site in zip(("ann", "bob"), sites, strict=True)
        }
        for user, number in (("ann", ANN), ("bob", BOB)):
            account = self.accounts[user]
            Number.objects.create(e164=number, state=Number.State.ASSIGNED, account=account)
        self.push()
        # A first connection over TLS may take a busy machine longer than servers wait.
        for pool, user in enumerate(self.accounts):
            wait_until(
                lambda user=user, pool=pool: self.write("nobody", user, pool).status == 404,  # type: ignore[misc]
                timeout=60, what="the other pool is asked",
            )  # fmt: skip

    def _server(self, site: Site, kamailio: Kamailio, transport: str) -> SipServer:
        server = make_server(site, kamailio)
        server.pool = site.store.pool
        server.tls_port = kamailio.tls_port if transport == "tls" else None
        server.udp_port = kamailio.sip_port
        server.save()
        return server

    def push(self) -> None:
        for site in self.sites:
            outbox.mark_store(site.store)
        for site in self.sites:
            report = site.push()
            assert (report.failed, report.problem) == (0, "")

    def give(self, user: str, key: str, value: Value) -> None:
        place = Place(SettingScope.ACCOUNT, self.accounts[user]) if user else EVERYWHERE
        setting = CATALOGUE[key]
        set_value(place=place, setting=setting, value=value, actor=COMMAND_LINE, approved=True)
        self.push()

    def login(self, user: str) -> Login:
        secret = self.accounts[user].credential.secret()
        assert secret is not None
        return Login(user, DOMAIN, secret)

    def phone(self, pool: int, *, source: str = "127.0.0.1", timeout: float = 15) -> SipClient:
        return SipClient(self.kamailios[pool].sip_port, source=source, timeout=timeout)

    def answering(self, user: str, pool: int, status: int | None = 200) -> LabGateway:
        with self.phone(pool) as phone:
            assert phone.register(self.login(user)).status == 200
        return LabGateway(status, port=phone.port)

    def call(
        self, to: str, user: str = "ann", pool: int = 0, headers: Mapping[str, str] | None = None
    ) -> Response:
        with self.phone(pool) as phone:
            return phone.invite(f"sip:{to}@{DOMAIN}", self.login(user), headers)

    def write(self, to: str, user: str = "ann", pool: int = 0) -> Response:
        with self.phone(pool) as phone:
            return phone.message(self.login(user), f"sip:{to}@{DOMAIN}", "hello")

    @contextmanager
    def gateway(self) -> Iterator[LabGateway]:
        """A gateway of both pools to mobile and premium numbers, and for emergencies."""
        with LabGateway() as gateway:
            line = factories.make_gateway(host="127.0.0.1", port=gateway.port)
            factories.make_route("+44", line, category="mobile")
            factories.make_route("+4490", line, category="premium")
            factories.make_route("112", line, category="emergency")
            self.push()
            yield gateway


@pytest.fixture(
    params=[("sqlite", KAMAILIO_5_6, "udp"), ("postgresql", KAMAILIO_6_1, "tls")],
    ids=["sqlite-5.6-udp", "postgresql-6.1-tls"],
)
def pools(
    request: pytest.FixtureRequest,
    new_site: Callable[..., Site],
    new_kamailio: Callable[[Site], Kamailio],
) -> Pools:
    """On SQLite with Kamailio 5.6 over UDP, and on PostgreSQL with 6.1 over TLS."""
    dialect, release, transport = request.param
    named = [factories.make_pool(name) for name in ("Frankfurt", "London")]
    sites = [new_site(dialect, release=release, pool=pool) for pool in named]
    return Pools(sites, new_kamailio, transport)
