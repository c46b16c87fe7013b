"""What administrators configure around SIP servers: kept, refused, erased, audited."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from lab.kamailio_store import SqliteStore
from provisioning.core.errors import InvalidFields, InvalidInput
from provisioning.drivers.kamailio.store import KamailioStore
from provisioning.models import (
    AuditEvent,
    ClientProfile,
    ConfigStore,
    ConsoleUser,
    PendingChange,
    ServerPool,
    SipDomain,
    SipServer,
    Site,
)
from provisioning.services.actor import Actor
from provisioning.services.clients.profiles import save_profile
from provisioning.services.rules.domains import Unconfirmed, delete_sip_domain, save_sip_domain
from provisioning.services.rules.sites import save_site
from provisioning.services.servers.connection_test import StepState, probe_store
from provisioning.services.servers.pools import delete_pool, save_pool
from provisioning.services.servers.servers import check_server_health, save_server, server_candidate
from provisioning.services.servers.stores import (
    delete_store,
    save_store,
    set_store_mode,
    store_candidate,
)
from tests.factories import make_account, make_domain, make_pool, make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor.of(administrator)


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """A Kamailio database with the schema of Debian's package."""
    lab = SqliteStore(tmp_path / "kamailio.sqlite")
    lab.create()
    return lab.file


def postgresql_store(actor: Actor, **values: object) -> ConfigStore:
    store = ConfigStore(
        **{"name": "Frankfurt", "pool": make_pool(), "host": "127.0.0.1", "port": 5432,
           "database": "kamailio", "user": "rtcadmin", **values}
    )  # fmt: skip
    save_store(store=store, secret="hunter2 hunter2", actor=actor)
    return store


def a_server(actor: Actor, **values: object) -> SipServer:
    store = ConfigStore.objects.first() or postgresql_store(actor)
    server = SipServer(
        **{"name": "sip1", "pool": store.pool, "store": store, "sip_host": "sip1.example.com",
           "rpc_url": "https://127.0.0.1:8443/RPC", **values}
    )  # fmt: skip
    save_server(server=server, secret="rpc secret", actor=actor)
    return server


def test_a_store_for_freeswitch_is_always_asked_for(actor: Actor) -> None:
    store = postgresql_store(actor, driver="freeswitch", served=False)
    assert ConfigStore.objects.get(pk=store.pk).served
    with pytest.raises(InvalidFields, match="reaches FreeSWITCH through"):
        postgresql_store(actor, driver="freeswitch", dialect="mysql", name="Other")


def test_a_control_address_is_one_that_its_server_speaks(actor: Actor) -> None:
    store = postgresql_store(actor, driver="freeswitch")
    server = a_server(actor, store=store, rpc_url="esl://127.0.0.1")
    with pytest.raises(InvalidInput, match="must begin with esl://"):
        a_server(actor, store=store, name="sip2", rpc_url="https://127.0.0.1:8443/RPC")
    # Another place is another server: the secret does not go there.
    server.rpc_url = "esl://127.0.0.1:8022"
    assert save_server(server=server, actor=actor)
    kamailio = postgresql_store(actor, name="Kamailio")
    with pytest.raises(InvalidInput, match="must begin with http:// or https://"):
        a_server(actor, store=kamailio, name="sip3", rpc_url="esl://127.0.0.1:8021")


@pytest.mark.parametrize(
    ("field", "value"),
    [("host", "127.0.0.2"), ("port", 5433), ("database", "other"), ("tls", False)],
)
def test_a_store_that_moves_loses_its_password(actor: Actor, field: str, value: object) -> None:
    store = postgresql_store(actor)
    setattr(store, field, value)
    assert save_store(store=store, actor=actor) is True
    assert ConfigStore.objects.get().sealed_secret is None
    assert AuditEvent.objects.latest("id").detail["password"] == "erased"


def test_a_connection_test_does_not_send_the_password_to_a_new_place(actor: Actor) -> None:
    store = postgresql_store(actor)
    assert store_candidate(store=store, secret=None).secret == "hunter2 hunter2"
    store.host = "127.0.0.2"
    assert store_candidate(store=store, secret=None).secret == ""
    assert ConfigStore.objects.get().sealed_secret is not None


def test_a_store_that_moves_keeps_a_password_given_anew(actor: Actor) -> None:
    store = postgresql_store(actor)
    store.host = "127.0.0.2"
    assert save_store(store=store, secret="another one", actor=actor) is False
    assert ConfigStore.objects.get().as_record().secret == "another one"


def test_a_renamed_store_keeps_its_password(actor: Actor) -> None:
    store = postgresql_store(actor)
    store.name = "Main"
    assert save_store(store=store, actor=actor) is False
    assert ConfigStore.objects.get().as_record().secret == "hunter2 hunter2"


def test_no_password_is_in_the_audit_log(actor: Actor) -> None:
    a_server(actor)
    text = "".join(str(event.detail) for event in AuditEvent.objects.all())
    assert "hunter2" not in text
    assert "rpc secret" not in text


