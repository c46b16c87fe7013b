"""A pool of real Kamailios that is changed in stages, and the telephones at its servers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from lab.kamailio import Kamailio
from lab.sip import Login, SipClient
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.core.settings.types import Value
from provisioning.models import Account, PushRecord, Rollout, ServerPool, SipServer
from provisioning.services.actor import Actor
from provisioning.services.push import outbox
from provisioning.services.push.reconcile import reconcile
from provisioning.services.rollouts.advance import advance
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import Place
from tests.factories import make_account
from tests.push_site import Site, make_server

KEY = "min_expires"


class Fleet:
    """Servers of one pool in stages, which watches nothing for longer than a look."""

    def __init__(self, members: Sequence[tuple[Site, Kamailio]], actor: Actor) -> None:
        self.kamailios = [kamailio for _, kamailio in members]
        self.sites = list(dict.fromkeys(site for site, _ in members))
        self.actor = actor
        self.pool: ServerPool = self.sites[0].store.pool
        self.account = make_account(user_part="ann", pool=self.pool)
        self.others = [make_account(user_part=f"tel{n}", pool=self.pool) for n in range(10)]
        self.servers: list[SipServer] = []
        for site, kamailio in members:
            server = make_server(site, kamailio)
            server.name = f"sip{len(self.servers) + 1}"
            server.udp_port, server.tls_port = kamailio.sip_port, kamailio.tls_port
            server.save()
            self.servers.append(server)
        self.push_everything()
        self.terms(staged=True, gate_seconds=0)

    def push_everything(self) -> None:
        for site in self.sites:
            outbox.mark_store(site.store)
            assert site.push().problem == ""

    def terms(self, **values: object) -> None:
        """Say how changes come to the pool."""
        ServerPool.objects.filter(pk=self.pool.pk).update(**values)
        self.pool.refresh_from_db()

    def give(self, value: Value | None, actor: Actor | None = None) -> None:
        """Give the pool another shortest expiry."""
        place = Place(SettingScope.POOL, self.pool)
        set_value(place=place, setting=CATALOGUE[KEY], value=value, actor=actor or self.actor)

    def change(self, value: Value | None, actor: Actor | None = None) -> Rollout:
        """The same; the rollout that it is part of."""
        self.give(value, actor)
        return Rollout.objects.latest("pk")

    def step(self, rollout: Rollout, times: int = 1) -> Rollout:
        """Let what is due of a rollout be done, and workers push."""
        for _ in range(times):
            Rollout.objects.filter(pk=rollout.pk).update(not_before=None)
            advance(rollout_id=rollout.pk)
            for site in self.sites:
                site.push()
        return self.again(rollout)

    @staticmethod
    def again(rollout: Rollout) -> Rollout:
        return Rollout.objects.select_related("pool").get(pk=rollout.pk)

    def stored(self, index: int) -> str | None:
        """What stands in the store of a server."""
        found = self.sites[index].rows("SELECT key_name, key_value FROM htable")
        return dict(found).get(KEY)

    def effective(self, index: int) -> str:
        """The shortest expiry that a server enforces; 60 by its own configuration."""
        return self.effective_of(self.account, index)

    def effective_of(self, account: Account, index: int) -> str:
        """The same, asked by another account."""
        with SipClient(self.kamailios[index].sip_port, "udp") as phone:
            return phone.register(login_of(account), expires=1).headers["min-expires"]

    def register(self, index: int) -> ExitStack:
        """The telephones of ten accounts at a server, as long as what is returned is open."""
        phones = ExitStack()
        for account in self.others:
            phone = phones.enter_context(SipClient(self.kamailios[index].sip_port, "udp"))
            assert phone.register(login_of(account), expires=600).status == 200
        return phones

    def lose(self, index: int, count: int) -> None:
        """Let so many of them be gone from the server."""
        for account in self.others[:count]:
            self.kamailios[index].rpc("ul.rm", ["location", account.aor])

    def check(self) -> None:
        """The invariants of every push: nothing is drift, and only what is held back waits."""
        for site in self.sites:
            report = reconcile(store=site.store)
            assert (report.problem, report.total) == ("", 0)
            assert not outbox.pending(store_id=site.store.pk).exists()
        assert not PushRecord.objects.filter(settled=False).exists()


def login_of(account: Account) -> Login:
    secret = account.credential.secret()
    assert secret is not None
    return Login(account.user_part, account.domain.domain, secret)
