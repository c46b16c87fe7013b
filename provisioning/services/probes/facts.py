"""What is known before a server is probed: where it is, who signs in, what it should do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.db.models import Exists, OuterRef

from provisioning.core.errors import ProvisioningError, Rejected
from provisioning.core.records import Listener
from provisioning.core.settings.account_settings import PRESENTED_NUMBER
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import Family, SettingScope
from provisioning.core.settings.types import Value
from provisioning.core.states import State
from provisioning.drivers.base import Kind
from provisioning.drivers.registry import DRIVERS
from provisioning.drivers.setting_rows import CALLER_SITE, preference_key
from provisioning.drivers.sip.agent import UserAgent
from provisioning.drivers.sip.digest import Login
from provisioning.models import (
    Account,
    Alias,
    ConfigStore,
    OwnedRow,
    PendingChange,
    ProbeAccount,
    SettingValue,
    SipServer,
    TrustedHost,
)
from provisioning.services.probes.verdict import Verdict
from provisioning.services.routing.desired_routing import sites_that_dial
from provisioning.services.routing.pool_servers import pool_server_rows
from provisioning.services.settings.effective import effective_at
from provisioning.services.settings.places import Place

_Role = ProbeAccount.Role
# Settings of probe accounts that are tried.
_OPEN_HAS = ("asserted_numbers", "call_classes", "max_devices", PRESENTED_NUMBER, CALLER_SITE)
_BLOCKED_HAS = ("forward_always", "messaging")
_AWAY_HAS = (
    "forward_after", "forward_busy", "forward_no_answer", "forward_unreachable",
    PRESENTED_NUMBER,
)  # fmt: skip
_MAILBOX_HAS = ("voicemail", "voicemail_server")
# Of these only a gateway of the console's own shows anything.
_SEEN_OUTSIDE = (PRESENTED_NUMBER, "asserted_numbers", *_MAILBOX_HAS)
_TRUSTED = "Calls from the console's own address, {}, are treated as those of a trusted host."


@dataclass(frozen=True, slots=True)
class DomainProbe:
    """The probe accounts of one SIP domain.

    `blocked` is None where there is none to be refused, `away` where there is none that forwards
    calls which it does not take, `mailbox` where there is none whose calls go to a mailbox.
    """

    login: Login
    number: str
    blocked: Login | None
    away: Login | None
    mailbox: Login | None

    @property
    def domain(self) -> str:
        """The SIP domain."""
        return self.login.domain


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a probe of one server needs: it asks no database while it waits.

    `kinds` are those that stand at the server, all of them pushed and reloaded; `settings` the
    values that it should go by, of those that were given; `preferences` the account settings that
    some account has, and `own` those that the probe accounts have and are tried by. `elsewhere` is
    a probe account's SIP URI by the name of each other pool that is asked for it and not down,
    `gateway` where the console takes calls itself, if it does.
    """

    server: str
    listeners: tuple[Listener, ...]
    ca_pem: str
    kinds: frozenset[Kind]
    probes: tuple[DomainProbe, ...]
    domains: frozenset[str]
    missing: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Value] = field(default_factory=dict)
    preferences: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    trusted: tuple[TrustedHost, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    gateway: tuple[str, int] | None = None

    def trusts(self, address: str) -> str:
        """How requests from an address are treated; empty where they need a password."""
        for host in self.trusted:
            if ip_address(address) in ip_network(host.network):
                return host.treatment
        return ""

    def check_asked(self, address: str) -> None:
        """Raise Rejected where requests from an address need no password."""
        if self.trusts(address):
            raise Rejected(_TRUSTED.format(address))

    def check_accepted(self, address: str) -> None:
        """Raise Rejected where no requests are accepted from an address."""
        if self.trusts(address) == TrustedHost.Treatment.OUTBOUND:
            raise Rejected(_TRUSTED.format(address))


# Tries something; raises Rejected where it cannot, Unreachable where no answer comes.
Probe = Callable[[Facts, DomainProbe, UserAgent], Verdict]


def gather(server: SipServer) -> Facts:
    """Read the facts of a server; few queries, whatever the number of accounts."""
    store = server.store
    kinds = _kinds_there(server)
    probes, missing = _probes(server)
    own_of = [key for each in probes for key in _tried_by(each)]
    if settings.PROBE_GATEWAY is None:
        # Nobody sees them then, and probe accounts alone are to leave nothing unproven.
        own_of = [key for key in own_of if key.partition("/")[0] not in _SEEN_OUTSIDE]
    own = OwnedRow.objects.filter(store=store, kind=Kind.PREFERENCE, key__in=own_of)
    there = OwnedRow.objects.filter(store=store, kind=Kind.SIP_DOMAIN)
    return Facts(
        server=server.name,
        listeners=tuple(server.listeners()),
        ca_pem=server.ca_pem,
        kinds=kinds,
        probes=tuple(probes),
        domains=frozenset(there.values_list("key", flat=True)),
        missing=missing,
        settings=_settings(server),
        preferences=_preferences(store),
        own=frozenset(key.partition("/")[0] for key in own.values_list("key", flat=True)),
        trusted=tuple(TrustedHost.objects.all()),
        elsewhere=_elsewhere(server),
        gateway=settings.PROBE_GATEWAY,
    )


def _tried_by(probe: DomainProbe) -> list[str]:
    """The keys of settings that the accounts of a SIP domain are tried by."""
    has = (
        (probe.login, _OPEN_HAS), (probe.blocked, _BLOCKED_HAS), (probe.away, _AWAY_HAS),
        (probe.mailbox, _MAILBOX_HAS),
    )  # fmt: skip
    return [
        preference_key(key, f"{login.user}@{login.domain}")
        for login, keys in has
        if login is not None
        for key in keys
    ]


def _kinds_there(server: SipServer) -> frozenset[Kind]:
    """The kinds that have rows at the store, of which nothing is on its way."""
    store, held = server.store_id, []
    under_way = PendingChange.objects.filter(store=store, dead=False)
    moving = {*under_way.values_list("kind", flat=True).distinct(), *server.reload_pending}
    for kind in set(Kind) - DRIVERS[server.store.driver].unsupported:
        rows = OwnedRow.objects.filter(store=store, kind=kind)
        if kind.value not in moving and rows.exists():
            held.append(kind)
    return frozenset(held)


def _probes(server: SipServer) -> tuple[list[DomainProbe], dict[str, str]]:
    """The probe accounts that the server should know, and of other SIP domains what is missing."""
    accounts = Account.objects.filter(pool=server.pool_id, probe__isnull=False)
    accounts = accounts.exclude(state=State.REMOVED).select_related("probe", "domain", "credential")
    stored = OwnedRow.objects.filter(store=server.store_id, kind=Kind.SUBSCRIBER)
    here = set(stored.filter(key__in=[a.aor for a in accounts]).values_list("key", flat=True))
    aliases = Alias.objects.filter(account__in=accounts)
    numbers = dict(aliases.values_list("account_id", "user_part"))
    by_role = {(a.domain.domain, a.probe.role): a for a in accounts if a.aor in here}
    found, missing = [], {}
    for account in accounts:
        domain = account.domain.domain
        if account.probe.role != _Role.OPEN:
            continue
        login = _login(account)
        if account.aor not in here:
            missing[domain] = "The probe account is not at the store: its managed scope, perhaps."
        elif account.state != State.ACTIVE or login is None:
            missing[domain] = f"The probe account {account.aor} cannot register as it is now."
        else:
            blocked = _login_in(by_role.get((domain, _Role.BLOCKED)), State.BLOCKED)
            away = _login_in(by_role.get((domain, _Role.AWAY)), State.ACTIVE)
            mailbox = _login_in(by_role.get((domain, _Role.MAILBOX)), State.ACTIVE)
            number = numbers.get(account.pk, "")
            found.append(DomainProbe(login, number, blocked, away, mailbox))
    return found, missing


def _login_in(account: Account | None, state: State) -> Login | None:
    """Who signs in with an account, as long as it is in that state."""
    return _login(account) if account is not None and account.state == state else None


def _login(account: Account) -> Login | None:
    try:
        secret = account.credential.secret()
    except ProvisioningError:
        return None
    if secret is None:
        return None
    return Login(account.user_part, account.domain.domain, account.credential.auth_user, secret)


def _settings(server: SipServer) -> dict[str, Value]:
    """What counts at the server, of the settings whose rows stand at its store."""
    owned = OwnedRow.objects.filter(store=server.store_id, kind=Kind.SETTING)
    stored: set[str] = set()
    for key in owned.values_list("key", flat=True):
        whose, colon, setting = key.rpartition(":")
        if not colon or whose == str(server.pk):
            stored.add(setting)
    effective = effective_at(place=Place(SettingScope.SERVER, server))
    values = {each.setting.key: each.value for each in effective}
    return {key: values.get(key, "") for key in sorted(stored)}


def _elsewhere(server: SipServer) -> dict[str, str]:
    """A probe account that stands at a store of each other pool, by the name of the pool."""
    asked = {row.pool for row in pool_server_rows(pool_id=server.pool_id).values()}
    down = SipServer.Health.DOWN
    up = SipServer.objects.filter(pool__in=asked, enabled=True).exclude(health=down)
    stored = OwnedRow.objects.filter(
        store__pool=OuterRef("pool"), kind=Kind.SUBSCRIBER, key=OuterRef("aor")
    )
    accounts = Account.objects.filter(
        Exists(stored), pool__in=up.values("pool"), probe__role=_Role.OPEN, state=State.ACTIVE
    )
    found = accounts.order_by("pk").values_list("pool__name", "aor")
    return {pool: f"sip:{aor}" for pool, aor in found}


def _preferences(store: ConfigStore) -> frozenset[str]:
    """The account settings that some account may have rows for, other than a probe account."""
    given = SettingValue.objects.exclude(scope=SettingScope.GLOBAL).order_by()
    given = given.filter(account__probe__isnull=True)
    keys = set(given.values_list("key", flat=True).distinct())
    held = DRIVERS[store.driver].settings
    found = {key for key in keys & held if CATALOGUE[key].family is Family.ACCOUNT}
    if sites_that_dial().exists():
        found.add(CALLER_SITE)
    return frozenset(found)