def test_a_managed_store_that_moves_returns_to_observe(actor: Actor) -> None:
    store = postgresql_store(actor)
    ConfigStore.objects.update(mode=ConfigStore.Mode.MANAGE)
    PendingChange.objects.create(store=store, kind="alias", key="*", marked_at=timezone.now())
    store = ConfigStore.objects.get()
    store.database = "other"
    save_store(store=store, actor=actor)
    assert ConfigStore.objects.get().mode == ConfigStore.Mode.OBSERVE
    assert not PendingChange.objects.exists()


def test_a_form_cannot_switch_the_mode(actor: Actor) -> None:
    store = postgresql_store(actor)
    store.mode = ConfigStore.Mode.MANAGE
    save_store(store=store, actor=actor)
    assert ConfigStore.objects.get().mode == ConfigStore.Mode.OBSERVE


def test_a_store_that_cannot_be_reached_stays_in_observe(actor: Actor) -> None:
    store = postgresql_store(actor, port=1)
    with pytest.raises(InvalidInput, match="stays in Observe"):
        set_store_mode(store=store, mode="manage", actor=actor)
    assert ConfigStore.objects.get().mode == ConfigStore.Mode.OBSERVE
    assert not PendingChange.objects.exists()


def test_manage_asks_for_everything_and_observe_drops_what_waits(
    actor: Actor, sqlite_file: Path
) -> None:
    store = ConfigStore(name="Lab", pool=make_pool(), dialect="sqlite", database=str(sqlite_file))
    save_store(store=store, actor=actor)
    set_store_mode(store=store, mode="manage", actor=actor)
    assert set(PendingChange.objects.values_list("key", flat=True)) == {"*"}
    set_store_mode(store=store, mode="observe", actor=actor)
    assert not PendingChange.objects.exists()
    actions = AuditEvent.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["created", "set to manage", "set to observe"]


def test_a_foreign_file_is_no_store(actor: Actor, tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    store = make_store(dialect="sqlite", database=str(tmp_path / "empty.sqlite"), tls=False)
    steps = probe_store(record=store.as_record())
    assert [step.state for step in steps] == [StepState.OK, StepState.FAILED]


def test_a_managed_store_is_not_deleted(actor: Actor) -> None:
    store = make_store()
    with pytest.raises(InvalidInput, match="Switch it to Observe first"):
        delete_store(store=store, actor=actor)
    assert ConfigStore.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rpc_url", "http://127.0.0.1:8443/RPC"),
        ("rpc_url", "https://127.0.0.2:8443/RPC"),
        ("rpc_url", "https://127.0.0.1:9443/RPC"),
    ],
)
def test_a_server_that_moves_loses_its_secret(actor: Actor, field: str, value: str) -> None:
    server = a_server(actor)
    setattr(server, field, value)
    assert server_candidate(server=server, secret=None).rpc_secret == ""
    assert save_server(server=server, actor=actor) is True
    assert SipServer.objects.get().sealed_rpc_secret is None


