"""Asterisk's realtime tables as administrators have them: found, taken over, repaired, refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import psycopg
import pytest

from lab.asterisk import AsteriskStore as Lab
from lab.postgresql import Postgresql
from provisioning.core.calls import Category
from provisioning.core.errors import KindUnavailable, Rejected
from provisioning.core.sip import ha1
from provisioning.drivers.asterisk.own_tables import OWN_TABLES, VIEWS
from provisioning.drivers.asterisk.store import AsteriskStore
from provisioning.drivers.base import AliasRow, Kind, Row, SipDomainRow, SubscriberRow
from provisioning.drivers.routing import DialRuleRow, GatewayRow, RouteRow, TrunkRow
from tests.drivers.places import asterisk_record
from tests.drivers.rows import (
    DOMAIN,
    ROUTING,
    SECRET,
    SETTINGS,
    alias,
    gone,
    subscriber,
    wanted,
)

GOLDEN = Path(__file__).with_name("golden") / "asterisk_routing.conf"
_NUMBERS = count()
CLEAR = "in clear"


@pytest.fixture
def lab(cluster: Postgresql) -> Iterator[Lab]:
    """A fresh database with Asterisk's tables."""
    lab = Lab(cluster, f"asterisk_{next(_NUMBERS)}")
    lab.create()
    yield lab
    lab.drop()


@pytest.fixture
def store(lab: Lab) -> Iterator[AsteriskStore]:
    store = AsteriskStore(asterisk_record(lab))
    yield store
    store.close()


