"""What an audit event keeps, as people read it."""

from __future__ import annotations

import pytest

from provisioning.models import AuditEvent, ClientProfile, DirectorySource, SipDomain
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.console.audit_words import tell
from provisioning.services.console.saving import find_stored, save

pytestmark = pytest.mark.django_db


def test_rows_are_told_by_label_with_words_instead_of_values() -> None:
    told = tell(
        {
            "role": ["viewer", "helpdesk"], "is_active": [True, False], "version": [2, 3],
            "may_export_secrets": [False, True], "digest": "abc",
        }
    )  # fmt: skip
    assert told.rows == [
        ("role", "Viewer", "Help desk"),
        ("may sign in", "yes", "no"),
        ("may export secrets", "no", "yes"),
    ]
    assert told.facts == []


def test_two_names_are_a_list_and_no_change() -> None:
    told = tell({"people": ["Ann Lee", "Bo Ek"], "held": [], "count": 2})
    assert told.rows == []
    assert told.facts == [("people", "Ann Lee, Bo Ek"), ("count", 2)]


def test_counts_are_no_python() -> None:
    told = tell({"counts": {"account.create": 3, "person.update": 1}, "role": "helpdesk"})
    assert told.facts == [
        ("counts", "account create: 3, person update: 1"),
        ("role", "Help desk"),
    ]


def test_what_is_empty_is_not_told() -> None:
    assert tell({"client": "", "note": None, "rows": 0}).facts == [("rows", 0)]


def test_of_a_mapping_each_entry_that_differs_is_told_by_itself() -> None:
    source = DirectorySource.objects.create(
        name="corp", key_attribute="entryUUID", tls="ldaps",
        mapping={"login": "uid", "mail": "mail", "phone": "telephoneNumber"},
    )  # fmt: skip
    source.mapping = {"login": "uid", "mail": "rfc822Mailbox", "office": "l"}
    source.tls = "starttls"
    save(row=source, before=find_stored(source), actor=COMMAND_LINE)
    assert AuditEvent.objects.get().detail == {
        "encryption": ["LDAPS (TLS from the start)", "StartTLS"],
        "attribute map: mail": ["mail", "rfc822Mailbox"],
        "attribute map: phone": ["telephoneNumber", ""],
        "attribute map: office": ["", "l"],
    }


def test_a_version_is_nothing_that_somebody_changed() -> None:
    profile = ClientProfile.objects.create(name="Softphone")
    profile.name, profile.version = "Desk phone", 2
    save(row=profile, before=find_stored(profile), actor=COMMAND_LINE)
    assert AuditEvent.objects.get().detail == {"name": ["Softphone", "Desk phone"]}


def test_a_value_that_no_choice_knows_is_told_as_it_is() -> None:
    domain = SipDomain(domain="voice.example.com")
    save(row=domain, before=None, actor=COMMAND_LINE)
    assert AuditEvent.objects.get().detail["domain"] == ["", "voice.example.com"]
