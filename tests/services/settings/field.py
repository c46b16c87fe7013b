"""A store with one Kamailio, and the accounts whose phones prove what it does."""

from __future__ import annotations

from lab.gateway import Gateway as LabGateway
from lab.kamailio import Kamailio
from lab.sip import Login, Response, SipClient
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.core.settings.types import Value
from provisioning.models import SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import Place
from tests import factories
from tests.push_site import Site

S = SettingScope


class Field:
    """A store with one Kamailio, and the phones of its accounts."""

    def __init__(self, site: Site, kamailio: Kamailio, server: SipServer) -> None:
        self.site, self.kamailio, self.server = site, kamailio, server
        self.accounts = {
            user: factories.make_account(user, user_part=user, pool=site.store.pool)
            for user in ("ann", "bob")
        }
        outbox.mark_store(site.store)
        self.push()

    def push(self) -> None:
        report = self.site.push()
        assert (report.failed, report.problem, self.site.pending()) == (0, "", set())

    def give(self, place: Place, key: str, value: Value | None) -> None:
        """Give or take back a value and push what that asks for."""
        set_value(
            place=place, setting=CATALOGUE[key], value=value, actor=COMMAND_LINE, approved=True
        )
        self.push()

    def of(self, user: str) -> Place:
        return Place(S.ACCOUNT, self.accounts[user])

    def login(self, user: str) -> Login:
        account = self.accounts[user]
        secret = account.credential.secret()
        assert secret is not None
        return Login(user, account.domain.domain, secret)

    def phone(self, transport: str = "udp") -> SipClient:
        return SipClient(self.kamailio.sip_port, transport)  # type: ignore[arg-type]

    def answering(self, user: str, status: int | None = 200, *, rings: bool = False) -> LabGateway:
        """A registered phone that answers calls so, once it is entered."""
        with self.phone() as phone:
            assert phone.register(self.login(user)).status == 200
        return LabGateway(status, rings=rings, port=phone.port)

    def register(self, user: str, *, expires: int = 600) -> Response:
        with self.phone() as phone:
            return phone.register(self.login(user), expires=expires)

    def write(self, user: str, to: str, text: str = "hello") -> Response:
        with self.phone() as phone:
            return phone.message(self.login(user), f"sip:{to}", text)

    def stored(self) -> dict[str, str]:
        return dict(self.site.rows("SELECT key_name, key_value FROM htable"))

    def preferences(self) -> set[tuple[str, str, str]]:
        found = self.site.rows("SELECT username, attribute, value FROM usr_preferences")
        return {(user, attribute, value) for user, attribute, value in found}