def rows(lab: Lab, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(lab.cluster.url(lab.name)) as connection:
        return [tuple(row) for row in connection.execute(query.encode()).fetchall()]


def add(lab: Lab, endpoint: str, auth: str = "", aor: str = "", **columns: str) -> None:
    """An account as somebody else makes it; `columns` are those of its auth."""
    auth, aor = auth or endpoint, aor or endpoint
    names = ", ".join(["id", *columns])
    values = ", ".join(f"'{value}'" for value in [auth, *columns.values()])
    lab.execute(
        f"INSERT INTO ps_endpoints (id, auth, aors, context) "  # noqa: S608
        f"VALUES ('{endpoint}', '{auth}', '{aor}', 'internal');"
        f"INSERT INTO ps_auths ({names}) VALUES ({values}) ON CONFLICT DO NOTHING;"
        f"INSERT INTO ps_aors (id, max_contacts) VALUES ('{aor}', 3) ON CONFLICT DO NOTHING"
    )


def test_a_new_account_is_an_endpoint_an_auth_and_an_aor_with_the_columns_defaults(
    store: AsteriskStore, lab: Lab
) -> None:
    store.apply(wanted(subscriber("ann")))

    key = f"ann@{DOMAIN}"
    assert rows(lab, "SELECT id, auth, aors, context, disallow, allow FROM ps_endpoints") == [
        (key, key, key, DOMAIN, "all", "alaw,ulaw")
    ]
    assert rows(lab, "SELECT id, max_contacts FROM ps_aors") == [(key, 10)]
    assert rows(
        lab,
        "SELECT id, auth_type, username, realm, password, password_digest, "
        "supported_algorithms_uas FROM ps_auths",
    ) == [(key, None, "ann", DOMAIN, None, f"MD5:{subscriber('ann').ha1}", "MD5")]


def test_an_account_that_may_not_register_has_a_name_and_a_digest_that_nobody_knows(
    store: AsteriskStore, lab: Lab
) -> None:
    store.apply(wanted(subscriber("ann", None), subscriber("bob", None)))

    found = rows(lab, "SELECT username, password_digest FROM ps_auths")
    assert len({name for name, _ in found}) == len({digest for _, digest in found}) == 2
    assert all(str(name).startswith("!unusable-") for name, _ in found)
    assert all(len(str(digest)) == len("MD5:") + 32 for _, digest in found)


def test_a_row_tells_the_realm_and_the_user_name_of_its_digests(store: AsteriskStore) -> None:
    row = SubscriberRow(
        "ann", DOMAIN, "a" * 32, ha1_sha256="b" * 64, auth_user="phone-1", realm="corp"
    )
    store.apply(wanted(row))
    (found,) = store.read(Kind.SUBSCRIBER)
    assert found == row
    assert isinstance(found, SubscriberRow)
    assert (found.auth_user, found.realm) == ("phone-1", "corp")
    assert store.differing(Kind.SUBSCRIBER, [replace(row, realm=DOMAIN)])


def test_sip_domains_have_no_place(store: AsteriskStore) -> None:
    (outcome,) = store.apply(wanted(SipDomainRow(DOMAIN)))
    assert outcome.error
    assert list(store.read(Kind.SIP_DOMAIN)) == []


@pytest.mark.parametrize(
    ("columns", "digest"),
    [
        ({"password_digest": "MD5:" + "a" * 32}, "a" * 32),
        ({"auth_type": "md5", "md5_cred": "a" * 32}, "a" * 32),
        ({"auth_type": "userpass", "password": CLEAR}, ""),
    ],
)
def test_a_bare_id_counts_for_the_sip_domain_that_is_its_realm(
    store: AsteriskStore, lab: Lab, columns: dict[str, str], digest: str
) -> None:
    add(lab, "1001", username="1001", realm=DOMAIN, **columns)
    clear = columns.get("password")

    (found,) = store.read(Kind.SUBSCRIBER)
    assert found == SubscriberRow("1001", DOMAIN, digest, None, clear)
    assert list(store.read(Kind.SUBSCRIBER, [f"1001@{DOMAIN}"])) == [found]
    (account,) = store.accounts()
    assert (account.user, account.domain) == ("1001", DOMAIN)
    assert (account.digest_set, account.clear_text) == (bool(digest), bool(clear))


def test_an_adopted_bare_account_keeps_its_rows_and_loses_its_clear_text(
    store: AsteriskStore, lab: Lab
) -> None:
    add(lab, "1001", "1001-auth", "1001-aor", username="1001", realm=DOMAIN, password=CLEAR)
    row = SubscriberRow("1001", DOMAIN, ha1("1001", DOMAIN, CLEAR))

    assert [outcome.error for outcome in store.apply(wanted(row))] == [""]

    assert rows(lab, "SELECT id, auth, aors, context FROM ps_endpoints") == [
        ("1001", "1001-auth", "1001-aor", "internal")
    ]
    assert rows(lab, "SELECT password, password_digest FROM ps_auths") == [(None, f"MD5:{row.ha1}")]
    assert store.differing(Kind.SUBSCRIBER, [row]) == {}
    store.apply(gone(row))
    for table in ("ps_endpoints", "ps_auths", "ps_aors"):
        assert rows(lab, f"SELECT id FROM {table}") == []  # noqa: S608


def test_of_two_realms_the_same_bare_name_is_not_the_same_account(
    store: AsteriskStore, lab: Lab
) -> None:
    add(lab, "1001", username="1001", realm="other.example", password_digest="MD5:" + "a" * 32)
    row = subscriber("1001")
    assert store.differing(Kind.SUBSCRIBER, [row]) == {row.key: None}
    store.apply(wanted(row))
    assert [each[0] for each in rows(lab, "SELECT id FROM ps_endpoints ORDER BY id")] == [
        "1001", row.key,
    ]  # fmt: skip


def test_a_row_without_a_realm_counts_for_asterisks_own(store: AsteriskStore, lab: Lab) -> None:
    add(lab, "1001", username="1001", password_digest="MD5:" + "a" * 32)
    assert [row.key for row in store.read(Kind.SUBSCRIBER)] == ["1001@asterisk"]


def test_what_another_endpoint_uses_as_well_stays(store: AsteriskStore, lab: Lab) -> None:
    add(lab, "1001", "shared", "shared", username="1001", realm=DOMAIN, password=CLEAR)
    add(lab, "door", "shared", "shared")
    store.apply(gone(subscriber("1001")))
    for table in ("ps_auths", "ps_aors"):
        assert rows(lab, f"SELECT id FROM {table}") == [("shared",)]  # noqa: S608
    assert rows(lab, "SELECT id FROM ps_endpoints") == [("door",)]


def test_a_trunk_is_no_account_and_its_name_is_not_overwritten(
    store: AsteriskStore, lab: Lab
) -> None:
    row = subscriber("trunk")
    lab.execute(f"INSERT INTO ps_endpoints (id, context) VALUES ('{row.key}', 'incoming')")  # noqa: S608
    assert list(store.accounts()) == []
    assert store.differing(Kind.SUBSCRIBER, [row]) == {
        row.key: SubscriberRow("trunk", DOMAIN, None)
    }


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM ps_auths",
        "DELETE FROM ps_aors",
        "UPDATE ps_endpoints SET auth = NULL",
        "UPDATE ps_endpoints SET aors = ''",
        "UPDATE ps_auths SET username = 'somebody'",
        "UPDATE ps_auths SET password = 'in clear'",
        "UPDATE ps_auths SET supported_algorithms_uas = 'SHA-256'",
        "UPDATE ps_auths SET realm = 'other.example'",
        "DELETE FROM ps_endpoints",
    ],
)
def test_what_somebody_damaged_differs_and_is_repaired(
    store: AsteriskStore, lab: Lab, damage: str
) -> None:
    row = subscriber("ann")
    store.apply(wanted(row))
    lab.execute("UPDATE ps_endpoints SET callerid = 'Ann'")
    lab.execute(damage)
    assert set(store.differing(Kind.SUBSCRIBER, [row])) == {row.key}

    if damage == "DELETE FROM ps_endpoints":
        lab.execute("DELETE FROM ps_auths; DELETE FROM ps_aors")
    (outcome,) = store.apply(wanted(row))

    assert outcome.error == ""
    assert store.differing(Kind.SUBSCRIBER, [row]) == {}
    assert list(store.read(Kind.SUBSCRIBER)) == [row]


