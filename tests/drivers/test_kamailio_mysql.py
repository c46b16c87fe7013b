"""What is peculiar to MySQL and MariaDB: collations, ways to sign in, packets and locks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from lab.authority import Authority
from lab.kamailio_store import MariadbStore
from lab.mariadb import Mariadb, temporary_mariadb
from provisioning.core.errors import Rejected, Unreachable
from provisioning.drivers.base import Kind, SubscriberRow
from provisioning.drivers.database import inspection
from provisioning.drivers.kamailio.store import KamailioStore
from tests.drivers.conftest import Backend
from tests.drivers.rows import DOMAIN, alias, gone, subscriber, wanted

Opening = Callable[..., KamailioStore]


@pytest.fixture(params=["latin1", "utf8mb4"])
def collated(request: pytest.FixtureRequest, mysql: Backend) -> Backend:
    """A fresh database whose texts are of the character set, compared as is its default."""
    assert isinstance(mysql.lab, MariadbStore)
    lab = MariadbStore(
        mysql.lab.cluster, f"{mysql.lab.name}_{request.param}", character_set=request.param
    )
    lab.create()
    return Backend(replace(mysql.record, database=lab.name), lab)


@pytest.mark.parametrize("written", ["Alice", "alice ", "álice"])
def test_another_writing_of_a_user_part_is_another_row_and_is_never_overwritten(
    collated: Backend, open_store: Opening, written: str
) -> None:
    store = open_store(collated)
    theirs = {"username": written, "domain": DOMAIN, "ha1": "f" * 32}
    collated.insert("subscriber", theirs)
    before = collated.rows("SELECT * FROM subscriber")
    row = subscriber("alice")

    assert list(store.read(Kind.SUBSCRIBER, [row.key])) == []
    assert store.differing(Kind.SUBSCRIBER, [row]) == {row.key: None}
    refused, accepted = store.apply([*wanted(row), *wanted(subscriber("bob"))])
    store.apply(gone(row))

    if refused.error:
        assert refused.error.startswith("Duplicate entry 'alice-")
        assert "takes another writing for the same" in refused.error
    assert accepted.error == ""
    assert collated.rows("SELECT * FROM subscriber WHERE username != 'bob'") == before


def test_another_writing_of_a_value_differs_and_is_replaced(
    collated: Backend, open_store: Opening
) -> None:
    store = open_store(collated)
    row, number = subscriber("alice"), alias("100", "alice")
    store.apply(wanted(row, number))
    collated.execute("UPDATE subscriber SET ha1 = UPPER(ha1)")
    collated.execute("UPDATE dbaliases SET username = 'Alice'")

    assert list(store.differing(Kind.SUBSCRIBER, [row])) == [row.key]
    assert list(store.differing(Kind.ALIAS, [number])) == [number.key]
    store.apply(wanted(row, number))

    assert list(store.read(Kind.SUBSCRIBER)) == [row]
    assert list(store.read(Kind.ALIAS)) == [number]


def test_a_clear_text_of_any_characters_is_restored_and_compared(
    collated: Backend, open_store: Opening
) -> None:
    store = open_store(collated)
    row = SubscriberRow("alice", DOMAIN, "", "", "größe'\\%s;é")

    assert store.apply(wanted(row))[0].error == ""

    assert list(store.read(Kind.SUBSCRIBER)) == [row]
    assert store.differing(Kind.SUBSCRIBER, [row]) == {}


def test_what_a_character_set_has_not_is_refused_alone_and_not_quoted(
    mysql: Backend, open_store: Opening
) -> None:
    row = SubscriberRow("alice", DOMAIN, "", "", "秘密のことば")

    refused, accepted = open_store(mysql).apply(wanted(row, subscriber("bob")))

    assert "Incorrect string value" in refused.error
    assert "password" in refused.error
    assert "xE7" not in refused.error
    assert accepted.error == ""


def test_a_key_longer_than_its_column_is_not_taken_for_its_beginning(
    mysql: Backend, open_store: Opening
) -> None:
    store = open_store(mysql)
    short, long = subscriber("x" * 64), subscriber("x" * 255)
    store.apply(wanted(short))

    assert list(store.read(Kind.SUBSCRIBER, [long.key])) == []
    store.apply(gone(long))

    assert list(store.read(Kind.SUBSCRIBER)) == [short]


def test_a_page_is_looked_up_in_the_index(collated: Backend, open_store: Opening) -> None:
    store = open_store(collated)
    rows = [subscriber(f"user{n}") for n in range(3000)]
    store.apply(wanted(*rows))
    before = _rows_examined(collated)

    assert store.differing(Kind.SUBSCRIBER, rows[:50]) == {}

    # The incoming rows and theirs; a scan would have looked at 3,000, for each or once.
    assert _rows_examined(collated) - before < 500


def _rows_examined(backend: Backend) -> int:
    names = "('Handler_read_rnd_next', 'Handler_read_next', 'Handler_read_key')"
    query = f"SHOW GLOBAL STATUS WHERE Variable_name IN {names}"
    return sum(int(value) for _, value in backend.rows(query))


def test_a_row_that_somebody_locks_the_other_way_round_is_tried_again_later(
    mysql: Backend, open_store: Opening
) -> None:
    store = open_store(mysql)
    alice, zoe = subscriber("alice"), subscriber("zoe")
    store.apply(wanted(alice, zoe))
    failed: list[Exception] = []

    def push() -> None:
        try:
            store.apply(wanted(subscriber("alice", "new"), subscriber("zoe", "new")))
        except Unreachable as error:
            failed.append(error)

    with closing(mysql.connect()) as other:
        other.execute("BEGIN")
        # The heavier transaction wins: the victim is the console's.
        other.execute("INSERT INTO domain (domain) SELECT seq FROM seq_1_to_100")
        other.execute("UPDATE subscriber SET ha1b = '' WHERE username = 'zoe'")
        pushing = threading.Thread(target=push)
        pushing.start()
        _wait_for_a_lock(mysql)
        other.execute("UPDATE subscriber SET ha1b = '' WHERE username = 'alice'")
        other.execute("ROLLBACK")
        pushing.join(60)

    (error,) = failed
    assert "Deadlock" in str(error)
    assert store.apply(wanted(subscriber("alice", "new")))[0].error == ""


def _wait_for_a_lock(backend: Backend) -> None:
    for _ in range(300):
        if backend.rows(
            "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        ):
            return
        # The table is made anew only when nobody has looked at it for 0.1 s.
        threading.Event().wait(0.2)
    raise AssertionError("nobody waits for a lock")


def test_a_role_that_may_only_read_can_observe_but_not_apply(
    mysql: Backend, open_store: Opening
) -> None:
    assert isinstance(mysql.lab, MariadbStore)
    cluster = mysql.lab.cluster
    cluster.create_role("reader")
    mysql.execute(f"GRANT SELECT ON `{mysql.lab.name}`.* TO 'reader'@'127.0.0.1'")
    reader = open_store(mysql, user="reader", secret=cluster.password("reader"))

    assert reader.check()[-1].startswith("Read only: the role lacks INSERT on domain, UPDATE on")
    assert list(reader.read(Kind.SUBSCRIBER, [f"alice@{DOMAIN}"])) == []
    with pytest.raises(Rejected, match="command denied to user"):
        reader.apply(wanted(subscriber("alice")))


def test_a_server_that_takes_no_changes_is_read_only(mysql: Backend, open_store: Opening) -> None:
    store = open_store(mysql)
    mysql.execute("SET GLOBAL read_only = ON")
    try:
        assert store.check()[-1].startswith("Read only: the database takes no changes.")
        with pytest.raises(Rejected, match="read-only"):
            store.apply(wanted(subscriber("alice")))
    finally:
        mysql.execute("SET GLOBAL read_only = OFF")


def test_a_block_larger_than_the_server_takes_is_written_in_parts(
    mysql: Backend, open_store: Opening
) -> None:
    mysql.execute("SET GLOBAL max_allowed_packet = 16384")
    try:
        store = open_store(mysql)
        outcomes = store.apply(wanted(*(subscriber(f"user{n}") for n in range(1000))))
    finally:
        mysql.execute("SET GLOBAL max_allowed_packet = 16777216")

    assert not any(outcome.error for outcome in outcomes)
    assert mysql.rows("SELECT COUNT(*) FROM subscriber") == [(1000,)]


def test_a_password_is_not_handed_to_whoever_asks_for_it_without_tls(
    mysql: Backend, open_store: Opening
) -> None:
    # PAM asks for the password itself, by the plugin "dialog".
    assert isinstance(mysql.lab, MariadbStore)
    mysql.execute("INSTALL SONAME 'auth_pam'")
    mysql.execute("CREATE USER asked@127.0.0.1 IDENTIFIED VIA pam")
    store = open_store(mysql, user="asked", secret="never-in-clear")

    with pytest.raises(Rejected, match="asks for the password in clear text") as refusal:
        store.check()

    assert "mysql_native_password" in refusal.value.message
    assert "never-in-clear" not in refusal.value.message


@pytest.fixture(scope="module")
def tls_server(authority: Authority) -> Iterator[Mariadb]:
    """A server that speaks TLS with a certificate of the lab's authority."""
    with temporary_mariadb(leaf=authority.leaf("mariadb")) as server:
        server.create_role("rtcadmin")
        server.sql("GRANT ALL ON mysql.* TO 'rtcadmin'@'127.0.0.1'")
        yield server


def test_tls_verifies_the_servers_certificate(
    tls_server: Mariadb, mysql: Backend, authority: Authority, tmp_path: Path, open_store: Opening
) -> None:
    ca = authority.certificate.read_text()
    at = {
        "port": tls_server.port,
        "database": "mysql",
        "secret": tls_server.password("rtcadmin"),
        "tls": True,
    }
    # The certificate holds: what is refused is the database, which has no Kamailio in it.
    with pytest.raises(Rejected, match="version' doesn't exist"):
        open_store(mysql, **at, ca_pem=ca).check()

    stranger = Authority(tmp_path).certificate.read_text()
    with pytest.raises(Rejected, match="certificate verify failed"):
        open_store(mysql, **at, ca_pem=stranger).check()
    with pytest.raises(Rejected, match="certificate verify failed"):
        open_store(mysql, **at).check()


def test_a_server_that_makes_no_tables_of_json_is_refused_by_name(
    mysql: Backend, open_store: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(inspection._OLDEST, "MariaDB", (99, 0))

    with pytest.raises(Rejected, match=r"it is MariaDB 10\..*Nothing was changed"):
        open_store(mysql).check()
