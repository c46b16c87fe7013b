"""Objects for tests: each function makes one with plausible values, all of them replaceable."""

from __future__ import annotations

import uuid
from itertools import count
from typing import Any

from django.utils import timezone

from provisioning.core.account import account_name_key, account_search_key
from provisioning.core.states import State
from provisioning.core.text import fold, search_key
from provisioning.models import (
    Account,
    AccountRule,
    ConfigStore,
    DirectoryGroup,
    DirectorySource,
    Gateway,
    GroupMember,
    Person,
    Route,
    ServerPool,
    SipDomain,
    Site,
    TrustedHost,
)
from provisioning.services.accounts.credentials import make_credential

_serial = count(1)


def make_source(**values: Any) -> DirectorySource:
    """A directory source."""
    return DirectorySource.objects.create(
        **{"name": f"Directory {next(_serial)}", "key_attribute": "entryUUID", **values}
    )


def make_pool(name: str = "Frankfurt") -> ServerPool:
    """The pool of that name."""
    return ServerPool.objects.get_or_create(name=name)[0]


def make_domain(domain: str = "voice.example.com") -> SipDomain:
    """The SIP domain of that name."""
    return SipDomain.objects.get_or_create(domain=domain)[0]


def make_site(name: str = "London", country: str = "GB") -> Site:
    """The site of that name."""
    return Site.objects.get_or_create(name=name, defaults={"country": country})[0]


def make_gateway(name: str = "Carrier", **values: Any) -> Gateway:
    """A gateway; as a trunk with `registers`, whose password is s3cret."""
    number = Gateway.objects.count() + 101
    given = {"name": name, "number": number, "host": "192.0.2.10", "port": 5060, "transport": "udp"}
    if values.get("registers"):
        given |= {"user": "acme", "auth_user": "acme"}
        given |= {"domain": "carrier.example", "realm": "carrier.example"}
    gateway = Gateway.objects.create(**{**given, **values})
    if gateway.registers:
        gateway.set_secret("s3cret")
        gateway.save()
    return gateway


def make_route(prefix: str = "+", *gateways: Gateway, **values: Any) -> Route:
    """A route to the gateways, in their order."""
    first, second, third, *_ = [*gateways, None, None, None]
    given = {"name": f"Route {next(_serial)}", "prefix": prefix, "category": "national", **values}
    return Route.objects.create(
        first_gateway=first, second_gateway=second, third_gateway=third, **given
    )


def make_trusted_host(network: str = "192.0.2.0/24", treatment: str = "inbound") -> TrustedHost:
    """A trusted host of that network."""
    return TrustedHost.objects.create(name=network, network=network, treatment=treatment)


def make_store(**values: Any) -> ConfigStore:
    """A store that the console manages."""
    given = {"name": f"store {next(_serial)}", "mode": ConfigStore.Mode.MANAGE, **values}
    return ConfigStore.objects.create(**{"pool": make_pool(), "database": "kamailio", **given})


def make_rule(**values: Any) -> AccountRule:
    """A rule that everybody falls under."""
    given = {"name": f"Rule {next(_serial)}", **values}
    return AccountRule.objects.create(**{"domain": make_domain(), "pool": make_pool(), **given})


def make_person(name: str = "Ann Lee", **values: Any) -> Person:
    """A person as a sync would have kept them."""
    now = timezone.now()
    login = values.get("login", f"{fold(name).replace(' ', '.')}{next(_serial)}")
    columns: dict[str, Any] = {
        "guid": str(uuid.uuid4()),
        "dn": f"cn={login},ou=people,dc=example,dc=com",
        "content_hash": "",
        "login": login,
        "display_name": name,
        "name_key": fold(name)[:200],
        "search_key": search_key(name, login, values.get("mail", "")),
        "first_seen_at": now,
        "changed_at": now,
        **values,
    }
    columns.setdefault("source", None)
    columns["source"] = columns["source"] or make_source()
    return Person.objects.create(**columns)


def make_account(name: str = "Meeting room 1", **values: Any) -> Account:
    """A room's account, or a person's where `person` is given; with a credential."""
    now = timezone.now()
    person = values.get("person")
    user_part = values.pop("user_part", None) or f"u{next(_serial)}"
    domain = values.setdefault("domain", make_domain())
    aor = f"{user_part}@{domain.domain}"
    columns: dict[str, Any] = {
        "name": person.display_name if person else name,
        "kind": Account.Kind.PERSON if person else Account.Kind.ROOM,
        "user_part": user_part,
        "aor": aor,
        "state": State.ACTIVE,
        "state_since": now,
        "created_at": now,
        "changed_at": now,
        **values,
    }
    if "pool" not in columns:
        columns["pool"] = make_pool()
    columns["name_key"] = account_name_key(columns["name"])
    columns["search_key"] = account_search_key(columns["name"], aor, "")
    account = Account.objects.create(**columns)
    make_credential(account)
    return account


def make_group(
    name: str = "Sales", *, members: tuple[Person, ...] = (), **values: Any
) -> DirectoryGroup:
    """A directory group with direct members."""
    source = values.pop("source", None) or (members[0].source if members else make_source())
    group = DirectoryGroup.objects.create(
        source=source,
        guid=str(uuid.uuid4()),
        dn=f"cn={name},ou=groups,dc=example,dc=com",
        name=name,
        name_key=fold(name)[:200],
        content_hash="",
        member_count=len(members),
        changed_at=timezone.now(),
        **values,
    )
    GroupMember.objects.bulk_create(
        GroupMember(group=group, person=person, direct=True) for person in members
    )
    return group
