"""Talking with one directory server through ldap3: a few entries at a time, with precise errors."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import ldap3
from gssapi.raw import GSSError
from ldap3.core.exceptions import (
    LDAPException,
    LDAPInvalidFilterError,
    LDAPResponseTimeoutError,
)
from ldap3.utils.conv import escape_filter_chars

from provisioning.core.errors import ProvisioningError, Unreachable
from provisioning.core.records import BindMethod, Entry, SourceRecord
from provisioning.directory import diagnosis, kerberos
from provisioning.directory.bases import Search, searches
from provisioning.directory.certificate import identity_of, require_trust, trust, unreachable
from provisioning.directory.endpoint import Endpoint, endpoints
from provisioning.directory.guid import canonical_guid

_ABOUT = (
    "namingContexts", "defaultNamingContext", "supportedControl", "supportedCapabilities",
    "supportedSASLMechanisms", "subschemaSubentry", "vendorName", "vendorVersion", "objectClass",
)  # fmt: skip
_SCOPES = {"subtree": ldap3.SUBTREE, "one": ldap3.LEVEL}
PAGED_RESULTS = "1.2.840.113556.1.4.319"
ASSERTION = "1.3.6.1.1.12"
# Where somebody is looked for by a text, whatever the directory.
_SEARCHED = ("cn", "displayName", "givenName", "sn", "mail", "uid", "sAMAccountName")

Row = tuple[str, dict[str, list[bytes]]]
Answer = TypeVar("Answer")


class Conversation:
    """A signed-in connection; its methods raise what `diagnosis` makes of a refusal."""

    def __init__(self, source: SourceRecord, connection: Any) -> None:
        self._page_size = source.page_size
        self._connection = connection

    def who_am_i(self) -> str:
        """Who the directory takes the bind account for (RFC 4532); empty if it does not say."""
        with suppress(LDAPException):
            return str(self._connection.extend.standard.who_am_i() or "")
        return ""

    def about(self) -> dict[str, list[str]]:
        """What the server says of itself (RFC 4512 section 5.1), by lower-case attribute name."""
        rows = self.look_at("", _ABOUT)
        return {
            name: [value.decode("utf-8", "replace") for value in values]
            for _, attributes in rows
            for name, values in attributes.items()
        }

    def attribute_types(self) -> list[str]:
        """The definitions of the attributes (RFC 4512 section 4.1.2); none if not shown."""
        return [
            value.decode("utf-8", "replace")
            for entry in self.about().get("subschemasubentry", [])
            for _, attributes in self.look_at(entry, ["attributeTypes"])
            for name, values in attributes.items()
            if name.startswith("attributetypes")
            for value in values
        ]

    def look_at(
        self, dn: str, attributes: Collection[str], filter_: str = "(objectClass=*)"
    ) -> list[Row]:
        """The one entry with this DN, if `filter_` matches, and its raw attributes (lower case)."""
        return self._ask(dn, filter_, attributes, search_scope=ldap3.BASE)

    def names_at(self, dn: str) -> list[str]:
        """The names of the attributes that the entry has, as the server writes them; no values."""
        rows = self._search(dn, "(objectClass=*)", ["*"], search_scope=ldap3.BASE, types_only=True)
        return [name for item in rows for name in item["raw_attributes"]]

    def search(self, asked: Search, attributes: Collection[str], *, limit: int) -> list[Row]:
        """At most `limit` of the entries that are asked for, in pages."""
        rows: list[Row] = []
        size, cookie = min(self._page_size, limit), None
        while True:
            page = {"paged_size": size, "paged_cookie": cookie}
            scope = {"search_scope": _SCOPES[asked.scope]}
            rows += self._ask(asked.dn, asked.filter, attributes, **page, **scope)
            controls = self._connection.result.get("controls", {})
            cookie = controls.get(PAGED_RESULTS, {}).get("value", {}).get("cookie")
            if not cookie or len(rows) >= limit:
                return rows[:limit]

    def modify(
        self, dn: str, changes: Mapping[str, list[Any]], assertion: bytes = b""
    ) -> tuple[int, str]:
        """Change one entry, all of it or nothing; the result code and the server's words.

        `changes` is as ldap3 takes them; `assertion` the value of the control of RFC 4528. Raises
        Unreachable where nobody knows whether it was changed.
        """
        controls = [(ASSERTION, True, assertion)] if assertion else None
        try:
            self._connection.modify(dn, dict(changes), controls=controls)
        except LDAPException as error:
            raise Unreachable(
                f"The connection broke while {dn} was written{diagnosis.said(str(error))}. What "
                "was written before stays; the next run looks whether this was."
            ) from error
        result = self._connection.result
        return int(result["result"]), str(result["message"] or "")

    def _ask(self, base: str, filter_: str, attributes: Collection[str], **more: Any) -> list[Row]:
        return [
            (item["dn"], {n.lower(): list(v) for n, v in item["raw_attributes"].items() if v})
            for item in self._search(base, filter_, attributes, **more)
        ]

    def _search(
        self, base: str, filter_: str, attributes: Collection[str], **more: Any
    ) -> list[dict[str, Any]]:
        connection = self._connection
        try:
            connection.search(base, filter_, attributes=list(attributes), **more)
        except LDAPException as error:
            raise diagnosis.search_failed(base, 0, _code(error), str(error)) from error
        result = connection.result
        if result["result"]:
            raise diagnosis.search_failed(base, 0, result["result"], result["message"] or "")
        # Search continuations point to other servers, and are never followed.
        return [item for item in connection.response if item["type"] == "searchResEntry"]


@contextmanager
def converse(
    source: SourceRecord, endpoint: Endpoint, *, writes: bool = False
) -> Iterator[Conversation]:
    """Sign in to one server; raises InvalidInput, Rejected, Untrusted or Unreachable.

    Without `writes` the connection refuses by itself to change anything.
    """
    diagnosis.require_identity(source)
    if endpoint.tls != "none":
        identity = identity_of(source)
        require_trust(endpoint, source.ca_pem, source.connect_timeout, identity)
    connection = _connection(source, endpoint, writes=writes)
    try:
        _sign_in(source, endpoint, connection)
        yield Conversation(source, connection)
    finally:
        with suppress(LDAPException, OSError):
            connection.unbind()


def find_samples(
    source: SourceRecord, attributes: Collection[str], text: str = "", *, limit: int = 5
) -> list[Entry]:
    """Some persons of the source with the named attributes, to show what a mapping makes of them.

    `text` is looked for in names, logins and mail addresses; entries without a key are left out.
    """
    return ask_first(source, lambda it: samples(source, it, attributes, text, limit))


def ask_first(source: SourceRecord, ask: Callable[[Conversation], Answer]) -> Answer:
    """What the first of the source's servers that can be reached answers."""
    failures: list[ProvisioningError] = []
    for endpoint in endpoints(source):
        try:
            with converse(source, endpoint) as conversation:
                return ask(conversation)
        except Unreachable as failure:
            failures.append(failure)
    raise Unreachable(" ".join(failure.message for failure in failures)) from failures[0]