def test_deleting_an_account_takes_its_contacts_along(store: AsteriskStore, lab: Lab) -> None:
    store.apply(wanted(subscriber("ann"), subscriber("bob")))
    for user in ("ann", "bob"):
        lab.execute(
            "INSERT INTO ps_contacts (id, uri, endpoint, expiration_time) VALUES "  # noqa: S608
            f"('{user}^3B@1', 'sip:{user}@10.0.0.1^3Btransport=tls', '{user}@{DOMAIN}', 9999999999)"
        )
    store.apply(gone(subscriber("ann")))
    (left,) = list(store.registrations() or ())
    assert (left.aor, left.contact) == (f"bob@{DOMAIN}", "sip:bob@10.0.0.1;transport=tls")
    assert (left.transport, left.key, left.expires_at) == ("tls", "bob;@1", 9999999999)


def test_contacts_that_have_ended_are_not_told(store: AsteriskStore, lab: Lab) -> None:
    store.apply(wanted(subscriber("ann")))
    lab.execute(
        "INSERT INTO ps_contacts (id, uri, endpoint, expiration_time) "  # noqa: S608
        f"VALUES ('a', 'sip:a@10.0.0.1', 'ann@{DOMAIN}', 1000)"
    )
    assert list(store.registrations([f"ann@{DOMAIN}"]) or ()) == []


def test_registrations_are_none_where_there_is_no_table_of_them(
    store: AsteriskStore, lab: Lab
) -> None:
    lab.execute("DROP TABLE ps_contacts")
    assert store.registrations() is None


def test_extensions_that_lead_elsewhere_are_told_as_what_they_are(
    store: AsteriskStore, lab: Lab
) -> None:
    lab.execute(
        "INSERT INTO extensions (context, exten, priority, app, appdata) VALUES "  # noqa: S608
        f"('{DOMAIN}', '1', 1, 'Dial', 'PJSIP/1001,30'),"
        f"('{DOMAIN}', '2', 1, 'Dial', 'PJSIP/ann@{DOMAIN}'),"
        f"('{DOMAIN}', '3', 1, 'Voicemail', '3@default'),"
        f"('{DOMAIN}', '3', 2, 'Hangup', ''),"
        f"('{DOMAIN}', '_4.', 1, 'Goto', '{DOMAIN},ann,1')"
    )
    assert list(store.read(Kind.ALIAS)) == [
        AliasRow("1", DOMAIN, "1001", DOMAIN),
        AliasRow("2", DOMAIN, "ann", DOMAIN),
        AliasRow("3", DOMAIN, "Voicemail(3@default)", ""),
    ]
    # And what follows them in the dialplan stays.
    store.apply([*gone(alias("2", "ann")), *wanted(alias("3", "ann"))])
    assert rows(lab, "SELECT exten, priority, app FROM extensions ORDER BY id") == [
        ("1", 1, "Dial"), ("3", 1, "Goto"), ("3", 2, "Hangup"), ("_4.", 1, "Goto"),
    ]  # fmt: skip


