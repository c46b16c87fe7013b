"""What the lab's directory servers have in common: somebody changes them as their administrator."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

import ldap
from ldap.dn import dn2str, str2dn
from ldap.ldapobject import LDAPObject

from lab.process import Counterpart

Attributes = Mapping[str, Iterable[str | bytes]]
NETWORK_TIMEOUT, ANSWER_TIMEOUT = 10, 60


class Session:
    """A connection that is bound on entry and closed on exit.

    Raises ldap.INVALID_CREDENTIALS for a wrong password, ldap.SERVER_DOWN for no server.
    """

    def __init__(self, uri: str, dn: str, password: str, *, ca_file: Path | None = None) -> None:
        self._uri, self._dn, self._password, self._ca_file = uri, dn, password, ca_file

    def __enter__(self) -> LDAPObject:
        self._connection = connection = ldap.initialize(self._uri)
        connection.set_option(ldap.OPT_REFERRALS, 0)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, NETWORK_TIMEOUT)
        connection.set_option(ldap.OPT_TIMEOUT, ANSWER_TIMEOUT)
        if self._ca_file is not None:
            connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(self._ca_file))
            connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
            connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        try:
            connection.simple_bind_s(self._dn, self._password)
        except ldap.LDAPError:
            connection.unbind_s()
            raise
        return connection

    def __exit__(self, *_: object) -> None:
        self._connection.unbind_s()


class DirectoryServer(Counterpart):
    """An LDAP server whose entries the tests change; every DN is a string as in RFC 4514."""

    @abstractmethod
    def administer(self) -> Session:
        """A connection bound as somebody with every right."""

    @abstractmethod
    def disable(self, dn: str) -> None:
        """Keeps a person from signing in, as this directory's administrators do."""

    @abstractmethod
    def enable(self, dn: str) -> None: ...

    def add(self, dn: str, attributes: Attributes) -> None:
        entry = [(name, encoded(values)) for name, values in attributes.items()]
        with self.administer() as connection:
            connection.add_s(dn, [(name, values) for name, values in entry if values])

    def modify(self, dn: str, attributes: Attributes) -> None:
        """Replaces the values of each attribute; no values remove it."""
        with self.administer() as connection:
            connection.modify_s(
                dn,
                [(ldap.MOD_REPLACE, name, encoded(values)) for name, values in attributes.items()],
            )

    def add_members(self, group: str, *members: str) -> None:
        with self.administer() as connection:
            connection.modify_s(group, [(ldap.MOD_ADD, "member", encoded(members))])

    def remove_members(self, group: str, *members: str) -> None:
        with self.administer() as connection:
            connection.modify_s(group, [(ldap.MOD_DELETE, "member", encoded(members))])

    def rename(self, dn: str, rdn: str) -> str:
        """Gives an entry another name in its place; returns its new DN."""
        with self.administer() as connection:
            connection.rename_s(dn, rdn)
        return f"{rdn},{dn2str(str2dn(dn)[1:])}"

    def move(self, dn: str, parent: str) -> str:
        """Moves an entry below another one; returns its new DN."""
        rdn = dn2str(str2dn(dn)[:1])
        with self.administer() as connection:
            connection.rename_s(dn, rdn, parent)
        return f"{rdn},{parent}"

    def delete(self, dn: str) -> None:
        with self.administer() as connection:
            connection.delete_s(dn)


def encoded(values: Iterable[str | bytes]) -> list[bytes]:
    return [value.encode() if isinstance(value, str) else value for value in values]
