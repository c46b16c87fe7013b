"""What a FreeSWITCH is told that asks for somebody: never more, and never without a digest."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl, quote
from xml.etree import ElementTree

import pytest

from lab import freeswitch_recorded as recorded
from provisioning.core.errors import Rejected
from provisioning.core.records import StoreRecord
from provisioning.drivers.base import AliasRow, Kind, RowChange, Served, SubscriberRow
from provisioning.drivers.freeswitch import directory
from provisioning.drivers.freeswitch.store import FreeSwitchStore
from provisioning.drivers.freeswitch.tables import schema
from tests.drivers.rows import DOMAIN, alias, subscriber, wanted

ANN = subscriber("ann")
OTHER = "other.example"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FreeSwitchStore]:
    """Ann, with a number; Cut, who may not register; another Ann of another SIP domain."""
    file = tmp_path / "store.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(schema("sqlite"))
    record = StoreRecord(
        "Test store", "freeswitch", "sqlite", "", 0, str(file), "", "", tls=False, ca_pem="",
        served=True,
    )  # fmt: skip
    with closing(FreeSwitchStore(record)) as store:
        rows = wanted(
            ANN, subscriber("cut", None), subscriber("ann", "another", OTHER),
            alias("+49301", "ann"), alias("cut", "ann"), AliasRow("old", OTHER, "ann", DOMAIN),
        )  # fmt: skip
        assert not any(outcome.error for outcome in store.apply(rows))
        yield store


def asked(form: str, **known: str) -> dict[str, str]:
    """A recorded form as the console reads it."""
    known = {"user": "ann", "domain": DOMAIN, "method": "REGISTER", **known}
    known = {"to_user": known["user"], "to_host": known["domain"], **known}
    text = recorded.filled(form, **{name: quote(value) for name, value in known.items()})
    return dict(parse_qsl(text, keep_blank_values=True))


def told(store: FreeSwitchStore, form: str, **known: str) -> dict[str, str] | None:
    """Attributes and parameters of the user in the answer; None where nobody is found."""
    answer = store.answer("directory", asked(form, **known))
    assert isinstance(answer, Served)
    assert answer.media_type == "text/xml"
    if answer == directory.NOT_FOUND:
        return None
    (user,) = ElementTree.fromstring(answer.body).iter("user")  # noqa: S314
    params = {each.get("name", ""): each.get("value", "") for each in user.iter("param")}
    return {**user.attrib, **params}


def test_who_signs_in_is_told_by_the_digest_alone(store: FreeSwitchStore) -> None:
    for method in ("REGISTER", "INVITE", "MESSAGE", "SUBSCRIBE"):
        found = told(store, recorded.SIGN_IN, method=method)
        assert found == {"id": "ann", "a1-hash": ANN.ha1}
    other = told(store, recorded.SIGN_IN, domain=OTHER)
    assert other
    assert other["a1-hash"] != ANN.ha1


def test_a_domain_is_found_however_it_is_written_and_named_as_it_was_asked_for(
    store: FreeSwitchStore,
) -> None:
    answer = store.answer("directory", asked(recorded.SIGN_IN, domain="Voice.Example.COM"))
    assert answer
    assert 'domain name="Voice.Example.COM"' in answer.body
    assert ANN.ha1
    assert ANN.ha1 in answer.body


@pytest.mark.parametrize(
    "claim",
    [{"to_user": "bob"}, {"to_host": OTHER}, {"to_user": ""}, {"to_host": ""}, {"to_user": "ANN"}],
)
def test_nobody_registers_as_somebody_else(store: FreeSwitchStore, claim: dict[str, str]) -> None:
    assert told(store, recorded.SIGN_IN, **claim) is None
    # Who calls may call anybody.
    assert told(store, recorded.SIGN_IN, method="INVITE", **claim)


def test_nobody_signs_in_by_a_number(store: FreeSwitchStore) -> None:
    assert told(store, recorded.SIGN_IN, user="+49301") is None
    assert told(store, recorded.SIGN_IN, user="+49301", method="INVITE") is None


def test_who_may_not_register_is_known_and_refused(store: FreeSwitchStore) -> None:
    found = told(store, recorded.SIGN_IN, user="cut")
    assert found
    assert found["sip-forbid-register"] == "true"
    assert re.fullmatch("[0-9a-f]{32}", found["a1-hash"])
    again = told(store, recorded.SIGN_IN, user="cut")
    assert again
    assert found["a1-hash"] != again["a1-hash"]


@pytest.mark.parametrize("form", [recorded.EXISTS, recorded.CALL], ids=["exists", "call"])
def test_a_number_leads_to_its_account_and_tells_no_digest(
    store: FreeSwitchStore, form: str
) -> None:
    for user, domain in (("ann", DOMAIN), ("+49301", DOMAIN), ("old", OTHER)):
        found = told(store, form, user=user, domain=domain)
        assert found
        assert found["id"] == "ann"
        assert found.get("number-alias", user) == user
        assert f"${{sofia_contact(*/ann@{DOMAIN})}}" in found["dial-string"]
        assert f"presence_id=ann@{DOMAIN}" in found["dial-string"]
        assert found["a1-hash"] not in (ANN.ha1, "")
    assert told(store, form, user="nobody") is None


def test_an_account_beats_a_number_of_the_same_name(store: FreeSwitchStore) -> None:
    found = told(store, recorded.CALL, user="cut")
    assert found
    assert found["id"] == "cut"
    assert "number-alias" not in found


@pytest.mark.parametrize("form", [recorded.GATEWAYS, recorded.NETWORKS])
def test_nobody_gets_a_list(store: FreeSwitchStore, form: str) -> None:
    assert told(store, form) is None


@pytest.mark.parametrize(
    "user",
    [
        "", "ann'--", "%", "$${domain}", "${x}", "a b", "a&b", 'a"b', "<X-PRE-PROCESS/>", "ann@x",
        "a,b", "a|b", "ann\n", "x" * 65, "änn",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", [recorded.SIGN_IN, recorded.EXISTS, recorded.CALL])
def test_what_is_no_user_is_nobody(store: FreeSwitchStore, form: str, user: str) -> None:
    assert told(store, form, user=user) is None


def test_a_realm_that_brings_fields_of_its_own_asks_for_nobody_else(
    store: FreeSwitchStore,
) -> None:
    # What stands before the parameters is not escaped by mod_xml_curl.
    form = recorded.SIGN_IN.replace("key_value=@DOMAIN@", "key_value=x&user=ann&action=user_call")
    assert told(store, form, user="nobody") is None


@pytest.mark.parametrize("digest", ["", "secret", "A" * 32])
def test_a_mangled_digest_of_somebody_else_lets_nobody_in(
    store: FreeSwitchStore, tmp_path: Path, digest: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as connection:
        connection.execute("UPDATE freeswitch_users SET a1_hash = ?", [digest])
    found = told(store, recorded.SIGN_IN)
    assert found
    assert found["sip-forbid-register"] == "true"
    assert found["a1-hash"] not in ("", digest)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (SubscriberRow("ann", DOMAIN, ""), "no digest"),
        (SubscriberRow("ann", DOMAIN, "a" * 32, realm="corp"), "realm"),
        (SubscriberRow("ann", DOMAIN, "a" * 32, auth_user="1001"), "another name"),
        (SubscriberRow("ann", DOMAIN, "a" * 32, password="clear"), "one digest"),
        (SubscriberRow("ann", DOMAIN, "A" * 32), "hexadecimal"),
        (SubscriberRow("a(b", DOMAIN, "a" * 32), "user part"),
    ],
)
def test_what_freeswitch_cannot_do_with_is_refused_alone(
    store: FreeSwitchStore, row: SubscriberRow, why: str
) -> None:
    bob = subscriber("bob")
    refused, written = store.apply(
        [RowChange(Kind.SUBSCRIBER, row.key, row), RowChange(Kind.SUBSCRIBER, bob.key, bob)]
    )
    assert why in refused.error
    assert "a" * 32 not in refused.error
    assert written.error == ""


def test_other_paths_are_not_there(store: FreeSwitchStore) -> None:
    assert store.answer("dialplan", asked(recorded.EXISTS)) is None


def test_a_database_without_the_tables_says_where_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    sqlite3.connect(file).close()
    record = StoreRecord(
        "Test store", "freeswitch", "sqlite", "", 0, str(file), "", "", tls=False, ca_pem=""
    )
    with closing(FreeSwitchStore(record)) as store, pytest.raises(Rejected, match="setup guide"):
        store.check()
