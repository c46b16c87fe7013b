"""Setting the console up from a file: all of it or nothing, and again without a change."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lab.kamailio_store import SqliteStore
from provisioning.directory.kerberos import KEYTAB
from provisioning.models import (
    AccountRule,
    AuditEvent,
    ConfigStore,
    DirectorySource,
    NumberRange,
    RoleGroup,
    Route,
    Run,
    ServerPool,
    SipServer,
    Site,
)
from tests.factories import make_group

pytestmark = [pytest.mark.django_db, pytest.mark.database]

Document = dict[str, list[dict[str, Any]]]
Apply = Callable[..., dict[str, Any]]


@pytest.fixture
def document(tmp_path: Path) -> Document:
    """One entry of everything; its secrets and its SIP server's database exist."""
    SqliteStore(tmp_path / "kamailio.db").create()
    (tmp_path / "bind").write_text("bind-secret\n")
    (tmp_path / "control").write_text("control-secret")
    (tmp_path / "trunk").write_text("trunk-secret")
    return {
        "sites": [
            {
                "name": "London",
                "country": "gb",
                "time_zone": "Europe/London",
                "main_number": "020 7946 0000",
                "match_values": ["King's Cross", "LON"],
            }
        ],
        "sip_domains": [{"domain": "voice.example.com"}],
        "pools": [{"name": "Frankfurt"}],
        "number_ranges": [
            {
                "name": "Main",
                "first": "+442079460100",
                "last": "+442079460199",
                "site": "London",
                "authority": "console",
            }
        ],
        "stores": [
            {
                "name": "main",
                "pool": "Frankfurt",
                "dialect": "sqlite",
                "database": str(tmp_path / "kamailio.db"),
                "mode": "manage",
            }
        ],
        "servers": [
            {
                "name": "sip1",
                "pool": "Frankfurt",
                "store": "main",
                "sip_host": "sip1.example.com",
                "rpc_url": "http://127.0.0.1:9/RPC",
                "secret_file": "control",
            }
        ],
        "gateways": [
            {
                "name": "Carrier",
                "host": "sbc.carrier.example",
                "registers": True,
                "user": "acme",
                "secret_file": "trunk",
            }
        ],
        "routes": [
            {
                "name": "Abroad",
                "prefix": "+",
                "category": "international",
                "first_gateway": "Carrier",
            }
        ],
        "group_addresses": [
            {
                "name": "Support",
                "domain": "voice.example.com",
                "user_part": "support",
                "number": "+442079460999",
                "target": "sip:600@pbx.example.com",
            }
        ],
        "trusted_hosts": [{"name": "Carrier", "network": "198.51.100.0/24"}],
        "client_profiles": [{"name": "Softphone", "is_default": True}],
        "sources": [
            {
                "name": "corp",
                "kind": "openldap",
                "uris": ["ldaps://127.0.0.1:6360"],
                "bind_dn": "cn=reader,dc=example,dc=com",
                "secret_file": "bind",
                "person_bases": ["ou=people,dc=example,dc=com"],
                "group_bases": ["ou=groups,dc=example,dc=com"],
            }
        ],
        "role_groups": [{"source": "corp", "group": "Admins", "role": "administrator"}],
        "account_rules": [
            {
                "name": "Everybody",
                "source": "corp",
                "group": "Staff",
                "domain": "voice.example.com",
                "pool": "Frankfurt",
                "number_source": "range",
                "number_range": "Main",
            }
        ],
    }


@pytest.fixture
def apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Apply:
    """Runs the command with --apply; returns what it says of each entry, by section."""

    def apply(document: object, *options: str, fails: int = 0) -> dict[str, Any]:
        file = tmp_path / "setup.json"
        file.write_text(json.dumps(document))
        arguments = ["apply_setup", str(file), "--json", *(options or ["--apply"])]
        if fails:
            with pytest.raises(CommandError) as caught:
                call_command(*arguments)
            assert caught.value.returncode == fails
        else:
            call_command(*arguments)
        entries = json.loads(capsys.readouterr().out)["entries"]
        return {each["section"]: each["action"] for each in entries}

    return apply


