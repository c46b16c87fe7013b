"""What every driver promises, asked of every family's real server and its real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from lab.authority import Authority
from lab.kamailio_store import Release
from lab.opensips import OPENSIPS_3_4, OPENSIPS_3_6, OpenSipsRelease
from lab.ports import free_port
from lab.postgresql import Postgresql
from lab.proxy import BlackHole, Proxy
from lab.sip import Login, Response, SipClient
from provisioning.core.errors import AccessRefused, Rejected, Unreachable
from provisioning.core.records import Dialect
from provisioning.core.sip import Algorithm
from provisioning.drivers.base import ENDING, AliasRow, Kind, Row, SipDomainRow, SubscriberRow
from tests.drivers.conftest import SCHEMAS, NewBackend
from tests.drivers.places import (
    Place,
    asterisk_place,
    either_opensips,
    freeswitch_place,
    kamailio_place,
    opensips_place,
    own_database,
)
from tests.drivers.rows import (
    DOMAIN,
    ROUTING,
    SECRET,
    SETTINGS,
    alias,
    gone,
    kind_of,
    subscriber,
    wanted,
)

# What the OpenSIPS and the FreeSWITCH of these tests offer to clients.
OFFERED = "MD5,SHA-256,SHA-512-256"
# What these tests write, and so have to make take effect.
WRITTEN = frozenset({Kind.SUBSCRIBER, Kind.ALIAS})
# Rows 1 to 5 and 12 of the bad inputs, and what none of their columns can hold.
BAD_USERS = (
    "eve\naccount.1.password=x", "eve\u2028x", "eve\x85x", "eve\r\nAction: Command", "eve\x00",
    "eve\x1b[31m", "", "x" * 255,
)  # fmt: skip
# What is merely unusual must come back as it went in, or be refused; never come back as another.
ODD_USERS = (
    "o'brien", "a;b", 'a"b', "#a", "[a]", "a]]>&<b", "${SHELL}", "a,b", "a|b", "a\\b", "a%b", "a^b",
    "%", "_",
)  # fmt: skip


def _kamailio(dialect: str, release: Release) -> Callable[[pytest.FixtureRequest], Iterator[Place]]:
    def make(request: pytest.FixtureRequest) -> Iterator[Place]:
        new_backend: NewBackend = request.getfixturevalue("new_backend")
        authority: Authority = request.getfixturevalue("authority")
        directory = request.getfixturevalue("tmp_path_factory").mktemp("kamailio")
        with kamailio_place(new_backend(dialect, release), directory, authority) as place:
            yield place

    return make


def _asterisk(request: pytest.FixtureRequest) -> Iterator[Place]:
    cluster: Postgresql = request.getfixturevalue("cluster")
    authority: Authority = request.getfixturevalue("authority")
    directory = request.getfixturevalue("tmp_path_factory").mktemp("asterisk")
    with asterisk_place(cluster, directory, authority) as place:
        yield place


def _opensips(
    dialect: str, release: OpenSipsRelease
) -> Callable[[pytest.FixtureRequest], Iterator[Place]]:
    def make(request: pytest.FixtureRequest) -> Iterator[Place]:
        new_backend: NewBackend = request.getfixturevalue("new_backend")
        backend = new_backend(dialect, release)
        directory = request.getfixturevalue("tmp_path_factory").mktemp("opensips")
        with opensips_place(backend, either_opensips(backend, directory, OFFERED)) as place:
            yield place

    return make


def _freeswitch(dialect: Dialect) -> Callable[[pytest.FixtureRequest], Iterator[Place]]:
    def make(request: pytest.FixtureRequest) -> Iterator[Place]:
        directory = request.getfixturevalue("tmp_path_factory").mktemp("freeswitch")
        record, connect = own_database(dialect, request, directory)
        with freeswitch_place(record, connect, directory, OFFERED) as place:
            yield place

    return make


FAMILIES = {
    **{
        f"kamailio {release.version} on {dialect}": _kamailio(dialect, release)
        for dialect, release in SCHEMAS
    },
    "asterisk 22 on postgresql": _asterisk,
    "opensips 3.4 on postgresql": _opensips("postgresql", OPENSIPS_3_4),
    "opensips 3.6 on postgresql": _opensips("postgresql", OPENSIPS_3_6),
    "opensips 3.6 on mysql": _opensips("mysql", OPENSIPS_3_6),
    "opensips 3.6 on sqlite": _opensips("sqlite", OPENSIPS_3_6),
    "freeswitch 1.11 on postgresql": _freeswitch("postgresql"),
    "freeswitch 1.11 on sqlite": _freeswitch("sqlite"),
}


def answering(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A running server of the family that is asked for, which answers for the SIP domain."""
    for place in FAMILIES[request.param](request):
        if Kind.SIP_DOMAIN not in place.driver.unsupported:
            with place.open_store() as store, place.open_server() as server:
                store.apply(wanted(SipDomainRow(DOMAIN)))
                server.activate([Kind.SIP_DOMAIN])
        yield place


