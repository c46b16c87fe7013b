"""What a store says when its database is away, silent, busy or refuses: in time, no secrets."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lab.authority import Authority
from lab.ports import free_port
from lab.postgresql import ACCOUNT, Postgresql, temporary_postgresql
from lab.proxy import BlackHole, Pass, Proxy
from provisioning.core.errors import ProvisioningError, Rejected, Unreachable
from provisioning.drivers.base import Kind
from provisioning.drivers.kamailio.store import KamailioStore
from tests.drivers.conftest import Backend
from tests.drivers.rows import subscriber, wanted

Opening = Callable[..., KamailioStore]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


@pytest.fixture
def proxy(served: Backend) -> Iterator[Proxy]:
    """A line to the database that can be made to fail."""
    with Proxy(served.record.port) as proxy:
        yield proxy


def test_a_closed_port_is_unreachable(served: Backend, open_store: Opening) -> None:
    store = open_store(served, port=free_port())

    with within(15), pytest.raises(Unreachable, match="Connection refused"):
        store.check()


def test_a_server_that_never_answers_is_unreachable(
    served: Backend, proxy: Proxy, open_store: Opening
) -> None:
    proxy.set(BlackHole())
    store = open_store(served, port=proxy.port)

    # libpq waits for 2 s at least.
    with within(15), pytest.raises(Unreachable, match=r"timeout|timed out"):
        store.check()


def test_a_server_that_falls_silent_is_unreachable_until_it_speaks(
    served: Backend, proxy: Proxy, open_store: Opening
) -> None:
    store = open_store(served, port=proxy.port, statement_timeout=1.0)
    store.apply(wanted(subscriber("alice")))

    proxy.set(BlackHole())
    with within(15), pytest.raises(Unreachable):
        store.apply(wanted(subscriber("alice", "new")))

    proxy.set(Pass())
    assert list(store.read(Kind.SUBSCRIBER)) == [subscriber("alice")]


def test_a_lost_connection_is_unreachable_once(
    served: Backend, proxy: Proxy, open_store: Opening
) -> None:
    store = open_store(served, port=proxy.port)
    store.check()

    proxy.cut()

    with pytest.raises(Unreachable):
        store.apply(wanted(subscriber("alice")))
    assert not store.apply(wanted(subscriber("alice")))[0].error


def test_a_lock_that_somebody_holds_is_waited_for_and_then_unreachable(
    backend: Backend, open_store: Opening
) -> None:
    store = open_store(backend, statement_timeout=1.0)
    store.apply(wanted(subscriber("alice")))

    with closing(backend.connect()) as other:
        other.execute("BEGIN IMMEDIATE" if backend.record.dialect == "sqlite" else "BEGIN")
        other.execute("UPDATE subscriber SET ha1b = ''")
        with within(15), pytest.raises(Unreachable):
            store.apply(wanted(subscriber("alice", "new")))
        other.execute("ROLLBACK")

    assert list(store.read(Kind.SUBSCRIBER)) == [subscriber("alice")]


# What is wrong with the place or the password, and what PostgreSQL and MariaDB say of it.
REFUSALS: list[tuple[dict[str, object], str]] = [
    ({"secret": "not-the-password"}, "password authentication failed|Access denied for user"),
    ({"user": "nobody_here"}, "password authentication failed|Access denied for user"),
    ({"database": "no_such_database"}, "does not exist|Access denied for user"),
    ({"tls": True}, "server does not support SSL|the server doesn't support it"),
]


@pytest.mark.parametrize(("changed", "said"), REFUSALS)
def test_a_refused_connection_is_rejected_in_the_servers_words(
    served: Backend, open_store: Opening, changed: dict[str, object], said: str
) -> None:
    store = open_store(served, **changed)

    with within(15), pytest.raises(Rejected, match=said) as refusal:
        store.apply(wanted(subscriber("alice")))

    assert_without_secrets(refusal.value, "not-the-password", served.record.secret)


def test_no_part_of_a_refused_row_is_in_an_error(postgresql: Backend, open_store: Opening) -> None:
    # Not the fault of a row, so that the whole call fails: PostgreSQL quotes the row all the same.
    postgresql.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
        "'no changes today' USING ERRCODE = '42501', DETAIL = NEW.ha1; END $$"
    )
    postgresql.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON subscriber FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    row = subscriber("alice")

    with pytest.raises(Rejected, match="no changes today") as refusal:
        open_store(postgresql).apply(wanted(row))

    assert row.ha1 is not None
    assert_without_secrets(refusal.value, row.ha1)


def test_a_missing_file_is_rejected_and_not_created(sqlite: Backend, open_store: Opening) -> None:
    missing = Path(sqlite.record.database).with_name("missing.db")

    with pytest.raises(Rejected, match="unable to open database file"):
        open_store(sqlite, database=str(missing)).apply(wanted(subscriber("alice")))

    assert not missing.exists()


def test_a_file_that_is_no_database_is_rejected(sqlite: Backend, open_store: Opening) -> None:
    Path(sqlite.record.database).write_text("nothing of the kind " * 100)

    with pytest.raises(Rejected, match="not a database"):
        open_store(sqlite).check()


@pytest.fixture(scope="module")
def tls_cluster(authority: Authority) -> Iterator[Postgresql]:
    """A cluster that speaks TLS with a certificate of the lab's authority."""
    leaf = authority.leaf("postgresql")
    with temporary_postgresql() as cluster:
        for source, name in ((leaf.certificate, "server.crt"), (leaf.key, "server.key")):
            shutil.copy(source, cluster.data / name)
            (cluster.data / name).chmod(0o600)
            shutil.chown(cluster.data / name, ACCOUNT)
        with (cluster.data / "postgresql.auto.conf").open("a") as settings:
            settings.write("ssl = on\n")
        cluster.restart()
        yield cluster


def test_tls_verifies_the_servers_certificate(
    tls_cluster: Postgresql,
    postgresql: Backend,
    authority: Authority,
    tmp_path: Path,
    open_store: Opening,
) -> None:
    ca = authority.certificate.read_text()
    at = {
        "port": tls_cluster.port,
        "database": "postgres",
        "user": "postgres",
        "secret": tls_cluster.password("postgres"),
        "tls": True,
    }
    # The certificate holds: what is refused is the database, which has no Kamailio in it.
    with pytest.raises(Rejected, match='relation "version" does not exist'):
        open_store(postgresql, **at, ca_pem=ca).check()

    stranger = Authority(tmp_path).certificate.read_text()
    with pytest.raises(Rejected, match="certificate verify failed"):
        open_store(postgresql, **at, ca_pem=stranger).check()
    with pytest.raises(Rejected, match="certificate verify failed"):
        open_store(postgresql, **at).check()


def assert_without_secrets(error: ProvisioningError, *secrets: str) -> None:
    """Neither the error nor what a log would print behind it holds a secret."""
    printed = "".join(traceback.format_exception(error))
    for secret in secrets:
        assert secret not in printed