def test_values_that_a_column_cannot_hold_are_refused_in_the_databases_words(
    store: AsteriskStore, lab: Lab
) -> None:
    long = SubscriberRow("x" * 60, DOMAIN, "a" * 32)
    refused, accepted = store.apply(wanted(long, subscriber("ann")))
    assert "too long" in refused.error
    assert accepted.error == ""
    assert rows(lab, "SELECT count(*) FROM ps_auths") == [(1,)]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DROP TABLE ps_auths", "Table ps_auths is missing."),
        ("DROP TABLE extensions CASCADE", "Table extensions is missing."),
        ("ALTER TABLE ps_auths DROP password_digest", "ps_auths has no column password_digest"),
    ],
)
def test_a_check_names_what_does_not_fit(
    store: AsteriskStore, lab: Lab, damage: str, said: str
) -> None:
    lab.execute(damage)
    with pytest.raises(Rejected, match=said):
        store.check()


@pytest.mark.parametrize("table", [target.table.name for target in OWN_TABLES.values()])
def test_a_missing_table_of_the_consoles_own_concerns_its_own_kind_alone(
    store: AsteriskStore, lab: Lab, table: str
) -> None:
    (kind,) = (kind for kind, target in OWN_TABLES.items() if target.table.name == table)
    lab.execute(f"DROP TABLE {table} CASCADE")
    mine = [row for row in (*ROUTING, *SETTINGS) if wanted(row)[0].kind is kind]

    assert any(f"Table {table} is missing: no {kind.label} is written" in s for s in store.check())
    with pytest.raises(KindUnavailable, match=table):
        store.differing(kind, mine)
    with pytest.raises(KindUnavailable, match=table):
        list(store.read(kind))
    outcomes = store.apply(wanted(subscriber("ann"), *mine))
    assert [bool(outcome.error) for outcome in outcomes] == [False, *[True] * len(mine)]


@pytest.mark.parametrize("view", VIEWS)
def test_a_missing_view_is_told(store: AsteriskStore, lab: Lab, view: str) -> None:
    lab.execute(f"DROP VIEW {view}")
    (told,) = [line for line in store.check() if f"View {view} is missing" in line]
    assert "setup guide" in told


def test_a_right_that_lacks_on_a_table_of_the_consoles_own_concerns_its_kind_alone(
    store: AsteriskStore, lab: Lab
) -> None:
    lab.execute("REVOKE INSERT ON rtcadmin_gateways FROM rtcadmin")
    found = store.check()
    assert found[-1] == "The role may read and write."
    assert any("no gateway is written here. Read only: the role lacks INSERT" in s for s in found)
    row = GatewayRow(7, "x", "192.0.2.1", 5060, "udp")
    refused, accepted = store.apply(wanted(row, subscriber("ann")))
    assert "permission denied for table rtcadmin_gateways" in refused.error
    assert accepted.error == ""


def test_routing_and_settings_are_compiled_to_exactly_their_golden_lines(
    store: AsteriskStore, lab: Lab
) -> None:
    changes = wanted(*ROUTING, *SETTINGS)
    assert not [outcome for outcome in store.apply(changes) if outcome.error]
    for kind in OWN_TABLES:
        mine = [row for row in (*ROUTING, *SETTINGS) if wanted(row)[0].kind is kind]
        assert set(store.read(kind)) == set(mine)
        assert set(store.read(kind, [mine[0].key])) == {mine[0]}
        assert store.differing(kind, mine) == {}
    assert compiled(lab) == GOLDEN.read_text()
    assert not [outcome for outcome in store.apply(changes) if outcome.error]
    assert compiled(lab) == GOLDEN.read_text()
    store.apply(gone(*ROUTING, *SETTINGS))
    assert compiled(lab) == ""


