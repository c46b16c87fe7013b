"""The invented company as Active Directory entries, and their loading over LDAPS."""

import re
import struct

import ldap
from ldap.controls import LDAPControl
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
# [MS-ADTS] 3.1.1.3.4.1
SHOW_DELETED, SD_FLAGS = "1.2.840.113556.1.4.417", "1.2.840.113556.1.4.801"
OWNER, DACL = 0x1, 0x4
# [MS-DTYP] 2.4.4.1, 2.4.3 and 2.4.6: List Contents and Read Property
ACCESS_ALLOWED, LIST_AND_READ, SELF_RELATIVE = 0, 0x4 | 0x10, 0x8000
# S-1-5-32-544
ADMINISTRATORS = struct.pack("<BB6s2I", 1, 2, b"\0\0\0\0\0\x05", 32, 544)
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
    allow_seeing_deletions(connection, BIND_DN)
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


def allow_seeing_deletions(connection: LDAPObject, dn: str) -> None:
    """Lets the account see what was deleted: `dsacls "CN=Deleted Objects,…"` with /takeOwnership
    and then with /G account:LCRP."""
    container, name = f"CN=Deleted Objects,{BASE}", "nTSecurityDescriptor"
    owner, dacl = ([LDAPControl(SHOW_DELETED, True), _parts(part)] for part in (OWNER, DACL))
    mine = struct.pack("<BxHIIII", 1, SELF_RELATIVE, 20, 0, 0, 0) + ADMINISTRATORS
    connection.modify_ext_s(container, [(ldap.MOD_REPLACE, name, [mine])], serverctrls=owner)
    (_, account), *_ = connection.search_s(dn, ldap.SCOPE_BASE, attrlist=["objectSid"])
    (_, entry), *_ = connection.search_ext_s(
        container, ldap.SCOPE_BASE, attrlist=[name], serverctrls=dacl
    )
    wanted = _with_reader(entry[name][0], account["objectSid"][0])
    connection.modify_ext_s(container, [(ldap.MOD_REPLACE, name, [wanted])], serverctrls=dacl)


def _parts(part: int) -> LDAPControl:
    """Means this part of a security descriptor alone: [MS-ADTS] 3.1.1.3.4.1.11."""
    value = b"\x30\x03\x02\x01" + bytes([part])
    return LDAPControl(SD_FLAGS, True, encodedControlValue=value)


def _with_reader(descriptor: bytes, sid: bytes) -> bytes:
    """A security descriptor with nothing but a DACL, one more entry in it: [MS-DTYP] 2.4.6."""
    control, start = struct.unpack_from("<H12xI", descriptor, 2)
    revision, size, count = struct.unpack_from("<BxHHxx", descriptor, start)
    entry = struct.pack("<BBHI", ACCESS_ALLOWED, 0, 8 + len(sid), LIST_AND_READ) + sid
    acl = struct.pack("<BxHHxx", revision, size + len(entry), count + 1)
    acl += descriptor[start + 8 : start + size] + entry
    return struct.pack("<BxHIIII", 1, control, 0, 0, 0, 20) + acl


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
