"""Registrations that are kept: what changed is written, what ended is forgotten, nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning.core.errors import Busy
from provisioning.models import ContactList, RegisteredContact, SipServer
from provisioning.services import leases
from provisioning.services.servers.bare_users import note_ambiguous
from provisioning.services.servers.contact_lists import read_all, read_contacts
from tests.factories import make_account, make_domain, make_pool
from tests.push_site import Site

pytestmark = [pytest.mark.django_db, pytest.mark.database]

_JULIAN_EPOCH, _DAY = 2440587.5, 86_400


def add_server(site: Site, name: str = "sip1", **values: Any) -> SipServer:
    given = {"sip_host": "192.0.2.10", "rpc_url": "http://192.0.2.10:8080/RPC", **values}
    return SipServer.objects.create(name=name, pool=make_pool(), store=site.store, **given)


def register(site: Site, user: str, *, lasts: int = 600, agent: str = "Linphone/5.1",
             socket: str = "tls:192.0.2.10:5061", ruid: str = "",
             domain: str = "'voice.example.com'") -> None:  # fmt: skip
    """As Kamailio writes a REGISTER, the first one or a refresh."""
    at = time.time() + lasts
    stamp = time.strftime("'%Y-%m-%d %H:%M:%S'", time.gmtime(at))
    expires = str(_JULIAN_EPOCH + at / _DAY) if site.store.dialect == "sqlite" else stamp
    key = ruid or f"uloc-{user}"
    site.execute(
        f"DELETE FROM location WHERE ruid = '{key}'",  # noqa: S608
        "INSERT INTO location (ruid, username, domain, contact, expires, user_agent, socket) "  # noqa: S608
        f"VALUES ('{key}', '{user}', {domain}, 'sip:{user}@192.0.2.77:5061', {expires},"
        f" '{agent}', '{socket}')",
    )


def unregister(site: Site, user: str) -> None:
    site.execute(f"DELETE FROM location WHERE username = '{user}'")  # noqa: S608


def read(site: Site) -> ContactList:
    found = read_contacts(store_id=site.store.pk)
    assert found is not None
    return found


def kept() -> dict[str, RegisteredContact]:
    return {each.aor.partition("@")[0]: each for each in RegisteredContact.objects.all()}


def test_what_the_store_holds_is_kept_with_its_account_and_server(either_site: Site) -> None:
    server, account = add_server(either_site), make_account("Ann Lee", user_part="ann")
    register(either_site, "ann", agent="Yealink SIP-T46U 108.86.0.45")
    register(either_site, "stranger", agent="")
    found = read(either_site)
    assert (found.known, found.count, found.problem) == (True, 2, "")
    assert found.families == {"Yealink SIP-T46U": 1, "": 1}
    ann, stranger = kept()["ann"], kept()["stranger"]
    assert (ann.account, ann.server, ann.transport) == (account, server, "tls")
    assert (ann.aor, ann.domain) == ("ann@voice.example.com", "voice.example.com")
    assert "ann lee" in ann.search_key
    assert ann.expires_at is not None
    assert abs((ann.expires_at - timezone.now()).total_seconds() - 600) < 60
    assert stranger.account is None


@pytest.mark.parametrize("none", ["NULL", "''"])
def test_without_sip_domains_a_user_part_is_whose_account_of_the_pool_has_it(
    either_site: Site, none: str
) -> None:
    """As usrloc with use_domain=0 writes it."""
    add_server(either_site)
    ann = make_account("Ann Lee", user_part="ann")
    make_account("Ann of Tokyo", user_part="ann", domain=make_domain("other.example"),
                 pool=make_pool("Tokyo"))  # fmt: skip
    both = (
        make_account("Bob", user_part="bob"),
        make_account("Bob the other", user_part="bob", domain=make_domain("other.example")),
    )
    for user in ("Ann", "bob", "stranger"):
        register(either_site, user, domain=none)
    read(either_site)
    rows = kept()
    found = rows["ann"]
    assert (found.account, found.aor, found.domain) == (ann, ann.aor, "voice.example.com")
    assert "ann lee" in found.search_key
    assert [rows[user].account for user in ("bob", "stranger")] == [None, None]
    note_ambiguous(rows.values())
    assert [rows[user].may_be for user in ("ann", "bob", "stranger")] == [0, 2, 0]
    # Narrowed to one of both domains there is no doubt.
    either_site.store.scope_domains.set([both[0].domain])
    unregister(either_site, "bob")
    read(either_site)
    register(either_site, "bob", domain=none)
    read(either_site)
    assert kept()["bob"].account == both[0]


def test_a_refresh_changes_the_row_and_keeps_since_when_it_is_there(either_site: Site) -> None:
    add_server(either_site)
    register(either_site, "ann", lasts=60)
    read(either_site)
    before = kept()["ann"]
    register(either_site, "ann", lasts=3600)
    read(either_site)
    after = kept()["ann"]
    assert after.pk == before.pk
    assert after.since == before.since
    assert after.expires_at is not None
    assert before.expires_at is not None
    assert after.expires_at > before.expires_at


def test_nothing_is_written_where_nothing_changed(either_site: Site) -> None:
    add_server(either_site)
    for n in range(5):
        register(either_site, f"user{n}")
    read(either_site)
    with CaptureQueriesContext(connection) as queries:
        read(either_site)
    written = [each["sql"] for each in queries if "provisioning_registeredcontact" in each["sql"]]
    assert written
    assert all(sql.startswith(("SELECT", "DECLARE")) for sql in written)


def test_what_ended_or_went_is_forgotten_and_others_stores_keep_theirs(
    new_site: Callable[..., Site],
) -> None:
    here, there = new_site(), new_site()
    for number, each in enumerate((here, there)):
        add_server(each, f"sip{number}")
        register(each, "ann")
        register(each, "bob")
        read(each)
    unregister(here, "ann")
    register(here, "bob", lasts=-1)
    assert read(here).count == 0
    assert RegisteredContact.objects.filter(store=there.store).count() == 2


def test_a_store_that_cannot_be_read_keeps_its_last_list_and_says_why(site: Site) -> None:
    add_server(site)
    register(site, "ann")
    first = read(site)
    site.store.database += ".gone"
    site.store.save()
    found = read(site)
    assert not found.known
    assert found.problem
    assert found.read_at == first.read_at
    assert found.count == 1


def test_an_empty_table_is_nobody_only_where_the_server_counts_nobody(either_site: Site) -> None:
    server = add_server(either_site)
    assert read(either_site).known
    SipServer.objects.filter(pk=server.pk).update(
        registration_count=18_000, checked_at=timezone.now()
    )
    found = read(either_site)
    assert not found.known
    assert "sip1 counts 18,000 registered addresses" in found.problem
    SipServer.objects.filter(pk=server.pk).update(registration_count=0)
    assert read(either_site).known


def test_a_table_that_nobody_writes_any_more_is_not_taken_for_the_truth(site: Site) -> None:
    server = add_server(site)
    for n in range(30):
        register(site, f"user{n}")
    SipServer.objects.filter(pk=server.pk).update(registration_count=1, checked_at=timezone.now())
    found = read(site)
    assert not found.known
    assert "left over from before" in found.problem


def test_who_registered_after_the_server_had_counted_raises_no_doubt(site: Site) -> None:
    server = add_server(site)
    for n in range(30):
        register(site, f"user{n}")
    # Kamailio's Julian days, and when each was written.
    site.execute(f"UPDATE location SET last_modified = {_JULIAN_EPOCH + time.time() / _DAY}")  # noqa: S608
    counted = timezone.now() - timedelta(seconds=10)
    SipServer.objects.filter(pk=server.pk).update(registration_count=1, checked_at=counted)
    assert read(site).known
    SipServer.objects.filter(pk=server.pk).update(checked_at=timezone.now())
    assert "left over from before" in read(site).problem


def test_servers_that_share_a_store_are_told_apart_by_their_sockets(site: Site) -> None:
    one = add_server(site, "sip1")
    two = add_server(site, "sip2", sip_host="192.0.2.11", rpc_url="http://192.0.2.11:8080/RPC")
    register(site, "ann", socket="tls:192.0.2.10:5061")
    register(site, "bob", socket="udp:192.0.2.11:5060")
    register(site, "cy", socket="udp:198.51.100.1:5060")
    read(site)
    servers = {user: each.server for user, each in kept().items()}
    assert servers == {"ann": one, "bob": two, "cy": None}


def test_on_one_address_the_port_tells_the_server(site: Site) -> None:
    add_server(site, "sip1", tls_port=5061)
    two = add_server(site, "sip2", tls_port=5071)
    register(site, "ann", socket="tls:192.0.2.10:5071")
    register(site, "bob", socket="tls:192.0.2.10:9999")
    read(site)
    assert kept()["ann"].server == two
    assert kept()["bob"].server is None


def test_a_store_that_is_being_read_is_left_to_whoever_reads_it(site: Site) -> None:
    add_server(site)
    read(site)
    leases.claim(ContactList.objects.all(), "another", 60)
    with pytest.raises(Busy):
        read(site)


def test_stores_without_a_server_in_use_are_not_read(
    new_site: Callable[..., Site],
    messages: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    used, unused, _ = new_site(), new_site(), new_site()
    add_server(used)
    add_server(unused, "sip2", enabled=False)
    with django_capture_on_commit_callbacks(execute=True):
        read_all()
    assert messages == [("provisioning.tasks.read_contacts", (used.store.pk,))]
