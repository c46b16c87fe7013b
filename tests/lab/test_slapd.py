"""slapd holds the company, keeps it over restarts, and fails as told."""

from pathlib import Path

import ldap
import pytest
from ldap.controls import SimplePagedResultsControl
from ldap.ldapobject import LDAPObject

from lab.authority import Authority
from lab.directory import Session
from lab.ldif import bulk_groups, bulk_people
from lab.people import Company, company
from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, GROUPS, LEAVERS, PEOPLE, SUFFIX, group_dn, person_dn

PERSON = "(objectClass=inetOrgPerson)"


def _bound(slapd: Slapd) -> Session:
    return slapd.session(BIND_DN, slapd.bind_password)


def _paged(connection: LDAPObject, size: int) -> int:
    control = SimplePagedResultsControl(True, size, "")
    found = 0
    while True:
        call = connection.search_ext(PEOPLE, ldap.SCOPE_SUBTREE, PERSON, serverctrls=[control])
        _, entries, _, controls = connection.result3(call)
        found += len(entries)
        control.cookie = controls[0].cookie
        if not control.cookie:
            return found


def test_the_bind_account_reads_people_and_nested_groups(slapd: Slapd, people: Company) -> None:
    with _bound(slapd) as connection:
        assert _paged(connection, 25) == len(people.people)
        found = connection.search_s(GROUPS, ldap.SCOPE_ONELEVEL, "(member=*)", ["+"])
        assert len(found) == len(people.groups)
        sales = dict(found)[group_dn("Sales")]
        assert group_dn("Telephony users").encode() in sales["memberOf"]
        odd = connection.search_s(PEOPLE, ldap.SCOPE_SUBTREE, '(cn=Smith, John "Jack")', ["*", "+"])
        assert "userPassword" not in odd[0][1]
        assert len(odd[0][1]["entryUUID"]) == 1


def test_nobody_reads_without_a_password(slapd: Slapd) -> None:
    with slapd.session("", "") as connection, pytest.raises(ldap.NO_SUCH_OBJECT):
        connection.search_s(SUFFIX, ldap.SCOPE_SUBTREE)


@pytest.mark.parametrize("start_tls", [False, True])
def test_tls_is_checked_against_the_authority(slapd: Slapd, start_tls: bool) -> None:
    connection = ldap.initialize(slapd.uri if start_tls else slapd.tls_uri)
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(slapd.ca_file))
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    if start_tls:
        connection.start_tls_s()
    connection.simple_bind_s(BIND_DN, slapd.bind_password)
    assert connection.whoami_s() == f"dn:{BIND_DN}"
    connection.unbind_s()


def test_a_disabled_person_cannot_sign_in_until_enabled(slapd: Slapd, people: Company) -> None:
    dn = person_dn(people.people[40])
    slapd.disable(dn)
    with pytest.raises(ldap.INVALID_CREDENTIALS), slapd.session(dn, slapd.person_password):
        pass
    slapd.enable(dn)
    with slapd.session(dn, slapd.person_password) as connection:
        assert connection.whoami_s() == f"dn:{dn}"


def test_a_rename_and_a_move_keep_the_identity_and_the_memberships(
    slapd: Slapd, people: Company
) -> None:
    person = people.people[41]
    with _bound(slapd) as connection:
        before = connection.search_s(person_dn(person), ldap.SCOPE_BASE, attrlist=["entryUUID"])
        moved = slapd.move(slapd.rename(person_dn(person), "uid=new.name"), LEAVERS)
        after = connection.search_s(moved, ldap.SCOPE_BASE, attrlist=["entryUUID"])
        assert after[0][1] == before[0][1]
        group = connection.search_s(group_dn(person.department), ldap.SCOPE_BASE)
        assert moved.encode() in group[0][1]["member"]


def test_people_come_and_go(slapd: Slapd) -> None:
    dn = slapd.add_person(company(61).people[60])
    slapd.modify(dn, {"telephoneNumber": [], "title": ["Visitor"]})
    slapd.add_members(group_dn("Sales"), dn)
    with _bound(slapd) as connection:
        entry = connection.search_s(dn, ldap.SCOPE_BASE, attrlist=["*", "memberOf"])[0][1]
        assert "telephoneNumber" not in entry
        assert entry["memberOf"] == [group_dn("Sales").encode()]
        slapd.delete(dn)
        group = connection.search_s(group_dn("Sales"), ldap.SCOPE_BASE)[0][1]
        assert dn.encode() not in group["member"]


def test_reads_can_be_cut_off_taken_away_and_refused(slapd: Slapd) -> None:
    with _bound(slapd) as connection:
        slapd.limit_reads(50)
        with pytest.raises(ldap.SIZELIMIT_EXCEEDED):
            _paged(connection, 25)
        slapd.limit_reads(None)
        slapd.allow_reads(False)
        assert connection.search_s(PEOPLE, ldap.SCOPE_SUBTREE) == []
        slapd.allow_reads(True)
        assert _paged(connection, 25) == 60
    slapd.set_bind_password("rotated")
    with pytest.raises(ldap.INVALID_CREDENTIALS), _bound(slapd):
        pass


def test_a_paused_server_keeps_its_port_and_says_nothing(slapd: Slapd) -> None:
    with slapd.administer() as connection:
        slapd.process.pause()
        connection.set_option(ldap.OPT_TIMEOUT, 0.2)
        with pytest.raises(ldap.TIMEOUT):
            connection.search_s(SUFFIX, ldap.SCOPE_BASE)
        slapd.process.resume()
        connection.set_option(ldap.OPT_TIMEOUT, 30)
        assert connection.search_s(SUFFIX, ldap.SCOPE_BASE)


def test_changes_ports_and_passwords_survive_a_stop_and_a_crash(
    tmp_path: Path, authority: Authority, people: Company
) -> None:
    first = Slapd(tmp_path, authority)
    first.populate(people)
    with first:
        first.modify(person_dn(people.people[0]), {"title": ["Founder"]})
        first.process.kill()
        first.start()
    with Slapd(tmp_path, authority) as second:
        assert (second.uri, second.bind_password) == (first.uri, first.bind_password)
        with _bound(second) as connection:
            entry = connection.search_s(person_dn(people.people[0]), ldap.SCOPE_BASE)
            assert entry[0][1]["title"] == [b"Founder"]


def test_a_bulk_load_takes_thousands_of_people(tmp_path: Path, authority: Authority) -> None:
    slapd = Slapd(tmp_path, authority, durable=False)
    slapd.load([*bulk_people(2000, PEOPLE), *bulk_groups(5, 2000, 400, GROUPS, PEOPLE)])
    with slapd, _bound(slapd) as connection:
        assert _paged(connection, 1000) == 2000
        group = connection.search_s(f"cn=g0000,{GROUPS}", ldap.SCOPE_BASE)
        assert len(group[0][1]["member"]) == 400
