"""What may be written into a directory's entry, and what of it would change."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from provisioning.core.errors import InvalidInput
from provisioning.core.text import require_line

MAX_VALUE = 256
MAX_NAME = 40
PROXY_ADDRESSES = "proxyaddresses"
_SIP = "sip:"
_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9-]{{0,{MAX_NAME - 1}}}", re.ASCII)
_SIP_ADDRESS = re.compile(r"sip:[^\s@:;,<>\"]+@[^\s@:;,<>\"]+", re.IGNORECASE)

# What an entry is found, named, signed in or entitled by; and what other programs run or open.
_NEVER = frozenset({
    "objectguid", "entryuuid", "nsuniqueid", "objectsid", "dn", "distinguishedname", "entrydn",
    "objectclass", "cn", "name", "uid", "uidnumber", "gidnumber", "sn", "givenname", "displayname",
    "samaccountname", "userprincipalname", "serviceprincipalname", "altsecurityidentities", "mail",
    "employeeid", "employeenumber", "employeetype", "useraccountcontrol", "memberof", "member",
    "manager", "scriptpath", "profilepath", "homedirectory", "homedrive", "unixhomedirectory",
    "loginshell", "userworkstations", "userparameters", "krbprincipalname", "mailnickname",
    "targetaddress", "legacyexchangedn", "gecos",
})  # fmt: skip
_NEVER_BEGINS = ("msds-", "msexch", "mspki", "ms-ds-", "ms-mcs-", "mslaps-", "krb", "ipa", "pwd")
_HARMLESS = ("msds-cloudextensionattribute", "msexchextensionattribute")


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One value of one entry: `action` is create (there was none), update or empty."""

    action: str
    before: str
    after: str


def check_name(attribute: str) -> None:
    """Raise InvalidInput where `attribute` is no name, or one that is never written."""
    if not _NAME.fullmatch(attribute):
        raise InvalidInput(
            f"“{attribute[:60]}” is not the name of an attribute such as ipPhone; at most "
            f"{MAX_NAME} letters, digits and dashes."
        )
    name = attribute.lower()
    if name in _NEVER or (name.startswith(_NEVER_BEGINS) and not name.startswith(_HARMLESS)):
        raise InvalidInput(
            f"{attribute} is never written: entries are named, found, signed in or given rights "
            "by it. Choose an attribute that only shows something, such as ipPhone or an "
            "extensionAttribute."
        )


def needs_second_user(attribute: str) -> bool:
    """Whether other systems live on `attribute`, so that two console users have to agree."""
    name = attribute.lower()
    return name == PROXY_ADDRESSES or name.startswith("msrtcsip-")


def warning_of(attribute: str) -> str:
    """What else `attribute` decides; empty where nothing is known to."""
    name = attribute.lower()
    if name == PROXY_ADDRESSES:
        return (
            "Exchange delivers mail by proxyAddresses, and Entra Connect copies it to Microsoft "
            "365. Only the sip: value that the console itself wrote is added, changed or taken "
            "away; SMTP: and all others stay as they are."
        )
    if name.startswith("msrtcsip-"):
        return (
            "Skype for Business and Teams work by the msRTCSIP attributes, and Entra Connect "
            "copies them: a value here can enable, rename or break somebody there."
        )
    return ""


def finish_value(attribute: str, value: str) -> str:
    """What is written for the value of an expression; raises InvalidInput where it cannot be."""
    value = require_line(value.strip(), attribute)
    if len(value) > MAX_VALUE:
        raise InvalidInput(f"{attribute} would get {len(value)} characters; {MAX_VALUE} is most.")
    if not value or attribute.lower() != PROXY_ADDRESSES:
        return value
    if not value.lower().startswith(_SIP):
        value = _SIP + value
    if not _SIP_ADDRESS.fullmatch(value):
        raise InvalidInput(f"proxyAddresses gets SIP URIs only, and “{value}” is none.")
    return value


def compare_value(
    attribute: str, present: Sequence[str], wanted: str, ours: Collection[str]
) -> ValueChange | None:
    """What makes `wanted` of the values that are `present`; None where nothing is to be done.

    `ours` are values that the console wrote there before: nothing else is emptied, and of
    proxyAddresses nothing else is replaced. Raises InvalidInput where it must be left as it is.
    """
    if attribute.lower() == PROXY_ADDRESSES:
        return _compare_address(attribute, present, wanted, ours)
    if len(present) > 1:
        if not wanted:
            return None
        raise InvalidInput(
            f"{attribute} has {len(present)} values, so it is left as it is. Leave one there."
        )
    return _change(present[0] if present else "", wanted, ours)


def _compare_address(
    attribute: str, present: Sequence[str], wanted: str, ours: Collection[str]
) -> ValueChange | None:
    addresses = [value for value in present if value.lower().startswith(_SIP)]
    if wanted and any(value.lower() == wanted.lower() for value in addresses):
        return None
    own = next((value for value in addresses if value in ours), "")
    if wanted and addresses and not own:
        raise InvalidInput(
            f"{attribute} has {addresses[0]}, which the console did not write, so it is left as "
            "it is. Take it out there if the console shall keep it."
        )
    return _change(own, wanted, ours)


def _change(before: str, wanted: str, ours: Collection[str]) -> ValueChange | None:
    if before == wanted:
        return None
    if not wanted:
        return ValueChange("empty", before, "") if before in ours else None
    return ValueChange("update" if before else "create", before, wanted)
