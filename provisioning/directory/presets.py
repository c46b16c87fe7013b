"""Mappings that fit the usual directories as they are; an administrator starts from one of them."""

from __future__ import annotations

from dataclasses import dataclass

# What is read of a group, whatever the directory: `member` and `uniqueMember` hold DNs, `memberUid`
# user names; objectSid and gidNumber are what the primary group of its members leads to.
GROUP_ATTRIBUTES = (
    "cn", "description", "member", "uniquemember", "memberuid", "objectsid", "gidnumber",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Preset:
    """A complete configuration of what is read; `fields` maps MAP_FIELDS to expressions.

    `photo` is the attribute that holds the portrait. `mode` is how changes are found from the
    start, and `interval` how often they are looked for, in seconds.
    """

    label: str
    key_attribute: str
    person_filter: str
    group_filter: str
    fields: dict[str, str]
    disabled: str
    photo: str
    mode: str = "full"
    interval: int = 900


# What an entry of Exchange stands for (msExchRecipientTypeDetails, one bit each, and before
# Exchange 2007 msExchRecipientDisplayType). The users behind rooms and shared mailboxes are
# disabled and none of them left. A shared mailbox, equipment and the system's own have no
# telephone; rooms have.
_MAILBOX_KIND = (
    "if(first(msExchRecipientTypeDetails, msExchRecipientDisplayType), first("
    # Room, remote room, linked room.
    "if(bit(msExchRecipientTypeDetails, 16, 8589934592, 2199023255552), 'room'), "
    # Shared, equipment, and both of them in the cloud.
    "if(bit(msExchRecipientTypeDetails, 4, 32, 17179869184, 34359738368), 'left out'), "
    # System attendant, system, arbitration, discovery, public folder, monitoring, audit log.
    "if(bit(msExchRecipientTypeDetails, 8192, 16384, 8388608, 536870912, 68719476736, "
    "549755813888, 4398046511104), 'left out'), "
    "if(equals(msExchRecipientDisplayType, '7'), 'room'), "
    "if(equals(msExchRecipientDisplayType, '8'), 'left out')))"
)
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
    "country": "country(first(c, co))",
    "employee_id": "employeeNumber",
    "manager": "manager",
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
            "mail": "first(mail, match(proxyAddresses, '^(?-i:SMTP):(.+)$'))",
            "phone": "first(telephoneNumber, match(msRTCSIP-Line, '^tel:([^;]+)'), ipPhone)",
            "mobile": "mobile",
            "title": "title",
            "department": "department",
            "office": "first(physicalDeliveryOfficeName, l)",
            "country": "country(first(c, co))",
            "employee_id": "first(employeeID, employeeNumber)",
            "sip_address": (
                "first(match(proxyAddresses, '^sip:(.+)$'), "
                "match(msRTCSIP-PrimaryUserAddress, '^sip:(.+)$'))"
            ),
            "extension": "match(msRTCSIP-Line, ';ext=([0-9]+)')",
            "manager": "manager",
            "kind": _MAILBOX_KIND,
            "expires_at": "filetime(accountExpires)",
            "locked_out": "all(lockoutTime, not(equals(lockoutTime, '0')))",
            # Not where the password never expires (DONT_EXPIRE_PASSWORD).
            "must_change_password": (
                "all(equals(pwdLastSet, '0'), not(bit(userAccountControl, 65536)))"
            ),
            "disabled_room": "''",
        },
        # ACCOUNTDISABLE ([MS-ADTS] 2.2.16). The user behind a linked mailbox is always disabled:
        # its person signs in in another forest.
        disabled="all(bit(userAccountControl, 2), not(bit(msExchRecipientTypeDetails, 2)))",
        photo="thumbnailPhoto",
    ),
    "openldap": Preset(
        label="OpenLDAP",
        key_attribute="entryUUID",
        person_filter="(objectClass=inetOrgPerson)",
        group_filter="(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))",
        fields=_INET_ORG_PERSON
        | {
            "expires_at": "first(ldaptime(pwdEndTime), unixday(shadowExpire))",
            "locked_out": (
                "all(pwdAccountLockedTime, not(equals(pwdAccountLockedTime, '000001010000Z')))"
            ),
            "must_change_password": "equals(pwdReset, 'TRUE')",
        },
        # Locked for good by an administrator (slapo-ppolicy(5)). Any other value is a lock after
        # wrong passwords, with which anybody could take a colleague's telephone away.
        disabled="equals(pwdAccountLockedTime, '000001010000Z')",
        photo="jpegPhoto",
    ),
    "389ds": Preset(
        label="389 Directory Server, FreeIPA",
        # entryUUID needs a plug-in there; every entry has this one.
        key_attribute="nsUniqueId",
        person_filter="(objectClass=inetOrgPerson)",
        group_filter="(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))",
        fields=_INET_ORG_PERSON
        | {
            "expires_at": "ldaptime(krbPrincipalExpiration)",
            "locked_out": "accountUnlockTime",
            # The epoch, once an administrator has reset it.
            "must_change_password": "equals(passwordExpirationTime, '19700101000000Z')",
        },
        disabled="equals(nsAccountLock, 'true')",
        photo="jpegPhoto",
    ),
    "other": Preset(
        label="Other LDAP directory",
        # RFC 4530; what tells that somebody is disabled differs from vendor to vendor.
        key_attribute="entryUUID",
        person_filter="(objectClass=inetOrgPerson)",
        group_filter="(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))",
        fields=_INET_ORG_PERSON,
        disabled="",
        photo="jpegPhoto",
    ),
    "scim": Preset(
        label="SCIM (Entra ID, Okta)",
        # The server's own, which clients know every user by.
        key_attribute="id",
        person_filter="",
        group_filter="",
        fields={
            # The default formula of rules makes SIP URIs of it, in which an @ has no place.
            "login": "before(userName, '@')",
            "display_name": "first(displayName, name.formatted, userName)",
            "given_name": "name.givenName",
            "surname": "name.familyName",
            "mail": "first(emails.work, emails)",
            "phone": "first(phoneNumbers.work, phoneNumbers.other)",
            "mobile": "phoneNumbers.mobile",
            "title": "title",
            "department": "enterprise.department",
            # Entra ID writes physicalDeliveryOfficeName to addresses[type eq "other"].formatted.
            "office": "first(addresses.other.formatted, addresses.work.locality)",
            "country": "country(addresses.work.country)",
            "employee_id": "enterprise.employeeNumber",
            "manager": "enterprise.manager",
        },
        disabled="equals(active, 'false')",
        photo="",
        mode="scim",
        # A worker is woken by every request; this finds what nobody was woken for.
        interval=60,
    ),
}
