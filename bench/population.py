"""A console full of people, accounts and numbers, written in seconds: what web and export use.

Person n is called after `name_of(n)`, so that a benchmark knows how many accounts a search must
find. Import it where Django is set up: `manage.py shell`.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.db import connection

from bench.names import DOMAINS, OFFICES, PASSWORD, USER, name_of, number_of, user_part_of
from provisioning.core.account import account_name_key, account_search_key, new_secret
from provisioning.core.roles import Role
from provisioning.core.text import fold, search_key
from provisioning.models import (
    Account,
    AccountRule,
    ClientProfile,
    ConfigStore,
    ConsoleUser,
    Credential,
    DirectorySource,
    Number,
    Person,
    ServerPool,
    SipDomain,
    SipServer,
    Site,
)
from provisioning.models.fields import keyring
from provisioning.services import bulk
from provisioning.services.console.search_indexes import index_search


def fill(count: int) -> None:
    """Write `count` people with accounts, credentials and numbers into an empty database."""
    places = _make_places()
    tables = (
        (Person, _people(count, places)),
        (Account, _accounts(count, places)),
        (Credential, _credentials(count)),
        (Number, _numbers(count)),
    )
    for model, rows in tables:
        first = next(rows)
        bulk.insert_rows(model._meta.db_table, tuple(first), map(_values, chain([first], rows)))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for model, _ in tables:
                table = model._meta.db_table
                # COPY gave the ids; the sequences must go on behind them.
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608
                )
        cursor.execute("ANALYZE")
    index_search()


def _values(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.values())


def _make_places() -> dict[str, Any]:
    """The single rows that all accounts share, among them the console user."""
    ConsoleUser.objects.create_user(
        USER, PASSWORD, name="Bench", role=Role.ADMINISTRATOR, may_export_secrets=True
    )
    source = DirectorySource.objects.create(name="Company", key_attribute="entryUUID")
    pool = ServerPool.objects.create(name="Frankfurt")
    store = ConfigStore.objects.create(name="Frankfurt", pool=pool, database="kamailio")
    SipServer.objects.create(
        name="sip1", pool=pool, store=store, sip_host="sip1.example", tcp_port=5060,
        rpc_url="https://sip1.example:8443/RPC",
    )  # fmt: skip
    profile = ClientProfile.objects.create(name="Standard", is_default=True)
    domains = [SipDomain.objects.create(domain=domain).pk for domain in DOMAINS]
    rule = AccountRule.objects.create(
        name="Everybody", domain_id=domains[0], pool=pool, profile=profile
    )
    sites = [Site.objects.create(name=name, country="GB").pk for name in OFFICES]
    return {
        "source": source.pk, "pool": pool.pk, "rule": rule.pk, "domains": domains, "sites": sites,
    }  # fmt: skip


def _people(count: int, places: dict[str, Any]) -> Iterator[dict[str, Any]]:
    now = bulk.moment()
    for n in range(1, count + 1):
        given, surname = name_of(n)
        name, login = f"{given} {surname}", user_part_of(n)
        mail, office = f"{login}@example.com", OFFICES[n % len(OFFICES)]
        yield {
            "id": n, "source_id": places["source"], "guid": str(uuid.UUID(int=n)),
            "dn": f"uid={login},ou=people,dc=example,dc=com", "content_hash": f"{n:032x}",
            "login": login, "display_name": name, "given_name": given, "surname": surname,
            "mail": mail, "phone": number_of(n), "mobile": "", "title": "Specialist",
            "department": "Sales", "office": office, "country": "GB", "employee_id": str(n),
            "sip_address": "", "extension": "", "manager": "", "custom": "", "kind": "person",
            "expires_at": "", "disabled": False, "locked_out": False,
            "must_change_password": False, "left_at": None, "name_key": fold(name),
            "search_key": search_key(name, login, mail, number_of(n)), "problem": "",
            "version": 1, "first_seen_at": now, "changed_at": now,
        }  # fmt: skip


def _accounts(count: int, places: dict[str, Any]) -> Iterator[dict[str, Any]]:
    now = bulk.moment()
    for n in range(1, count + 1):
        name, user_part = " ".join(name_of(n)), user_part_of(n)
        aor = f"{user_part}@{DOMAINS[n % 2]}"
        yield {
            "id": n, "person_id": n, "slot": "main", "kind": "person",
            "domain_id": places["domains"][n % 2], "user_part": user_part, "aor": aor,
            "name": name, "pool_id": places["pool"], "site_id": places["sites"][n % len(OFFICES)],
            "rule_id": places["rule"], "profile_id": None, "state": "active", "state_since": now,
            "blocked": False, "blocked_reason": "", "responsible": "", "ends_on": None,
            "grace_until": None, "name_key": account_name_key(name),
            "search_key": account_search_key(name, aor, number_of(n)), "version": 1,
            "created_at": now, "changed_at": now,
        }  # fmt: skip


def _credentials(count: int) -> Iterator[dict[str, Any]]:
    now, ring = bulk.moment(), keyring()
    for n in range(1, count + 1):
        uid = secrets.token_hex(16)
        yield {
            "id": n, "account_id": n, "uid": uid, "auth_user": user_part_of(n),
            "sealed_secret": ring.seal(new_secret(), Credential.place(uid)), "version": 1,
            "rotated_at": now,
        }  # fmt: skip


def _numbers(count: int) -> Iterator[dict[str, Any]]:
    now = bulk.moment()
    for n in range(1, count + 1):
        yield {
            "id": n, "e164": number_of(n), "state": "assigned", "account_id": n, "note": "",
            "quarantined_until": None, "changed_at": now,
        }  # fmt: skip
