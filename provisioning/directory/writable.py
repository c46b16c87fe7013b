"""Which attributes of a directory can be written, by its schema and by an account's rights."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable

import ldap3
from ldap.schema.models import AttributeType

from provisioning.directory import diagnosis
from provisioning.directory.conversation import Conversation

# LDAP_CAP_ACTIVE_DIRECTORY_OID ([MS-ADTS] 3.1.1.3.4.1).
_ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"
# Directory string, IA5, printable, numeric and telephone number (RFC 4517 section 3.3), and the
# case-ignoring string of Active Directory ([MS-ADTS] 3.1.1.2.2.2).
_TEXT = frozenset({
    "1.3.6.1.4.1.1466.115.121.1.15", "1.3.6.1.4.1.1466.115.121.1.26",
    "1.3.6.1.4.1.1466.115.121.1.44", "1.3.6.1.4.1.1466.115.121.1.36",
    "1.3.6.1.4.1.1466.115.121.1.50", "1.2.840.113556.1.4.905",
})  # fmt: skip
# They may have several values: of the first only the console's own is touched, and an entry with
# several of the second (RFC 4519 section 2.35) is left as it is.
_SEVERAL = frozenset({"proxyaddresses", "telephonenumber"})
_UNDEFINED_ATTRIBUTE = 17
_DEEPEST = 10


def find_unsuitable(conversation: Conversation, names: Collection[str]) -> dict[str, str]:
    """Why the schema keeps single texts out of some of `names`; no attribute where it does not.

    A directory that shows no schema refuses by itself what it does not take.
    """
    definitions = conversation.attribute_types()
    if not definitions:
        return {}
    found = {name: _unsuitable(definitions, name) for name in names}
    return {name: why for name, why in found.items() if why}


def find_forbidden(conversation: Conversation, dn: str, names: Collection[str]) -> dict[str, str]:
    """Why the account that is signed in may not write some of `names` in the entry `dn`.

    Active Directory says so itself (allowedAttributesEffective, [MS-ADTS] 3.1.1.4.5.22). Others are
    asked to take away a value that no entry has: they check the right first, and change nothing.
    """
    if _ACTIVE_DIRECTORY in conversation.about().get("supportedcapabilities", ()):
        rows = conversation.look_at(dn, ["allowedAttributesEffective"])
        allowed = {
            value.decode("utf-8", "replace").lower()
            for _, attributes in rows
            for value in attributes.get("allowedattributeseffective", ())
        }
        return {name: "may not be written" for name in names if name.lower() not in allowed}
    found = {name: _try(conversation, dn, name) for name in names}
    return {name: why for name, why in found.items() if why}


def _try(conversation: Conversation, dn: str, name: str) -> str:
    # Digits fit every syntax of texts, and so many are nobody's value.
    nobodys = str(secrets.randbelow(10**30)).zfill(30)
    code, words = conversation.modify(dn, {name: [(ldap3.MODIFY_DELETE, [nobodys])]})
    if code == diagnosis.INSUFFICIENT_ACCESS:
        return "may not be written"
    if code == _UNDEFINED_ATTRIBUTE:
        return "is not known to the directory"
    if code in (diagnosis.REFERRAL, diagnosis.UNWILLING):
        return f"cannot be written at this server{diagnosis.said(words)}"
    return ""


def _unsuitable(definitions: Iterable[str], name: str) -> str:
    found = _definition(definitions, name)
    if found is None:
        return "is not known to the directory"
    if found.no_user_mod or found.usage != 0:
        return "is kept by the directory itself"
    if not found.single_value and name.lower() not in _SEVERAL:
        return "may have several values"
    syntax, above, depth = found.syntax, found, 0
    while not syntax and above.sup and depth < _DEEPEST:
        inherited = _definition(definitions, above.sup[0])
        if inherited is None:
            break
        above, syntax, depth = inherited, inherited.syntax, depth + 1
    return "" if syntax in _TEXT else "holds no text"


def _definition(definitions: Iterable[str], name: str) -> AttributeType | None:
    """The definition of one attribute; only those that name it are read, for reading is slow."""
    named = re.compile(rf"'{re.escape(name)}'", re.IGNORECASE)
    for text in definitions:
        if named.search(text):
            try:
                definition = AttributeType(text)
            except (ValueError, IndexError, KeyError, AssertionError):
                continue  # a vendor's own notation
            if name.lower() in {each.lower() for each in definition.names}:
                return definition
    return None
