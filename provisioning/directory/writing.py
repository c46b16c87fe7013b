"""Writing single values into entries of a directory, each only while it is as it was planned."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import ldap3
from ldap.controls.libldap import AssertionControl
from ldap3.utils.conv import escape_filter_chars

from provisioning.core.errors import ProvisioningError, Rejected, StalePlan, Unreachable
from provisioning.core.records import Entry, SourceRecord
from provisioning.directory import diagnosis
from provisioning.directory.bases import searches
from provisioning.directory.conversation import ASSERTION, Conversation, converse
from provisioning.directory.endpoint import endpoints
from provisioning.directory.guid import canonical_guid
from provisioning.directory.selection import filters_of_keys

# Entries that are looked up together.
SLICE = 50
_PRESENT = "(objectClass=*)"


@dataclass(frozen=True, slots=True)
class Edit:
    """One value of one attribute of the entry `dn`; empty stands for no value."""

    dn: str
    attribute: str
    before: str
    after: str


class Writer:
    """Somebody who may write, signed in to one server of a source."""

    def __init__(self, source: SourceRecord, server: str, conversation: Conversation) -> None:
        self._source = source
        self.server = server
        self.conversation = conversation
        self._asserts = ASSERTION in conversation.about().get("supportedcontrol", ())

    def read(self, guids: Collection[str], attributes: Collection[str]) -> dict[str, Entry]:
        """The entries of people with these keys, as they are now; who is not found is left out."""
        source, key = self._source, self._source.key_attribute.lower()
        wanted = sorted({*attributes, source.key_attribute})
        found: dict[str, Entry] = {}
        for chosen in filters_of_keys(source.key_attribute, sorted(guids)):
            for asked in searches(source.person_bases, f"(&{source.person_filter}{chosen})"):
                for dn, raw in self.conversation.search(asked, wanted, limit=len(guids)):
                    with suppress(ValueError):
                        guid = canonical_guid(key, raw.get(key))
                        found.setdefault(guid, Entry(guid, dn, raw))
        return found

    def write(self, edit: Edit) -> None:
        """Make `edit` so, in one operation that fails where the value is another by now.

        Raises StalePlan where it is, or the entry is gone, Rejected in the server's words where it
        refuses, and Unreachable where the connection broke.
        """
        changes: list[tuple[str, list[str]]] = []
        if edit.before:
            changes.append((ldap3.MODIFY_DELETE, [edit.before]))
        if edit.after:
            changes.append((ldap3.MODIFY_ADD, [edit.after]))
        assertion = _assertion(edit) if self._asserts else b""
        code, words = self.conversation.modify(edit.dn, {edit.attribute: changes}, assertion)
        if code:
            self._refuse(edit, code, words)

    def _refuse(self, edit: Edit, code: int, words: str) -> None:
        if code == diagnosis.NO_SUCH_OBJECT:
            raise StalePlan("The entry is not there any more. Nothing of it was changed.")
        if code == diagnosis.REFERRAL:
            raise Unreachable(
                f"{self.server} is a copy that cannot be written to. Put the address of a server "
                "that can be first."
            )
        now = self._values(edit)
        own = now if edit.attribute.lower() != "proxyaddresses" else _kept(now, edit)
        if now is not None and own != ([edit.before] if edit.before else []):
            raise StalePlan(
                f"{edit.attribute} was changed to {', '.join(now) or 'nothing'} by somebody else "
                "meanwhile, so it was left as it is."
            )
        if code == diagnosis.INSUFFICIENT_ACCESS:
            raise Rejected(
                f"The account that writes may not change {edit.attribute} of this entry"
                f"{diagnosis.said(words)}. It stays as it was. Give it that right there."
            )
        raise Rejected(
            f"The directory refused to change {edit.attribute} (result {code})"
            f"{diagnosis.said(words)}. It stays as it was."
        )

    def _values(self, edit: Edit) -> list[str] | None:
        """What the entry has now; None where that cannot be seen."""
        try:
            rows = self.conversation.look_at(edit.dn, [edit.attribute])
        except ProvisioningError:
            return None
        return texts(rows[0][1].get(edit.attribute.lower(), ())) if rows else None


@contextmanager
def open_writer(source: SourceRecord) -> Iterator[Writer]:
    """Sign in to write, at the first of the source's servers that can be reached.

    `source` names the account that writes. Raises what `converse` does.
    """
    failures: list[Unreachable] = []
    for endpoint in endpoints(source):
        with ExitStack() as stack:
            try:
                talk = stack.enter_context(converse(source, endpoint, writes=True))
            except Unreachable as failure:
                failures.append(failure)
                continue
            yield Writer(source, endpoint.uri, talk)
            return
    raise Unreachable(" ".join(failure.message for failure in failures)) from failures[0]


def texts(values: Sequence[bytes]) -> list[str]:
    """Values of an attribute as texts."""
    return [value.decode("utf-8", "replace") for value in values]


def _assertion(edit: Edit) -> bytes:
    """The value of the control: a filter that matches the entry as it was planned."""
    if edit.before:
        text = f"({edit.attribute}={escape_filter_chars(edit.before)})"
    elif edit.attribute.lower() == "proxyaddresses":
        text = _PRESENT
    else:
        text = f"(!({edit.attribute}=*))"
    return bytes(AssertionControl(True, text).encodeControlValue())


def _kept(now: Sequence[str] | None, edit: Edit) -> list[str]:
    """Of the values of proxyAddresses the one that the edit is about."""
    return [value for value in now or () if value == edit.before and edit.before]