def test_a_server_keeps_its_secret_when_only_the_path_changes(actor: Actor) -> None:
    server = a_server(actor)
    server.rpc_url = "https://127.0.0.1:8443/console"
    assert save_server(server=server, actor=actor) is False
    assert SipServer.objects.get().as_record().rpc_secret == "rpc secret"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rpc_url": "gopher://127.0.0.1/"}, "must begin with"),
        ({"rpc_url": "https://169.254.169.254/RPC"}, "metadata"),
        ({"tls_port": None}, "at least one port"),
        ({"tls_port": 70000}, "1 to 65535"),
        ({"sip_host": "a b"}, "one host name"),
        ({"name": "a\nb"}, "line break"),
        ({"ca_pem": "nonsense"}, "no certificate"),
        ({"ca_pem": "-----BEGIN PRIVATE KEY-----"}, "private key"),
    ],
)
def test_a_server_that_makes_no_sense_is_not_kept(
    actor: Actor, values: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        a_server(actor, **values)
    assert not SipServer.objects.exists()


def test_a_server_and_its_store_are_of_one_pool(actor: Actor) -> None:
    with pytest.raises(InvalidInput, match="belongs to the pool"):
        a_server(actor, pool=make_pool("Berlin"))


def test_a_secret_that_would_split_a_header_is_refused(actor: Actor) -> None:
    server = a_server(actor)
    with pytest.raises(InvalidInput, match="line break"):
        save_server(server=server, secret="a\r\nX-Other: b", actor=actor)
    assert SipServer.objects.get().as_record().rpc_secret == "rpc secret"


def test_a_server_that_does_not_answer_is_down_since_the_first_time(actor: Actor) -> None:
    server = a_server(actor, rpc_url="http://127.0.0.1:1/RPC")
    check_server_health(server=server)
    first = server.down_since
    check_server_health(server=server)
    assert server.health == SipServer.Health.DOWN
    assert server.health_problem
    assert server.down_since == first is not None
    assert server.registration_count is None


def test_a_pool_in_use_says_by_what(actor: Actor) -> None:
    make_account()
    make_store()
    with pytest.raises(InvalidInput, match=r"1 config store.*1 account|1 account.*1 config store"):
        delete_pool(pool=make_pool(), actor=actor)


def test_a_pool_without_users_is_deleted(actor: Actor) -> None:
    pool = ServerPool(name="Spare")
    save_pool(pool=pool, actor=actor)
    delete_pool(pool=pool, actor=actor)
    assert not ServerPool.objects.exists()


def test_a_new_realm_with_accounts_needs_a_confirmation(actor: Actor) -> None:
    make_account()
    make_store()
    domain = make_domain()
    domain.realm_override = "example"
    with pytest.raises(Unconfirmed, match="all 1 accounts"):
        save_sip_domain(domain=domain, actor=actor)
    assert SipDomain.objects.get().realm_override == ""
    save_sip_domain(domain=domain, actor=actor, confirmed=True)
    assert SipDomain.objects.get().realm == "example"
    assert PendingChange.objects.get(kind="subscriber").key == "*"


def test_a_sip_domain_with_accounts_keeps_its_name(actor: Actor) -> None:
    make_account()
    domain = make_domain()
    domain.domain = "other.example.com"
    with pytest.raises(InvalidInput, match="keeps its name"):
        save_sip_domain(domain=domain, actor=actor, confirmed=True)


def test_sip_domains_are_asked_for_and_taken_away_at_managed_stores(actor: Actor) -> None:
    make_store()
    domain = SipDomain(domain="Voice.Example.COM")
    save_sip_domain(domain=domain, actor=actor)
    assert domain.domain == "voice.example.com"
    assert PendingChange.objects.get().key == "voice.example.com"
    delete_sip_domain(domain=domain, actor=actor)
    assert PendingChange.objects.get().version == 2


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a:b", "ä", "a\nb"])
def test_a_realm_that_breaks_a_digest_header_is_refused(actor: Actor, realm: str) -> None:
    with pytest.raises(InvalidInput, match="realm"):
        save_sip_domain(domain=SipDomain(domain="x.example.com", realm_override=realm), actor=actor)


def test_a_site_has_a_country_a_time_zone_and_full_numbers(actor: Actor) -> None:
    site = Site(name="London", country="gb", time_zone="Europe/London", main_number="020 7946 0000")
    save_site(site=site, actor=actor)
    assert (site.country, site.main_number) == ("GB", "+442079460000")
    for values, message in (
        ({"country": "XX"}, "country"),
        ({"time_zone": "Europe/Atlantis"}, "time zone"),
        ({"main_number": "hello"}, "not a telephone number"),
    ):
        with pytest.raises(InvalidInput, match=message):
            save_site(site=Site(**{"name": "Bad", "country": "GB", **values}), actor=actor)
    assert Site.objects.count() == 1


def test_the_default_profile_takes_the_place_of_the_former(actor: Actor) -> None:
    first = ClientProfile(name="First", is_default=True)
    save_profile(profile=first, actor=actor)
    save_profile(profile=ClientProfile(name="Second", is_default=True), actor=actor)
    assert ClientProfile.objects.get(is_default=True).name == "Second"


def test_a_changed_profile_gets_a_new_version_and_an_unchanged_one_does_not(actor: Actor) -> None:
    profile = ClientProfile(name="Desk")
    save_profile(profile=profile, actor=actor)
    save_profile(profile=profile, actor=actor)
    assert profile.version == 1
    profile.provider = "Example"
    save_profile(profile=profile, actor=actor)
    assert ClientProfile.objects.get().version == 2


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("driver", "nonesuch", "Choose one of the drivers"),
        ("algorithm", "MD5+SHA-256", "Kamailio verifies MD5 or SHA-256."),
        ("algorithm", "SHA-512-256", "Kamailio verifies MD5 or SHA-256."),
    ],
)
def test_a_store_is_set_up_only_as_its_servers_can_do_with_it(
    actor: Actor, field: str, value: str, said: str
) -> None:
    with pytest.raises(InvalidFields, match=said) as refusal:
        postgresql_store(actor, **{field: value})
    assert list(refusal.value.fields) == [field]
    assert not ConfigStore.objects.exists()


def test_a_store_is_not_managed_with_more_accounts_than_its_servers_can_do_with(
    sqlite_file: Path, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(
        dialect="sqlite", database=str(sqlite_file), tls=False, mode=ConfigStore.Mode.OBSERVE
    )
    for _ in range(3):
        make_account(pool=store.pool)
    monkeypatch.setattr(KamailioStore, "capacity", 2)
    with pytest.raises(InvalidInput, match="3 accounts would be written, and its servers can "):
        set_store_mode(store=store, mode="manage", actor=actor)
    store.refresh_from_db()
    assert store.mode == ConfigStore.Mode.OBSERVE
    monkeypatch.setattr(KamailioStore, "capacity", 3)
    set_store_mode(store=store, mode="manage", actor=actor)
    assert store.mode == ConfigStore.Mode.MANAGE
