"""The hashes that Kamailio's database gives of its rows: equal only where every column is."""

from __future__ import annotations

import pytest

from provisioning.drivers.base import Kind
from provisioning.drivers.kamailio.store import KamailioStore
from tests.drivers.conftest import Backend
from tests.drivers.rows import DOMAIN, alias, subscriber, wanted

ROWS = (subscriber("alice"), subscriber("bob", None), alias("+442079460001", "alice"))


def test_what_stands_there_is_hashed_by_the_end_of_its_user_part(store: KamailioStore) -> None:
    store.apply(wanted(*ROWS))
    before = store.digests(Kind.SUBSCRIBER)
    assert before is not None
    assert set(before) == {"ce", "ob"}
    assert len(set(before.values())) == 2
    assert store.digests(Kind.SUBSCRIBER) == before
    assert set(store.digests(Kind.ALIAS) or {}) == {"01"}
    assert store.digests(Kind.SIP_DOMAIN) is None


@pytest.mark.parametrize(
    "change",
    [
        "SET username = 'ce' WHERE username = 'alice'",
        "SET domain = 'b.org' WHERE username = 'alice'",
        "SET ha1 = 'x' WHERE username = 'alice'",
        "SET ha1b = 'x' WHERE username = 'alice'",
        "SET password = 'x' WHERE username = 'alice'",
        "SET ha1 = '', ha1b = 'x' WHERE username = 'alice'",
    ],
)
def test_a_change_of_any_column_changes_one_hash(
    store: KamailioStore, backend: Backend, change: str
) -> None:
    store.apply(wanted(*ROWS))
    before = store.digests(Kind.SUBSCRIBER) or {}
    backend.execute(f"UPDATE subscriber {change}")
    after = store.digests(Kind.SUBSCRIBER) or {}
    assert after["ce"] != before["ce"]
    assert after["ob"] == before["ob"]


def test_rows_of_others_and_twins_are_hashed_with_the_rest(
    store: KamailioStore, backend: Backend
) -> None:
    store.apply(wanted(*ROWS))
    before = store.digests(Kind.ALIAS)
    row = {
        "alias_username": "+442079460001", "alias_domain": DOMAIN, "username": "alice",
        "domain": DOMAIN,
    }  # fmt: skip
    backend.insert("dbaliases", row)
    assert store.digests(Kind.ALIAS) != before
