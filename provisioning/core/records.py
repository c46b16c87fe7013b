"""Records: frozen values that cross the floors; no floor hands another its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from provisioning.core.sip import Digests

TlsMode = Literal["ldaps", "starttls", "none"]
BindMethod = Literal["simple", "gssapi", "external"]
Transport = Literal["tls", "tcp", "udp"]
Dialect = Literal["mysql", "postgresql", "sqlite"]


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """How to reach and read one directory.

    `uris` are tried in order (ldap:// or ldaps://); `ca_pem` empty means the system's authorities;
    time-outs are seconds; `key_attribute` is objectGUID or entryUUID. `addresses`, where given, are
    the only ones that each host of `uris` is reached at: none for a host that is not there.
    `bind_secret` is by `bind_method` a password, a keytab in base64 for the principal `bind_dn`, or
    the private key (PEM) of `client_certificate`. Bases may have a scope and a filter of their own:
    `directory.bases` reads them.
    """

    name: str
    uris: tuple[str, ...]
    tls: TlsMode
    ca_pem: str
    bind_dn: str
    bind_secret: str = field(repr=False)
    person_bases: tuple[str, ...]
    person_filter: str
    group_bases: tuple[str, ...]
    group_filter: str
    key_attribute: str
    page_size: int = 1000
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    addresses: Mapping[str, tuple[str, ...]] | None = None
    bind_method: BindMethod = "simple"
    client_certificate: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory entry: key (canonical lower-case UUID text), DN, attributes.

    `attributes` maps a lower-case name to its raw values.
    """

    guid: str
    dn: str
    attributes: dict[str, list[bytes]]


# The fields that a source's attribute map fills, in the order of the forms.
PERSON_FIELDS = (
    "login", "display_name", "given_name", "surname", "mail", "phone", "mobile", "title",
    "department", "office", "country", "employee_id", "sip_address", "extension", "custom",
    "manager", "kind", "expires_at",
)  # fmt: skip
# What is told apart of a person besides, yes or no.
PERSON_FLAGS = ("disabled", "locked_out", "must_change_password")

# Kinds of accounts that an entry may stand for; `kind` holds one of them.
KINDS = ("person", "room", "common-area phone", "contractor", "service")
# What `kind` is of an entry that shall not be read at all.
LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class StoreRecord:
    """A configuration store: the database in which SIP servers read what the console writes.

    `database` is a database name, or for SQLite the path of a file, already checked to be below the
    allowed folder. `addresses`, where given, are the only ones that `host` is reached at. Where it
    is `served`, SIP servers do not read it themselves: they ask the console. `algorithm` says which
    digests its servers verify.
    """

    name: str
    driver: str
    dialect: Dialect
    host: str
    port: int
    database: str
    user: str
    secret: str = field(repr=False)
    tls: bool
    ca_pem: str
    connect_timeout: float = 3.0
    statement_timeout: float = 10.0
    addresses: tuple[str, ...] = ()
    served: bool = False
    algorithm: Digests = "MD5"


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """How the console talks to one SIP server.

    `rpc_url` is http(s)://host:port/RPC; `addresses`, where given, are the only ones that its host
    is reached at.
    """

    name: str
    driver: str
    rpc_url: str
    rpc_secret: str = field(repr=False)
    ca_pem: str
    connect_timeout: float = 3.0
    total_timeout: float = 10.0
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listener:
    """Where clients reach a SIP server: host, port, transport."""

    host: str
    port: int
    transport: Transport

    @property
    def named(self) -> str:
        """As messages call it."""
        return f"{self.host}:{self.port} ({self.transport.upper()})"


@dataclass(frozen=True, slots=True)
class Registration:
    """One live contact of an address-of-record; `expires_at` and `since` in Unix seconds or 0.

    `since` is when it was last refreshed, `received` where it really comes from. `key` tells it
    from all others of its store and stays while it is refreshed; `socket` is the server's own
    address that it came in at (transport:host:port). Both are empty where that is not known.
    """

    aor: str
    contact: str
    user_agent: str
    transport: str
    expires_at: int
    since: int
    received: str = ""
    key: str = ""
    socket: str = ""


@dataclass(frozen=True, slots=True)
class Presence:
    """What one client of an address-of-record published (RFC 3863, 4480).

    `activity` is one word such as "away"; `until` in Unix seconds or 0.
    """

    aor: str
    open: bool
    activity: str
    note: str
    until: int


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """What a SIP server says of itself; what it does not say is None.

    `latency_ms` of the answered request; `memory_percent` of the memory that its processes share;
    `connections` are those of clients, over TCP and TLS.
    """

    version: str
    uptime_seconds: int
    latency_ms: float
    registrations: int | None
    details: dict[str, str] = field(default_factory=dict)
    memory_percent: float | None = None
    connections: int | None = None
