"""What is special of OpenSIPS: columns by algorithm, lengths that it insists on, two schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from lab.opensips import OPENSIPS_3_4, OPENSIPS_3_6
from provisioning.core.errors import Rejected
from provisioning.drivers.base import ForeignAccount, Kind, SubscriberRow
from provisioning.drivers.opensips.store import OpenSipsStore
from tests.drivers.conftest import Backend, NewBackend
from tests.drivers.rows import DOMAIN, subscriber, wanted

SCHEMAS = [
    (dialect, release)
    for dialect in ("sqlite", "postgresql", "mysql")
    for release in (OPENSIPS_3_4, OPENSIPS_3_6)
]
CREDENTIALS = "ha1, ha1_sha256, ha1_sha512t256, password"
OpenStore = Callable[..., OpenSipsStore]


@pytest.fixture(params=SCHEMAS, ids=lambda each: f"{each[0]}-{each[1].version}")
def database(request: pytest.FixtureRequest, new_backend: NewBackend) -> Backend:
    return new_backend(*request.param)


@pytest.fixture
def open_opensips(database: Backend) -> Iterator[OpenStore]:
    """Opens the store with some fields changed; closed after the test."""
    opened: list[OpenSipsStore] = []

    def opening(**changed: Any) -> OpenSipsStore:
        opened.append(OpenSipsStore(replace(database.record, **changed)))
        return opened[-1]

    yield opening
    for store in opened:
        store.close()


@pytest.mark.parametrize(
    ("algorithm", "column"),
    [("MD5", 0), ("SHA-256", 1), ("SHA-512-256", 2), ("MD5+SHA-256", 0)],
)
def test_only_the_digest_of_the_store_stands_there(
    database: Backend, open_opensips: OpenStore, algorithm: str, column: int
) -> None:
    main = "MD5" if algorithm == "MD5+SHA-256" else algorithm
    row = subscriber("ann", algorithm=main)  # type: ignore[arg-type]
    open_opensips(algorithm=algorithm).apply(wanted(row))
    (values,) = database.rows(f"SELECT {CREDENTIALS} FROM subscriber")  # noqa: S608
    assert values[column] == row.ha1
    others = [value for place, value in enumerate(values) if place != column]
    assert all(value.startswith("!unusable-") for value in others)


def test_what_verifies_nobody_is_as_long_as_a_digest(
    database: Backend, open_opensips: OpenStore
) -> None:
    """The server answers other lengths with 500, and loses memory each time."""
    open_opensips().apply(wanted(subscriber("ann", None), subscriber("bob", None)))
    rows = database.rows(f"SELECT {CREDENTIALS} FROM subscriber")  # noqa: S608
    assert [tuple(map(len, row)) for row in rows] == [(32, 64, 64, 25)] * 2
    assert not set(rows[0]) & set(rows[1])


def test_another_algorithm_makes_every_account_differ(open_opensips: OpenStore) -> None:
    before = subscriber("ann")
    open_opensips().apply(wanted(before))
    with closing(open_opensips(algorithm="SHA-512-256")) as store:
        after = subscriber("ann", algorithm="SHA-512-256")
        stood = store.differing(Kind.SUBSCRIBER, [after])
        assert stood == {after.key: SubscriberRow("ann", DOMAIN, None, ha1_md5=before.ha1)}
        store.apply(wanted(after))
        assert store.differing(Kind.SUBSCRIBER, [after]) == {}


def test_further_digests_of_others_are_told_and_can_be_put_back(
    database: Backend, open_opensips: OpenStore
) -> None:
    theirs = {"username": "ann", "domain": DOMAIN, "ha1": "a" * 32, "ha1_sha256": "b" * 64}
    database.insert("subscriber", {**theirs, "ha1_sha512t256": "c" * 64, "password": "in clear"})
    store = open_opensips()
    (found,) = store.read(Kind.SUBSCRIBER)
    assert found == SubscriberRow(
        "ann", DOMAIN, "a" * 32, None, "in clear", "b" * 64, ha1_sha512t256="c" * 64
    )
    assert "in clear" not in repr(found)
    assert "c" * 64 not in repr(found)
    ours = SubscriberRow("ann", DOMAIN, "a" * 32)
    assert store.differing(Kind.SUBSCRIBER, [ours]) == {ours.key: found}
    store.apply(wanted(ours))
    assert list(store.read(Kind.SUBSCRIBER)) == [ours]
    store.apply(wanted(found))
    assert list(store.read(Kind.SUBSCRIBER)) == [found]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (SubscriberRow("ann", DOMAIN, "b" * 64), "not 32 lower-case hexadecimal digits"),
        (SubscriberRow("ann", DOMAIN, "clear text"), "not 32 lower-case hexadecimal digits"),
        (SubscriberRow("ann", DOMAIN, "A" * 32), "not 32 lower-case hexadecimal digits"),
        (
            SubscriberRow("ann", DOMAIN, "a" * 32, ha1_sha256="b" * 32),
            "not 64 lower-case hexadecimal digits",
        ),
        (SubscriberRow("ann", DOMAIN, "a" * 32, None, "x" * 26), "password has 26 characters"),
        (SubscriberRow("x" * 65, DOMAIN, "a" * 32), "username has 65 characters"),
    ],
)
def test_what_a_column_cannot_hold_is_refused_alone(
    open_opensips: OpenStore, row: SubscriberRow, why: str
) -> None:
    store = open_opensips()
    outcomes = store.apply(wanted(subscriber("bob"), row))
    assert [bool(outcome.error) for outcome in outcomes] == [False, True]
    assert why in outcomes[1].error
    assert list(store.read(Kind.SUBSCRIBER)) == [subscriber("bob")]


def test_accounts_of_others_are_told_with_what_they_sign_in_by(
    database: Backend, open_opensips: OpenStore
) -> None:
    database.insert(
        "subscriber",
        {"username": "ann", "domain": DOMAIN, "ha1_sha256": "b" * 64},
        {"username": "bob", "domain": DOMAIN, "password": "in clear"},
    )
    store = open_opensips()
    store.apply(wanted(subscriber("zoe", None)))
    assert list(store.accounts()) == [
        ForeignAccount("ann", DOMAIN, digest_set=True, clear_text=False),
        ForeignAccount("bob", DOMAIN, digest_set=False, clear_text=True),
        ForeignAccount("zoe", DOMAIN, digest_set=False, clear_text=False),
    ]


def test_the_check_names_the_versions_of_either_release(
    database: Backend, open_opensips: OpenStore
) -> None:
    lines = open_opensips().check()
    domain = 3 if database.lab.release is OPENSIPS_3_4 else 4
    assert lines[:4] == [
        f"Table domain: version {domain}.", "Table subscriber: version 8.",
        "Table dbaliases: version 2.", "Table location: version 1013.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE version SET table_version = 7 WHERE table_name = 'subscriber'",
            "Table subscriber has version 7; this driver needs version 8 (OpenSIPS 3.4 to 3.6).",
        ),
        (
            "UPDATE version SET table_version = 2 WHERE table_name = 'domain'",
            "Table domain has version 2; this driver needs version 3 or 4",
        ),
        (
            "DELETE FROM version WHERE table_name = 'dbaliases'",
            "Table dbaliases is missing: table version does not list it.",
        ),
        ("ALTER TABLE location RENAME TO elsewhere", "location"),
        ("ALTER TABLE version RENAME TO elsewhere", "version"),
    ],
)
def test_a_schema_that_does_not_fit_is_rejected_with_what_is_wrong(
    database: Backend, open_opensips: OpenStore, statement: str, said: str
) -> None:
    database.execute(statement)
    with pytest.raises(Rejected, match=r"Test store") as raised:
        open_opensips().check()
    assert said in str(raised.value)
