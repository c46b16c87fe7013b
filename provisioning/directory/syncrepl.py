"""Changes of OpenLDAP by content synchronisation (RFC 4533), asked for or as they happen."""

from __future__ import annotations

from typing import Any

import ldap
from ldap.syncrepl import SyncreplConsumer

from provisioning.core.records import SourceRecord
from provisioning.directory.bases import dns_of
from provisioning.directory.changes import (
    BRANCH_MOVED,
    ChangesRefused,
    Found,
    Question,
    Way,
    is_group,
    outermost,
)
from provisioning.directory.connection import code_and_words
from provisioning.directory.diagnosis import said

# The cookie is unknown or too old (e-syncRefreshRequired), or the server has no syncprov.
_REFRESH_REQUIRED = 4096
_REFUSALS = frozenset({2, 12, 50, 53, _REFRESH_REQUIRED})
_ATTRIBUTES = ["objectClass", "hasSubordinates"]
_NOTHING = "(!(objectClass=*))"


class Syncrepl(Way):
    """The bases of the source themselves: what leaves them is told like a deletion.

    A server without a log of sessions, or with too short a one, lists instead what is there.
    """

    key_attribute = "entryuuid"

    def bases(self, connection: Any, source: SourceRecord) -> list[str]:
        return outermost(dns_of((*source.person_bases, *source.group_bases)))

    def begin(self, connection: Any, base: str) -> tuple[str, str]:
        return _refresh(connection, base, None, _NOTHING, by_membership=False).cookie, ""

    def read(self, connection: Any, base: str, cookie: str, question: Question) -> Found:
        return _refresh(
            connection, base, cookie, "(objectClass=*)", by_membership=question.by_membership
        )

    def listen(self, connection: Any, base: str) -> None:
        cookie, _ = self.begin(connection, base)
        consumer = _Consumer(connection, by_membership=False)
        consumer.search(base, "refreshAndPersist", cookie, "(objectClass=*)")


def _refresh(
    connection: Any, base: str, cookie: str | None, filter_: str, *, by_membership: bool
) -> Found:
    consumer = _Consumer(connection, by_membership=by_membership)
    try:
        request = consumer.search(base, "refreshOnly", cookie, filter_)
        while consumer.syncrepl_poll(msgid=request, timeout=connection.timeout):
            pass
    except ldap.LDAPError as error:
        code, words = code_and_words(error)
        if code in _REFUSALS:
            raise ChangesRefused(f"The directory refused syncrepl{said(words)}.") from error
        raise
    if not consumer.complete or not consumer.found.cookie:
        raise ChangesRefused("The directory did not say that it told all changes.")
    return consumer.found


class _Consumer(SyncreplConsumer):  # type: ignore[misc] # the library has no types
    """Collects what one search says, on a connection that is open already."""

    def __init__(self, connection: Any, *, by_membership: bool) -> None:
        self._connection = connection
        self._by_membership = by_membership
        self._listed: set[str] = set()
        self.complete = False
        self.found = Found("")

    def search(self, base: str, mode: str, cookie: str | None, filter_: str) -> int:
        """Start the search; the number of its messages."""
        self.found.cookie = cookie or ""  # a server to which nothing happened sends no other
        return int(
            self.syncrepl_search(
                base, ldap.SCOPE_SUBTREE, mode, cookie, filterstr=filter_, attrlist=_ATTRIBUTES
            )
        )

    def search_ext(self, *positional: Any, **named: Any) -> Any:
        return self._connection.search_ext(*positional, **named)

    def result4(self, **named: Any) -> Any:
        return self._connection.result4(**named)

    def syncrepl_set_cookie(self, cookie: str) -> None:
        self.found.cookie = cookie

    def syncrepl_entry(self, dn: str, attrs: dict[str, list[bytes]], uuid: str) -> None:
        values = {name.lower(): each for name, each in attrs.items()}
        self.found.touched.add(uuid)
        if values.get("hassubordinates") == [b"TRUE"]:
            self.found.everything = BRANCH_MOVED
        if self._by_membership and is_group(values.get("objectclass", [])):
            self.found.everything = "A group changed, and who is read depends on groups."

    def syncrepl_delete(self, uuids: list[str]) -> None:
        self.found.touched.update(uuids)

    def syncrepl_present(self, uuids: list[str] | None, refreshDeletes: bool = False) -> None:
        if uuids is not None:
            self._listed.update(uuids)
            return
        if not refreshDeletes:
            self.found.present = self._listed
        self._listed = set()
        self.complete = True
