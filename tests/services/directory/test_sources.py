"""Directory sources: what is kept, what is refused, and where the password may go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from lab.slapd import Slapd
from provisioning.core.errors import InvalidFields, InvalidInput
from provisioning.core.roles import Role
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import AuditEvent, ConsoleUser, DirectorySource, RoleGroup
from provisioning.services.actor import Actor
from provisioning.services.directory.role_groups import add_role_group, remove_role_group
from provisioning.services.directory.source_test import probe_source
from provisioning.services.directory.sources import delete_source, save_source, switch_source
from provisioning.services.servers.connection_test import Step, StepState
from tests.factories import make_group, make_person
from tests.sources import saved_source, slapd_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor.of(administrator)


def unsaved(**values: Any) -> DirectorySource:
    preset = DEFAULT_MAPPINGS["openldap"]
    columns: dict[str, Any] = {
        "name": "Head office", "kind": "openldap", "uris": "ldaps://127.0.0.1:636",
        "bind_dn": "cn=reader,dc=example", "person_bases": "ou=people,dc=example",
        "person_filter": preset.person_filter, "key_attribute": "entryUUID",
        "mapping": dict(preset.fields), "disabled_expression": preset.disabled,
    }  # fmt: skip
    return DirectorySource(**{**columns, **values})


def saved(actor: Actor, **values: Any) -> DirectorySource:
    source = unsaved(**values)
    save_source(source=source, actor=actor, secret="hunter2 and more")
    return source


def test_a_source_is_kept_with_its_password_sealed_and_unseen(actor: Actor) -> None:
    source = saved(actor, person_bases=" ou=people,dc=example \n\n ou=more,dc=example ")
    kept = DirectorySource.objects.get(pk=source.pk)
    assert kept.bind_secret() == "hunter2 and more"
    assert kept.person_bases == "ou=people,dc=example\nou=more,dc=example"
    events = str(list(AuditEvent.objects.values_list("action", "detail")))
    assert "created" in events
    assert "hunter2" not in events
    assert "hunter2" not in repr(kept.as_record())


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"uris": ""}, "uris", "has no address"),
        ({"uris": "ldap://127.0.0.1"}, "uris", "does not fit the chosen encryption"),
        ({"uris": "ldaps://127.0.0.1/ou=x"}, "uris", "not an address"),
        ({"uris": "ldaps://169.254.169.254"}, "uris", "metadata"),
        ({"uris": "ldapi://%2Ftmp%2Fldapi"}, "uris", "address"),
        ({"uris": "ldaps://no-such-host.invalid"}, "uris", "cannot be resolved"),
        ({"uris": "ldap://192.0.2.7", "tls": "none"}, "uris", "in clear"),
        ({"ca_pem": "-----BEGIN PRIVATE KEY-----"}, "ca_pem", "private key"),
        ({"ca_pem": "not a certificate"}, "ca_pem", "no certificate"),
        ({"bind_dn": ""}, "bind_dn", "incomplete directory"),
        ({"name": "a\nb"}, "name", "line break"),
        ({"person_bases": ""}, "person_bases", "at least one DN"),
        ({"person_bases": "people"}, "person_bases", "not a DN"),
        ({"group_bases": "dc=example\ngroups", "group_filter": "(a=b)"}, "group_bases", "not a DN"),
        ({"person_filter": "(objectClass=person"}, "person_filter", "every bracket"),
        ({"person_filter": "(a=b)(c=d)"}, "person_filter", "every bracket"),
        ({"group_bases": "dc=example", "group_filter": ""}, "group_filter", "every bracket"),
        ({"key_attribute": "dn"}, "key_attribute", "Choose one of"),
        ({"mapping": {"login": "uid", "mail": "first(mail"}}, "mapping.mail", "closing bracket"),
        ({"mapping": {"login": "uid", "shoe": "size"}}, "mapping.shoe", "no field"),
        ({"mapping": {"mail": "mail"}}, "mapping.login", "user name"),
        ({"disabled_expression": "bit(x, 'y')"}, "disabled_expression", "whole number"),
        ({"interval_seconds": 1}, "interval_seconds", "At least"),
        ({"page_size": 0}, "page_size", "From 1"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_field(
    actor: Actor, values: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(InvalidFields) as refused:
        saved(actor, **values)
    assert said in refused.value.fields[field]
    assert not DirectorySource.objects.exists()


def test_every_wrong_field_is_named_at_once(actor: Actor) -> None:
    with pytest.raises(InvalidFields) as refused:
        saved(actor, person_filter="x", person_bases="y", mapping={"login": "first("})
    assert set(refused.value.fields) == {"person_filter", "person_bases", "mapping.login"}


def test_a_new_source_needs_a_password(actor: Actor) -> None:
    with pytest.raises(InvalidFields, match="Enter the password"):
        save_source(source=unsaved(), actor=actor)


@pytest.mark.parametrize(
    "change",
    [{"uris": "ldaps://127.0.0.1:637"}, {"uris": "ldap://127.0.0.1", "tls": "starttls"},
     {"uris": "ldaps://127.0.0.1:636\nldaps://127.0.0.2"}],
)  # fmt: skip
def test_a_password_never_follows_to_another_place(actor: Actor, change: dict[str, str]) -> None:
    source = saved(actor)
    for field, value in change.items():
        setattr(source, field, value)
    assert save_source(source=source, actor=actor) is True
    assert DirectorySource.objects.get(pk=source.pk).sealed_bind_secret is None
    assert AuditEvent.objects.latest("id").detail["password"] == "erased"


def test_a_change_that_stays_in_place_keeps_the_password(actor: Actor) -> None:
    source = saved(actor)
    source.person_bases = "ou=others,dc=example"
    assert save_source(source=source, actor=actor) is False
    assert DirectorySource.objects.get(pk=source.pk).bind_secret() == "hunter2 and more"


def test_a_new_password_given_with_a_new_address_is_kept(actor: Actor) -> None:
    source = saved(actor)
    source.uris = "ldaps://127.0.0.1:637"
    assert save_source(source=source, actor=actor, secret="another one") is False
    assert DirectorySource.objects.get(pk=source.pk).bind_secret() == "another one"


def test_the_key_stays_once_people_are_known_by_it(actor: Actor) -> None:
    source = saved(actor)
    make_person(source=source)
    source.key_attribute = "nsUniqueId"
    with pytest.raises(InvalidFields, match="stays entryUUID"):
        save_source(source=source, actor=actor)


def test_a_source_is_deleted_only_while_nobody_was_read_from_it(actor: Actor) -> None:
    source = saved(actor)
    person = make_person(source=source)
    with pytest.raises(InvalidInput, match="still used by 1 person"):
        delete_source(source=source, actor=actor)
    assert DirectorySource.objects.exists()
    person.delete()
    delete_source(source=source, actor=actor)
    assert not DirectorySource.objects.exists()


def test_switching_a_source_off_is_audited(actor: Actor) -> None:
    source = saved(actor)
    switch_source(source=source, enabled=False, actor=actor)
    assert not DirectorySource.objects.get(pk=source.pk).enabled
    assert AuditEvent.objects.latest("id").detail == {"read on schedule": [True, False]}


def test_a_role_of_a_group_is_given_once_and_its_end_signs_out(actor: Actor) -> None:
    group = make_group("Telephony")
    row = add_role_group(source=group.source, group=group, role=Role.HELPDESK, actor=actor)
    with pytest.raises(InvalidInput, match="has a role already"):
        add_role_group(source=group.source, group=group, role=Role.VIEWER, actor=actor)
    user = ConsoleUser.objects.create(
        username="bo@directory", source=group.source, guid="1" * 36, role=Role.HELPDESK
    )
    remove_role_group(role_group=row, actor=actor)
    assert not RoleGroup.objects.exists()
    assert ConsoleUser.objects.get(pk=user.pk).session_version > user.session_version


def test_a_group_of_another_source_gets_no_role(actor: Actor) -> None:
    with pytest.raises(InvalidInput, match="not a group of"):
        add_role_group(source=saved(actor), group=make_group(), role=Role.VIEWER, actor=actor)


def last(found: Iterable[Step]) -> Step:
    steps = list(found)
    assert all(step.state != StepState.FAILED for step in steps[:-1])
    return steps[-1]


def test_a_source_that_works_passes_every_step(slapd: Slapd) -> None:
    steps = list(probe_source(source=slapd_source(slapd), secret=slapd.bind_password))
    assert {step.name for step in steps} >= {"Sign-in", "Bases", "People", "Groups"}
    assert all(step.state != StepState.FAILED for step in steps)


@pytest.mark.parametrize(
    ("values", "secret", "name", "said"),
    [
        ({}, "wrong", "Sign-in", "password is wrong"),
        ({"uris": "ldaps://127.0.0.1:1"}, None, "Connection", "nobody listens"),
        ({"ca_pem": ""}, None, "Certificate", "not trusted"),
        ({"person_bases": "ou=nowhere,dc=corp,dc=example"}, None, "Bases", "does not exist"),
        ({"person_filter": "(uid=nobody-at-all)"}, None, "People", "Nobody matches"),
        ({"uris": "ldaps://169.254.169.254"}, None, "Address", "metadata"),
    ],
)
def test_the_test_ends_at_the_step_that_fails_and_says_why(
    slapd: Slapd, values: dict[str, Any], secret: str | None, name: str, said: str
) -> None:
    steps = probe_source(source=slapd_source(slapd, **values), secret=secret or slapd.bind_password)
    failed = last(steps)
    assert failed.name == name
    assert failed.state == StepState.FAILED
    assert said in failed.detail


def test_the_stored_password_is_not_tried_at_another_place(slapd: Slapd) -> None:
    source = saved_source(slapd)
    assert last(probe_source(source=source, secret=None)).state != StepState.FAILED
    source.uris = f"{slapd.tls_uri}\nldaps://127.0.0.1:1"
    failed = last(probe_source(source=source, secret=None))
    assert (failed.name, failed.state) == ("Sign-in", StepState.FAILED)
    assert "no password" in failed.detail
