"""Observe on databases with Kamailio's own schema: what it finds, and that it writes nothing."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lab.kamailio_store import PostgresqlStore, SqliteStore
from lab.ports import HOST
from lab.postgresql import temporary_postgresql
from provisioning.core.errors import ProvisioningError
from provisioning.drivers.base import Kind, RowChange, SubscriberRow
from provisioning.models import ConfigStore, Number, OwnedRow
from provisioning.services.directory.people_index import number_key
from provisioning.services.push.desired import fingerprint
from provisioning.services.servers.driver_access import open_store
from provisioning.services.servers.observe import Category, Finding, observe_store
from provisioning.services.servers.observe_csv import stream_csv
from tests.factories import make_account, make_person, make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]

HA1 = "5f4dcc3b5aa765d61d8327deb882cf99"

# Somebody else's rows, as years of several administrators leave them.
ROWS = """
INSERT INTO subscriber (username, domain, ha1) VALUES
    ('ann.lee', 'voice.example.com', '5f4dcc3b5aa765d61d8327deb882cf99'),
    ('bob', 'voice.example.com', '5f4dcc3b5aa765d61d8327deb882cf99'),
    ('2001', 'legacy.example.com', '5f4dcc3b5aa765d61d8327deb882cf99'),
    ('gone', 'voice.example.com', '5f4dcc3b5aa765d61d8327deb882cf99'),
    ('Paused', 'voice.example.com', '5f4dcc3b5aa765d61d8327deb882cf99'),
    ('lift-phone', 'voice.example.com', '5f4dcc3b5aa765d61d8327deb882cf99'),
    ('smith', 'voice.example.com', '5f4dcc3b5aa765d61d8327deb882cf99'),
    ('blocked', 'voice.example.com', '5f4dcc3b5aa765d61d8327deb882cf99');
INSERT INTO dbaliases (alias_username, alias_domain, username, domain) VALUES
    ('+442079460101', 'voice.example.com', '2001', 'legacy.example.com'),
    ('00442079460199', 'voice.example.com', 'bob', 'voice.example.com'),
    ('+442079460199', 'voice.example.com', 'gone', 'voice.example.com'),
    ('+442079460150', 'voice.example.com', 'bob', 'voice.example.com'),
    ('100', 'voice.example.com', 'bob', 'voice.example.com'),
    ('100', 'legacy.example.com', '2001', 'legacy.example.com');
INSERT INTO domain (domain, did) VALUES ('voice.example.com', 'voice.example.com');
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    lab = SqliteStore(tmp_path / "kamailio.sqlite")
    lab.create()
    lab.execute(ROWS)
    return lab.file


@pytest.fixture
def store(file: Path) -> ConfigStore:
    return make_store(
        name="Old Kamailio", mode="observe", dialect="sqlite", database=str(file), tls=False
    )


@pytest.fixture(autouse=True)
def people(db: None) -> None:
    make_person("Ann Lee", login="ann.lee")
    make_person("Robert Ray", login="rray", mail="bob@voice.example.com")
    make_person("Cem Kaya", login="ckaya", phone="+44 20 7946 0101")
    make_person("Gus Gone", login="gone", left_at=timezone.now())
    make_person("Pia Paused", login="paused", disabled=True)
    make_person("Jo Smith", login="jsmith", mail="smith@a.example.com")
    make_person("Jay Smith", login="jaysmith", mail="smith@b.example.com")
    make_account("Blocked room", user_part="blocked", state="blocked")


def of(findings: list[Finding]) -> dict[str, tuple[str, str]]:
    return {finding.key: (finding.person, finding.detail) for finding in findings}


def test_every_account_is_matched_orphaned_or_unknown(store: ConfigStore) -> None:
    report = observe_store(store=store)
    assert of(report.examples[Category.MATCHED]) == {
        "ann.lee@voice.example.com": ("Ann Lee", "found by user name"),
        "bob@voice.example.com": ("Robert Ray", "found by mail address"),
        "2001@legacy.example.com": ("Cem Kaya", "found by number"),
    }
    assert of(report.examples[Category.ORPHANED]) == {
        "gone@voice.example.com": ("Gus Gone", "Gus Gone left; found by user name"),
        "paused@voice.example.com": (
            "Pia Paused",
            "Pia Paused is disabled in the directory; found by user name",
        ),
        "blocked@voice.example.com": ("", "the account here is blocked"),
    }
    assert of(report.examples[Category.UNKNOWN]) == {
        "lift-phone@voice.example.com": ("", "no person and no account fits"),
        "smith@voice.example.com": ("", "several people have this name in the mail address"),
    }
    assert report.accounts == 8
    assert (report.people, report.people_found) == (6, 4)
    assert report.unknown_domains == ["legacy.example.com"]


def test_a_user_name_that_was_given_again_belongs_to_the_new_person(store: ConfigStore) -> None:
    make_person("New Gus", login="gone")
    report = observe_store(store=store)
    assert of(report.examples[Category.MATCHED])["gone@voice.example.com"][0] == "New Gus"


