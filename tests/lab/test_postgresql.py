"""PostgreSQL starts empty, keeps its data, and gives each role what it may do."""

import psycopg
import pytest

from lab.kamailio_store import PostgresqlStore
from lab.postgresql import Postgresql, temporary_postgresql


def test_data_survives_a_restart_and_an_immediate_stop() -> None:
    with temporary_postgresql() as cluster:
        url = cluster.create_database("kept")
        cluster.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)", database="kept")
        cluster.restart()
        cluster.stop("immediate")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        cluster.start()
        assert cluster.sql("SELECT n FROM t", database="kept") == "1\n"


def test_a_database_is_copied_and_dropped_under_its_users(postgresql: Postgresql) -> None:
    postgresql.create_database("original")
    postgresql.sql("CREATE TABLE t (n int)", database="original")
    url = postgresql.create_database("copy", template="original")
    user = psycopg.connect(url)
    user.execute("SELECT n FROM t")
    postgresql.drop_database("copy")
    with pytest.raises(psycopg.errors.AdminShutdown):
        user.execute("SELECT n FROM t")
    user.close()
    assert not postgresql.has_database("copy")
    postgresql.drop_database("original")


def test_the_console_writes_what_it_manages_and_nothing_else(postgresql: Postgresql) -> None:
    store = PostgresqlStore(postgresql, "roles")
    store.create()
    with psycopg.connect(store.console_url, autocommit=True) as console:
        console.execute("INSERT INTO domain (domain) VALUES ('corp.example')")
        console.execute("SELECT table_version FROM version")
        console.execute("SELECT username FROM location")
        for forbidden in (
            "DELETE FROM location",
            "UPDATE version SET table_version = 0",
            "SELECT * FROM trusted",
            "DROP TABLE subscriber",
            "CREATE TABLE mine (n int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                console.execute(forbidden)
    store.drop()
