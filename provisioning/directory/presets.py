"""Mappings that fit the usual directories as they are; an administrator starts from one of them."""

from __future__ import annotations

from dataclasses import dataclass

# What is read of a group, whatever the directory: `member` and `uniqueMember` hold DNs, `memberUid`
# user names; objectSid is what the primaryGroupID of its members leads to.
GROUP_ATTRIBUTES = ("cn", "description", "member", "uniquemember", "memberuid", "objectsid")


@dataclass(frozen=True, slots=True)
class Preset:
    """A complete configuration of what is read; `fields` maps PERSON_FIELDS to expressions."""

    label: str
    key_attribute: str
    person_filter: str
    group_filter: str
    fields: dict[str, str]
    disabled: str


_INET_ORG_PERSON = {
    "login": "uid",
    "display_name": "first(displayName, cn)",
    "given_name": "givenName",
    "surname": "sn",
    "mail": "mail",
    "phone": "telephoneNumber",
    "mobile": "mobile",
    "title": "title",
    "department": "first(departmentNumber, ou)",
    "office": "first(physicalDeliveryOfficeName, roomNumber, l)",
    "country": "first(c, co)",
    "employee_id": "employeeNumber",
}

DEFAULT_MAPPINGS: dict[str, Preset] = {
    "active_directory": Preset(
        label="Active Directory, Samba AD",
        key_attribute="objectGUID",
        # Built-in accounts such as krbtgt and Guest are nobody's telephone.
        person_filter=(
            "(&(objectCategory=person)(objectClass=user)(!(isCriticalSystemObject=TRUE)))"
        ),
        group_filter="(objectClass=group)",
        fields={
            "login": "sAMAccountName",
            "display_name": "first(displayName, cn)",
            "given_name": "givenName",
            "surname": "sn",
            "mail": "mail",
            "phone": "telephoneNumber",
            "mobile": "mobile",
            "title": "title",
            "department": "department",
            "office": "first(physicalDeliveryOfficeName, l)",
            "country": "first(c, co)",
            "employee_id": "first(employeeID, employeeNumber)",
            "sip_address": (
                "first(match(proxyAddresses, '^sip:(.+)$'), "
                "match(msRTCSIP-PrimaryUserAddress, '^sip:(.+)$'))"
            ),
        },
        # ACCOUNTDISABLE ([MS-ADTS] 2.2.16).
        disabled="bit(userAccountControl, 2)",
    ),
    "openldap": Preset(
        label="OpenLDAP",
        key_attribute="entryUUID",
        person_filter="(objectClass=inetOrgPerson)",
        group_filter="(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))",
        fields=_INET_ORG_PERSON,
        # Locked for good by an administrator (slapo-ppolicy(5)). Any other value is a lock after
        # wrong passwords, with which anybody could take a colleague's telephone away.
        disabled="equals(pwdAccountLockedTime, '000001010000Z')",
    ),
    "389ds": Preset(
        label="389 Directory Server, FreeIPA",
        # entryUUID needs a plug-in there; every entry has this one.
        key_attribute="nsUniqueId",
        person_filter="(objectClass=inetOrgPerson)",
        group_filter="(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))",
        fields=_INET_ORG_PERSON,
        disabled="equals(nsAccountLock, 'true')",
    ),
}
