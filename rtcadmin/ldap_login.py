"""Signing in with a directory: django-auth-ldap, set up per source, keyed by GUID.

Nobody is matched by name: a directory's "admin" and the local console user "admin" are two users.
The role comes from the groups as they are in the directory at that moment; without a group that
has a role there is no sign-in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ldap
import structlog
from django.http import HttpRequest
from django_auth_ldap.backend import LDAPBackend, _LDAPUser
from django_auth_ldap.config import (
    LDAPSearch,
    LDAPSearchUnion,
    LDAPSettings,
    NestedMemberDNGroupType,
)
from ldap.filter import escape_filter_chars

from provisioning.core.errors import ProvisioningError, Unreachable
from provisioning.core.records import Entry, SourceRecord
from provisioning.core.roles import Role, highest
from provisioning.directory.bases import read_base
from provisioning.directory.certificate import Untrusted
from provisioning.directory.connection import open_connection
from provisioning.directory.endpoint import endpoints
from provisioning.directory.guid import canonical_guid
from provisioning.directory.mapping import MappedPerson, compile_mapping
from provisioning.models import ConsoleUser, DirectorySource, RoleGroup
from provisioning.services.console import console_users
from provisioning.services.servers import targets

log = structlog.stdlib.get_logger(__name__)

# What people type as their user name; what else names them is not theirs alone.
_LOGIN_FILTERS = {
    "active_directory": "(|(sAMAccountName=%(user)s)(userPrincipalName=%(user)s))",
    "openldap": "(uid=%(user)s)",
    "389ds": "(uid=%(user)s)",
    "other": "(uid=%(user)s)",
}
_SCOPES = {"subtree": ldap.SCOPE_SUBTREE, "one": ldap.SCOPE_ONELEVEL}
_MEMBER_ATTRIBUTES = ("member", "uniqueMember")


class DirectoryBackend(LDAPBackend):  # type: ignore[misc] # the library has no types
    """Asks every source that allows sign-in, in the order of their names."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_: Any,
    ) -> ConsoleUser | None:
        """The console user, or None. An empty password never reaches a directory: RFC 4513
        section 5.1.2 lets a server take it for an anonymous sign-in, which succeeds."""
        if not username or not password or "\0" in username:
            return None
        for source in DirectorySource.objects.filter(allows_sign_in=True).order_by("name"):
            try:
                person = _Person(source, username.strip(), request)
            except ProvisioningError as error:
                log.warning("sign-in impossible", source=source.name, problem=error.message)
                continue
            user: ConsoleUser | None = person.authenticate(password)
            if user is not None:
                return user
        return None

    def get_user(self, user_id: int) -> ConsoleUser | None:
        """The user of a session, as long as they may sign in and the source lets anybody."""
        users = ConsoleUser.objects.filter(is_active=True, source__allows_sign_in=True)
        return users.filter(pk=user_id).first()


class _SourceBackend(LDAPBackend):  # type: ignore[misc] # the library has no types
    """django-auth-ldap's settings for one source; who is let in, as which console user."""

    def __init__(self, source: DirectorySource, record: SourceRecord) -> None:
        self.source = source
        self.key = record.key_attribute
        self.mapping = compile_mapping(source.mapping, source.disabled_expression)
        wanted = [self.key, *self.mapping.attributes]
        login = _LOGIN_FILTERS[source.kind]
        person_filter = f"(&{_literal(record.person_filter)}{login})"
        group_filter = _literal(record.group_filter)
        self.settings = LDAPSettings(
            "AUTH_LDAP_",
            {
                "USER_SEARCH": _union(record.person_bases, person_filter, wanted),
                "GROUP_SEARCH": _union(record.group_bases, group_filter, [self.key, "cn"]),
                "GROUP_TYPE": _Groups(_MEMBER_ATTRIBUTES[0]),
                "ALWAYS_UPDATE_USER": False,
            },
        )

    def get_or_build_user(self, username: str, person: _Person) -> tuple[ConsoleUser, bool]:
        """The console user of the entry, with the role that its groups give right now."""
        entry = self._entry(person)
        try:
            mapped = self.mapping.record(entry)
        except ProvisioningError as error:
            raise person.AuthenticationFailed(error.message) from error
        if mapped.disabled:
            raise person.AuthenticationFailed("disabled in the directory")
        role = self._role(person)
        if role is None:
            raise person.AuthenticationFailed("in no group that has a role")
        return self._admit(person, entry, mapped, role), False

    def _entry(self, person: _Person) -> Entry:
        raw = {
            name.lower(): [
                value if isinstance(value, bytes) else value.encode() for value in values
            ]
            for name, values in person.attrs.items()
        }
        return Entry(self._guid(person, raw), person.dn, raw)

    def _guid(self, person: _Person, attributes: dict[str, list[bytes]]) -> str:
        key = self.key.lower()
        try:
            return canonical_guid(key, attributes.get(key))
        except ValueError as error:
            raise person.AuthenticationFailed(f"{self.key} {error}") from error

    def _role(self, person: _Person) -> Role | None:
        """The best role of the groups that the person is in, directly or through other groups."""
        roles = dict(
            RoleGroup.objects.filter(source=self.source).values_list("group__guid", "role")
        )
        if not roles or self.settings.GROUP_SEARCH is None:
            return None
        held: list[Role] = []
        for _, attributes in person.groups():
            values = attributes.get(self.key, ())
            raw = [value if isinstance(value, bytes) else value.encode() for value in values]
            role = roles.get(self._guid(person, {self.key.lower(): raw}))
            held += [Role(role)] if role else []
        return highest(held)

    def _admit(
        self, person: _Person, entry: Entry, mapped: MappedPerson, role: Role
    ) -> ConsoleUser:
        login = mapped.fields["login"] or person.login
        try:
            return console_users.admit(
                source=self.source,
                guid=entry.guid,
                login=login,
                name=mapped.fields["display_name"] or login,
                role=role,
            )
        except ProvisioningError as error:
            raise person.AuthenticationFailed(error.message) from error