def compiled(lab: Lab) -> str:
    """The files that an Asterisk reads, as text."""
    lines: list[str] = []
    last: object = None
    for file, category, metric, name, value in rows(
        lab,
        "SELECT filename, category, cat_metric, var_name, var_val FROM rtcadmin_config "
        "ORDER BY filename, cat_metric, var_metric, var_name, var_val",
    ):
        if metric != last:
            lines += ["", f"; {file}", f"[{category}]"]
            last = metric
        lines.append(f"{name} = {value}")
    return "\n".join([*lines[1:], ""]) if lines else ""


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (DialRuleRow(7, 1, r"0(\d)(\d+)", r"+\1\2"), "more than the first group"),
        (DialRuleRow(7, 1, r"0(\d+)|1(\d+)", r"+\1"), "a choice between several"),
        (DialRuleRow(7, 1, r'0"(\d+)', r"+\1"), "means something else in a dialplan"),
        (GatewayRow(7, "x", "a)b", 5060, "udp"), "means something else in a dialplan"),
        (GatewayRow(7, "x" * 65, "a.example", 5060, "udp"), "65 characters; the column holds 64"),
        (GatewayRow(7, "x\ny", "a.example", 5060, "udp"), "control character"),
        (RouteRow("+44${SHELL(id)}", Category.NATIONAL, ()), "means something else"),
        (TrunkRow(7, "", "d", "r", "u", "a" * 32, "sip:p", 60), "username is empty"),
    ],
)
def test_what_a_dialplan_cannot_hold_is_refused_alone(
    store: AsteriskStore, row: Row, said: str
) -> None:
    refused, accepted = store.apply(wanted(row, subscriber("ann")))
    assert said in refused.error
    assert accepted.error == ""


def test_what_somebody_wrote_by_hand_differs_from_what_is_wanted(
    store: AsteriskStore, lab: Lab
) -> None:
    lab.execute(
        "INSERT INTO rtcadmin_routes (site, prefix, category, gateways, callback) "
        "VALUES (0, '+44', 'by hand', 'x', '')"
    )
    row = RouteRow("+44", Category.INTERNAL, ())
    assert set(store.differing(Kind.ROUTE, [row])) == {"+44"}
    assert store.apply(wanted(row))[0].error == ""
    assert store.differing(Kind.ROUTE, [row]) == {}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("REVOKE INSERT ON ps_auths FROM rtcadmin", "the role lacks INSERT on ps_auths"),
        ("REVOKE DELETE ON ps_contacts FROM rtcadmin", "the role lacks DELETE on ps_contacts"),
        ("REVOKE USAGE ON SEQUENCE extensions_id_seq FROM rtcadmin", "the sequence of extensions"),
        ("ALTER TABLE ps_aors ALTER max_contacts DROP DEFAULT", "ps_aors.max_contacts need a def"),
    ],
)
def test_what_only_stands_in_the_way_of_writing_is_a_finding(
    store: AsteriskStore, lab: Lab, damage: str, said: str
) -> None:
    lab.execute(damage)
    (finding,) = [line for line in store.check() if line.startswith("Read only")]
    assert said in finding


def test_a_table_that_may_not_be_read_is_rejected(store: AsteriskStore, lab: Lab) -> None:
    lab.execute("REVOKE ALL ON ps_contacts FROM rtcadmin")
    with pytest.raises(Rejected, match="permission denied for table ps_contacts"):
        store.check()


def test_no_part_of_a_refused_row_is_in_an_error(store: AsteriskStore, lab: Lab) -> None:
    lab.execute("ALTER TABLE ps_auths ADD CONSTRAINT no_ann CHECK (username <> 'ann')")
    row = subscriber("ann")
    (outcome,) = store.apply(wanted(row))
    assert "no_ann" in outcome.error
    assert str(row.ha1) not in outcome.error
    assert SECRET not in outcome.error
