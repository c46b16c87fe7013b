"""The contract of a store, kept by the Kamailio driver on each of its databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab.kamailio_store import PostgresqlStore
from provisioning.core.errors import Rejected
from provisioning.drivers.base import (
    ForeignAccount,
    Kind,
    Outcome,
    Row,
    RowChange,
    SipDomainRow,
    SubscriberRow,
)
from provisioning.drivers.database import table_store, writing
from provisioning.drivers.kamailio.store import KamailioStore
from tests.drivers.conftest import DIALECTS, Backend
from tests.drivers.rows import DOMAIN, ROUTING, SETTINGS, alias, gone, subscriber, wanted

ROWS: tuple[Row, ...] = (
    SipDomainRow(DOMAIN),
    subscriber("alice"),
    subscriber("bob", None),
    alias("+442079460001", "alice"),
    *ROUTING,
    *SETTINGS,
)
TABLES = (
    "domain", "subscriber", "dbaliases", "address", "dispatcher", "uacreg", "mtree", "dialplan",
    "htable", "usr_preferences",
)  # fmt: skip

Opening = Callable[..., KamailioStore]


def contents(backend: Backend) -> dict[str, list[tuple[Any, ...]]]:
    return {name: backend.rows(f"SELECT * FROM {name} ORDER BY id") for name in TABLES}  # noqa: S608


def existing(store: KamailioStore) -> list[Any]:
    return [row for kind in Kind for row in store.read(kind)]


def test_what_was_applied_is_read_back(store: KamailioStore) -> None:
    outcomes = store.apply(wanted(*ROWS))

    assert outcomes == [Outcome(change.kind, change.key) for change in wanted(*ROWS)]
    assert existing(store) == list(ROWS)


def test_applying_twice_changes_nothing(store: KamailioStore, backend: Backend) -> None:
    store.apply(wanted(*ROWS))
    before = contents(backend)

    store.apply(wanted(*ROWS))

    assert contents(backend) == before


def test_a_changed_row_keeps_its_id(store: KamailioStore, backend: Backend) -> None:
    store.apply(wanted(*ROWS))
    ids = backend.rows("SELECT id, username FROM subscriber ORDER BY id")

    store.apply(wanted(subscriber("alice", "new"), alias("+442079460001", "bob")))

    assert list(store.read(Kind.SUBSCRIBER)) == [
        subscriber("alice", "new"),
        subscriber("bob", None),
    ]
    assert list(store.read(Kind.ALIAS)) == [alias("+442079460001", "bob")]
    assert backend.rows("SELECT id, username FROM subscriber ORDER BY id") == ids


def test_only_the_rows_asked_for_are_read(store: KamailioStore) -> None:
    store.apply(wanted(*ROWS))

    assert list(
        store.read(Kind.SUBSCRIBER, [f"alice@{DOMAIN}", f"carol@{DOMAIN}", "nonsense"])
    ) == [subscriber("alice")]
    assert list(store.read(Kind.SUBSCRIBER, [])) == []
    assert list(store.read(Kind.SIP_DOMAIN, [DOMAIN, ""])) == [SipDomainRow(DOMAIN)]


def test_only_rows_that_are_not_as_wanted_differ(store: KamailioStore, backend: Backend) -> None:
    store.apply(wanted(*ROWS))
    for kind in Kind:
        assert store.differing(kind, [row for row in ROWS if wanted(row)[0].kind is kind]) == {}

    changed, missing = subscriber("alice", "new"), subscriber("carol")
    assert store.differing(Kind.SUBSCRIBER, [changed, subscriber("bob", None), missing]) == {
        changed.key: subscriber("alice"),
        missing.key: None,
    }
    assert store.differing(Kind.SUBSCRIBER, [subscriber("bob", "back")]) == {
        f"bob@{DOMAIN}": subscriber("bob", None)
    }
    moved = alias("+442079460001", "bob")
    assert store.differing(Kind.ALIAS, [moved]) == {moved.key: alias("+442079460001", "alice")}
    assert store.differing(Kind.SUBSCRIBER, []) == {}


def test_a_row_with_a_further_secret_or_a_twin_differs(
    store: KamailioStore, backend: Backend
) -> None:
    store.apply(wanted(*ROWS))
    backend.execute("UPDATE subscriber SET password = 'clear' WHERE username = 'alice'")
    backend.insert(
        "dbaliases",
        {"alias_username": "+442079460001", "alias_domain": DOMAIN, "username": "bob",
         "domain": DOMAIN},
    )  # fmt: skip
    rows: tuple[Row, ...] = (subscriber("alice"), alias("+442079460001", "alice"))

    for row in rows:
        kind = wanted(row)[0].kind
        assert list(store.differing(kind, [row])) == [row.key]
        store.apply(wanted(row))
        assert store.differing(kind, [row]) == {}


@pytest.mark.parametrize("user", ["a\nb", "", "x" * 65])
def test_a_row_that_cannot_be_written_differs_and_hides_no_other(
    store: KamailioStore, user: str
) -> None:
    store.apply(wanted(subscriber("alice")))
    bad = subscriber(user)

    found = store.differing(Kind.SUBSCRIBER, [bad, subscriber("alice"), subscriber("bob")])

    assert found == {bad.key: None, f"bob@{DOMAIN}": None}


def test_a_long_stream_and_a_long_push_miss_nothing_between_pages(
    store: KamailioStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_store, "_PAGE", 7)
    monkeypatch.setattr(writing, "_BLOCK", dict.fromkeys(DIALECTS, 5))
    rows = [subscriber(f"user{number}") for number in range(21)]

    store.apply(wanted(*rows))

    assert sorted(row.key for row in store.read(Kind.SUBSCRIBER)) == sorted(row.key for row in rows)
    assert set(store.read(Kind.SUBSCRIBER, [row.key for row in rows])) == set(rows)


def test_deleting_removes_those_keys_and_no_other(store: KamailioStore) -> None:
    store.apply(wanted(*ROWS, subscriber("alice", domain="other.example.com")))

    outcomes = store.apply(gone(subscriber("alice"), subscriber("nobody")))

    assert not any(outcome.error for outcome in outcomes)
    assert set(store.read(Kind.SUBSCRIBER)) == {
        subscriber("bob", None),
        subscriber("alice", domain="other.example.com"),
    }


def test_of_several_changes_to_one_key_the_last_counts(store: KamailioStore) -> None:
    store.apply([*wanted(subscriber("alice")), *gone(subscriber("alice"))])
    assert list(store.read(Kind.SUBSCRIBER)) == []

    store.apply([*gone(subscriber("alice")), *wanted(subscriber("alice"))])
    assert list(store.read(Kind.SUBSCRIBER)) == [subscriber("alice")]


def test_rows_of_others_are_never_touched(store: KamailioStore, backend: Backend) -> None:
    backend.insert("domain", {"domain": "theirs.example.com", "did": "x"})
    backend.insert(
        "subscriber",
        {"username": "Alice", "domain": DOMAIN, "password": "clear", "ha1": "abc"},
        {"username": "alice", "domain": "theirs.example.com"},
    )
    theirs = {"alias_username": "100", "alias_domain": DOMAIN, "username": "x"}
    backend.insert("dbaliases", {**theirs, "domain": "y"}, {**theirs, "domain": "z"})
    backend.insert("address", {"grp": "1", "ip_addr": "192.0.2.7", "mask": "32"})
    backend.insert("dispatcher", {"setid": "1", "destination": "sip:192.0.2.7"})
    backend.insert("mtree", {"tprefix": "+1", "tvalue": "x"})
    before = contents(backend)

    store.apply(wanted(*ROWS))
    store.apply(wanted(subscriber("alice", "new")))
    store.apply(gone(*ROWS))

    assert contents(backend) == before


def test_of_aliases_that_share_a_key_one_is_left(store: KamailioStore, backend: Backend) -> None:
    shared = {"alias_username": "100", "alias_domain": DOMAIN, "domain": DOMAIN}
    backend.insert("dbaliases", {**shared, "username": "bob"}, {**shared, "username": "alice"})
    store.apply(wanted(alias("101", "bob")))

    store.apply(wanted(alias("100", "alice")))

    assert set(store.read(Kind.ALIAS)) == {alias("100", "alice"), alias("101", "bob")}
    assert len(backend.rows("SELECT id FROM dbaliases")) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (wanted(subscriber("x" * 65))[0], "username has 65 characters; the column holds 64."),
        (wanted(subscriber("x" * 255))[0], "username has 255 characters; the column holds 64."),
        (wanted(alias("100", "a\nb"))[0], "username holds a control character."),
        (wanted(subscriber("zoë"))[0], "username holds “zoë”, which is not of ASCII characters"),
        (wanted(SubscriberRow("eve", DOMAIN, "clear text"))[0], "The HA1 is not 32 or 64"),
        (RowChange(Kind.SUBSCRIBER, "no-domain", None), "“no-domain” is not a key of subscriber."),
        (RowChange(Kind.ALIAS, f"eve@{DOMAIN}", subscriber("eve")), "The row does not belong"),
        (RowChange(Kind.SUBSCRIBER, f"eve@{DOMAIN}", subscriber("alice")), "The row does not bel"),
    ],
)
def test_a_row_that_cannot_be_written_is_refused_alone(
    store: KamailioStore, change: RowChange, said: str
) -> None:
    refused, accepted = store.apply([change, *wanted(subscriber("bob"))])

    assert refused.error.startswith(said)
    assert accepted.error == ""
    assert existing(store) == [subscriber("bob")]


def test_a_row_that_the_database_refuses_is_refused_alone(
    store: KamailioStore, backend: Backend
) -> None:
    if backend.record.dialect == "sqlite":
        backend.execute(
            "CREATE TRIGGER no_eve BEFORE INSERT ON subscriber WHEN NEW.username LIKE 'eve%' "
            "BEGIN SELECT RAISE(ABORT, 'no eves here'); END"
        )
    else:
        backend.execute(
            "ALTER TABLE subscriber ADD CONSTRAINT no_eve CHECK (username NOT LIKE 'eve%')"
        )
    rows = [subscriber(name) for name in ("eve", "adam", "bob", "eve2", "zoe")]

    outcomes = store.apply(wanted(*rows))

    assert [bool(outcome.error) for outcome in outcomes] == [True, False, False, True, False]
    assert "no" in outcomes[0].error
    assert rows[0].ha1 is not None
    assert rows[0].ha1 not in outcomes[0].error
    assert {row.key for row in store.read(Kind.SUBSCRIBER)} == {rows[i].key for i in (1, 2, 4)}


def test_a_credential_column_holds_an_ha1_or_what_nobody_can_guess(
    store: KamailioStore, backend: Backend
) -> None:
    store.apply(wanted(*ROWS))

    columns = backend.rows("SELECT ha1, ha1b, password FROM subscriber ORDER BY id")

    assert columns[0][0] == subscriber("alice").ha1
    unusable = [columns[0][1], columns[0][2], *columns[1]]
    assert {len(value) for value in unusable} == {64}
    assert all(value.startswith("!unusable-") for value in unusable)
    assert columns[0][1] != columns[1][1]


@pytest.mark.parametrize("held", ["", "!disabled", "!" + "0" * 32])
def test_what_merely_looks_disabled_is_replaced(
    store: KamailioStore, backend: Backend, held: str
) -> None:
    backend.insert("subscriber", {"username": "bob", "domain": DOMAIN, "ha1": held})
    assert list(store.read(Kind.SUBSCRIBER)) == [SubscriberRow("bob", DOMAIN, held, "", "")]

    store.apply(wanted(subscriber("bob", None)))

    assert list(store.read(Kind.SUBSCRIBER)) == [subscriber("bob", None)]


def test_an_adopted_account_loses_its_other_secrets(store: KamailioStore, backend: Backend) -> None:
    row = subscriber("bob")
    assert row.ha1 is not None
    others = {"ha1b": "0" * 32, "password": "clear"}
    backend.insert("subscriber", {"username": "bob", "domain": DOMAIN, "ha1": row.ha1, **others})

    store.apply(wanted(row))

    ((ha1, ha1b, password),) = backend.rows("SELECT ha1, ha1b, password FROM subscriber")
    assert ha1 == row.ha1
    assert ha1b.startswith("!")
    assert password.startswith("!")


def test_a_row_that_tells_its_other_credentials_is_written_and_compared_with_them(
    store: KamailioStore, backend: Backend
) -> None:
    told = [
        SubscriberRow("bob", DOMAIN, "a" * 32, "b" * 32),
        SubscriberRow("eve", DOMAIN, "", "", "in clear"),
        SubscriberRow("zoe", DOMAIN, "", "", ""),
    ]
    for row in told:
        store.apply(wanted(row))
    assert list(store.read(Kind.SUBSCRIBER)) == told
    assert store.differing(Kind.SUBSCRIBER, told) == {}
    # One alone, for an empty value is no line where all rows of a statement are lines.
    assert store.differing(Kind.SUBSCRIBER, told[2:]) == {}
    backend.execute("UPDATE subscriber SET ha1b = '' WHERE username = 'bob'")
    assert list(store.differing(Kind.SUBSCRIBER, told)) == [told[0].key]
    plain = SubscriberRow("eve", DOMAIN, "a" * 32)
    assert store.differing(Kind.SUBSCRIBER, [plain]) == {told[1].key: told[1]}


def test_every_account_is_observed_with_what_the_table_knows(
    store: KamailioStore, backend: Backend
) -> None:
    store.apply(wanted(subscriber("alice"), subscriber("bob", None)))
    assert list(store.accounts()) == [
        ForeignAccount("alice", DOMAIN),
        ForeignAccount("bob", DOMAIN, digest_set=False),
    ]

    backend.execute("ALTER TABLE subscriber ADD COLUMN email_address VARCHAR(64)")
    backend.execute("UPDATE subscriber SET email_address = 'a@b.test' WHERE username = 'alice'")

    assert [account.mail for account in store.accounts()] == ["a@b.test", ""]


def test_a_check_names_versions_and_rights(store: KamailioStore) -> None:
    found = store.check()

    assert "Table subscriber: version 7." in found
    assert "Table location: version 9." in found
    assert "read and writ" in found[-1]


def test_a_check_names_every_table_that_does_not_fit(
    store: KamailioStore, backend: Backend
) -> None:
    backend.execute("UPDATE version SET table_version = 6 WHERE table_name = 'subscriber'")
    backend.execute("DELETE FROM version WHERE table_name = 'dbaliases'")

    with pytest.raises(Rejected) as refusal:
        store.check()

    assert "Table subscriber has version 6; this driver needs version 7" in refusal.value.message
    assert "Table dbaliases is missing" in refusal.value.message


def test_a_missing_table_is_rejected_in_the_databases_words(
    store: KamailioStore, backend: Backend
) -> None:
    backend.execute("DROP TABLE dbaliases")

    for call in (
        store.check,
        lambda: list(store.read(Kind.ALIAS)),
        lambda: store.apply(wanted(alias("100", "alice"))),
    ):
        with pytest.raises(Rejected, match="dbaliases"):
            call()


def test_registrations_are_none_where_there_is_no_table_of_them(
    store: KamailioStore, backend: Backend
) -> None:
    backend.execute("DELETE FROM version WHERE table_name = 'location'")

    assert store.registrations() is None


def test_a_role_that_may_only_read_can_observe_but_not_apply(
    postgresql: Backend, open_store: Opening
) -> None:
    assert isinstance(postgresql.lab, PostgresqlStore)
    cluster = postgresql.lab.cluster
    cluster.create_role("reader")
    for table in (*TABLES, "version", "location"):
        postgresql.execute(f"GRANT SELECT ON {table} TO reader")
    reader = open_store(postgresql, user="reader", secret=cluster.password("reader"))

    assert reader.check()[-1].startswith("Read only: the role lacks INSERT on domain,")
    assert list(reader.accounts()) == []
    with pytest.raises(Rejected, match="permission denied for table subscriber"):
        reader.apply(wanted(subscriber("alice")))


def test_a_database_in_another_journal_mode_is_written_in_wal(
    sqlite: Backend, open_store: Opening
) -> None:
    sqlite.execute("PRAGMA journal_mode = DELETE")
    store = open_store(sqlite)
    assert any("Journal mode delete" in line for line in store.check())
    assert sqlite.rows("PRAGMA journal_mode") == [("delete",)]

    store.apply(wanted(subscriber("alice")))

    assert sqlite.rows("PRAGMA journal_mode") == [("wal",)]


def test_sha_256_hashes_fit(store: KamailioStore) -> None:
    row = replace(subscriber("alice"), ha1="0123456789abcdef" * 4)

    assert store.apply(wanted(row))[0].error == ""
    assert list(store.read(Kind.SUBSCRIBER)) == [row]