def test_a_number_in_two_notations_rings_two_accounts(store: ConfigStore) -> None:
    report = observe_store(store=store)
    assert of(report.examples[Category.DUPLICATE]) == {
        "+442079460199": ("", "rings bob@voice.example.com, gone@voice.example.com")
    }


def test_a_number_of_another_account_here_is_a_duplicate(store: ConfigStore) -> None:
    account = make_account(user_part="reception")
    Number.objects.create(e164="+442079460150", state="assigned", account=account)
    found = of(observe_store(store=store).examples[Category.DUPLICATE])
    assert found["+442079460150"][1] == (
        "rings bob@voice.example.com, but belongs to reception@voice.example.com here"
    )


def test_examples_are_limited_and_counts_are_not(store: ConfigStore) -> None:
    report = observe_store(store=store, examples=1)
    assert report.counts[Category.MATCHED] == 3
    assert len(report.examples[Category.MATCHED]) == 1


def test_an_owned_row_that_somebody_changed_is_drift(store: ConfigStore, file: Path) -> None:
    rows = [SubscriberRow(user, "voice.example.com", HA1) for user in ("one", "two", "three")]
    with open_store(store) as driver:
        driver.apply([RowChange(Kind.SUBSCRIBER, row.key, row) for row in rows])
    OwnedRow.objects.bulk_create(
        OwnedRow(store=store, kind="subscriber", key=row.key, content=fingerprint(row))
        for row in rows
    )
    assert observe_store(store=store).counts[Category.DRIFT] == 0
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE subscriber SET ha1 = ? WHERE username = 'one'", ["0" * 32])
        connection.execute("DELETE FROM subscriber WHERE username = 'two'")
    assert of(observe_store(store=store).examples[Category.DRIFT]) == {
        "one@voice.example.com": ("", "the account was changed"),
        "two@voice.example.com": ("", "the account was deleted"),
    }


def test_not_one_byte_of_a_sqlite_store_changes(store: ConfigStore, file: Path) -> None:
    before = _dump(file)
    observe_store(store=store)
    list(stream_csv(store=store))
    assert _dump(file) == before


def test_a_role_that_cannot_write_is_enough_and_nothing_changes_on_postgresql() -> None:
    with temporary_postgresql() as cluster:
        lab = PostgresqlStore(cluster)
        lab.create()
        lab.execute(ROWS)
        cluster.create_role("reader")
        lab.execute(
            "GRANT SELECT ON subscriber, dbaliases, domain, location, version TO reader;"
            "ALTER ROLE reader SET default_transaction_read_only = on;"
        )
        store = make_store(
            mode="observe",
            host=HOST,
            port=cluster.port,
            database=lab.name,
            user="reader",
            tls=False,
        )
        store.set_secret(cluster.password("reader"))
        before = _table_contents(lab)
        report = observe_store(store=store)
        assert report.counts[Category.MATCHED] == 3
        assert _table_contents(lab) == before


def test_the_csv_is_complete_and_holds_no_formula(store: ConfigStore) -> None:
    make_person("=1+1", login="lift-phone")
    text = "".join(stream_csv(store=store)).removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 9
    people = {row["address or number"]: row["person"] for row in rows}
    assert people["lift-phone@voice.example.com"] == "'=1+1"
    assert people["'+442079460199"] == ""


def test_a_store_that_stops_answering_makes_an_incomplete_csv(tmp_path: Path) -> None:
    (tmp_path / "not.sqlite").write_text("no database")
    store = make_store(dialect="sqlite", database=str(tmp_path / "not.sqlite"), tls=False)
    assert "INCOMPLETE" in list(stream_csv(store=store))[-1]
    with pytest.raises(ProvisioningError):
        observe_store(store=store)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("+442079460101", "442079460101"),
        ("00442079460101", "442079460101"),
        ("442079460101", "442079460101"),
        ("tel:+44-20-7946-0101", "442079460101"),
        ("100", ""),
        ("ann.lee", ""),
        ("", ""),
    ],
)
def test_notations_of_one_number_are_one_key(text: str, key: str) -> None:
    assert number_key(text) == key


def test_a_national_number_is_read_as_one_of_its_country() -> None:
    assert number_key("020 7946 0101", "GB") == "442079460101"


def test_the_command_prints_figures_or_json(
    store: ConfigStore, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("observe_server", "Old Kamailio")
    assert "Matched people" in capsys.readouterr().out
    call_command("observe_server", "Old Kamailio", "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == {
        "matched": 3, "orphaned": 3, "unknown": 2, "duplicate": 1, "drift": 0
    }  # fmt: skip


def test_the_command_names_the_stores_when_none_fits(store: ConfigStore) -> None:
    with pytest.raises(CommandError, match="Old Kamailio"):
        call_command("observe_server", "nonsense")


def _dump(file: Path) -> tuple[list[str], bytes]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump()), file.read_bytes()


def _table_contents(lab: PostgresqlStore) -> list[str]:
    return [
        lab.cluster.sql(f"SELECT xmin, t FROM {table} t", database=lab.name)  # noqa: S608
        for table in ("subscriber", "dbaliases", "domain", "location", "version")
    ]
