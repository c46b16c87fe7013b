"""A domain of Active Directory and an OpenLDAP of one company; and a history of identifiers."""

from __future__ import annotations

import pytest

from lab.people import Company as People
from lab.samba import DomainController
from lab.samba_entries import LEAVERS, STAFF
from lab.slapd import Slapd
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import Account, DirectorySource, Person, Run
from provisioning.services.actor import COMMAND_LINE, SYNC
from provisioning.services.directory.sources import save_source
from provisioning.services.joins.candidates import find_pairs
from provisioning.services.joins.joins import join_here
from provisioning.services.runs import runs
from tests.factories import make_person, make_rule, make_source
from tests.lab.fixtures import authority, people, samba, slapd
from tests.sources import saved_source

__all__ = ["authority", "people", "samba", "slapd"]

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.samba]


@pytest.fixture
def domain(samba: DomainController) -> DirectorySource:
    """The lab's domain, read."""
    make_rule(name="Everybody")
    preset = DEFAULT_MAPPINGS["active_directory"]
    source = DirectorySource(
        name="Active Directory", kind="active_directory", uris=samba.tls_uri, tls="ldaps",
        ca_pem=samba.ca_file.read_text(), bind_dn=samba.bind_name,
        person_bases=f"{STAFF}\n{LEAVERS}", person_filter=preset.person_filter,
        key_attribute=preset.key_attribute, mapping=dict(preset.fields),
        disabled_expression=preset.disabled, limit_percent=100,
    )  # fmt: skip
    save_source(source=source, actor=COMMAND_LINE, secret=samba.bind_password)
    _sync(source)
    return source


def _sync(source: DirectorySource) -> None:
    run = runs.request_sync(source=source, actor=SYNC)
    runs.execute_run(run_id=run.pk)


def test_one_company_in_a_domain_and_in_openldap(
    domain: DirectorySource, slapd: Slapd, people: People
) -> None:
    other = saved_source(slapd, name="OpenLDAP", limit_percent=100)
    _sync(other)
    run = join_here(one=domain, other=other, by="employee_id", actor=COMMAND_LINE, dry=False)
    assert run.state == Run.State.DONE, run.breaches
    joined = Person.objects.filter(same_as__isnull=False)
    assert joined.count() == len(people.people)
    for one in people.people:
        entries = Person.objects.filter(employee_id=one.employee_number)
        assert entries.count() == 2
        assert Account.objects.filter(person__in=entries, state="active").count() <= 1


def test_the_history_of_security_identifiers_names_the_former_forest(
    domain: DirectorySource, samba: DomainController
) -> None:
    former = make_source(name="Former forest", kind="other")
    moved = Person.objects.filter(source=domain, left_at=None).earliest("pk")
    before = make_person("Somebody", source=former, sid="S-1-5-21-1-2-3-1104")
    make_person("Nobody", source=former, sid="S-1-5-21-1-2-3-1105")
    samba.set_history(moved.dn, [before.sid, "S-1-5-21-9-9-9-1000"])
    try:
        found = find_pairs(one=domain, other=former, by="sid")
    finally:
        samba.set_history(moved.dn, [])
    assert [(pair.one, pair.other) for pair in found.pairs] == [(moved.pk, before.pk)]
