"""Bulk reading with python-ldap: the persons and groups of a source, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from types import TracebackType
from typing import Any, Self

import ldap
from ldap.controls import SimplePagedResultsControl

from provisioning.core.errors import IncompleteRead, ProvisioningError, Unreachable
from provisioning.core.records import Entry, SourceRecord
from provisioning.directory import diagnosis
from provisioning.directory.bases import searches
from provisioning.directory.certificate import Untrusted
from provisioning.directory.connection import code_and_words, open_connection
from provisioning.directory.endpoint import endpoints
from provisioning.directory.guid import canonical_guid
from provisioning.directory.selection import filters_of_keys, filters_of_values

MAX_PROBLEMS = 1000
_MOST_NAMES = 1000
_SCOPES = {"subtree": ldap.SCOPE_SUBTREE, "one": ldap.SCOPE_ONELEVEL}
_RANGE = re.compile(r"(.+);range=\d+-(\d+|\*)")

Row = tuple[str, dict[str, list[bytes]]]


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry that was read but cannot be used, and why."""

    dn: str
    message: str


class Reader:
    """A signed-in connection to the first of the source's servers that can be used.

    As a context manager it raises, before anything was read: InvalidInput (an address or authority
    that cannot be used), Rejected (no password, refused sign-in, no trust), Unreachable.

    `people` and `groups` return only after the last page of the last base. A read that ends
    otherwise raises IncompleteRead, InvalidInput (a base or filter) or Rejected (rights), and then
    nothing that it yielded counts. `problems` holds the first 1,000 entries that were left out,
    `left_out` counts them all: whoever is left out is in the directory, not gone.
    `server` is the address in use; `passed_over` says why those before it were not used.
    """

    def __init__(self, source: SourceRecord) -> None:
        self._source = source
        self._connection: Any = None
        self._names = _Names()
        self.problems: list[Problem] = []
        self.left_out = 0
        self.server = ""
        self.passed_over: list[str] = []

    def __enter__(self) -> Self:
        source = self._source
        diagnosis.require_identity(source)
        failures: list[ProvisioningError] = []
        for uri, endpoint in zip(source.uris, endpoints(source), strict=True):
            try:
                self._connection = open_connection(source, endpoint)
            except (Unreachable, Untrusted) as failure:
                failures.append(failure)
            else:
                self.server = uri
                self.passed_over = [failure.message for failure in failures]
                return self
        temporary = any(failure.retry for failure in failures)
        kind = Unreachable if temporary else Untrusted
        raise kind(" ".join(failure.message for failure in failures)) from failures[0]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            with suppress(ldap.LDAPError):
                self._connection.unbind_ext_s()
            self._connection = None

    @property
    def source(self) -> SourceRecord:
        """What is read."""
        return self._source

    @property
    def connection(self) -> Any:
        """The signed-in python-ldap connection, for other questions to the same server."""
        return self._connection

    def select(self, guids: Iterable[str]) -> list[str]:
        """What `people` and `groups` take to read only those with these keys."""
        return filters_of_keys(self._source.key_attribute, guids)

    def naming(self, dn: str) -> list[str]:
        """What `groups` takes to read only those that name `dn` as a member."""
        return filters_of_values(("member", "uniqueMember"), [dn])

    def people(
        self, attributes: Collection[str], only: Sequence[str] | None = None
    ) -> Iterator[list[Entry]]:
        """Pages of the persons below all bases, each person once, with the named attributes.

        `only` are the filters of those who are asked for; None is everybody, and [] nobody.
        """
        return self._read(self._source.person_bases, self._source.person_filter, attributes, only)

    def groups(
        self, attributes: Collection[str], only: Sequence[str] | None = None
    ) -> Iterator[list[Entry]]:
        """Pages of the groups below all bases, each group once, with all of its members."""
        return self._read(self._source.group_bases, self._source.group_filter, attributes, only)

    def _read(
        self, bases: tuple[str, ...], filter_: str, attributes: Collection[str],
        only: Sequence[str] | None,
    ) -> Iterator[list[Entry]]:  # fmt: skip
        wanted = sorted({*attributes, self._source.key_attribute})
        narrower = [""] if only is None else only
        # Bases may overlap, and an entry that is moved during the read can come twice.
        seen: set[str] = set()
        for search, more in product(searches(bases, filter_), narrower):
            count, base = 0, search.dn
            asked = f"(&{search.filter}{more})" if more else search.filter
            try:
                for rows in self._pages(base, _SCOPES[search.scope], asked, wanted):
                    count += len(rows)
                    page = self._entries(rows, seen)
                    if page:
                        yield page
            except ldap.LDAPError as error:
                raise diagnosis.search_failed(base, count, *code_and_words(error)) from error
            except UnicodeDecodeError as error:
                raise IncompleteRead(
                    f"Reading {base} broke off after {count} entries: the next has a DN that is "
                    "not UTF-8. Nothing was changed. Correct that entry in the directory."
                ) from error

    def _pages(
        self, base: str, scope: int, filter_: str, attributes: list[str]
    ) -> Iterator[list[Row]]:
        control = SimplePagedResultsControl(True, self._source.page_size, "")
        search = (base, scope, filter_, attributes, 0, [control])
        request = self._connection.search_ext(*search)
        while request is not None:
            _, rows, _, answers = self._connection.result3(request)
            control.cookie = _cookie(answers, base)
            # The server works on the next page while this one is being used.
            request = self._connection.search_ext(*search) if control.cookie else None
            # What has no DN points to another server: a search continuation, never followed.
            yield [row for row in rows if row[0] is not None]

    def _entries(self, rows: list[Row], seen: set[str]) -> list[Entry]:
        key, names = self._source.key_attribute.lower(), self._names
        page: list[Entry] = []
        for dn, raw in rows:
            # Nearly all entries have the same attributes in the same order.
            attributes = dict(zip(names[tuple(raw)], raw.values(), strict=True))
            if names.ranged and not names.ranged.isdisjoint(attributes):
                self._complete(dn, attributes)
            try:
                guid = canonical_guid(key, attributes.get(key))
            except ValueError as error:
                self._leave_out(Problem(dn, f"{self._source.key_attribute} {error}"))
                continue
            if guid not in seen:
                seen.add(guid)
                page.append(Entry(guid, dn, attributes))
        return page

    def _leave_out(self, problem: Problem) -> None:
        self.left_out += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def _complete(self, dn: str, attributes: dict[str, list[bytes]]) -> None:
        """Fetch the rest of values that came as `member;range=0-1499` ([MS-ADTS] 3.1.1.3.1.3.3)."""
        for ranged in self._names.ranged & attributes.keys():
            values = attributes.pop(ranged)
            found = _RANGE.fullmatch(ranged)
            while found is not None and found[2] != "*":
                wanted = f"{found[1]};range={int(found[2]) + 1}-*"
                rows = self._connection.search_ext_s(
                    dn, ldap.SCOPE_BASE, "(objectClass=*)", [wanted]
                )
                name, more = next(iter(rows[0][1].items()), ("", [])) if rows else ("", [])
                asked, found = found[1], _RANGE.fullmatch(name.lower())
                if found is None or found[1] != asked:
                    raise IncompleteRead(
                        f"Reading {dn} broke off after {len(values):,} values of {asked}: the "
                        "directory did not answer with the next ones. Nothing was changed."
                    )
                values += more
            attributes[ranged.partition(";range=")[0]] = values


class _Names(dict[tuple[str, ...], tuple[str, ...]]):
    """Attribute names as the server writes them → lower case; `ranged` are those with a range."""

    def __init__(self) -> None:
        super().__init__()
        self.ranged: set[str] = set()

    def __missing__(self, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(self) >= _MOST_NAMES:
            self.clear()
        lower = self[names] = tuple(map(str.lower, names))
        self.ranged.update(name for name in lower if ";range=" in name)
        return lower


def _cookie(answers: list[Any], base: str) -> bytes:
    """Where the next page begins; empty after the last one."""
    for answer in answers:
        if answer.controlType == SimplePagedResultsControl.controlType:
            return bytes(answer.cookie)
    raise IncompleteRead(
        f"The directory did not say whether {base} has more entries than it sent. "
        "Nothing was changed. Check that the server supports paged results (RFC 2696)."
    )
