"""Write-back to a real Active Directory: ipPhone, proxyAddresses, rights, values of others."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import ldap
import pytest

from lab.samba import DomainController
from lab.samba_entries import NORMAL, STAFF, quoted
from provisioning.core.errors import InvalidFields, Rejected
from provisioning.core.roles import Role
from provisioning.directory import writing as directory_writing
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import ConsoleUser, DirectorySource, PlannedChange, Run, WrittenAttribute
from provisioning.services.actor import COMMAND_LINE, Actor
from provisioning.services.directory.sources import save_source
from provisioning.services.numbers.numbers import assign_number, release_number
from provisioning.services.runs import review, runs
from provisioning.services.servers.connection_test import StepState
from provisioning.services.write_back.plan_values import preview_values
from provisioning.services.write_back.write_back import (
    active_attributes,
    approve_attribute,
    settings_of,
)
from provisioning.services.write_back.write_back_test import probe_write_back
from tests.lab.fixtures import samba
from tests.services.writing import Writing, rows_of

__all__ = ["samba"]

pytestmark = [pytest.mark.django_db, pytest.mark.samba]

PEOPLE = ("ann", "bob", "cyd")


@pytest.fixture
def branch(samba: DomainController) -> Iterator[str]:
    """The DN of a branch of this test alone, with three people; it goes with all that is in it."""
    mark = uuid.uuid4().hex[:8]
    dn = f"OU={mark},{STAFF}"
    samba.add(dn, {"objectClass": ["organizationalUnit"]})
    for name in PEOPLE:
        samba.add(
            f"CN={name},{dn}",
            {
                "objectClass": ["top", "person", "organizationalPerson", "user"],
                "sAMAccountName": [f"{name}-{mark}"],
                "displayName": [name],
                "userAccountControl": [str(NORMAL)],
                "unicodePwd": [quoted(samba.person_password)],
                "proxyAddresses": [f"SMTP:{name}@corp.example", f"smtp:{name}@old.example"],
            },
        )
    yield dn
    with samba.administer() as connection:
        rest = connection.search_s(dn, ldap.SCOPE_SUBTREE, attrlist=["ou"])
        for each, _ in sorted(rest, key=lambda row: -len(row[0])):
            connection.delete_s(each)


@pytest.fixture
def site(samba: DomainController, branch: str) -> Writing:
    preset = DEFAULT_MAPPINGS["active_directory"]
    source = DirectorySource(
        name="Forest", kind="active_directory", uris=samba.tls_uri, tls="ldaps",
        ca_pem=samba.ca_file.read_text(), bind_dn=samba.bind_name, person_bases=branch,
        person_filter=preset.person_filter, key_attribute=preset.key_attribute,
        mapping={**preset.fields, "login": "cn"}, disabled_expression=preset.disabled,
    )  # fmt: skip
    save_source(source=source, actor=COMMAND_LINE, secret=samba.bind_password)
    return Writing(samba, source, samba.administrator)


def number_of(site: Writing, login: str) -> str:
    return site.account(login).number.e164


def test_ipphone_gets_the_number_and_only_where_it_differs(site: Writing) -> None:
    site.set(ipPhone="number")
    run = site.run()
    assert (run.state, run.problem, run.remark) == (Run.State.DONE, "", "")
    assert [site.values(one, "ipPhone") for one in PEOPLE] == [
        [number_of(site, one)] for one in PEOPLE
    ]
    assert rows_of(site.run()) == []
    site.put("bob", "ipPhone", "4711")
    (row,) = rows_of(site.run())
    assert (row.name, row.before, row.is_applied) == ("bob", {"ipPhone": "4711"}, True)
    assert site.values("bob", "ipPhone") == [number_of(site, "bob")]


def test_a_value_that_is_read_again_renames_nobody(site: Writing) -> None:
    """The map reads ipPhone for the phone of a person, but no rule decides by it."""
    site.set(ipPhone="number")
    site.run()
    run = site.sync()
    assert run.changes.filter(kind="person").count() == len(PEOPLE)
    assert not run.changes.filter(kind="account").exists()
    site.rule.number_source, site.rule.number_formula = "directory", "phone"
    site.rule.save()
    with pytest.raises(InvalidFields, match="reads ipPhone for “phone”"):
        site.set(ipPhone="number", telephoneNumber="number")


def test_the_right_to_write_is_asked_for_without_writing(
    site: Writing, samba: DomainController
) -> None:
    site.set(ipPhone="number")
    settings = settings_of(site.source)
    steps = list(
        probe_write_back(write_back=settings, attributes={"ipPhone": "number"}, secret=None)
    )
    assert [step.state for step in steps] == [StepState.OK] * 4
    settings.bind_dn = samba.bind_name
    *_, rights = probe_write_back(
        write_back=settings, attributes={"ipPhone": "number"}, secret=samba.bind_password
    )
    assert (rights.name, rights.state) == ("Rights", StepState.FAILED)
    assert "ipPhone may not be written" in rights.detail
    (_, refused) = probe_write_back(
        write_back=settings, attributes={"ipPhone": "number"}, secret=None
    )
    assert "No password" in refused.detail  # that of the administrator is not sent as somebody else
    assert site.values("ann", "ipPhone") == []


def test_the_first_values_are_shown_as_they_would_be(site: Writing) -> None:
    site.set(ipPhone="extension")
    site.put("ann", "ipPhone", number_of(site, "ann")[-4:])
    found = preview_values(source=site.source, attributes=active_attributes(site.source))
    assert [each.name for each in found] == list(PEOPLE)
    assert found[0].change is None
    assert found[1].change is not None
    assert (found[1].change.before, found[1].change.after) == ("", number_of(site, "bob")[-4:])


@pytest.mark.parametrize("before", ["", "4711"])
def test_a_value_that_somebody_puts_there_at_that_moment_stays(
    site: Writing, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Active Directory knows no assertion control: the change itself says what was there."""
    site.set(ipPhone="number")
    if before:
        site.put("ann", "ipPhone", before)
    real = directory_writing.Writer.write

    def late(writer: directory_writing.Writer, edit: directory_writing.Edit) -> None:
        if edit.dn.startswith("CN=ann,"):
            site.put("ann", "ipPhone", "0815")
        real(writer, edit)

    monkeypatch.setattr(directory_writing.Writer, "write", late)
    run = site.run()
    assert site.values("ann", "ipPhone") == ["0815"]
    stale = rows_of(run, status=PlannedChange.Status.STALE)
    assert [row.name for row in stale] == ["ann"]
    assert "0815" in stale[0].message
    assert site.values("bob", "ipPhone") == [number_of(site, "bob")]