def _read_source() -> None:
    source = DirectorySource.objects.get(name="corp")
    for name in ("Admins", "Staff"):
        make_group(name, source=source)
    DirectorySource.objects.update(last_complete_at=timezone.now())


def _fault(document: object, tmp_path: Path) -> str:
    file = tmp_path / "setup.json"
    file.write_text(json.dumps(document))
    with pytest.raises(CommandError) as caught:
        call_command("apply_setup", str(file), "--apply")
    assert caught.value.returncode == 1
    return str(caught.value)


def test_a_file_makes_everything_and_again_changes_nothing(
    document: Document, apply: Apply
) -> None:
    first = apply(document, fails=3)
    waiting = {"role_groups", "account_rules"}
    assert {section for section, action in first.items() if action == "waiting"} == waiting
    assert all(first[section] == "created" for section in document.keys() - waiting)
    _read_source()
    second = apply(document)
    assert all(second[section] == "created" for section in waiting)
    assert all(second[section] == "unchanged" for section in document.keys() - waiting)
    events, runs = AuditEvent.objects.count(), Run.objects.count()
    assert set(apply(document).values()) == {"unchanged"}
    assert (AuditEvent.objects.count(), Run.objects.count()) == (events, runs)

    site = Site.objects.get()
    assert (site.country, site.main_number) == ("GB", "+442079460000")
    assert site.match_values == "King's Cross\nLON"
    store = ConfigStore.objects.get()
    assert (store.mode, store.pool.name) == ("manage", "Frankfurt")
    source = DirectorySource.objects.get()
    assert source.bind_secret() == "bind-secret"
    assert source.mapping["login"] == "uid"
    assert SipServer.objects.get().as_record().rpc_secret == "control-secret"
    gateway = Route.objects.get().first_gateway
    assert gateway is not None
    assert (gateway.number, gateway.secret()) == (101, "trunk-secret")
    assert RoleGroup.objects.get().group.name == "Admins"
    rule = AccountRule.objects.get()
    assert (rule.group and rule.group.name, rule.number_range) == (
        "Staff",
        NumberRange.objects.get(),
    )


def test_without_apply_everything_is_checked_and_nothing_written(
    document: Document, apply: Apply
) -> None:
    assert apply(document, "--json", fails=3)["stores"] == "created"
    assert not Site.objects.exists()
    assert not AuditEvent.objects.exists()


def test_one_wrong_entry_keeps_all_of_them_away(document: Document, tmp_path: Path) -> None:
    document["sources"][0]["person_filter"] = "(uid="
    assert "sources, “corp”, person_filter: " in _fault(document, tmp_path)
    assert not ServerPool.objects.exists()


def test_the_faults_of_a_section_are_told_together(tmp_path: Path) -> None:
    sites = [{"name": "London", "country": "GB", "colour": "red"}, {"country": "GB"}, {"name": 3}]
    fault = _fault({"sites": sites}, tmp_path)
    assert "sites, “London”, colour: There is no such field." in fault
    assert "sites, number 2, name: It is missing." in fault
    assert "sites, “3”, name: It must be text." in fault


@pytest.mark.parametrize(
    ("section", "field", "value", "words"),
    [
        ("number_ranges", "site", "Paris", "There is no site “Paris”."),
        ("servers", "tls_port", "5061", "It must be a whole number."),
        ("servers", "enabled", 1, "It must be true or false."),
        ("servers", "secret", "clear", "A secret stands in a file of its own"),
        ("servers", "secret_file", "nowhere", "cannot be read"),
        ("sources", "kind", "exchange", "One of active_directory, openldap"),
        ("stores", "lease_owner", "me", "There is no such field."),
        ("account_rules", "user_formula", "lower(", "cannot be read at its end"),
    ],
)
def test_a_wrong_value_is_told_with_entry_and_field(
    document: Document, tmp_path: Path, section: str, field: str, value: object, words: str
) -> None:
    document["account_rules"][0] |= {"group": None}
    document[section][0][field] = value
    fault = _fault(document, tmp_path)
    name = document[section][0]["name"]
    assert f"{section}, “{name}”, {field}: " in fault
    assert words in fault


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"phones": []}, "There is no section phones."),
        ({"sites": {"name": "London"}}, "sites must be a list"),
        (["sites"], "one JSON object of sections"),
    ],
)
def test_another_form_of_document_is_refused(document: object, words: str, tmp_path: Path) -> None:
    assert words in _fault(document, tmp_path)