def samples(
    source: SourceRecord,
    conversation: Conversation,
    attributes: Collection[str],
    text: str,
    limit: int,
) -> list[Entry]:
    """The same within a conversation."""
    text = text.strip()
    wanted = sorted({*attributes, source.key_attribute})
    filter_ = source.person_filter
    if text:
        escaped = escape_filter_chars(text)
        filter_ = f"(&{filter_}(|{''.join(f'({name}=*{escaped}*)' for name in _SEARCHED)}))"
    found: dict[str, Entry] = {}
    for asked in searches(source.person_bases, filter_):
        for dn, raw in conversation.search(asked, wanted, limit=limit):
            with suppress(ValueError):
                guid = canonical_guid(
                    source.key_attribute.lower(), raw.get(source.key_attribute.lower())
                )
                found.setdefault(guid, Entry(guid, dn, raw))
    return list(found.values())[:limit]


class _Tls(ldap3.Tls):
    """TLS as everywhere in this package: OpenSSL itself checks the host name."""

    def __init__(self, source: SourceRecord, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context, self._host = trust(source.ca_pem, identity_of(source)), host

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        connection.socket = self._context.wrap_socket(
            connection.socket,
            server_hostname=self._host,
            do_handshake_on_connect=do_handshake,
        )


def _answering(source: SourceRecord, endpoint: Endpoint) -> str:
    """The address to connect to: ldap3 would look the name up again."""
    try:
        with endpoint.dial(source.connect_timeout) as line:
            return str(line.getpeername()[0])
    except OSError as error:
        raise unreachable(endpoint, error) from error


def _connection(source: SourceRecord, endpoint: Endpoint, *, writes: bool) -> Any:
    server = ldap3.Server(
        _answering(source, endpoint),
        port=endpoint.port,
        use_ssl=endpoint.tls == "ldaps",
        tls=None if endpoint.tls == "none" else _Tls(source, endpoint.host),
        get_info=ldap3.NONE,
        connect_timeout=source.connect_timeout,
    )
    return ldap3.Connection(
        server,
        **_WAYS[source.bind_method](source, endpoint),
        auto_referrals=False,
        check_names=False,
        read_only=not writes,
        # Whole seconds: ldap3 packs them into an integer.
        receive_timeout=math.ceil(source.read_timeout),
    )


_WAYS: dict[BindMethod, Callable[[SourceRecord, Endpoint], dict[str, Any]]] = {
    "simple": lambda source, _: {
        "authentication": ldap3.SIMPLE,
        "user": source.bind_dn,
        "password": source.bind_secret,
    },
    "external": lambda source, _: {
        "authentication": ldap3.SASL,
        "sasl_mechanism": ldap3.EXTERNAL,
        "sasl_credentials": "",
    },
    # The host of the address, not the IP address that was dialled; the ticket comes at sign-in.
    "gssapi": lambda source, endpoint: {
        "authentication": ldap3.SASL,
        "sasl_mechanism": ldap3.KERBEROS,
        "sasl_credentials": (endpoint.host,),
    },
}


def _sign_in(source: SourceRecord, endpoint: Endpoint, connection: Any) -> None:
    try:
        connection.open()
        if endpoint.tls == "starttls":
            connection.start_tls()
        if source.bind_method == "gssapi":
            with kerberos.ticket(source) as credentials:
                connection.sasl_credentials = (endpoint.host, None, credentials)
                connection.bind()
        else:
            connection.bind()
    except GSSError as error:
        raise kerberos.refused(source, kerberos.words_of(error)) from error
    except LDAPException as error:
        raise Unreachable(
            f"{endpoint.uri} was connected but signing in failed"
            f"{diagnosis.said(str(error))}. Nothing was changed."
        ) from error
    result = connection.result
    if result["result"]:
        raise diagnosis.bind_refused(source, result["result"], result["message"] or "")


def _code(error: LDAPException) -> int:
    if isinstance(error, LDAPInvalidFilterError):
        return diagnosis.BAD_FILTER
    # ldap3 raises a general receive error for a time-out of the socket.
    late = isinstance(error, LDAPResponseTimeoutError) or "timed out" in str(error)
    return diagnosis.TIMED_OUT if late else -1