def test_somebody_whom_the_writer_may_not_change_does_not_keep_others(
    site: Writing, samba: DomainController
) -> None:
    site.writer = (samba.bind_name, samba.bind_password)
    site.set(ipPhone="number")
    run = site.run()
    rows = rows_of(run)
    assert {row.status for row in rows} == {PlannedChange.Status.PROBLEM}
    assert "may not change ipPhone" in rows[0].message
    assert "3 values were refused" in run.remark


def test_proxy_addresses_wait_for_somebody_other_than_their_author(site: Writing) -> None:
    ada, bea = (
        ConsoleUser.objects.create_user(name, "correct horse battery", role=Role.ADMINISTRATOR)
        for name in ("ada", "bea")
    )
    site.set(actor=Actor.of(ada), proxyAddresses="aor")
    run = site.run()
    assert run.state == Run.State.FAILED
    assert "second administrator" in run.problem
    attribute = WrittenAttribute.objects.get()
    for actor in (Actor.of(ada), COMMAND_LINE):
        with pytest.raises(Rejected, match="another administrator"):
            approve_attribute(attribute=attribute, actor=actor)
    approve_attribute(attribute=attribute, actor=Actor.of(bea))
    assert site.run().state == Run.State.DONE
    for one in PEOPLE:
        assert set(site.values(one, "proxyAddresses")) == {
            f"SMTP:{one}@corp.example", f"smtp:{one}@old.example", f"sip:{site.account(one).aor}",
        }  # fmt: skip
    site.set(actor=Actor.of(ada), proxyAddresses="'{user_part}@other.example'")
    assert site.run().state == Run.State.FAILED  # another value needs another approval


def test_of_proxy_addresses_only_the_console_s_own_value_is_changed(site: Writing) -> None:
    site.set(proxyAddresses="aor")
    bea = ConsoleUser.objects.create_user("bea", "correct horse battery", role=Role.ADMINISTRATOR)
    approve_attribute(attribute=WrittenAttribute.objects.get(), actor=Actor.of(bea))
    site.put("cyd", "proxyAddresses", "SMTP:cyd@corp.example", "sip:cyd@skype.example")
    run = site.run()
    (kept,) = rows_of(run, status=PlannedChange.Status.PROBLEM)
    assert "sip:cyd@skype.example" in kept.message
    assert "sip:cyd@skype.example" in site.values("cyd", "proxyAddresses")
    account = site.account("ann")
    account.user_part, account.aor = "ann.new", f"ann.new@{account.domain}"
    account.save()
    assert {row.name for row in rows_of(site.run())} == {"ann", "cyd"}
    assert set(site.values("ann", "proxyAddresses")) == {
        "SMTP:ann@corp.example", "smtp:ann@old.example", f"sip:{account.aor}",
    }  # fmt: skip
    account.state = "removed"
    account.save()
    emptied = site.run()
    assert emptied.state == Run.State.WAITING
    review.approve_run(run=emptied, digest=emptied.digest, actor=COMMAND_LINE)
    runs.execute_run(run_id=emptied.pk)
    assert set(site.values("ann", "proxyAddresses")) == {
        "SMTP:ann@corp.example", "smtp:ann@old.example",
    }  # fmt: skip


def test_a_number_that_was_given_back_is_emptied_with_approval(site: Writing) -> None:
    site.set(ipPhone="number")
    site.run()
    release_number(number=site.account("ann").number, actor=COMMAND_LINE)
    assign_number(account=site.account("bob"), e164="+493012340700", actor=COMMAND_LINE)
    run = site.run()
    assert {(row.name, row.action, row.status) for row in rows_of(run)} == {
        ("ann", "empty", "held"), ("bob", "update", "planned"),
    }  # fmt: skip
    assert site.values("bob", "ipPhone") == ["+493012340700"]
    assert site.values("ann", "ipPhone") != []
