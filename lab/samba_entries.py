"""The invented company as Active Directory entries, and their loading over LDAPS."""

import re

import ldap
from ldap.dn import escape_dn_chars
from ldap.ldapobject import LDAPObject

from lab.directory import encoded
from lab.people import DEPARTMENTS, DOMAIN, Company, Group, Person

BASE = "DC=corp,DC=example"
STAFF = f"OU=Staff,{BASE}"
GROUPS = f"OU=Groups,{BASE}"
LEAVERS = f"OU=Leavers,{BASE}"
SERVICES = f"OU=Services,{BASE}"
BIND_NAME = "svc-rtcadmin"
BIND_DN = f"CN={BIND_NAME},{SERVICES}"
# [MS-ADTS] 2.2.16, userAccountControl
NORMAL, DISABLED, PASSWORD_NEVER_EXPIRES = 0x200, 0x2, 0x10000
# [MS-ADTS] 2.2.12, groupType: a global security group, as the signed number that LDAP shows
GLOBAL_SECURITY_GROUP = -0x80000000 | 0x2
LONGEST_ACCOUNT_NAME = 20
# Not allowed in sAMAccountName: [MS-SAMR] 3.1.1.6.
FORBIDDEN = re.compile(r'["/\\\[\]:;|=,+*?<>]')

Entry = dict[str, list[str | bytes]]


def person_dn(person: Person) -> str:
    return f"CN={escape_dn_chars(person.name)},OU={person.department},{STAFF}"


def group_dn(name: str) -> str:
    return f"CN={escape_dn_chars(name)},{GROUPS}"


def person_entry(person: Person, password: str) -> Entry:
    """Without the manager, who may not exist yet."""
    site = person.site
    control = NORMAL | (DISABLED if person.disabled else 0)
    entry = {
        "sn": person.surname,
        "givenName": person.given_name,
        "displayName": person.name,
        "mail": person.mail,
        "telephoneNumber": person.number,
        "mobile": person.mobile,
        "employeeNumber": person.employee_number,
        "title": person.title,
        "department": person.department,
        "physicalDeliveryOfficeName": site.office,
        "l": site.locality,
        "c": site.country,
        "co": site.country_name,
        "proxyAddresses": f"SMTP:{person.mail}",
    }
    return {
        **_account(person.uid, password, control),
        **{name: [value] for name, value in entry.items() if value},
    }


def load(connection: LDAPObject, company: Company, *, password: str, bind_password: str) -> None:
    """Adds organizational units, the bind account, everybody, their managers, and all groups."""
    units = [STAFF, GROUPS, LEAVERS, SERVICES, *(f"OU={name},{STAFF}" for name in DEPARTMENTS)]
    for dn in units:
        connection.add_s(dn, [("objectClass", [b"organizationalUnit"])])
    control = NORMAL | PASSWORD_NEVER_EXPIRES
    _add(connection, BIND_DN, _account(BIND_NAME, bind_password, control))
    dns = {person.uid: person_dn(person) for person in company.people}
    for person in company.people:
        entry = person_entry(person, password)
        if person.manager:
            # Managers stand before those whom they manage.
            entry["manager"] = [dns[person.manager]]
        _add(connection, dns[person.uid], entry)
    for group in company.groups:
        _add(connection, group_dn(group.name), _group(group))
    for group in company.groups:
        members = [dns[uid] for uid in group.people] + [group_dn(name) for name in group.groups]
        if members:
            connection.modify_s(group_dn(group.name), [(ldap.MOD_ADD, "member", encoded(members))])


def quoted(password: str) -> bytes:
    """A password as unicodePwd takes it: [MS-ADTS] 3.1.1.3.1.5.1."""
    return f'"{password}"'.encode("utf-16-le")


def _account(name: str, password: str, control: int) -> Entry:
    return {
        "objectClass": ["top", "person", "organizationalPerson", "user"],
        "sAMAccountName": [name[:LONGEST_ACCOUNT_NAME]],
        "userPrincipalName": [f"{name}@{DOMAIN}"],
        "unicodePwd": [quoted(password)],
        "userAccountControl": [str(control)],
    }


def _group(group: Group) -> Entry:
    return {
        "objectClass": ["top", "group"],
        "sAMAccountName": [FORBIDDEN.sub("", group.name)],
        "groupType": [str(GLOBAL_SECURITY_GROUP)],
        "description": [group.description],
    }


def _add(connection: LDAPObject, dn: str, entry: Entry) -> None:
    connection.add_s(dn, [(name, encoded(values)) for name, values in entry.items()])
