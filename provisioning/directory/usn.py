"""Changes of Active Directory by uSNChanged: works with every right, and sees less."""

from __future__ import annotations

from typing import Any

import ldap
from ldap.controls import LDAPControl, SimplePagedResultsControl

from provisioning.core.records import SourceRecord
from provisioning.directory.changes import (
    BRANCH_MOVED,
    ChangesRefused,
    Found,
    Question,
    Way,
    is_branch,
    is_group,
    listen_for_notifications,
    naming_contexts,
)
from provisioning.directory.dirsync import UNSEEN
from provisioning.directory.guid import canonical_guid

# LDAP_SERVER_SHOW_DELETED_OID ([MS-ADTS] 3.1.1.3.4.1.14)
_SHOW_DELETED = "1.2.840.113556.1.4.417"
_PAGE = 1000
_ATTRIBUTES = ["objectGUID", "objectClass", "uSNCreated"]


class Usn(Way):
    """Whole naming contexts of one domain controller, whose update sequence numbers are its own.

    Another one, or one that was restored, has another invocation id, and then all is read.
    Deletions show as tombstones, which the bind account has to be allowed to see.
    """

    key_attribute = "objectguid"

    def bases(self, connection: Any, source: SourceRecord) -> list[str]:
        return naming_contexts(connection, source)

    def begin(self, connection: Any, base: str) -> tuple[str, str]:
        controller, number = _position(connection)
        return _cookie(controller, number), "" if _sees_deletions(connection, base) else UNSEEN

    def read(self, connection: Any, base: str, cookie: str, question: Question) -> Found:
        known, _, last = cookie.partition(":")
        controller, number = _position(connection)
        if controller != known or not last.isdecimal():
            raise ChangesRefused(
                "Another domain controller answered, or this one was restored; their update "
                "sequence numbers cannot be compared."
            )
        first = int(last) + 1
        found = Found(_cookie(controller, number))
        if number < first:
            return found
        for raw in _changed(connection, base, first):
            values = {name.lower(): each for name, each in raw.items()}
            classes = values.get("objectclass", [])
            found.touched.add(canonical_guid(self.key_attribute, values.get("objectguid")))
            if is_branch(classes) and int(values.get("usncreated", [b"0"])[0]) < first:
                found.everything = BRANCH_MOVED
            if question.by_membership and is_group(classes):
                found.everything = "A group changed, and who is read depends on groups."
        return found

    def listen(self, connection: Any, base: str) -> None:
        listen_for_notifications(connection, base)


def _cookie(controller: str, number: int) -> str:
    return f"{controller}:{number}"


def _position(connection: Any) -> tuple[str, int]:
    """The invocation id of the domain controller that answers, and its highest number."""
    names = ["dsServiceName", "highestCommittedUSN"]
    (_, root), *_ = connection.search_s("", ldap.SCOPE_BASE, "(objectClass=*)", names)
    values = {name.lower(): each[0] for name, each in root.items()}
    if "dsservicename" not in values or "highestcommittedusn" not in values:
        raise ChangesRefused("The directory has no update sequence numbers.")
    service = values["dsservicename"].decode()
    rows = connection.search_s(service, ldap.SCOPE_BASE, "(objectClass=*)", ["invocationId"])
    (identity,) = next(iter(rows[0][1].values()), [b""])
    if not identity:
        raise ChangesRefused("The bind account may not read the domain controller's invocation id.")
    return identity.hex(), int(values["highestcommittedusn"])


def _changed(connection: Any, base: str, first: int) -> list[dict[str, list[bytes]]]:
    paging = SimplePagedResultsControl(True, _PAGE, "")
    controls = [paging, LDAPControl(_SHOW_DELETED, True, None)]
    found: list[dict[str, list[bytes]]] = []
    more = True
    while more:
        request = connection.search_ext(
            base, ldap.SCOPE_SUBTREE, f"(uSNChanged>={first})", _ATTRIBUTES, serverctrls=controls
        )
        _, rows, _, answers = connection.result3(request)
        found += [raw for dn, raw in rows if dn is not None]
        answer = [each for each in answers if each.controlType == paging.controlType]
        paging.cookie = answer[0].cookie if answer else b""
        more = bool(paging.cookie)
    return found


def _sees_deletions(connection: Any, base: str) -> bool:
    """Whether the container of deleted objects can be read: without the right it looks empty."""
    try:
        rows = connection.search_ext_s(
            f"CN=Deleted Objects,{base}", ldap.SCOPE_BASE, "(objectClass=*)", ["isDeleted"],
            serverctrls=[LDAPControl(_SHOW_DELETED, True, None)],
        )  # fmt: skip
    except (ldap.NO_SUCH_OBJECT, ldap.INSUFFICIENT_ACCESS):
        return False
    return any(raw for _, raw in rows)