@pytest.fixture(scope="module", params=FAMILIES)
def running(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A running server of each family."""
    yield from answering(request)


@pytest.fixture
def place(running: Place) -> Iterator[Place]:
    """The same, emptied after the test of all but that domain."""
    yield running
    with running.open_server() as server:
        server.end_registration(f"ann@{DOMAIN}")
    for table in running.tables:
        running.execute(f"DELETE FROM {table}")  # noqa: S608


def register(place: Place, user: str, secret: str = SECRET, algorithm: str = "") -> Response:
    with SipClient(place.sip_port) as client:
        return client.register(Login(user, DOMAIN, secret, algorithm=algorithm))


def test_every_kind_has_an_answer_and_every_choice_is_one_of_a_stores(place: Place) -> None:
    assert set(place.driver.store.kinds) == set(Kind)
    assert place.driver.store.reload_kinds <= set(Kind) - place.driver.unsupported
    assert place.driver.dialects
    assert place.driver.digests
    with place.open_store() as store:
        assert store.capacity >= 10_000


def test_the_check_of_a_fresh_store_is_good_for_writing(place: Place) -> None:
    with place.open_store() as store:
        lines = store.check()
    assert lines
    assert not [line for line in lines if line.startswith("Read only")]


def test_a_kind_without_a_place_is_never_there_and_refused(place: Place) -> None:
    rows = [row for row in (*ROUTING, *SETTINGS) if kind_of(row) in place.driver.unsupported]
    with place.open_store() as store:
        for row in rows:
            assert list(store.read(kind_of(row), [row.key])) == list(store.read(kind_of(row))) == []
            assert store.differing(kind_of(row), [row]) == {row.key: None}
        outcomes = store.apply(wanted(*rows, subscriber("ann")))
        assert [bool(outcome.error) for outcome in outcomes] == [*[True] * len(rows), False]


def test_what_was_applied_is_read_back_and_differs_in_nothing(place: Place) -> None:
    rows: list[Row] = [subscriber("ann"), subscriber("bob", None)]
    numbers: list[Row] = [alias("+49301", "ann"), alias("old.ann", "ann")]
    with place.open_store() as store:
        assert store.differing(Kind.SUBSCRIBER, rows) == {row.key: None for row in rows}
        outcomes = store.apply(wanted(*rows, *numbers))
        assert [outcome.error for outcome in outcomes] == [""] * 4
        for kind, these in ((Kind.SUBSCRIBER, rows), (Kind.ALIAS, numbers)):
            by_key = {row.key: row for row in store.read(kind)}
            assert by_key == {row.key: row for row in these}
            assert list(store.read(kind, [these[0].key, "nobody@nowhere.example"])) == [these[0]]
            assert store.differing(kind, these) == {}


def test_applying_twice_changes_nothing(place: Place) -> None:
    rows = wanted(subscriber("ann"), subscriber("bob", None), alias("+49301", "ann"))
    with place.open_store() as store:
        store.apply(rows)
        before = place.content()
        assert [outcome.error for outcome in store.apply(rows)] == ["", "", ""]
    assert place.content() == before


def test_what_is_deleted_is_gone_and_deleting_twice_is_no_error(place: Place) -> None:
    rows: list[Row] = [subscriber("ann"), subscriber("bob"), alias("+49301", "ann")]
    with place.open_store() as store:
        store.apply(wanted(subscriber("zoe")))
        before = place.content()
        store.apply(wanted(*rows))
        for _ in range(2):
            assert [outcome.error for outcome in store.apply(gone(*rows))] == ["", "", ""]
    assert place.content() == before


def test_hashes_of_what_stands_there_change_with_it_and_stay_otherwise(place: Place) -> None:
    rows: tuple[tuple[Kind, Row, Row], ...] = (
        (Kind.SUBSCRIBER, subscriber("ann"), subscriber("ann", "new")),
        (Kind.ALIAS, alias("+49301", "ann"), alias("+49301", "bob")),
    )
    with place.open_store() as store:
        store.apply(wanted(subscriber("bob"), alias("+49302", "bob")))
        for kind, row, other in rows:
            ending = row.key.partition("@")[0][-ENDING:]
            store.apply(wanted(row))
            before = store.digests(kind)
            assert before is not None
            assert len(before) == 2
            assert store.digests(kind) == before
            store.apply(wanted(other))
            after = store.digests(kind)
            assert after is not None
            assert {each for each in before if after[each] != before[each]} == {ending}
            store.apply(gone(row))
            assert ending not in (store.digests(kind) or {})


def test_a_changed_row_differs_until_it_is_repaired(place: Place) -> None:
    row = subscriber("ann")
    with place.open_store() as store:
        store.apply(wanted(row, alias("+49301", "ann")))
        other = replace(row, ha1="a" * 32)
        assert store.differing(Kind.SUBSCRIBER, [other]) == {row.key: row}
        moved = alias("+49301", "bob")
        assert store.differing(Kind.ALIAS, [moved]) == {moved.key: alias("+49301", "ann")}
        store.apply(wanted(other, moved))
        assert list(store.read(Kind.SUBSCRIBER)) == [other]
        assert list(store.read(Kind.ALIAS)) == [moved]


def test_rows_of_others_stay_as_they_are(place: Place) -> None:
    place.add_foreign("theirs")
    before = place.content()
    with place.open_store() as store:
        foreign = {row.key: row for row in store.read(Kind.SUBSCRIBER)}
        assert foreign[f"theirs@{DOMAIN}"] is not None
        assert f"theirs@{DOMAIN}" in store.differing(Kind.SUBSCRIBER, [subscriber("theirs")])
        assert [(each.user, each.digest_set) for each in store.accounts()] == [("theirs", True)]
        rows: list[Row] = [subscriber("ann"), alias("+49301", "ann")]
        store.apply(wanted(*rows))
        store.apply(gone(*rows))
    assert place.content() == before


@pytest.mark.parametrize("user", BAD_USERS)
def test_what_no_column_can_hold_is_refused_alone(place: Place, user: str) -> None:
    bad = SubscriberRow(user, DOMAIN, "a" * 32)
    number = AliasRow("+49301", DOMAIN, user, DOMAIN)
    with place.open_store() as store:
        *refused, accepted = store.apply(wanted(bad, number, subscriber("ann")))
        assert all(outcome.error for outcome in refused), refused
        assert accepted.error == ""
        assert set(store.differing(Kind.SUBSCRIBER, [bad, subscriber("ann")])) == {bad.key}
        assert list(store.read(Kind.SUBSCRIBER)) == [subscriber("ann")]
        assert list(store.read(Kind.ALIAS)) == []


@pytest.mark.parametrize("user", ODD_USERS)
def test_what_is_unusual_comes_back_as_it_is_or_is_refused(place: Place, user: str) -> None:
    rows: list[Row] = [SubscriberRow(user, DOMAIN, "a" * 32), AliasRow(user, DOMAIN, "ann", DOMAIN)]
    with place.open_store() as store:
        outcomes = store.apply(wanted(*rows, subscriber("ann")))
        accepted = [row for row, o in zip(rows, outcomes, strict=False) if not o.error]
        found = {row.key: row for kind in (Kind.SUBSCRIBER, Kind.ALIAS) for row in store.read(kind)}
        assert found.pop(f"ann@{DOMAIN}") == subscriber("ann")
        assert list(found.values()) == accepted[-1:]
        store.apply(gone(*rows))
        assert [row.key for row in store.read(Kind.SUBSCRIBER)] == [f"ann@{DOMAIN}"]


def test_a_long_list_is_written_and_read_without_a_gap(place: Place) -> None:
    rows = [subscriber(f"u{n:05d}", secret=str(n % 7)) for n in range(2_500)]
    rows[1234] = SubscriberRow("bad\nuser", DOMAIN, "a" * 32)
    with place.open_store() as store:
        outcomes = store.apply(wanted(*rows))
        assert [n for n, outcome in enumerate(outcomes) if outcome.error] == [1234]
        assert len(set(store.read(Kind.SUBSCRIBER))) == 2_499
        assert set(store.differing(Kind.SUBSCRIBER, rows)) == {rows[1234].key}


def test_a_database_that_is_not_there_is_unreachable_and_a_wrong_password_rejected(
    place: Place,
) -> None:
    if place.store_record.dialect == "sqlite":
        pytest.skip("A file has neither a port nor a password.")
    for changed, error in (({"port": free_port()}, Unreachable), ({"secret": "guess"}, Rejected)):
        with place.open_store(**changed) as store, pytest.raises(error) as raised:
            list(store.read(Kind.SUBSCRIBER))
        assert "guess" not in str(raised.value)
        assert raised.value.retry is (error is Unreachable)


def test_a_pushed_account_registers_until_it_is_disabled(place: Place) -> None:
    with place.open_store() as store, place.open_server() as server:
        assert register(place, "ann").status == place.refusal
        store.apply(wanted(subscriber("ann")))
        server.activate(store.reload_kinds & WRITTEN)
        assert register(place, "ann").status == 200
        assert register(place, "ann", "wrong").status == place.refusal
        store.apply(wanted(subscriber("ann", None)))
        server.activate(store.reload_kinds & WRITTEN)
        assert register(place, "ann").status == place.refusal
        assert register(place, "ann", "").status == place.refusal
        store.apply(wanted(subscriber("ann")))
        server.activate(store.reload_kinds & WRITTEN)
        assert register(place, "ann").status == 200


def test_a_registration_is_told_by_store_and_server_and_ends_when_asked(place: Place) -> None:
    aor = f"ann@{DOMAIN}"
    with place.open_store() as store, place.open_server() as server:
        store.apply(wanted(subscriber("ann")))
        server.activate(store.reload_kinds & WRITTEN)
        assert server.registrations_of(aor) == []
        assert not server.end_registration(aor)
        assert register(place, "ann").status == 200
        (told,) = server.registrations_of(aor)
        assert told.aor == aor
        assert told.contact.startswith("sip:ann@127.0.0.1")
        assert told.key
        assert told.expires_at > 0
        if (live := store.registrations([aor])) is not None:
            (kept,) = live
            assert (told.aor, told.contact) == (kept.aor, kept.contact)
            assert (told.key, told.transport) == (kept.key, kept.transport)
            assert list(store.registrations() or ()) == [kept]
            assert list(store.registrations(["bob@" + DOMAIN]) or ()) == []
        assert not server.end_registration(aor, "sip:other@127.0.0.1")
        assert server.end_registration(aor, told.contact)
        assert server.registrations_of(aor) == []
        assert list(store.registrations([aor]) or ()) == []


def test_who_was_just_disabled_loses_the_registration_for_good(place: Place) -> None:
    with place.open_store() as store, place.open_server() as server:
        store.apply(wanted(subscriber("ann")))
        server.activate(store.reload_kinds & WRITTEN)
        assert register(place, "ann").status == 200
        store.apply(wanted(subscriber("ann", None)))
        # Registrations end before what was noted is reloaded.
        assert server.end_registration(f"ann@{DOMAIN}")
        assert register(place, "ann").status == place.refusal
        assert server.registrations_of(f"ann@{DOMAIN}") == []


def test_what_is_sent_to_a_number_reaches_its_account(place: Place) -> None:
    with place.open_store() as store, place.open_server() as server:
        store.apply(wanted(subscriber("ann"), alias("+49301", "ann")))
        server.activate(store.reload_kinds & WRITTEN)
    with SipClient(place.sip_port) as client:
        login = Login("ann", DOMAIN, SECRET)
        assert client.register(login).status == 200
        assert place.reach(client, login, "+49301").split()[1].startswith("sip:ann@")


def test_a_server_says_how_it_is(place: Place) -> None:
    with place.open_server() as server:
        health = server.health()
    assert place.driver.label.lower() in health.version.lower()
    assert health.uptime_seconds >= 0
    assert health.latency_ms > 0


@pytest.mark.parametrize(
    "aor", ["ann@x\r\nAction: Command", "ann", "a b@x", "ann@x\x00", "@", f"{'x' * 300}@x"]
)
def test_what_is_no_address_is_never_sent_to_a_server(place: Place, aor: str) -> None:
    with place.open_server() as server:
        for ask in (server.registrations_of, server.end_registration):
            with pytest.raises(Rejected):
                ask(aor)


def test_a_server_that_is_not_there_is_unreachable_and_a_wrong_secret_rejected(
    place: Place,
) -> None:
    url = place.server_record.rpc_url
    port = url.partition("//")[2].partition(":")[2].partition("/")[0]
    closed = url.replace(port, str(free_port()))
    for changed, error in (
        ({"rpc_url": closed}, Unreachable),
        ({"rpc_secret": "guess-guess"}, AccessRefused),
    ):
        with place.open_server(**changed) as server:
            for ask in (server.health, lambda s=server: s.registrations_of(f"ann@{DOMAIN}")):
                with pytest.raises(error) as raised:
                    ask()
                assert "guess-guess" not in str(raised.value)


def test_a_silent_server_is_unreachable_within_its_time(place: Place) -> None:
    url = place.server_record.rpc_url
    port = url.partition("//")[2].partition(":")[2].partition("/")[0]
    with Proxy(int(port)) as proxy:
        proxy.set(BlackHole())
        silent = url.replace(port, str(proxy.port))
        with (
            place.open_server(rpc_url=silent, total_timeout=0.5) as server,
            pytest.raises(Unreachable),
        ):
            server.health()


def test_a_store_of_one_algorithm_lets_nobody_in_by_another(place: Place) -> None:
    if "SHA-512-256" not in place.driver.digests:
        pytest.skip(f"What {place.driver.label} verifies, its own configuration says.")
    algorithms: tuple[Algorithm, ...] = ("MD5", "SHA-256", "SHA-512-256")
    for algorithm in algorithms:
        row = subscriber("ann", algorithm=algorithm)
        with place.open_store(algorithm=algorithm) as store:
            assert store.apply(wanted(row))[0].error == ""
            assert list(store.read(Kind.SUBSCRIBER)) == [row]
            assert store.differing(Kind.SUBSCRIBER, [row]) == {}
        for offered in algorithms:
            expected = 200 if offered == algorithm else place.refusal
            assert register(place, "ann", algorithm=offered).status == expected


def test_both_digests_are_verified_where_a_store_may_have_two(place: Place) -> None:
    if "MD5+SHA-256" not in place.driver.digests:
        pytest.skip(f"{place.driver.label} verifies one algorithm.")
    row = replace(subscriber("ann"), ha1_sha256=subscriber("ann", algorithm="SHA-256").ha1)
    with place.open_store() as store, place.open_server() as server:
        store.apply(wanted(row))
        server.activate(store.reload_kinds & WRITTEN)
        assert list(store.read(Kind.SUBSCRIBER)) == [row]
        assert store.differing(Kind.SUBSCRIBER, [row]) == {}
    assert set(register(place, "ann", "wrong").challenges) >= {"MD5", "SHA-256"}
    for algorithm in ("MD5", "SHA-256"):
        assert register(place, "ann", algorithm=algorithm).status == 200
        assert register(place, "ann", "wrong", algorithm=algorithm).status == place.refusal