def test_what_is_no_json_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "setup.json"
    file.write_text('{"sites": [}')
    with pytest.raises(CommandError, match=r"is not JSON: .* line 1 column 12"):
        call_command("apply_setup", str(file))


def test_a_changed_field_is_named_and_audited(document: Document, apply: Apply) -> None:
    apply(document, fails=3)
    document["sites"][0]["time_zone"] = "Europe/Dublin"
    assert apply(document, fails=3)["sites"] == "changed"
    event = AuditEvent.objects.get(object_type="site", action="changed")
    assert event.actor_name == "command line"
    assert event.detail == {"time zone": ["Europe/London", "Europe/Dublin"]}


def test_a_rotated_secret_is_kept_and_shows_nowhere(
    document: Document, apply: Apply, tmp_path: Path
) -> None:
    apply(document, fails=3)
    (tmp_path / "bind").write_text("another-secret")
    assert apply(document, fails=3)["sources"] == "changed"
    assert DirectorySource.objects.get().bind_secret() == "another-secret"
    details = json.dumps(list(AuditEvent.objects.values_list("detail", flat=True)))
    assert "bind-secret" not in details
    assert "another-secret" not in details


def test_a_keytab_is_taken_from_its_file_as_it_is(
    document: Document, apply: Apply, tmp_path: Path
) -> None:
    keytab = KEYTAB + b"\0\0\0\x05\xff\xfe\x00\x01\x02"
    (tmp_path / "bind").write_bytes(keytab)
    document["sources"][0] |= {"bind_method": "gssapi", "bind_dn": "reader@EXAMPLE.COM"}
    apply(document, fails=3)
    source = DirectorySource.objects.get()
    assert base64.b64decode(source.bind_secret()) == keytab
    assert apply(document, fails=3)["sources"] == "unchanged"


def test_a_source_that_moves_keeps_the_secret_that_the_file_gives(
    document: Document, apply: Apply
) -> None:
    apply(document, fails=3)
    document["sources"][0]["uris"] = ["ldaps://127.0.0.1:6361"]
    assert apply(document, fails=3)["sources"] == "changed"
    assert DirectorySource.objects.get().bind_secret() == "bind-secret"


def test_a_managed_store_must_be_reachable(document: Document, tmp_path: Path) -> None:
    (tmp_path / "kamailio.db").write_bytes(b"")
    assert "stores, “main”: “main” stays in Observe." in _fault(document, tmp_path)


def test_a_group_that_a_read_source_does_not_have_is_a_fault(
    document: Document, apply: Apply, tmp_path: Path
) -> None:
    apply(document, fails=3)
    _read_source()
    document["account_rules"][0]["group"] = "Staf"
    assert "account_rules, “Everybody”, group: There is no group “Staf”." in _fault(
        document, tmp_path
    )


def test_one_of_two_groups_of_a_name_is_given_by_its_dn(
    document: Document, apply: Apply, tmp_path: Path
) -> None:
    apply(document, fails=3)
    _read_source()
    twin = make_group("Staff", source=DirectorySource.objects.get())
    twin.dn = "cn=staff,ou=other,dc=example,dc=com"
    twin.save()
    assert "Several groups are called “Staff”; give the DN of one." in _fault(document, tmp_path)
    document["account_rules"][0]["group"] = "CN=Staff,OU=Other,DC=example,DC=com"
    apply(document)
    assert AccountRule.objects.get().group == twin
