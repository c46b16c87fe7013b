"""Counterparts that tests share, each started once per test process."""

from collections.abc import Iterator

import pytest

from lab.asterisk import Asterisk, AsteriskStore
from lab.authority import Authority
from lab.kamailio import Kamailio
from lab.kamailio_store import PostgresqlStore, SqliteStore, Store
from lab.people import Company, company
from lab.postgresql import Postgresql, temporary_postgresql
from lab.samba import DomainController
from lab.slapd import Slapd


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def people() -> Company:
    return company(60)


@pytest.fixture
def slapd(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, people: Company
) -> Iterator[Slapd]:
    """A directory of its own for each test, with 60 people in it."""
    server = Slapd(tmp_path_factory.mktemp("slapd"), authority, durable=False)
    server.populate(people)
    with server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    with temporary_postgresql() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """An empty store for SIP servers, of both kinds in turn."""
    if request.param == "sqlite":
        yield SqliteStore(tmp_path_factory.mktemp("store") / "kamailio.db")
        return
    store = PostgresqlStore(request.getfixturevalue("postgresql"), "kamailio_test")
    yield store
    store.drop()


@pytest.fixture
def kamailio(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, store: Store
) -> Iterator[Kamailio]:
    with Kamailio(tmp_path_factory.mktemp("kamailio"), authority, store) as server:
        yield server


@pytest.fixture(scope="session")
def samba() -> Iterator[DomainController]:
    """The machine's domain controller: tests change only what they added themselves."""
    with DomainController() as controller:
        yield controller


@pytest.fixture
def asterisk(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, postgresql: Postgresql
) -> Iterator[Asterisk]:
    """An Asterisk with an empty database of its own."""
    store = AsteriskStore(postgresql, "asterisk_test")
    with Asterisk(tmp_path_factory.mktemp("asterisk"), authority, store) as server:
        yield server
    store.drop()