class _Person(_LDAPUser):  # type: ignore[misc] # the library has no types
    """Somebody who signs in: the library's steps over connections of the directory floor."""

    _connection: Any = None

    def __init__(self, source: DirectorySource, login: str, request: HttpRequest | None) -> None:
        self.login = login
        self._record = targets.pin_source(source.as_record())
        super().__init__(_SourceBackend(source, self._record), username=login, request=request)

    def authenticate(self, password: str) -> ConsoleUser | None:
        """The console user, or None where anything does not hold; the log says what."""
        try:
            self._authenticate_user_dn(password)
            user, _ = self.backend.get_or_build_user(self.login, self)
        except (self.AuthenticationFailed, ProvisioningError, ldap.LDAPError) as error:
            # A library error may quote what was sent; its class says enough.
            problem = type(error).__name__ if isinstance(error, ldap.LDAPError) else str(error)
            log.info("sign-in refused", source=self._record.name, problem=problem)
            return None
        finally:
            if self._connection is not None:
                self._connection.unbind_s()
        return user  # type: ignore[no-any-return]

    def groups(self) -> Iterable[tuple[str, dict[str, list[str | bytes]]]]:
        """The groups in the directory, with the attributes that were asked for."""
        return self._get_groups()._get_group_infos()  # type: ignore[no-any-return]

    def _bind(self) -> None:
        """Be the bind account, whichever way it signs in: a new connection is signed in already.

        The library would send what is kept as a password, which may be a keytab or a private key.
        """
        if self._connection is not None:
            self._connection.unbind_s()
            self._connection = None
        self._get_connection()
        self._connection_bound = True

    def _get_connection(self) -> Any:
        """One connection, certificate checked and every wait bounded, to the first that answers."""
        if self._connection is None:
            self._connection = _connect(self._record)
        return self._connection


class _Groups(NestedMemberDNGroupType):  # type: ignore[misc] # the library has no types
    """Nested groups by either member attribute, safe for DNs with a percent sign."""

    def find_groups_with_any_member(
        self, member_dn_set: set[str], group_search: Any, connection: Any
    ) -> Any:
        """The groups that name one of the DNs."""
        terms = (
            f"({attribute}={escape_filter_chars(dn)})"
            for dn in sorted(member_dn_set)
            for attribute in _MEMBER_ATTRIBUTES
        )
        search = group_search.search_with_additional_term_string(_literal(f"(|{''.join(terms)})"))
        return search.execute(connection)


def _connect(record: SourceRecord) -> Any:
    failures: list[ProvisioningError] = []
    for endpoint in endpoints(record):
        try:
            return open_connection(record, endpoint)
        except (Unreachable, Untrusted) as error:
            failures.append(error)
    raise Unreachable(" ".join(failure.message for failure in failures))


def _union(bases: Iterable[str], text: str, attributes: list[str]) -> Any:
    """The search below every base; None without any."""
    searches = []
    for base in map(read_base, bases):
        own = f"(&{text}{_literal(base.filter)})" if base.filter else text
        searches.append(LDAPSearch(base.dn, _SCOPES[base.scope], own, attributes))
    if len(searches) < 2:
        return next(iter(searches), None)
    return LDAPSearchUnion(*searches)


def _literal(text: str) -> str:
    """`text` for the library, which formats every filter with `%`."""
    return text.replace("%", "%%")
