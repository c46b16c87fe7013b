"""Changes of Active Directory by the DirSync control ([MS-ADTS] 3.1.1.3.4.1.3)."""

from __future__ import annotations

import base64
from typing import Any

import ldap
from ldap.controls import KNOWN_RESPONSE_CONTROLS, RequestControl, ResponseControl
from pyasn1.codec.ber import decoder, encoder
from pyasn1.type import namedtype, univ

from provisioning.core.records import SourceRecord
from provisioning.directory.changes import (
    BRANCH_MOVED,
    ChangesRefused,
    Found,
    Question,
    Way,
    is_branch,
    listen_for_notifications,
    naming_contexts,
)
from provisioning.directory.connection import code_and_words
from provisioning.directory.diagnosis import said
from provisioning.directory.guid import canonical_guid

# As the signed 32-bit number that the control carries: only the members that came or went.
_INCREMENTAL_VALUES = -0x80000000
# What the bind account may read, instead of everything by the right to replicate.
_OBJECT_SECURITY = 0x1
_MOST_BYTES = 1 << 20
_DELETIONS = "(&(isDeleted=TRUE)(cn=Deleted Objects))"
# The cookie is broken, too old, or of another domain; or the control is not known or not allowed.
_REFUSALS = frozenset({2, 12, 19, 50, 53, 80})

UNSEEN = (
    "Deleted people and groups: the bind account may not see the container Deleted Objects. "
    "Grant it “List Contents” and “Read Property” there; until then the full read finds them."
)


class _Value(univ.Sequence):
    componentType = namedtype.NamedTypes(
        namedtype.NamedType("flags", univ.Integer()),
        namedtype.NamedType("bytes", univ.Integer()),
        namedtype.NamedType("cookie", univ.OctetString()),
    )


class _DirSyncControl(RequestControl, ResponseControl):  # type: ignore[misc] # no types
    """Asks from a cookie on; in the answer `more` says that the directory has not said it all."""

    controlType = "1.2.840.113556.1.4.841"

    def __init__(self, flags: int = 0, cookie: bytes = b"") -> None:
        super().__init__(self.controlType, criticality=True)
        self.flags, self.cookie, self.more = flags, cookie, False

    def encodeControlValue(self) -> bytes:
        value = _Value()
        value["flags"], value["bytes"], value["cookie"] = self.flags, _MOST_BYTES, self.cookie
        return bytes(encoder.encode(value))

    def decodeControlValue(self, encodedControlValue: bytes) -> None:
        value, _ = decoder.decode(encodedControlValue, asn1Spec=_Value())
        self.more, self.cookie = bool(value["flags"]), bytes(value["cookie"])


# Otherwise python-ldap drops the answer's cookie.
KNOWN_RESPONSE_CONTROLS[_DirSyncControl.controlType] = _DirSyncControl


class DirSync(Way):
    """Whole naming contexts, for the control allows no other base; deletions and moves included.

    An entry comes when one of the asked attributes changed, so its values are those only: it has to
    be read again. Without the right to replicate changes it sees what the bind account may read.
    """

    key_attribute = "objectguid"

    def bases(self, connection: Any, source: SourceRecord) -> list[str]:
        return naming_contexts(connection, source)

    def begin(self, connection: Any, base: str) -> tuple[str, str]:
        # The cookie says how far the directory is, whatever the filter lets through.
        rows, cookie = _search(connection, base, b"", _DELETIONS, ["isDeleted"])
        return base64.b64encode(cookie).decode(), "" if rows else UNSEEN

    def read(self, connection: Any, base: str, cookie: str, question: Question) -> Found:
        try:
            before = base64.b64decode(cookie, validate=True)
        except ValueError as error:
            raise ChangesRefused("It was not kept where the last reading ended.") from error
        asked = sorted(question.attributes)
        rows, after = _search(connection, base, before, "(objectClass=*)", asked)
        found = Found(base64.b64encode(after).decode())
        for dn, raw in rows:
            values = {name.lower(): each for name, each in raw.items()}
            found.touched.add(canonical_guid(self.key_attribute, values.get("objectguid")))
            if question.by_membership:
                found.members |= _members(values)
            if _moved(values) and is_branch(_classes(connection, dn)):
                found.everything = BRANCH_MOVED
        return found

    def listen(self, connection: Any, base: str) -> None:
        listen_for_notifications(connection, base)


def _search(
    connection: Any, base: str, cookie: bytes, filter_: str, attributes: list[str]
) -> tuple[list[tuple[str, dict[str, list[bytes]]]], bytes]:
    """All answers from `cookie` on; by object security where the right to replicate is missing."""
    try:
        return _pages(connection, base, cookie, filter_, attributes, _INCREMENTAL_VALUES)
    except ldap.INSUFFICIENT_ACCESS:
        flags = _INCREMENTAL_VALUES | _OBJECT_SECURITY
        return _pages(connection, base, cookie, filter_, attributes, flags)


def _pages(
    connection: Any, base: str, cookie: bytes, filter_: str, attributes: list[str], flags: int
) -> tuple[list[tuple[str, dict[str, list[bytes]]]], bytes]:
    found: list[tuple[str, dict[str, list[bytes]]]] = []
    more = True
    while more:
        try:
            request = connection.search_ext(
                base, ldap.SCOPE_SUBTREE, filter_, attributes,
                serverctrls=[_DirSyncControl(flags, cookie)],
            )  # fmt: skip
            _, rows, _, answers = connection.result3(request)
        except ldap.LDAPError as error:
            code, words = code_and_words(error)
            if isinstance(error, ldap.INSUFFICIENT_ACCESS) and not flags & _OBJECT_SECURITY:
                raise
            if code in _REFUSALS:
                raise ChangesRefused(f"The directory refused DirSync{said(words)}.") from error
            raise
        answer = next((each for each in answers if isinstance(each, _DirSyncControl)), None)
        if answer is None:
            raise ChangesRefused("The directory does not know DirSync.")
        found += [row for row in rows if row[0] is not None]
        more, cookie = answer.more, answer.cookie
    return found, cookie


def _members(values: dict[str, list[bytes]]) -> set[str]:
    """Who came (`member;range=1-1`) and who went (`member;range=0-0`)."""
    named = (each for name, each in values.items() if name.partition(";")[0] == "member")
    return {_plain(value.decode("utf-8", "replace")) for each in named for value in each}


def _plain(dn: str) -> str:
    """A DN without the `<GUID=…>;<SID=…>;` that may stand before it."""
    while dn.startswith("<") and ">;" in dn:
        dn = dn.partition(">;")[2]
    return dn


def _moved(values: dict[str, list[bytes]]) -> bool:
    """Whether an entry that existed has another name or place; a new one shows its classes."""
    return "name" in values and not {"objectclass", "isdeleted"} & values.keys()


def _classes(connection: Any, dn: str) -> list[bytes]:
    try:
        rows = connection.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", ["objectClass"])
    except ldap.NO_SUCH_OBJECT:
        return []
    return [value for _, raw in rows for values in raw.values() for value in values]
