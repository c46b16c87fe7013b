"""The shared domain controller holds the company and is changed like any Active Directory."""

import ldap
import pytest

from lab.directory import Session
from lab.people import DOMAIN, company
from lab.samba import DomainController
from lab.samba_entries import BASE, GROUPS, LEAVERS, group_dn

pytestmark = pytest.mark.samba


def _bound(samba: DomainController) -> Session:
    return samba.session(samba.bind_name, samba.bind_password)


def test_the_bind_account_reads_people_and_groups_over_ldaps(samba: DomainController) -> None:
    with _bound(samba) as connection:
        people = connection.search_s(f"OU=Staff,{BASE}", ldap.SCOPE_SUBTREE, "(objectClass=user)")
        names = {entry["cn"][0].decode() for _, entry in people}
        assert names >= {person.name for person in company(60).people}
        groups = connection.search_s(GROUPS, ldap.SCOPE_ONELEVEL, "(member=*)")
        assert len(groups) == len(company(60).groups) - 1


def test_a_simple_bind_without_tls_is_refused(samba: DomainController) -> None:
    plain = Session(samba.uri, samba.bind_name, samba.bind_password)
    with pytest.raises(ldap.STRONG_AUTH_REQUIRED), plain:
        pass


def test_a_person_comes_is_disabled_renamed_moved_and_goes(samba: DomainController) -> None:
    person = company(70).people[65]
    dn = samba.add_person(person)
    sign_in = samba.session(f"{person.uid}@{DOMAIN}", samba.person_password)
    with _bound(samba) as connection:
        before = connection.search_s(dn, ldap.SCOPE_BASE, attrlist=["objectGUID"])[0][1]
        samba.disable(dn)
        with pytest.raises(ldap.INVALID_CREDENTIALS), sign_in:
            pass
        samba.enable(dn)
        with sign_in:
            samba.add_members(group_dn("Former contractors"), dn)
        dn = samba.move(samba.rename(dn, r"CN=Other\, Name"), LEAVERS)
        after = connection.search_s(dn, ldap.SCOPE_BASE, attrlist=["objectGUID", "memberOf"])[0][1]
        assert after["objectGUID"] == before["objectGUID"]
        assert after["memberOf"] == [group_dn("Former contractors").encode()]
        samba.delete(dn)
        with pytest.raises(ldap.NO_SUCH_OBJECT):
            connection.search_s(dn, ldap.SCOPE_BASE)


def test_a_second_user_joins_and_leaves_without_ending_it(samba: DomainController) -> None:
    with DomainController() as second:
        assert second.tls_uri == samba.tls_uri
    with _bound(samba) as connection:
        assert connection.search_s(BASE, ldap.SCOPE_BASE)
