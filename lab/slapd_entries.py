"""The invented company as OpenLDAP entries: inetOrgPerson, groupOfNames, and the tree above."""

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator

from ldap.dn import escape_dn_chars

from lab.people import Company, Group, Person

SUFFIX = "dc=corp,dc=example"
PEOPLE = f"ou=People,{SUFFIX}"
GROUPS = f"ou=Groups,{SUFFIX}"
LEAVERS = f"ou=Leavers,{SUFFIX}"
SERVICES = f"ou=Services,{SUFFIX}"
POLICIES = f"ou=Policies,{SUFFIX}"
ROOT_DN = f"cn=admin,{SUFFIX}"
BIND_DN = f"cn=rtcadmin,{SERVICES}"
# groupOfNames demands a member, so an empty group is commonly kept with one that does not exist.
NOBODY = f"cn=nobody,{SUFFIX}"
# "Locked by an administrator, for good": draft-behera-ldap-password-policy-10, section 5.3.3.
LOCKED = "000001010000Z"

Entry = dict[str, list[str]]


def person_dn(person: Person) -> str:
    return _person_dn(person.uid)


def group_dn(name: str) -> str:
    return f"cn={escape_dn_chars(name)},{GROUPS}"


def skeleton(bind_password: str) -> Iterator[tuple[str, Entry]]:
    """The entries above everybody, as (DN, attributes), parents first."""
    yield (SUFFIX, {"objectClass": ["dcObject", "organization"], "dc": ["corp"], "o": ["Corp"]})
    for dn in (PEOPLE, GROUPS, LEAVERS, SERVICES, POLICIES):
        name = dn.partition(",")[0].removeprefix("ou=")
        yield (dn, {"objectClass": ["organizationalUnit"], "ou": [name]})
    yield (
        BIND_DN,
        {
            "objectClass": ["organizationalRole", "simpleSecurityObject"],
            "cn": ["rtcadmin"],
            "userPassword": [password_hash(bind_password)],
        },
    )
    # Without pwdLockout the overlay ignores that somebody is locked.
    yield (
        f"cn=default,{POLICIES}",
        {
            "objectClass": ["device", "pwdPolicy"],
            "cn": ["default"],
            "pwdAttribute": ["userPassword"],
            "pwdLockout": ["TRUE"],
        },
    )


def person_entry(person: Person, hashed: str, groups: Iterable[Group] = ()) -> Entry:
    """`groups` become memberOf where they hold the person: a bulk load passes the overlay by."""
    site = person.site
    entry = {
        "objectClass": ["inetOrgPerson", "corpPerson"],
        "uid": [person.uid],
        "cn": [person.name],
        "sn": [person.surname],
        "givenName": [person.given_name],
        "displayName": [person.name],
        "mail": [person.mail],
        "telephoneNumber": [person.number],
        "mobile": [person.mobile],
        "employeeNumber": [person.employee_number],
        "title": [person.title],
        "departmentNumber": [person.department],
        "physicalDeliveryOfficeName": [site.office],
        "l": [site.locality],
        "c": [site.country],
        "co": [site.country_name],
        "manager": [_person_dn(person.manager)] if person.manager else [],
        "userPassword": [hashed],
        "pwdAccountLockedTime": [LOCKED] if person.disabled else [],
        "memberOf": [group_dn(group.name) for group in groups if person.uid in group.people],
    }
    return {name: [value for value in values if value] for name, values in entry.items()}


def group_entry(group: Group, company: Company) -> Entry:
    """Its own memberOf, too, names the groups that hold it."""
    members = [_person_dn(uid) for uid in group.people]
    members += [group_dn(name) for name in group.groups]
    parents = [parent.name for parent in company.groups if group.name in parent.groups]
    return {
        "objectClass": ["groupOfNames"],
        "cn": [group.name],
        "description": [group.description],
        "member": members or [NOBODY],
        "memberOf": [group_dn(name) for name in parents],
    }


def _person_dn(uid: str) -> str:
    return f"uid={escape_dn_chars(uid)},{PEOPLE}"


def password_hash(password: str) -> str:
    """A salted hash as slapd keeps it; its scheme, not a choice of this project."""
    salt = os.urandom(8)
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()
