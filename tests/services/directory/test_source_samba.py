"""Trying an Active Directory out before it is kept: what it says of itself, filters, rights."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from lab.kerberos import PRINCIPAL, configure, export_keytab
from lab.people import Person, company
from lab.samba import DomainController
from lab.samba_entries import BASE, STAFF, person_dn
from provisioning.models import DirectorySource
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.directory.source_attributes import find_attributes
from provisioning.services.directory.source_test import guess_source, probe_source, try_filter
from provisioning.services.directory.sources import save_source
from provisioning.services.runs.runs import sync_here
from provisioning.services.servers.connection_test import StepState
from provisioning.web.forms.sources import new_source
from tests.lab.fixtures import samba

__all__ = ["samba"]

pytestmark = [pytest.mark.django_db, pytest.mark.samba]


@pytest.fixture
def source(samba: DomainController) -> DirectorySource:
    found = new_source("active_directory")
    found.name, found.uris = "Forest", samba.tls_uri
    found.ca_pem, found.bind_dn = samba.ca_file.read_text(), samba.bind_name
    found.person_bases = found.group_bases = BASE
    return found


def test_a_forest_says_that_it_is_one_and_which_base_it_has(
    samba: DomainController, source: DirectorySource
) -> None:
    source.kind = "openldap"
    guess = guess_source(source=source, secret=samba.bind_password)
    assert (guess.kind, guess.base) == ("active_directory", BASE)


def test_filters_and_attributes_of_a_forest(
    samba: DomainController, source: DirectorySource
) -> None:
    source.person_bases = STAFF
    trial = try_filter(source=source, secret=samba.bind_password, groups=False)
    assert trial.count >= 60
    assert trial.first[0][0].endswith(STAFF)
    found = find_attributes(source=source, secret=samba.bind_password, text="sAMAccountN")
    assert found[0].name == "sAMAccountName"
    assert found[0].seen == found[0].looked_at


def test_an_account_without_the_right_to_replicate_is_told_what_dirsync_leaves_out(
    samba: DomainController, source: DirectorySource
) -> None:
    person: Person = company(95).people[-1]
    dn = samba.add_person(person)
    source.bind_dn, source.person_bases = dn, STAFF
    try:
        steps = list(probe_source(source=source, secret=samba.person_password))
    finally:
        samba.delete(dn)
    assert dn == person_dn(person)
    changes = next(step for step in steps if step.name == "Changes")
    assert "DirSync" in changes.detail
    assert changes.state == StepState.WARNING
    assert "Deleted Objects" in changes.advice


def test_a_forest_is_synced_by_keytab(
    samba: DomainController,
    source: DirectorySource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KRB5_CONFIG", str(configure(samba, tmp_path)))
    source.bind_method, source.bind_dn, source.person_bases = "gssapi", PRINCIPAL, STAFF
    keytab = base64.b64encode(export_keytab(samba, tmp_path)).decode()
    save_source(source=source, actor=COMMAND_LINE, secret=keytab)
    run = sync_here(source=source, actor=COMMAND_LINE, dry=False)
    assert run.problem == ""
    assert source.people.count() >= 60
